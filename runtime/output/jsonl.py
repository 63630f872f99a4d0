"""JSON Lines: rows appended one by one, each on the disk before the next one begins, and an end cut short repaired.

In: JSON objects; records. Out: a file that survives kill -9 with every row it ever reported.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from edgecap.engines.errors import OutputError
from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.output.files import writing
from edgecap.runtime.output.row import failed_to_json, record_to_json

_CHUNK = 1 << 16


def whole_lines(path: Path) -> list[bytes]:
    """The lines that end in a newline, without it; a last one cut short (kill -9, power) is left out.

    A file that does not exist has none. Raises `OutputError`.
    """
    if not path.exists():
        return []
    with writing(path):
        return path.read_bytes().split(b"\n")[:-1]


def keep_as_previous(path: Path) -> None:
    """Rename an earlier run's file, unless it is empty, to NAME.previous.jsonl. Raises `OutputError`."""
    with writing(path):
        if path.exists() and path.stat().st_size:
            path.replace(path.with_suffix(f".previous{path.suffix}"))


class JsonLinesFile:
    """Appends JSON objects to `path` inside a with block; `path` None writes nothing.

    A last line that was cut short is removed on opening; everything before it stays.
    """

    def __init__(self, path: str | Path | None) -> None:
        self.path = None if path is None else Path(path)
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        """Open for appending. Raises `OutputError`."""
        if self.path is not None:
            with writing(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("ab+")
                _cut_partial_line(self._file)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def append(self, *rows: Mapping[str, Any]) -> None:
        """Add `rows`, one a line, in one write; they are on the disk when this returns.

        Raises `OutputError` outside the with block or where the disk fails, ValueError for NaN and infinity.
        """
        if self.path is None:
            return
        if self._file is None:
            raise OutputError(f"{self.path}: the sink is closed; write inside its with block")
        text = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
        with writing(self.path):
            self._file.write(text.encode("utf-8", "replace"))
            self._file.flush()
            os.fsync(self._file.fileno())


class JsonLinesSink(JsonLinesFile):
    """One row per window. `root`: see `record_to_json`.

    `known_failures`: (Video, error, message) of error rows that are in the file: they are not written again.
    """

    def __init__(
        self,
        path: str | Path | None,
        *,
        root: Path | None = None,
        known_failures: Collection[tuple[str, str, str]] = frozenset(),
    ) -> None:
        super().__init__(path)
        self._root, self._known_failures = root, known_failures

    def write(self, record: Record) -> None:
        """Append one window; it is on the disk when this returns."""
        if self.path is not None:
            self.append(record_to_json(record, root=self._root))

    def fail(self, failed: FailedVideo) -> None:
        """Append the row of a video that failed, unless it is in the file already."""
        row = failed_to_json(failed, root=self._root)
        if (row["Video"], row["meta"]["error"], row["meta"]["message"]) not in self._known_failures:
            self.append(row)


def _cut_partial_line(file: BinaryIO) -> None:
    """Truncate to just after the last newline (reading back in blocks: the file may be long)."""
    end = at = file.seek(0, os.SEEK_END)
    while at > 0:
        start = max(0, at - _CHUNK)
        file.seek(start)
        newline = file.read(at - start).rfind(b"\n")
        if newline >= 0:
            at = start + newline + 1
            break
        at = start
    if at != end:
        file.truncate(at)
        file.seek(0, os.SEEK_END)
