"""Events as JSON Lines while the video plays: what `events.EventStream` makes of each record, on disk before the next
one.

In: records. Out: one file; the events of a clip are appended together and end with its "clip" event. Open it before
the sink of the captions file: after kill -9 a clip whose caption was not written is described again, and its events,
which are there, are not written a second time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from edgecap.engines.errors import OutputError
from edgecap.runtime.data.record import ClipKey, FailedVideo, Record
from edgecap.runtime.output.events import EventStream
from edgecap.runtime.output.files import writing
from edgecap.runtime.output.jsonl import JsonLinesFile, keep_as_previous, whole_lines
from edgecap.runtime.output.row import video_name

_ENDS = ("clip", "failed")


class EventSink(JsonLinesFile):
    """Writes events to `path` (None writes nothing). `resumed`: continue from the events in the file; else the file is
    restarted, and an earlier one is kept as `<name>.previous.jsonl`.
    """

    def __init__(self, path: str | Path | None, *, root: Path | None = None, resumed: bool = False) -> None:
        super().__init__(path)
        self._root, self._resumed = root, resumed
        self._stream = EventStream(root=root)
        self._clips: set[ClipKey] = set()
        self._failures: set[tuple[str, str]] = set()

    def __enter__(self) -> Self:
        """Open the file and replay what an earlier run left. Raises `OutputError`."""
        if self.path is not None and self._resumed:
            self._replay(self.path)
        elif self.path is not None:
            keep_as_previous(self.path)
        return super().__enter__()

    def write(self, record: Record) -> None:
        """Append the events of one window, unless they are in the file; they are on the disk when this returns."""
        video = video_name(record.video.path, root=self._root)
        if self.path is not None and (video, record.window.clip_index) not in self._clips:
            self.append(*self._stream.of_record(record))

    def fail(self, failed: FailedVideo) -> None:
        """Append the events of a video that failed, unless it is in the file already."""
        video = video_name(failed.path, root=self._root)
        if self.path is not None and (video, failed.error) not in self._failures:
            self.append(*self._stream.of_failure(failed))

    def _replay(self, path: Path) -> None:
        """Replay whole clips; what follows the last of them (a group cut short) is removed."""
        group: list[dict[str, Any]] = []
        whole = at = 0
        for number, line in enumerate(whole_lines(path), 1):
            at += len(line) + 1
            try:
                group.append(json.loads(line))
                if group[-1]["event"] in _ENDS:
                    self._replay_group(group)
                    group, whole = [], at
            except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
                raise OutputError(
                    f"{path}: line {number} is not an event of edgecap; choose another --out, or remove that file to "
                    "start over"
                ) from error
        if path.exists():
            with writing(path):
                os.truncate(path, whole)

    def _replay_group(self, group: Sequence[dict[str, Any]]) -> None:
        for event in group:
            self._stream.replay(event)
        last = group[-1]
        if last["event"] == "clip":
            self._clips.add((last["video"], int(last["clip"])))
        else:
            self._failures.add((last["video"], last["error"]))
