"""The camera's path over a window: steps composed, split into a smooth part (pan, tilt, zoom, roll) and a
shaking rest.

In: the `camera_step` of every observation (runtime/perceive/camera_step.py). Out: `CameraPath` (for motion.py) and
`CameraEvidence`.

Signs (docs/spec/instancecap.md 2.3): background points moving left = the camera pans right; moving down = it tilts
up; spreading = it zooms in; the picture turning counter-clockwise = it rolls right (clockwise). Pan and tilt
are the visible shift of the point at the *centre of the frame*, so that a zoom or roll about the centre is no
pan.

Thresholds are about half way between none and the least movement of the synthetic world (pan 25 % of the
width, zoom 1.25, roll 12 degrees, shake 1 % of the width).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.evidence import CameraEvidence, CameraLabel
from edgecap.runtime.data.window import Observation
from edgecap.runtime.measure.smoothing import local_linear

PAN_THRESHOLD = 0.07
"""Frame widths that the centre must shift in one direction; as the reference on a 16:9 picture (0.1 of its
height is 0.056)."""
ZOOM_THRESHOLD = 1.10
ROLL_THRESHOLD_DEGREES = 5.0
SHAKE_THRESHOLD = 0.004
"""Frame widths: median distance between path and smooth path over one second."""
_SMOOTH_SECONDS = 0.45
"""Half width of the low-pass; passes pans, stops shakes of 2 Hz (also those that aliasing at 8 fps makes of 6
Hz)."""
_LEAST_COVERAGE = 0.8
"""Share of the window's steps that must be known for any label to be given."""
_LEAST_CONFIDENCE = 0.5
"""Mean share of background points that agree. Measured: a taxi filling the frame 0.47 (read as a pan), other shots of
real footage 0.86 to 0.99."""
_SLOW, _FAST = 0.10, 0.20
"""Frame widths per second at the frame's edge: below = slowly, above = quickly."""

_NAMES: tuple[tuple[CameraLabel, CameraLabel], ...] = (
    ("pan_left", "pan_right"),
    ("tilt_up", "tilt_down"),
    ("zoom_out", "zoom_in"),
    ("roll_right", "roll_left"),
)
"""Per axis of `_coordinates`: the label of a falling and of a rising sweep."""


@dataclass(frozen=True, slots=True)
class CameraPath:
    """Where the camera's view was in every observation, relative to the others.

    Coordinates are frame widths on both axes, y down. `to_first` float64 [T, 3, 3] maps a frame's coordinates
    to those of the first frame of its stretch; `stretches` int64 [T] numbers the stretches without a missing
    step; `aspect` is H / W.
    """

    to_first: NDArray[np.float64]
    stretches: NDArray[np.int64]
    aspect: float

    def between(self, *, source: int | NDArray[np.int64], target: int) -> NDArray[np.float64]:
        """float64 [..., 3, 3] from the coordinates of observation(s) `source` [...] to those of `target`, all of one
        stretch."""
        if (self.stretches[source] != self.stretches[target]).any():
            raise ValueError(f"no camera path from observation {source} to {target}: a step is missing")
        matrix = np.linalg.solve(self.to_first[target], self.to_first[source])
        scaled: NDArray[np.float64] = matrix / matrix[..., 2:, 2:]
        return scaled

    def carried(
        self, points_xy: NDArray[np.float64], *, sources: NDArray[np.int64], target: int
    ) -> NDArray[np.float64]:
        """Where background points [N, 2], each of one of the observations `sources` [N], are in `target`: [N, 2]."""
        homogeneous = np.column_stack([points_xy, np.ones(len(points_xy))])[..., None]
        moved = (self.between(source=sources, target=target) @ homogeneous)[..., 0]
        carried: NDArray[np.float64] = moved[:, :2] / moved[:, 2:]
        return carried


@dataclass(frozen=True, slots=True)
class _Sweep:
    """One movement in one direction: its label, amplitude in the axis' own unit, first and last time (10 % to
    90 % of it)."""

    label: CameraLabel
    amplitude: float
    start_seconds: float
    end_seconds: float


def camera_path(observations: Sequence[Observation], *, aspect: float) -> CameraPath:
    """Compose the steps; the first observation's own step (from the window before) is not used. T >= 1."""
    to_first = np.empty((len(observations), 3, 3))
    stretches = np.zeros(len(observations), np.int64)
    to_first[0] = np.eye(3)
    for i, observation in enumerate(observations[1:], start=1):
        if observation.camera_step is None:
            to_first[i], stretches[i] = np.eye(3), stretches[i - 1] + 1
        else:
            composed = to_first[i - 1] @ np.linalg.inv(_in_widths(observation.camera_step, aspect))
            to_first[i], stretches[i] = composed / composed[2, 2], stretches[i - 1]
    return CameraPath(to_first=to_first, stretches=stretches, aspect=aspect)


def mapped(
    matrix: NDArray[np.float64], point_xy: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where a homography [3, 3] takes a point, float64 [2], and its Jacobian there, float64 [2, 2]."""
    moved = matrix @ np.array([point_xy[0], point_xy[1], 1.0])
    point: NDArray[np.float64] = moved[:2] / moved[2]
    return point, (matrix[:2, :2] - np.outer(point, matrix[2, :2])) / moved[2]


def camera_evidence(observations: Sequence[Observation], *, aspect: float) -> CameraEvidence:
    """Labels and totals of the whole path. A missing step counts as no movement; with more than a fifth
    missing, a mean inlier share under one half, or a single observation, nothing is claimed (labels are empty)."""
    steps = [o.camera_step for o in observations[1:]]
    known = sum(step is not None for step in steps)
    confidence = sum(o.camera_inliers for o in observations[1:] if o.camera_step is not None) / max(1, len(steps))
    if not steps or known < _LEAST_COVERAGE * len(steps) or confidence < _LEAST_CONFIDENCE:
        return CameraEvidence(
            labels=(),
            pan_total=0.0,
            tilt_total=0.0,
            zoom_total=1.0,
            roll_total_degrees=0.0,
            shake_amplitude=0.0,
            speed_adverb="",
            confidence=0.0,
        )
    times = np.array([o.frame.pts_seconds for o in observations], np.float64)
    raw = _coordinates(steps, aspect)  # [T, 4]
    smooth = local_linear(times, raw, half_width_seconds=_SMOOTH_SECONDS)
    shake = _shake(times, (raw - smooth)[:, :2])
    sweeps = _all_sweeps(times, smooth)
    labels: set[CameraLabel] = {sweep.label for sweep in sweeps}
    if shake > SHAKE_THRESHOLD:
        labels.add("shake")
    totals = np.abs(np.diff(smooth, axis=0)).sum(0)
    return CameraEvidence(
        labels=tuple(sorted(labels)) or ("static",),
        pan_total=float(totals[0]),
        tilt_total=float(totals[1]),
        zoom_total=float(np.exp(np.ptp(smooth[:, 2]))),
        roll_total_degrees=float(np.degrees(totals[3])),
        shake_amplitude=shake,
        speed_adverb=_adverb(sweeps),
        phases=_phases(sweeps),
        confidence=confidence,
    )


def _in_widths(step: NDArray[np.float64], aspect: float) -> NDArray[np.float64]:
    """The step between relative coordinates, as one between frame widths: without it a roll would be a
    shear."""
    scale = np.diag([1.0, aspect, 1.0])
    matrix: NDArray[np.float64] = scale @ step @ np.linalg.inv(scale)
    return matrix


def _coordinates(steps: Sequence[NDArray[np.float64] | None], aspect: float) -> NDArray[np.float64]:
    """Running sums float64 [T, 4]: view shift right and down (widths), log scale, picture turned clockwise
    (radians)."""
    centre = np.array([0.5, 0.5 * aspect])
    rows = [np.zeros(4)]
    for step in steps:
        if step is None:
            rows.append(np.zeros(4))
            continue
        matrix = _in_widths(step, aspect)
        point, jacobian = mapped(matrix, centre)
        # y grows downward, so a positive angle is a picture turning clockwise on the screen.
        angle = np.arctan2(jacobian[1, 0] - jacobian[0, 1], jacobian[0, 0] + jacobian[1, 1])
        scale = np.log(max(float(np.linalg.det(jacobian)), 1e-6)) / 2
        rows.append(np.array([centre[0] - point[0], centre[1] - point[1], scale, angle]))
    return np.cumsum(rows, axis=0)


def _shake(times: NDArray[np.float64], residual: NDArray[np.float64]) -> float:
    """Largest median |residual| of any second, where the residual swings there and back; 0 where it does not.

    The median over a second ignores the corner that a suddenly starting pan leaves; sign changes tell
    swinging from slow error.
    """
    size = np.hypot(residual[:, 0], residual[:, 1])
    best = 0.0
    for start in times:
        inside = (times >= start) & (times < start + 1.0)
        if inside.sum() < 5:
            continue
        changes = (np.diff(np.sign(residual[inside]), axis=0) != 0).sum(0)
        if changes.max() >= 3:
            best = max(best, float(np.median(size[inside])))
    return best


def _all_sweeps(times: NDArray[np.float64], smooth: NDArray[np.float64]) -> list[_Sweep]:
    thresholds = (
        PAN_THRESHOLD,
        PAN_THRESHOLD,
        float(np.log(ZOOM_THRESHOLD)),
        float(np.radians(ROLL_THRESHOLD_DEGREES)),
    )
    return [
        sweep
        for axis, threshold in enumerate(thresholds)
        for sweep in _sweeps(times, smooth[:, axis], threshold=threshold, names=_NAMES[axis])
    ]


def _sweeps(
    times: NDArray[np.float64], path: NDArray[np.float64], *, threshold: float, names: tuple[CameraLabel, CameraLabel]
) -> list[_Sweep]:
    """Alternating sweeps of at least `threshold`: a reversal smaller than that does not end one.

    path     low ____/~~~~\\____      low, high: the extremes since the last confirmed turn
    sweeps       [ up ][ down ]
    """
    turns = [0]
    low = high = 0
    rising: bool | None = None
    for i in range(1, len(path)):
        low, high = (i if path[i] < path[low] else low), (i if path[i] > path[high] else high)
        if rising is not True and path[i] - path[low] >= threshold:
            turns = [low] if rising is None else [*turns, low]
            rising, high, low = True, i, i
        elif rising is not False and path[high] - path[i] >= threshold:
            turns = [high] if rising is None else [*turns, high]
            rising, high, low = False, i, i
    if rising is None:
        return []
    turns.append(high if rising else low)
    return [_sweep(times, path, a, b, names) for a, b in pairwise(turns)]


def _sweep(
    times: NDArray[np.float64], path: NDArray[np.float64], first: int, last: int, names: tuple[CameraLabel, CameraLabel]
) -> _Sweep:
    change = float(path[last] - path[first])
    share = (path[first : last + 1] - path[first]) / change
    begin = int(np.argmax(share >= 0.1))
    end = int(np.argmax(share >= 0.9))
    return _Sweep(
        label=names[1] if change > 0 else names[0],
        amplitude=abs(change),
        start_seconds=float(times[first + max(begin - 1, 0)]),
        end_seconds=float(times[first + end]),
    )


def _phases(sweeps: list[_Sweep]) -> tuple[tuple[CameraLabel, ...], ...]:
    """Labels in order of start; a sweep joins the group before it where they overlap for over half of the
    shorter one."""
    groups: list[list[_Sweep]] = []
    for sweep in sorted(sweeps, key=lambda s: (s.start_seconds, s.label)):
        group = groups[-1] if groups else []
        if group and all(_overlap(sweep, other) > 0.5 for other in group):
            group.append(sweep)
        else:
            groups.append([sweep])
    return tuple(tuple(s.label for s in sorted(group, key=lambda s: s.label)) for group in groups)


def _overlap(a: _Sweep, b: _Sweep) -> float:
    shared = min(a.end_seconds, b.end_seconds) - max(a.start_seconds, b.start_seconds)
    return shared / max(min(a.end_seconds - a.start_seconds, b.end_seconds - b.start_seconds), 1e-6)


def _adverb(sweeps: list[_Sweep]) -> str:
    """slowly, steadily or quickly, by the fastest sweep; a zoom or roll is measured where it shows most, half
    a width out."""
    speeds = [
        s.amplitude
        * (0.5 if s.label[:4] in ("zoom", "roll") else 1.0)
        * 0.8
        / max(s.end_seconds - s.start_seconds, 0.1)
        for s in sweeps
    ]
    if not speeds:
        return ""
    return "slowly" if max(speeds) < _SLOW else "quickly" if max(speeds) > _FAST else "steadily"
