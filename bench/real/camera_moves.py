"""Camera movements of known labels, and the homographies that show them in a photograph.

A photograph is taken as infinitely far away: a camera that turns shows it by K R K^-1 (Hartley and Zisserman 2004,
8.4), which bends a pan as a real lens does. Movements are far enough from the thresholds of a label that two people
would agree: a pan of a tenth of the width or more, against a drift of 4 % at most; shaking of 0.8 % of the width
(RMS) or more, against the 0.4 % of a steady hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PAN, _TILT, _ZOOM, _ROLL, _DRIFT = (0.10, 0.55), (0.10, 0.30), (1.18, 1.6), (8.0, 25.0), (0.0, 0.022)
"""Widths (tilts too: 0.10 is 18 % of the height at 16:9), factor, degrees, widths: least and most of a movement."""
_STEADY_RMS, _SHAKING_RMS = (0.0005, 0.0035), (0.008, 0.016)
_STEADY_HZ, _SHAKING_HZ, _SWAY_HZ, _SWAY = (1.0, 8.0), (2.0, 6.0), (0.2, 0.6), 0.008
"""Hand-held jitter and slow sway, in widths and cycles a second."""
_FOCAL = (0.9, 2.0)
"""Focal length in frame widths: 58 to 28 degrees of view."""

MOVES: dict[str, tuple[str, ...]] = {
    "still": ("static",),
    "hand-held": ("static",),
    "hand-held drift": ("static",),
    "shaking": ("shake",),
    "pan left": ("pan_left",),
    "pan right": ("pan_right",),
    "pan right, a little up": ("pan_right",),
    "pan left, a little down": ("pan_left",),
    "tilt up": ("tilt_up",),
    "tilt down": ("tilt_down",),
    "zoom in": ("zoom_in",),
    "zoom out": ("zoom_out",),
    "roll left": ("roll_left",),
    "roll right": ("roll_right",),
    "pan right and tilt up": ("pan_right", "tilt_up"),
    "pan left and tilt down": ("pan_left", "tilt_down"),
    "pan left and zoom in": ("pan_left", "zoom_in"),
    "pan right and zoom out": ("pan_right", "zoom_out"),
    "pan right and back": ("pan_left", "pan_right"),
    "pan left and back": ("pan_left", "pan_right"),
    "tilt up and back": ("tilt_down", "tilt_up"),
    "pan right slowly, shaking": ("pan_right", "shake"),
}
"""Name -> sorted labels."""


@dataclass(frozen=True, slots=True)
class CameraMove:
    """One movement. `right`, `down`: how far the view's centre has gone, widths [T]; `zoom` factor [T]; `roll` degrees
    clockwise [T]; all 0 (1) on average. `focal`: in frame widths."""

    name: str
    labels: tuple[str, ...]
    right: NDArray[np.float64]
    down: NDArray[np.float64]
    zoom: NDArray[np.float64]
    roll: NDArray[np.float64]
    focal: float

    def matrix(self, index: int, *, size_wh: tuple[int, int], source_wh: tuple[int, int]) -> NDArray[np.float64]:
        """Photograph -> picture, float64 [3, 3] in pixels. The picture's width shows half of the photograph's."""
        yaw, pitch = np.arctan(self.right[index] / self.focal), np.arctan(-self.down[index] / self.focal)
        turn = _about_z(-np.radians(self.roll[index])) @ _about_x(-pitch) @ _about_y(-yaw)
        seen = 0.5 * source_wh[0] * self.focal  # focal length in the photograph's pixels
        shown = size_wh[0] * self.focal * self.zoom[index]
        matrix: NDArray[np.float64] = _camera(shown, size_wh) @ turn @ np.linalg.inv(_camera(seen, source_wh))
        return matrix


def draw_move(name: str, rng: np.random.Generator, times_seconds: NDArray[np.float64]) -> CameraMove:
    """A movement of `MOVES` of random size and speed at rising times [T]; half of them by a hand that isn't perfectly
    steady."""
    zero = np.zeros(len(times_seconds))
    course = {"right": zero.copy(), "down": zero.copy(), "zoom": zero.copy(), "roll": zero.copy()}
    progress = _progress(rng, times_seconds)
    amount = rng.uniform(*_PAN)
    for word, axis, sign in (("pan right", "right", 1), ("pan left", "right", -1)):
        if name.startswith(word):
            course[axis] += sign * (min(amount, 0.2) if "slowly" in name else amount) * _shape(progress, name)
    for words, axis, sign, size in (
        (("tilt up", "a little up"), "down", -1, rng.uniform(*_TILT)),
        (("tilt down", "a little down"), "down", 1, rng.uniform(*_TILT)),
        (("zoom in",), "zoom", 1, np.log(rng.uniform(*_ZOOM))),
        (("zoom out",), "zoom", -1, np.log(rng.uniform(*_ZOOM))),
        (("roll right",), "roll", 1, rng.uniform(*_ROLL)),
        (("roll left",), "roll", -1, rng.uniform(*_ROLL)),
    ):
        if any(word in name for word in words):
            beside = {"pan right and": 0.9, "pan left and": 0.9, "a little": rng.uniform(0.1, 0.25)}
            share = next((s for word, s in beside.items() if word in name and axis == "down"), None)
            course[axis] += sign * (size if share is None else share * amount) * _shape(progress, name)
    _add_hand(name, rng, times_seconds, course)
    for values in course.values():
        values -= (values.min() + values.max()) / 2
    return CameraMove(
        name,
        MOVES[name],
        right=course["right"],
        down=course["down"],
        zoom=np.exp(course["zoom"]),
        roll=course["roll"],
        focal=rng.uniform(*_FOCAL),
    )


def _progress(rng: np.random.Generator, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 to 1 [T]: at rest, then smoothly or at an even pace on, then at rest."""
    length = times[-1] - times[0]
    begin, end = rng.uniform(0.0, 0.3) * length, rng.uniform(0.7, 1.0) * length
    even: NDArray[np.float64] = np.clip((times - times[0] - begin) / (end - begin), 0.0, 1.0)
    return even if rng.random() < 0.5 else even * even * (3 - 2 * even)


def _shape(progress: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    return np.sin(np.pi * progress) if name.endswith("and back") else progress


def _add_hand(
    name: str, rng: np.random.Generator, times: NDArray[np.float64], course: dict[str, NDArray[np.float64]]
) -> None:
    shaking = "shaking" in name
    if name == "still" or not (shaking or name.startswith("hand-held") or rng.random() < 0.5):
        return
    for axis in ("right", "down"):
        hertz = rng.uniform(*(_SHAKING_HZ if shaking else _STEADY_HZ), 3)
        phases = rng.uniform(0, 2 * np.pi, 3)
        jitter = np.sin(2 * np.pi * hertz[:, None] * times + phases[:, None]).sum(0)
        course[axis] += rng.uniform(*(_SHAKING_RMS if shaking else _STEADY_RMS)) * jitter / np.sqrt(2 * 1.5)
        course[axis] += rng.uniform(0, _SWAY) * np.sin(2 * np.pi * rng.uniform(*_SWAY_HZ) * times + phases[0])
        if "drift" in name:
            course[axis] += rng.choice([-1, 1]) * rng.uniform(*_DRIFT) * _progress(rng, times)


def _camera(focal_px: float, size_wh: tuple[int, int]) -> NDArray[np.float64]:
    return np.array([[focal_px, 0, size_wh[0] / 2], [0, focal_px, size_wh[1] / 2], [0, 0, 1.0]])


def _about_x(angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _about_y(angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _about_z(angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
