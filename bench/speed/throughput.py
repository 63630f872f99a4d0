"""How fast the pipeline is, serial against overlapped, in one process on one clip.

Both runs use the same models, the same stages and the same video, alternating, so that other load on the
machine affects both. Busy times are taken from the serial runs: under overlap a stage that waits for a core
looks busy.
"""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgecap.engines.errors import InputError
from edgecap.engines.graph.device import probe_device
from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.pipeline.pipeline import Pipeline
from edgecap.runtime.pipeline.stage_clock import StageTimes
from edgecap.runtime.pipeline.summary import RunSummary


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage: busy milliseconds per item, serial and overlapped, and its share of the serial busy time
    (0-1).
    """

    name: str
    items: int
    p50_ms: float
    p95_ms: float
    overlapped_p50_ms: float
    overlapped_p95_ms: float
    busy_seconds: float
    share: float


@dataclass(frozen=True, slots=True)
class ThroughputReport:
    """Medians over the repeats unless said otherwise.

    `overlap_efficiency`: (serial busy sum - overlapped wall) / (serial busy sum - longest stage); 1 = the
    longest stage hides all others, 0 = no gain, below 0 = overlapping costs. `times_real_time`: video seconds
    per wall second. `decoded_fps`: source frames, `analysed_fps`: sampled frames, per wall second of the
    overlapped run. `tokens_per_second`: generated tokens per second of describe (serial).
    `cpu_seconds_per_video_second`: CPU time of the serial run, which other jobs on the machine do not
    stretch. `load_average`: of the minute before the first run (0 is an idle machine). `part_seconds`: busy
    seconds by part of a stage (detect, segment...), one serial run. `peak_rss_mb`: of the whole process.
    """

    machine: str
    video: str
    video_seconds: float
    source_fps: float | None
    size_wh: tuple[int, int]
    used: dict[str, str]
    repeats: int
    clips: int
    instances_per_clip: float
    serial_wall_seconds: float
    overlapped_wall_seconds: float
    speedup: float
    overlap_efficiency: float
    times_real_time: float
    real_time_factor: float
    decoded_fps: float | None
    analysed_fps: float
    model_calls: int
    prefill_tokens: int
    decode_tokens: int
    tokens_per_second: float
    age_p50_seconds: float
    age_p95_seconds: float
    peak_rss_mb: float
    cpu_seconds_per_video_second: float
    load_average: float
    stages: tuple[StageRow, ...]
    part_seconds: dict[str, float]


class _Notes:
    """A sink that keeps what the report needs of each record, and no frames."""

    def __init__(self) -> None:
        self.first: Record | None = None
        self.instances: list[int] = []
        self.parts: dict[str, float] = {}

    def write(self, record: Record) -> None:
        if self.first is None:
            self.first = record
        self.instances.append(len(record.caption.instances))
        for name, seconds in record.stage_seconds.items():
            self.parts[name] = self.parts.get(name, 0.0) + seconds

    def fail(self, failed: FailedVideo) -> None:
        """`RunSummary.raise_for_failures` reports it."""


def measure_throughput(
    pipeline: Pipeline,
    video: Path,
    *,
    warm_up: Path,
    repeats: int = 2,
    on_step: Callable[[str], None] = lambda text: None,
) -> ThroughputReport:
    """Run `warm_up` once (compiled loops, arenas), then `video` serial and overlapped, `repeats` times in
    turn.

    Raises the video's own error, KeyboardInterrupt, and InputError where it gives no clip.
    """
    load_average = os.getloadavg()[0]
    on_step("warming up")
    pipeline.run([warm_up]).raise_for_failures()
    serial: list[RunSummary] = []
    overlapped: list[RunSummary] = []
    cpu_seconds: list[float] = []
    notes = _Notes()
    for number in range(repeats):
        for runs, overlap in ((serial, False), (overlapped, True)):
            on_step(f"run {number + 1} of {repeats}, {'overlapped' if overlap else 'serial'}")
            notes = notes if overlap else _Notes()
            begun = time.process_time()
            runs.append(pipeline.run([video], [] if overlap else [notes], overlap=overlap))
            runs[-1].raise_for_failures()
            if not overlap:
                cpu_seconds.append(time.process_time() - begun)
    if notes.first is None:
        raise InputError(f"{video} gave no clip to time; name a video of at least 2 seconds")
    report = _report(serial, overlapped, notes, notes.first)
    return replace(
        report,
        cpu_seconds_per_video_second=statistics.median(cpu_seconds) / report.video_seconds,
        load_average=load_average,
    )


def overlap_efficiency(busy_seconds: Sequence[float], *, wall_seconds: float) -> float:
    """(sum - wall) / (sum - max) of the stages' busy seconds; 0 where one stage does everything (nothing to
    hide).

    busy 6 and 4: wall 10 -> 0, wall 6 -> 1, wall 8 -> 0.5.
    """
    total, longest = sum(busy_seconds), max(busy_seconds)
    return (total - wall_seconds) / (total - longest) if total - longest > 1e-9 else 0.0


def _report(serial: list[RunSummary], overlapped: list[RunSummary], notes: _Notes, first: Record) -> ThroughputReport:
    wall_serial = statistics.median(r.wall_seconds for r in serial)
    wall = statistics.median(r.wall_seconds for r in overlapped)
    rows = _stage_rows([r.stages for r in serial], [r.stages for r in overlapped])
    ages = [a for r in overlapped for a in r.ages_seconds]
    describe_seconds = next(r.busy_seconds for r in rows if r.name == "describe")
    last, video = overlapped[-1], first.video
    return ThroughputReport(
        machine=probe_device().machine_line(),
        video=Path(video.path).name,
        video_seconds=last.video_seconds,
        source_fps=float(video.fps_average) if video.fps_average else None,
        size_wh=video.size_wh,
        used=dict(first.used),
        repeats=len(serial),
        clips=last.clips,
        instances_per_clip=sum(notes.instances) / len(notes.instances),
        serial_wall_seconds=wall_serial,
        overlapped_wall_seconds=wall,
        speedup=wall_serial / wall,
        overlap_efficiency=overlap_efficiency([r.busy_seconds for r in rows], wall_seconds=wall),
        times_real_time=last.video_seconds / wall,
        real_time_factor=wall / last.video_seconds,
        decoded_fps=video.frame_count / wall if video.frame_count else None,
        analysed_fps=last.frames_analysed / wall,
        model_calls=last.model_calls,
        prefill_tokens=last.prefill_tokens,
        decode_tokens=last.decode_tokens,
        tokens_per_second=last.decode_tokens / describe_seconds if describe_seconds else 0.0,
        age_p50_seconds=float(np.percentile(ages, 50)),
        age_p95_seconds=float(np.percentile(ages, 95)),
        peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
        cpu_seconds_per_video_second=0.0,
        load_average=0.0,
        stages=rows,
        part_seconds=notes.parts,
    )


def _stage_rows(serial: list[tuple[StageTimes, ...]], overlapped: list[tuple[StageTimes, ...]]) -> tuple[StageRow, ...]:
    def median(runs: list[tuple[StageTimes, ...]], position: int, get: Callable[[StageTimes], Any]) -> float:
        return float(statistics.median(get(run[position]) for run in runs))

    busy = [median(serial, k, lambda s: s.busy_seconds) for k in range(len(serial[0]))]
    return tuple(
        StageRow(
            stage.name,
            stage.items,
            median(serial, k, lambda s: s.p50_ms),
            median(serial, k, lambda s: s.p95_ms),
            median(overlapped, k, lambda s: s.p50_ms),
            median(overlapped, k, lambda s: s.p95_ms),
            busy[k],
            busy[k] / max(sum(busy), 1e-9),
        )
        for k, stage in enumerate(serial[0])
    )
