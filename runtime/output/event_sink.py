"""Events as JSON Lines while the video plays: what `events.EventStream` makes of each record, on disk before the next
one.

In: records. Out: one file; the events of a clip are appended together and end with its "clip" event. Open it before
the sink of the captions file: after kill -9 a clip whose caption was not written is described again, and its events,
which are there, are not written a second time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from edgecap.engines.errors import OutputError
from edgecap.engines.files import write_whole
from edgecap.runtime.data.record import SAME_TIME_SECONDS, ClipKey, FailedVideo, Interval, Record
from edgecap.runtime.output.events import EventStream
from edgecap.runtime.output.files import ADVICE, whole_lines
from edgecap.runtime.output.jsonl import JsonLinesFile, json_line, keep_as_previous
from edgecap.runtime.output.resume import EarlierRun
from edgecap.runtime.output.row import video_name

_ENDS = ("clip", "failed")


class EventSink(JsonLinesFile):
    """Writes events to `path` (None writes nothing). `earlier`: a run to continue: from the events in the file that
    hold; else the file is restarted, and an earlier one is kept as `<name>.previous.jsonl`.
    """

    def __init__(self, path: str | Path | None, *, root: Path | None = None, earlier: EarlierRun | None = None) -> None:
        super().__init__(path)
        self._root, self._earlier = root, earlier
        self._stream = EventStream(root=root)
        self._clips: dict[ClipKey, Interval] = {}
        self._failures: set[tuple[str, str]] = set()

    def __enter__(self) -> Self:
        """Open the file and replay what an earlier run left. Raises `OutputError`."""
        if self.path is not None and self._earlier is not None:
            self._replay(self.path, self._earlier)
        elif self.path is not None:
            keep_as_previous(self.path)
        return super().__enter__()

    def write(self, record: Record) -> None:
        """Append the events of one window, unless they are in the file; they are on the disk when this returns."""
        video, window = video_name(record.video.path, root=self._root), record.window
        start, end = self._clips.get((video, window.clip_index), (math.inf, math.inf))
        there = max(abs(start - window.start_seconds), abs(end - window.end_seconds)) <= SAME_TIME_SECONDS
        if self.path is not None and not there:
            self.append(*self._stream.of_record(record))

    def fail(self, failed: FailedVideo) -> None:
        """Append the events of a video that failed, unless it is in the file already."""
        video = video_name(failed.path, root=self._root)
        if self.path is not None and (video, failed.error) not in self._failures:
            self.append(*self._stream.of_failure(failed))

    def _replay(self, path: Path, earlier: EarlierRun) -> None:
        """Replay whole clips that hold; the others, and what follows the last of them (a group cut short), are
        removed."""
        group: list[dict[str, Any]] = []
        kept: list[dict[str, Any]] = []
        lines = whole_lines(path)
        for number, line in enumerate(lines, 1):
            try:
                event = json.loads(line)
                event["video"] = earlier.new_names.get(event["video"], event["video"])
                group.append(event)
                if event["event"] in _ENDS:
                    if _holds(event, earlier):
                        self._replay_group(group)
                        kept += group
                    group = []
            except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
                raise OutputError(
                    f"{path}: line {number} is not an event of edgecap; choose another --out, or remove that file to "
                    "start over"
                ) from error
        if path.exists() and (len(kept) < len(lines) or earlier.new_names):
            write_whole(path, "".join(f"{json_line(event)}\n" for event in kept), advice=ADVICE)

    def _replay_group(self, group: Sequence[dict[str, Any]]) -> None:
        for event in group:
            self._stream.replay(event)
        last = group[-1]
        if last["event"] == "clip":
            self._clips[last["video"], int(last["clip"])] = last["pts_start_seconds"], last["pts_end_seconds"]
        else:
            self._failures.add((last["video"], last["error"]))


def _holds(last: Mapping[str, Any], earlier: EarlierRun) -> bool:
    """Whether a group with this last event is of a clip whose row holds, or of a failure whose row does."""
    again = earlier.begins_again.get(last["video"], math.inf)
    return bool(last["clip"] < again) if last["event"] == "clip" else again == math.inf
