"""What travels through the queues between decode, perceive, describe and write."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edgecap.runtime.data.frame import Frame, VideoInfo
from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.data.window import Window
from edgecap.runtime.pipeline.queues import StopSignal

if TYPE_CHECKING:
    from edgecap.runtime.pipeline.stages import StageSet


@dataclass(frozen=True, slots=True)
class Started:
    """A video begins; everything until `Ended` or `Failed` with the same `video_number` belongs to it. `given_up`: set
    by a step that fails on the video, so that the rest of it is not decoded. `stages`: those that the video has chosen;
    None: those of the run."""

    video_number: int
    info: VideoInfo
    given_up: StopSignal = field(default_factory=StopSignal, compare=False)
    stages: StageSet | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Sampled:
    """One frame to analyse. `is_cut`: it begins a new shot. `arrived_seconds`: `time.monotonic()` after
    decoding. `decode_seconds`: busy seconds since the frame sampled before it. `skipped_frames`,
    `estimated_times`, `notes`: of the source so far (see `VideoInfo`)."""

    video_number: int
    frame: Frame
    is_cut: bool
    arrived_seconds: float
    decode_seconds: float
    skipped_frames: int = 0
    estimated_times: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dropped:
    """A frame that a full queue dropped, in its place among the others."""

    video_number: int


@dataclass(frozen=True, slots=True)
class Windowed:
    """One finished window (`ends_video`: see `Record`) and the busy seconds of the stages before describe;
    `skipped_frames`, `estimated_times` and `notes` of the source up to it (see `VideoInfo`)."""

    video_number: int
    window: Window
    stage_seconds: dict[str, float]
    skipped_frames: int = 0
    estimated_times: int = 0
    notes: tuple[str, ...] = ()
    ends_video: bool = False

    def faults(self) -> dict[str, Any]:
        """The fields of `VideoInfo` that grow with the video."""
        return {name: getattr(self, name) for name in ("skipped_frames", "estimated_times", "notes")}


@dataclass(frozen=True, slots=True)
class Described:
    """One finished record."""

    video_number: int
    record: Record


@dataclass(frozen=True, slots=True)
class Skipped:
    """A window that an earlier run already wrote (`--resume`)."""

    video_number: int
    clip_index: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The video was read to its end. `end_seconds`: when its last picture is over, where that is known; `notes`: as in
    `Sampled`."""

    video_number: int
    end_seconds: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """The video ends here with an error. `cause` is kept for `--debug`."""

    video_number: int
    failed: FailedVideo
    cause: Exception


Message = Started | Sampled | Dropped | Windowed | Described | Skipped | Ended | Failed
