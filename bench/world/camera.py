"""Camera paths: one homography per frame, and the labels a viewer would give.

In: kind, generator, frame count. Out: `CameraPath`. Conventions (image y down):
    pan_right  picture content moves left      tilt_up   content moves down
    zoom_in    content grows                   roll_right  camera turns clockwise, content counter-clockwise
Every path is centred on the middle of the clip: there the matrix is the plain scaling from world units to pixels
(shake aside).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

REFERENCE_HEIGHT = 360.0
"""World units per frame height when the zoom is 1."""
LONGEST_MOVE_SECONDS = 8.0
"""In longer clips the camera moves for this long around the middle and stands before and after."""

KINDS: dict[str, tuple[str, ...]] = {
    "static": ("static",),
    "pan_left": ("pan_left",),
    "pan_right": ("pan_right",),
    "tilt_up": ("tilt_up",),
    "tilt_down": ("tilt_down",),
    "zoom_in": ("zoom_in",),
    "zoom_out": ("zoom_out",),
    "roll_left": ("roll_left",),
    "roll_right": ("roll_right",),
    "shake": ("shake",),
    "pan_left+zoom_in": ("pan_left", "zoom_in"),
    "pan_right+zoom_out": ("pan_right", "zoom_out"),
    "pan_right+tilt_up": ("pan_right", "tilt_up"),
    "pan_left+tilt_down": ("pan_left", "tilt_down"),
    "tilt_up+zoom_out": ("tilt_up", "zoom_out"),
    "roll_right+zoom_in": ("roll_right", "zoom_in"),
    "out_and_back_right": ("pan_left", "pan_right"),
    "out_and_back_left": ("pan_left", "pan_right"),
}
MOVING_KINDS = tuple(k for k in KINDS if k != "static")


@dataclass(frozen=True, slots=True)
class CameraPath:
    """What the camera does in one clip."""

    kind: str
    """Key of `KINDS`."""
    labels: tuple[str, ...]
    """Sorted; a subset of static, pan_*, tilt_*, zoom_*, roll_*, shake."""
    matrices: NDArray[np.float64]
    """[T, 3, 3] world -> image pixels, one per frame."""

    def __post_init__(self) -> None:
        if self.matrices.ndim != 3 or self.matrices.shape[1:] != (3, 3):
            raise ValueError(f"expected matrices [T, 3, 3], got {self.matrices.shape = }")

    def __repr__(self) -> str:
        return f"CameraPath(kind={self.kind!r}, labels={self.labels}, matrices={self.matrices.shape})"


def make_camera(
    kind: str, *, rng: np.random.Generator, num_frames: int, fps: float, size_wh: tuple[int, int]
) -> CameraPath:
    """Random camera path of the given kind; speeds are far above the threshold of noticing, or exactly zero."""
    width, height = size_wh
    pixels_per_unit = height / REFERENCE_HEIGHT
    frame_width = width / pixels_per_unit
    t: NDArray[np.float64] = (np.arange(num_frames, dtype=np.float64) - (num_frames - 1) / 2) / fps
    duration = min(num_frames / fps, LONGEST_MOVE_SECONDS)
    progress = np.clip(t / duration, -0.5, 0.5)  # -1/2 .. 1/2, 0 in the middle
    centre = np.tile([frame_width / 2, REFERENCE_HEIGHT / 2], (num_frames, 1))
    zoom, roll = np.ones(num_frames), np.zeros(num_frames)
    parts = kind.split("+")
    for part in parts:
        if part.startswith(("pan", "tilt")):
            most = 0.40 if part.startswith("tilt") else 0.75
            travel = _travel(rng, duration, most=most if len(parts) == 1 else 0.8 * most) * frame_width
            axis, sign = {"pan_left": (0, -1), "pan_right": (0, 1), "tilt_up": (1, -1), "tilt_down": (1, 1)}[part]
            centre[:, axis] += sign * travel * progress
        elif part.startswith("zoom"):
            factor = rng.uniform(1.32, 1.75)
            zoom *= factor ** (progress if part == "zoom_in" else -progress)
        elif part.startswith("roll"):
            angle = np.deg2rad(rng.uniform(14, 28))
            roll += angle * (progress if part == "roll_right" else -progress)
        elif part.startswith("out_and_back"):
            travel = _travel(rng, duration / 2, most=0.55) * frame_width
            there = (0.5 - 2 * np.abs(progress)) if part.endswith("right") else (2 * np.abs(progress) - 0.5)
            centre[:, 0] += travel * there
        elif part == "shake":
            centre = centre + _shake(rng, t) * frame_width
    matrices = _matrices(centre, zoom, roll, size_wh=size_wh, pixels_per_unit=pixels_per_unit)
    return CameraPath(kind, tuple(sorted(KINDS[kind])), matrices)


def _travel(rng: np.random.Generator, seconds: float, *, most: float) -> float:
    """Share of the frame width travelled in `seconds`: 8-20 % per second, at least 25 % in all, at most `most`."""
    return float(np.clip(rng.uniform(0.08, 0.20) * seconds, 0.27, most))


def _shake(rng: np.random.Generator, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """[T, 2] offsets in frame widths: 3-6 Hz, amplitude 1-2 %, nothing accumulated."""
    offsets = np.zeros((len(t), 2))
    for axis in range(2):
        amplitude, hertz, phase = rng.uniform(0.010, 0.018), rng.uniform(3.0, 6.0), rng.uniform(0, 2 * np.pi)
        offsets[:, axis] = amplitude * np.sin(2 * np.pi * hertz * t + phase)
    return offsets


def _matrices(
    centre: NDArray[np.float64],
    zoom: NDArray[np.float64],
    roll: NDArray[np.float64],
    *,
    size_wh: tuple[int, int],
    pixels_per_unit: float,
) -> NDArray[np.float64]:
    """image = S (zoom R (world - centre)) + middle of the frame; R turns the content against the camera's roll."""
    c, s = np.cos(-roll) * zoom * pixels_per_unit, np.sin(-roll) * zoom * pixels_per_unit
    out = np.zeros((len(zoom), 3, 3))
    out[:, 0, 0], out[:, 0, 1], out[:, 1, 0], out[:, 1, 1] = c, -s, s, c
    out[:, :2, 2] = np.array(size_wh) / 2 - np.einsum("tij,tj->ti", out[:, :2, :2], centre)
    out[:, 2, 2] = 1.0
    return out
