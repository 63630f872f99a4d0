"""JSON Lines: rows appended one by one, each on the disk before the next one begins, and an end cut short repaired.

In: JSON objects; records. Out: a file that survives kill -9 with every row it ever reported.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from edgecap.engines.errors import OutputError
from edgecap.engines.files import write_whole
from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.english import escaped
from edgecap.runtime.output.files import ADVICE, whole_lines, writing
from edgecap.runtime.output.resume import EarlierRun, key_of
from edgecap.runtime.output.row import failed_to_json, record_to_json

_CHUNK = 1 << 16


def json_line(row: Mapping[str, Any]) -> str:
    """A row as one line of JSON that does nothing to the terminal it is shown on: control characters, line separators
    and what reverses the direction of text are escaped. ValueError for NaN and infinity."""
    return escaped(json.dumps(row, ensure_ascii=False, allow_nan=False))


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

    def rewrite(self, keep: Callable[[dict[str, Any]], bool], *rows: Mapping[str, Any]) -> None:
        """Replace the file whole by those of its rows that `keep` accepts, and `rows` behind them. Raises as
        `append`."""
        if self.path is None:
            return
        kept = [line for line in whole_lines(self.path) if keep(json.loads(line))]
        self.__exit__(None, None, None)
        write_whole(self.path, b"".join(line + b"\n" for line in [*kept, *map(_line, rows)]), advice=ADVICE)
        with writing(self.path):
            self._file = self.path.open("ab+")

    def append(self, *rows: Mapping[str, Any]) -> None:
        """Add `rows`, one a line, in one write; they are on the disk when this returns.

        Raises `OutputError` outside the with block or where the disk fails, ValueError for NaN and infinity.
        """
        if self.path is None:
            return
        if self._file is None:
            raise OutputError(f"{self.path}: the sink is closed; write inside its with block")
        data = b"".join(_line(row) + b"\n" for row in rows)
        end = self._file.seek(0, os.SEEK_END)
        with writing(self.path):
            try:
                self._file.write(data)
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError:
                self._undo(end)
                raise

    def _undo(self, end: int) -> None:
        """Cut a part of a row off, so that a later one does not stand behind it."""
        assert self.path is not None and self._file is not None
        with suppress(OSError):
            self._file.close()  # it tries to write what it still has
        with suppress(OSError):
            os.truncate(self.path, end)
        self._file = self.path.open("ab+")


class JsonLinesSink(JsonLinesFile):
    """One row per window. `root`: see `record_to_json`.

    `earlier`: rows that are in the file: error rows are not written again, and a window replaces those rows of its
    video which overlap it.
    """

    def __init__(self, path: str | Path | None, *, root: Path | None = None, earlier: EarlierRun | None = None) -> None:
        super().__init__(path)
        self._root = root
        self._known_failures = earlier.failure_texts if earlier else frozenset()
        self._there = list(earlier.clips) if earlier else []

    def write(self, record: Record) -> None:
        """Append one window; it is on the disk when this returns."""
        if self.path is None:
            return
        row = record_to_json(record, root=self._root)
        stale = [clip for clip in self._there if clip.video == row["Video"] and clip.is_replaced_by(record)]
        if not stale:
            self.append(row)
            return
        keys = {clip.key for clip in stale}
        self.rewrite(lambda old: old["meta"]["status"] != "ok" or key_of(old) not in keys, row)
        self._there = [clip for clip in self._there if clip.key not in keys]

    def fail(self, failed: FailedVideo) -> None:
        """Append the row of a video that failed, unless it is in the file already."""
        row = failed_to_json(failed, root=self._root)
        if (row["Video"], row["meta"]["error"], row["meta"]["message"]) not in self._known_failures:
            self.append(row)


def _line(row: Mapping[str, Any]) -> bytes:
    return json_line(row).encode("utf-8", "replace")


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
