"""An hour of video through the pipeline of `edgecap caption`: what grows with every minute, and what stays flat.

In: a pipeline and videos. Out: `SoakReport`, one row per minute of video and a verdict per measure.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from edgecap.bench.robust.process_state import ProcessState, check_process_files, read_process_state
from edgecap.bench.robust.trend import Trend, trends_of
from edgecap.engines.errors import UsageError
from edgecap.engines.graph.device import probe_device
from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.output.event_sink import EventSink
from edgecap.runtime.output.jsonl import JsonLinesSink
from edgecap.runtime.output.pictures.report import HtmlReportSink
from edgecap.runtime.output.srt import SrtSink
from edgecap.runtime.pipeline.pipeline import Pipeline
from edgecap.runtime.pipeline.write import Sink


@dataclass(frozen=True, slots=True)
class SoakMinute:
    """The most that the process held within a minute of video, looked at after every clip: a minute of looped footage
    is like any other then, wherever its clips begin."""

    minute: int
    """1 for the first minute of the run, over all files."""
    wall_seconds: float
    """Since the run began."""
    rss_mb: float
    threads: int
    handles: int
    tracks_alive: int
    frames_alive: int
    ids_given: int
    """Track ids of all files so far: the highest of each, summed."""


@dataclass(frozen=True, slots=True)
class SoakReport:
    """`flat`: whether every measure is. Times in seconds."""

    machine: str
    used: dict[str, str]
    files: int
    fps: int
    size_wh: tuple[int, int]
    video_seconds: float
    wall_seconds: float
    clips: int
    instances: int
    warm_minutes: int
    flat: bool
    trends: tuple[Trend, ...]
    minutes: tuple[SoakMinute, ...]


class _Watch:
    """A sink that looks at the process after every clip and sums up each minute of video."""

    def __init__(self, on_minute: Callable[[SoakMinute], None]) -> None:
        self._on_minute, self._begun = on_minute, time.perf_counter()
        self._path, self._earlier_seconds, self._end_seconds = "", 0.0, 0.0
        self._earlier_ids, self._highest_id = 0, 0
        self._states: list[ProcessState] = []
        self.minutes: list[SoakMinute] = []
        self.size_wh = (0, 0)
        self.used: dict[str, str] = {}

    def write(self, record: Record) -> None:
        if record.video.path != self._path:
            self._path, self.size_wh, self.used = record.video.path, record.video.size_wh, dict(record.used)
            self._earlier_seconds += self._end_seconds
            self._earlier_ids += self._highest_id
            self._highest_id = 0
        self._end_seconds = record.window.end_seconds
        ids = [i.track_id for observation in record.window.observations for i in observation.instances]
        self._highest_id = max([self._highest_id, *ids])
        self._states.append(read_process_state())
        if self._earlier_seconds + self._end_seconds >= 60 * (len(self.minutes) + 1):
            self._end_minute()

    def fail(self, failed: FailedVideo) -> None:
        """`RunSummary.raise_for_failures` reports it."""

    def _end_minute(self) -> None:
        rows = [asdict(state) for state in self._states]
        self._states = []
        self.minutes.append(
            SoakMinute(
                minute=len(self.minutes) + 1,
                wall_seconds=round(time.perf_counter() - self._begun, 2),
                ids_given=self._earlier_ids + self._highest_id,
                **{name: max(row[name] for row in rows) for name in rows[0]},
            )
        )
        self._on_minute(self.minutes[-1])


def check_soak(*, minutes: float, warm_minutes: int) -> None:
    """Raise UsageError where too few minutes would be left to compare, and where the system has no /proc."""
    check_process_files()
    if warm_minutes < 0 or minutes - warm_minutes < 3:
        raise UsageError(
            f"a soak compares minutes after the warm-up: it needs at least 3 of them, and a warm-up of at least 0; "
            f"got {minutes:g} minutes with {warm_minutes} of warm-up"
        )


def measure_soak(
    pipeline: Pipeline,
    videos: Sequence[Path],
    folder: Path,
    *,
    fps: int,
    warm_minutes: int,
    on_minute: Callable[[SoakMinute], None] = lambda minute: None,
) -> SoakReport:
    """Caption `videos` into `folder` with the sinks of a whole run: rows, events, subtitles and the report.

    `warm_minutes`: of video, not compared. Raises a video's own error, KeyboardInterrupt, OutputError, and UsageError
    as `check_soak` does.
    """
    watch = _Watch(on_minute)
    with ExitStack() as stack:
        sinks: list[Sink] = [
            stack.enter_context(EventSink(folder / "events.jsonl")),
            stack.enter_context(JsonLinesSink(folder / "captions.jsonl")),
            stack.enter_context(HtmlReportSink(folder / "report.html")),
            stack.enter_context(SrtSink(folder, inputs=videos)),
        ]
        summary = pipeline.run(videos, [*sinks, watch])
    summary.raise_for_failures()
    check_soak(minutes=len(watch.minutes), warm_minutes=warm_minutes)
    trends = trends_of([asdict(minute) for minute in watch.minutes[warm_minutes:]])
    return SoakReport(
        machine=probe_device().machine_line(),
        used=watch.used,
        files=len(videos),
        fps=fps,
        size_wh=watch.size_wh,
        video_seconds=summary.video_seconds,
        wall_seconds=round(summary.wall_seconds, 1),
        clips=summary.clips,
        instances=summary.instances,
        warm_minutes=warm_minutes,
        flat=all(trend.flat for trend in trends),
        trends=trends,
        minutes=tuple(watch.minutes),
    )
