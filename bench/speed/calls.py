"""Cost of a caption in language-model work: answers, graph runs and tokens per clip, by stages and change gate.

In: a pack and videos. Out: `CallsReport`. All settings run in one process on the same
videos, in turn, serial, so that their wall times may be compared with each other (and with nothing else). The
reference's cost is 4 + 4n answers for n instances (docs/spec/instancecap.md 3.2), each a call of a 72B model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgecap.engines.errors import InputError
from edgecap.engines.graph.device import probe_device
from edgecap.runtime.config import PipelineConfig
from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.pipeline.pipeline import Pipeline

Stages = Literal["full", "fast"]
SETTINGS: tuple[tuple[Stages, bool], ...] = (("full", False), ("full", True), ("fast", False), ("fast", True))


@dataclass(frozen=True, slots=True)
class CallsRow:
    """Means per clip of one setting. `reference_calls`: 4 + 4n with the n of these clips. `kept`: texts that the gate
    let stand. `describe_seconds`, `wall_seconds`: of the describe stage, and of the whole serial run."""

    stages: Stages
    change_gate: bool
    clips: int
    instances: float
    reference_calls: float
    generations: float
    graph_runs: float
    prefill_tokens: float
    decode_tokens: float
    kept: float
    describe_seconds: float
    wall_seconds: float


@dataclass(frozen=True, slots=True)
class CallsReport:
    """`used`: of the first setting's records, without its stages."""

    machine: str
    used: dict[str, str]
    videos: int
    rows: tuple[CallsRow, ...]


class _Bill:
    """A sink that adds up what each record cost."""

    def __init__(self) -> None:
        self.clips = self.instances = self.kept = 0
        self.generations = self.graph_runs = self.prefill = self.decode = 0
        self.describe_seconds = 0.0
        self.used: dict[str, str] = {}

    def write(self, record: Record) -> None:
        caption = record.caption
        self.used = dict(record.used)
        self.clips += 1
        self.instances += len(caption.instances)
        self.generations += caption.generations
        self.graph_runs += caption.model_calls
        self.prefill += caption.prefill_tokens
        self.decode += caption.decode_tokens
        self.kept += sum(f.kept_from_clip is not None for i in caption.instances for f in (i.appearance, i.action))
        self.describe_seconds += record.stage_seconds["describe"]

    def fail(self, failed: FailedVideo) -> None:
        """`RunSummary.raise_for_failures` reports it."""


def measure_calls(
    config_of: Callable[[Stages, bool], PipelineConfig],
    videos: Sequence[Path],
    *,
    warm_up: Path,
    on_step: Callable[[str], None] = lambda text: None,
) -> CallsReport:
    """Run every setting over every video, a video at a time. Raises the videos' own errors, KeyboardInterrupt, and
    InputError where they give no clip."""
    pipelines = [Pipeline(config_of(*setting)) for setting in SETTINGS]
    for pipeline in pipelines:
        pipeline.run([warm_up], overlap=False).raise_for_failures()
    bills, walls = [_Bill() for _ in SETTINGS], [0.0] * len(SETTINGS)
    for number, video in enumerate(videos):
        on_step(f"video {number + 1} of {len(videos)}")
        for k, pipeline in enumerate(pipelines):
            summary = pipeline.run([video], [bills[k]], overlap=False)
            summary.raise_for_failures()
            walls[k] += summary.wall_seconds
    if not bills[0].clips:
        raise InputError("the videos gave no clip to count; name videos of at least 2 seconds")
    rows = tuple(_row(*setting, bill, wall) for setting, bill, wall in zip(SETTINGS, bills, walls, strict=True))
    return CallsReport(probe_device().machine_line(), bills[0].used, len(videos), rows)


def _row(stages: Stages, change_gate: bool, bill: _Bill, wall_seconds: float) -> CallsRow:
    clips = bill.clips
    return CallsRow(
        stages=stages,
        change_gate=change_gate,
        clips=clips,
        instances=bill.instances / clips,
        reference_calls=4 + 4 * bill.instances / clips,
        generations=bill.generations / clips,
        graph_runs=bill.graph_runs / clips,
        prefill_tokens=bill.prefill / clips,
        decode_tokens=bill.decode / clips,
        kept=bill.kept / clips,
        describe_seconds=bill.describe_seconds / clips,
        wall_seconds=wall_seconds / clips,
    )
