"""Videos and stages that cost nothing, for tests of a run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from edgecap.engines.errors import EmptyVideoError, UnreadableVideoError
from edgecap.runtime.data.caption import Caption
from edgecap.runtime.data.evidence import Evidence
from edgecap.runtime.data.frame import Frame, VideoInfo
from edgecap.runtime.data.record import DomainVerdict
from edgecap.runtime.data.window import Observation, Window
from edgecap.runtime.describe.captioner import Captioner
from edgecap.runtime.measure.measure import measure
from edgecap.runtime.perceive.domain import unchecked
from edgecap.runtime.pipeline.stages import StageSet

FPS = 24


@dataclass
class FakeVideo:
    """`seconds` of grey frames; `breaks_at`: an UnreadableVideoError after that many frames; a cut at
    `cut_at` seconds.
    """

    path: Path
    seconds: float
    breaks_at: int | None = None
    cut_at: float | None = None
    slow_seconds: float = 0.0
    started: threading.Event = field(default_factory=threading.Event)
    skipped_frames: int = 0
    estimated_times: int = 0
    end_seconds: float | None = None
    notes: tuple[str, ...] = ()
    decoded: int = 0

    @property
    def info(self) -> VideoInfo:
        return VideoInfo(
            str(self.path), (64, 48), (64, 48), 0, Fraction(FPS), self.seconds, round(self.seconds * FPS), "fake"
        )

    def sampled(self, keep: Callable[[float], bool]) -> Iterator[Frame]:
        return (frame for frame in self.frames() if keep(frame.pts_seconds))

    def frames(self) -> Iterator[Frame]:
        noise = np.random.default_rng(0).integers(0, 255, (2, 48, 64, 3), dtype=np.uint8)
        for index in range(round(self.seconds * FPS)):
            if index == self.breaks_at:
                raise UnreadableVideoError(f"{self.path} breaks off after {index} frames")
            if self.slow_seconds:
                time.sleep(self.slow_seconds)
            self.started.set()
            self.decoded += 1
            after_cut = self.cut_at is not None and index / FPS >= self.cut_at
            yield Frame(index, index / FPS, noise[1] if after_cut else np.full((48, 64, 3), 90, np.uint8))


class FakePerceiver:
    """Sees nothing; counts cuts; fails on frame `fails_at`; settles by marking the first observation."""

    def __init__(self, *, fails_at: int | None = None, slow_seconds: float = 0.0) -> None:
        self.stage_seconds = {"detect": 0.0}
        self.cuts = 0
        self._fails_at, self._slow = fails_at, slow_seconds

    def observe(self, frame: Frame) -> Observation:
        if frame.index == self._fails_at:
            raise ZeroDivisionError("a bug of ours")
        if self._slow:
            time.sleep(self._slow)
        self.stage_seconds["detect"] += 1.0
        return Observation(frame, (), None, 0.0)

    def cut(self) -> None:
        self.cuts += 1

    def drop_unconfirmed(self, window: Window) -> Window:
        return replace(window, dropped_frames=window.dropped_frames)


@dataclass
class Rig:
    """A StageSet over fake videos, and what became of its parts."""

    videos: dict[str, FakeVideo]
    perceivers: list[FakePerceiver] = field(default_factory=list)
    described: list[int] = field(default_factory=list)
    fails_at: int | None = None
    perceive_slow: float = 0.0
    describe_slow: float = 0.0

    def stages(self) -> StageSet:
        @contextmanager
        def open_video(path: Path) -> Iterator[FakeVideo]:
            video = self.videos[path.name]
            if video.seconds == 0:
                raise EmptyVideoError(f"{path} opens as a video but has no frame")
            yield video

        def new_perceiver() -> FakePerceiver:
            fails_at = self.fails_at if not self.perceivers else None
            self.perceivers.append(FakePerceiver(fails_at=fails_at, slow_seconds=self.perceive_slow))
            return self.perceivers[-1]

        def describe(window: Window, evidence: Evidence, verdict: DomainVerdict) -> Caption:
            if self.describe_slow:
                time.sleep(self.describe_slow)
            self.described.append(window.clip_index)
            return Captioner(None).describe(window, evidence, verdict)

        return StageSet(
            open_video, new_perceiver, ("object",), measure, lambda window: unchecked(), describe, {"pack": "fake"}
        )


def rig_of(tmp_path: Path, *videos: tuple[str, float], **options: object) -> tuple[Rig, list[Path]]:
    paths = [tmp_path / name for name, _ in videos]
    for path in paths:
        path.touch()
    fakes = {p.name: FakeVideo(p, seconds) for p, (_, seconds) in zip(paths, videos, strict=True)}
    return Rig(fakes, **options), paths  # type: ignore[arg-type]
