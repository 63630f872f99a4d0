"""InstanceCap JSON Lines: one row per window, on disk before the next one begins.

In: records. Out: a file that survives kill -9 with every row it ever reported.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from edgecap.engines.errors import OutputError
from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.output.files import writing
from edgecap.runtime.output.row import failed_to_json, record_to_json

_CHUNK = 1 << 16


class JsonLinesSink:
    """Appends rows. `path` None writes nothing; `root`: see `record_to_json`.

    A last line that was cut short (kill -9, power) is removed on opening; everything before it stays.
    `known_failures`: (Video, error, message) of error rows that are in the file: they are not written again.
    """

    def __init__(
        self,
        path: str | Path | None,
        *,
        root: Path | None = None,
        known_failures: Collection[tuple[str, str, str]] = frozenset(),
    ) -> None:
        self._known_failures = known_failures
        self.path = None if path is None else Path(path)
        self._root = root
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

    def write(self, record: Record) -> None:
        """Append one window; it is on the disk when this returns."""
        if self.path is not None:
            self._append(record_to_json(record, root=self._root))

    def fail(self, failed: FailedVideo) -> None:
        """Append the row of a video that failed, unless it is in the file already."""
        if self.path is None:
            return
        row = failed_to_json(failed, root=self._root)
        if (row["Video"], row["meta"]["error"], row["meta"]["message"]) not in self._known_failures:
            self._append(row)

    def _append(self, row: dict[str, Any]) -> None:
        if self._file is None or self.path is None:
            raise OutputError(f"{self.path}: the sink is closed; write inside its with block")
        line = json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(", ", ": "))
        with writing(self.path):
            self._file.write(line.encode("utf-8", "replace") + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())


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
