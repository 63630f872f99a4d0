"""What leaves the source: one decoded frame, and what is known of the video it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """A file by its content. `digest`: SHA-256 (hex) over the size and the content, of a long file over parts of it.
    `duration_seconds`: what its container says, None where unknown; it is no part of the comparison."""

    size_bytes: int
    digest: str
    duration_seconds: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What the container says of a video, after turning and squaring of pixels. A mirrored picture is
    mirrored left to right before the turn of `rotation_degrees` (counter-clockwise).

    `size_wh` is the upright source size, `working_size_wh` the size of every `Frame.image_rgb` (never larger than
    the source). `fps_average` is None where the container does not say; nothing is guessed from it: times are
    presentation times. `duration_seconds`: when the pictures end, as the container says; None for live sources.
    `frame_count` is the container's claim or None. `colours_known`: False where they could not be converted.
    `skipped_frames`: frames so far whose time did not advance (the earlier one was kept); `estimated_times`: frames so
    far that had no time of their own; `notes`: what was done with a file that is not quite right, a line each. In a
    record all three go up to the record's window. `identity`: of the file, None for what is not one.
    """

    path: str
    size_wh: tuple[int, int]
    working_size_wh: tuple[int, int]
    rotation_degrees: int
    fps_average: Fraction | None
    duration_seconds: float | None
    frame_count: int | None
    codec: str
    skipped_frames: int = 0
    estimated_times: int = 0
    identity: FileIdentity | None = None
    colours_known: bool = True
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded frame.

    `index`: 0-based number in decoding order among *all* frames of the source (sampled-out frames are counted).
    `pts_seconds`: presentation time from the start of the container, never derived from an average rate.
    `image_rgb`: uint8 [H, W, 3], upright, working size.
    """

    index: int
    pts_seconds: float
    image_rgb: NDArray[np.uint8]

    def __repr__(self) -> str:
        return f"Frame(index={self.index}, pts_seconds={self.pts_seconds:.3f}, {self.image_rgb.shape = })"
