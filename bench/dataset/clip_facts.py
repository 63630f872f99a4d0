"""Everything measured of one clip; no thresholds here, so that new rules need no new measurement.

In: `ClipSource`, the stages of a pipeline (no captioner needed). Out: `ClipFacts`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecap.bench.dataset.clip_hash import HASH_FPS, MOST_HASHES, frame_hash
from edgecap.bench.dataset.clip_source import ClipSource
from edgecap.bench.dataset.instance_motion import InstanceMotion, instance_motions
from edgecap.bench.dataset.scenes import UNKNOWN, scene_of
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.window import Window
from edgecap.runtime.pipeline.stages import StageSet
from edgecap.runtime.pipeline.summary import failed_video
from edgecap.runtime.video.shots import ShotDetector
from edgecap.runtime.video.windows import FrameSampler, WindowBuilder

MEASURED_SECONDS = 10.0
"""Motion is measured over the first seconds only: as long as the longest clip that can stay."""

_CHOICE_FPS, _CHOICE_FRAMES = 2.0, 8
"""Frames that choose the pack, where each clip has its own."""

CUT_SCORE = 0.25
"""Lower than the pipeline's 0.46, which must not split a shot; here a false cut costs one clip and a missed one spoils
one. Measured: a cut between two world clips of one kind of place 0.29, within 40 moving clips (2,016 steps) at most
0.13.
"""


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """One clip. `size_wh` of the source. `cut_seconds`: times of hard cuts inside. `hashes`, `mirror_hashes`: of frames
    0.5 s apart. `scene`: class of its background text. `pack`: what measured it, "none" for the
    motion detector. `outside`: some of it is outside the training domain of that pack. `error`: why it could not be
    read (to its end); what was measured up to there stays."""

    name: str
    duration_seconds: float = 0.0
    size_wh: tuple[int, int] = (0, 0)
    cut_seconds: tuple[float, ...] = ()
    instances: tuple[InstanceMotion, ...] = ()
    hashes: tuple[int, ...] = ()
    mirror_hashes: tuple[int, ...] = ()
    scene: str = UNKNOWN
    background: str = ""
    has_caption: bool = False
    caption_faults: tuple[str, ...] = ()
    pack: str = "none"
    outside: bool = False
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON types; hashes as 16 hex digits."""
        row = dataclasses.asdict(self)
        for name in ("hashes", "mirror_hashes"):
            row[name] = [f"{value:016x}" for value in row[name]]
        return row

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> ClipFacts:
        """What `to_json` gave. Raises ValueError, KeyError or TypeError for another row."""
        fields = {f.name: row[f.name] for f in dataclasses.fields(cls)}
        for name in ("hashes", "mirror_hashes"):
            fields[name] = tuple(int(value, 16) for value in fields[name])
        for name in ("size_wh", "cut_seconds", "caption_faults"):
            fields[name] = tuple(fields[name])
        fields["instances"] = tuple(InstanceMotion(**i) for i in fields["instances"])
        return cls(**fields)


class _Gatherer:
    """Collects one clip frame by frame; `facts` at any time."""

    def __init__(self, source: ClipSource, stages: StageSet, *, with_scene: bool) -> None:
        self._source, self._stages, self._with_scene = source, stages, with_scene
        self._perceiver, self._shots = stages.new_perceiver(), ShotDetector(minimum_score=CUT_SCORE)
        self._builder = WindowBuilder(10.0, labels=stages.labels)
        self._cuts: list[float] = []
        self._hashes: list[tuple[int, int]] = []
        self._hash_sampler = FrameSampler(HASH_FPS)
        self._instances: list[InstanceMotion] = []
        self._outside = False
        self.background = source.background_text
        self.size_wh = (0, 0)
        self.last_seconds = source.start_seconds
        self.frame_seconds = 0.0

    def add(self, frame: Frame) -> None:
        """The next analysed frame."""
        since = frame.pts_seconds - self._source.start_seconds
        is_cut = self._shots.is_cut(frame)
        if is_cut:
            self._cuts.append(round(since, 3))
        if len(self._hashes) < MOST_HASHES and self._hash_sampler.keep(since):
            self._hashes.append((frame_hash(frame.image_rgb), frame_hash(frame.image_rgb, mirrored=True)))
        if since < MEASURED_SECONDS:
            if is_cut:
                self._perceiver.cut()
            observation = self._perceiver.observe(frame)
            for window in self._builder.add(observation, is_cut=is_cut, arrived_seconds=0.0):
                self._close(window)

    def finish(self) -> None:
        """Measure what is still held."""
        for window in self._builder.finish():
            self._close(window)

    def facts(self, error: str | None) -> ClipFacts:
        """What was seen so far."""
        end = min(self.last_seconds + self.frame_seconds, self._source.end_seconds)
        return ClipFacts(
            name=self._source.name,
            duration_seconds=round(max(end - self._source.start_seconds, 0.0), 3),
            size_wh=self.size_wh,
            cut_seconds=tuple(self._cuts),
            instances=tuple(self._instances),
            hashes=tuple(h for h, _ in self._hashes),
            mirror_hashes=tuple(m for _, m in self._hashes),
            scene=scene_of(self.background),
            background=self.background,
            has_caption=self._source.row is not None,
            caption_faults=self._source.caption_faults,
            pack=self._stages.used.get("pack", "none"),
            outside=self._outside,
            error=error,
        )

    def _close(self, window: Window) -> None:
        confirmed = self._perceiver.drop_unconfirmed(window)
        evidence = self._stages.measure(confirmed)
        verdict = self._stages.verdict(confirmed)
        self._outside |= verdict.status == "outside"
        if verdict.status != "outside":  # else a box is not known to be anything
            self._instances += [_rounded(m) for m in instance_motions(confirmed, evidence)]
        if self._with_scene and not self.background:
            text = self._stages.describe(confirmed, evidence, verdict).background
            self.background = text.text if text.provenance == "model" else ""


def measure_clip(source: ClipSource, stages: StageSet, *, sample_fps: float = 8.0, with_scene: bool) -> ClipFacts:
    """Read a clip once and measure it. A clip that can't be read is facts with an `error`.

    `with_scene`: ask the captioner of `stages` for the background where the row has none.
    """
    if source.video is None or source.fault is not None:
        return ClipFacts(source.name, error=source.fault or "its row names no video")
    try:
        stages = _chosen(source, source.video, stages)
    except Exception as problem:  # as below
        return ClipFacts(source.name, error=failed_video(str(source.video), problem).message)
    gatherer = _Gatherer(source, stages, with_scene=with_scene)
    error: str | None = None
    try:
        with stages.open_video(source.video) as video:
            gatherer.size_wh = video.info.size_wh
            fps = video.info.fps_average
            gatherer.frame_seconds = float(1 / fps) if fps else 1 / sample_fps
            for frame in video.sampled(_Part(source, gatherer, FrameSampler(sample_fps)).keep):
                gatherer.add(frame)
                if frame.pts_seconds >= source.end_seconds:
                    break
        gatherer.finish()
    except Exception as problem:  # as in runtime/pipeline/stages.py: a bad clip is its own row
        gatherer.finish()
        error = failed_video(str(source.video), problem).message
    return gatherer.facts(error)


def _chosen(source: ClipSource, video: Path, stages: StageSet) -> StageSet:
    """The stages for this clip, where they depend on what it shows."""
    if stages.choose is None:
        return stages
    part, frames = _Part(source, None, FrameSampler(_CHOICE_FPS)), []
    with stages.open_video(video) as opened:
        for frame in opened.sampled(part.keep):
            frames.append(frame)
            if len(frames) == _CHOICE_FRAMES:
                break
    return stages.choose(frames) if frames else stages


class _Part:
    """Which frames of a video a clip analyses; notes the last one that belongs to it in `gatherer`."""

    def __init__(self, source: ClipSource, gatherer: _Gatherer | None, sampler: FrameSampler) -> None:
        self._source, self._gatherer, self._sampler = source, gatherer, sampler

    def keep(self, pts_seconds: float) -> bool:
        """Asked once per frame, in order."""
        if not self._source.start_seconds - 1e-3 <= pts_seconds < self._source.end_seconds - 1e-3:
            return False
        if self._gatherer is not None:
            self._gatherer.last_seconds = pts_seconds
        return self._sampler.keep(pts_seconds)


def _rounded(motion: InstanceMotion) -> InstanceMotion:
    flow = None if motion.flow_speed is None or math.isnan(motion.flow_speed) else round(motion.flow_speed, 4)
    return dataclasses.replace(
        motion, seconds=round(motion.seconds, 3), flow_speed=flow, path_speed=round(motion.path_speed, 4)
    )
