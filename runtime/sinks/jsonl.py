"""InstanceCap JSON Lines: one row per window, on disk before the next one begins.

In: records. Out: a file that survives kill -9 with every row it ever reported. Called by `pipeline` through
the sink protocol, and by the command line to learn what an earlier run has done.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from edgecap.engines.errors import OutputError
from edgecap.runtime.record import FailedVideo, Record
from edgecap.runtime.record_json import failed_to_json, record_to_json, video_name
from edgecap.runtime.sinks.output import writing

ClipKey = tuple[str, int]
_CHUNK = 1 << 16


class JsonLinesSink:
    """Appends rows. `path` None writes nothing; `root`: see `record_to_json`.

    A last line that was cut short (kill -9, power) is removed on opening; everything before it stays.
    """

    def __init__(self, path: str | Path | None, *, root: Path | None = None) -> None:
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
        """Append the row of a video that failed."""
        if self.path is not None:
            self._append(failed_to_json(failed, root=self._root))

    def _append(self, row: dict[str, Any]) -> None:
        if self._file is None or self.path is None:
            raise OutputError(f"{self.path}: the sink is closed; write inside its with block")
        line = json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(", ", ": "))
        with writing(self.path):
            self._file.write(line.encode("utf-8", "replace") + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())


def clips_done(path: str | Path) -> set[ClipKey]:
    """(Video, clip index) of every complete row of an earlier run; none for a file that is not there.

    A broken last line counts as not done. Raises `OutputError` for any other line that is no row of ours.
    """
    path = Path(path)
    if not path.exists():
        return set()
    with writing(path):
        lines = path.read_bytes().split(b"\n")[:-1]  # after the last newline: nothing, or a line cut short
    done: set[ClipKey] = set()
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            meta = row["meta"]
            if meta["status"] == "ok":
                done.add((row["Video"], int(meta["clip"])))
        except (ValueError, KeyError, TypeError) as error:
            raise OutputError(
                f"{path}: line {number} is no row of edgecap ({type(error).__name__}); choose "
                f"another --out, or "
                "remove that line to resume"
            ) from error
    return done


def skip_keys(done: Iterable[ClipKey], paths: Iterable[str | Path], *, root: Path | None) -> set[ClipKey]:
    """`done` with each "Video" replaced by the input path it stands for, as `Pipeline.run(skip=...)` wants
    it.

    A name that two inputs share is skipped for neither: it can't be told whose rows they are.
    """
    names = {str(path): video_name(str(path), root=root) for path in paths}
    owners = Counter(names.values())
    done = set(done)
    return {(path, clip) for path, name in names.items() if owners[name] == 1 for video, clip in done if video == name}


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
