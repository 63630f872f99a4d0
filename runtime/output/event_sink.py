"""Events as JSON Lines while the video plays: what `events.EventStream` makes of each record, on disk before the next
one.

In: records. Out: one file; the events of a clip are appended together and end with its "clip" event. Open it before
the sink of the captions file: after kill -9 a clip whose caption was not written is described again, and its events,
which are there, are not written a second time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from edgecap.engines.errors import OutputError
from edgecap.runtime.data.record import ClipKey, FailedVideo, Record
from edgecap.runtime.output.events import EventStream
from edgecap.runtime.output.files import writing
from edgecap.runtime.output.row import video_name

_ENDS = ("clip", "failed")


class EventSink:
    """Writes events to `path` (None writes nothing). `resumed`: go on from the events that are there; else the file is
    restarted, and one that is there is kept as `<name>.previous.jsonl`.
    """

    def __init__(self, path: str | Path | None, *, root: Path | None = None, resumed: bool = False) -> None:
        self.path = None if path is None else Path(path)
        self._root, self._resumed = root, resumed
        self._stream = EventStream(root=root)
        self._clips: set[ClipKey] = set()
        self._failures: set[tuple[str, str]] = set()
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        """Open the file and take in what an earlier run left. Raises `OutputError`."""
        if self.path is not None:
            with writing(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._open(self.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def write(self, record: Record) -> None:
        """Append the events of one window, unless they are in the file; they are on the disk when this returns."""
        video = video_name(record.video.path, root=self._root)
        if self.path is not None and (video, record.window.clip_index) not in self._clips:
            self._append(self._stream.of_record(record))

    def fail(self, failed: FailedVideo) -> None:
        """Append the events of a video that failed, unless it is in the file already."""
        video = video_name(failed.path, root=self._root)
        if self.path is not None and (video, failed.error) not in self._failures:
            self._append(self._stream.of_failure(failed))

    def _open(self, path: Path) -> BinaryIO:
        if not self._resumed:
            if path.exists() and path.stat().st_size:
                path.replace(path.with_suffix(f".previous{path.suffix}"))
            return path.open("wb")
        file = path.open("ab+")
        try:
            self._take_in(file, path)
        except BaseException:
            file.close()
            raise
        return file

    def _append(self, events: Iterable[dict[str, Any]]) -> None:
        if self._file is None or self.path is None:
            raise OutputError(f"{self.path}: the sink is closed; write inside its with block")
        lines = [json.dumps(event, ensure_ascii=False, allow_nan=False) for event in events]
        with writing(self.path):
            self._file.write("".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
            self._file.flush()
            os.fsync(self._file.fileno())

    def _take_in(self, file: BinaryIO, path: Path) -> None:
        """Replay whole clips; what follows the last of them (a group cut short) is removed."""
        file.seek(0)
        group: list[dict[str, Any]] = []
        whole = at = 0
        for number, line in enumerate(file, 1):
            at += len(line)
            if not line.endswith(b"\n"):
                break
            group.append(_event(line, number, path))
            if group[-1]["event"] in _ENDS:
                self._replay(group, number, path)
                group, whole = [], at
        file.truncate(whole)
        file.seek(0, os.SEEK_END)

    def _replay(self, group: list[dict[str, Any]], number: int, path: Path) -> None:
        try:
            for event in group:
                self._stream.replay(event)
            last = group[-1]
            if last["event"] == "clip":
                self._clips.add((last["video"], int(last["clip"])))
            else:
                self._failures.add((last["video"], last["error"]))
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise _strange(path, number) from error


def _event(line: bytes, number: int, path: Path) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _strange(path, number) from error
    if not isinstance(event, dict) or "event" not in event:
        raise _strange(path, number)
    return event


def _strange(path: Path, number: int) -> OutputError:
    return OutputError(
        f"{path}: line {number} is no event of edgecap; choose another --out, or remove that file to start over"
    )
