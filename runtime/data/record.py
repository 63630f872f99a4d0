"""What a sink receives: one finished window, or one clip that could not be captioned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from edgecap.runtime.data.caption import Caption
from edgecap.runtime.data.evidence import Evidence
from edgecap.runtime.data.frame import VideoInfo
from edgecap.runtime.data.window import Window

ClipKey = tuple[str, int]
"""(video, clip index). The video is its path in a run, its "Video" field in a file of rows."""


@dataclass(frozen=True, slots=True)
class DomainVerdict:
    """Whether the window looks like what the pack was trained on.

    `status`: inside; outside; unchecked (the pack carries no check, or the detector is not the pack's).
    `distance` and `threshold` share a unit (see the pack's `domain` block); None when unchecked.
    """

    status: Literal["inside", "outside", "unchecked"]
    distance: float | None
    threshold: float | None


@dataclass(frozen=True, slots=True)
class Record:
    """One window of one video, complete: sinks need nothing else.

    `age_seconds`: wall time from the newest frame's decode to this record (age of caption).
    `stage_seconds`: busy seconds of each stage spent on this window. `used`: what was really used, by name
    (pack, detector, captioner, provider, precision, device), never what was asked. `run`: the options that shape
    clips and words (`pipeline.clip_options`): rows of one file must agree in them, `--resume` checks it.
    """

    video: VideoInfo
    window: Window
    evidence: Evidence
    caption: Caption
    domain: DomainVerdict
    age_seconds: float
    stage_seconds: dict[str, float]
    used: dict[str, str]
    run: dict[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FailedVideo:
    """A video that could not be captioned, or not to its end: one row with status "error" and the reason.

    `clips_written`: windows already written before the failure (they stay).
    """

    path: str
    error: str
    message: str
    exit_code: int
    clips_written: int
