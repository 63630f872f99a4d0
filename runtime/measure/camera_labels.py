"""What the camera does over a window, in labels: its path split into an intended part (pan, tilt, zoom, roll) and a
shaking rest.

In: the `camera_step` of every observation. Out: `CameraEvidence`.

Signs (docs/spec/instancecap.md 2.3): background points moving left = the camera pans right; moving down = it tilts
up; spreading = it zooms in; the picture turning counter-clockwise = it rolls right (clockwise). Pan and tilt
are the visible shift of the point at the *centre of the frame*, so that a zoom or roll about the centre is no
pan.

What counts as intended is what a low-pass keeps, as in video stabilisation: Liu et al. 2013 (Bundled camera paths)
measure steadiness by the energy of a path's low frequencies against all, and Grundmann et al. 2011 (L1 optimal camera
paths) take pans of even speed and rests for what a person wanted. So shaking is the high-pass rest where it swings
there and back and outweighs the intended movement; a pan and its return are two sweeps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.evidence import CameraEvidence, CameraLabel
from edgecap.runtime.data.window import Observation
from edgecap.runtime.measure.camera_path import in_widths, mapped
from edgecap.runtime.measure.smoothing import local_linear

PAN_THRESHOLD, TILT_THRESHOLD = 0.06, 0.10
"""Shares of the frame's own width and height that the centre must shift in one direction: on a 16:9 picture both are
about the tenth of the short side of the reference (docs/spec/instancecap.md 2.3), and a hand's slow sway is below."""
ZOOM_THRESHOLD = 1.10
ROLL_THRESHOLD_DEGREES = 5.0
SHAKE_THRESHOLD = 0.006
"""Frame widths: median distance between path and smooth path over one second. Between the 0.35 % of the least steady
hand and the 0.8 % of the least shaking of `edgecap bench camera`, whose clips are on one side or the other by far."""
_SMOOTH_SECONDS = 0.45
"""Half width of the low-pass; passes pans, stops shakes of 2 Hz (also those that aliasing at 8 fps makes of 6
Hz)."""
_LEAST_SHAKE_HERTZ = 2.0
"""A swing of this frequency and amplitude a has the top speed 2 pi f a: where the intended movement is faster, the
picture never goes back, and the eye sees a movement that isn't even rather than shaking."""
_OFF_AXIS = math.tan(math.radians(22.5))
"""A shift within an eighth of the compass of level is a pan alone, of upright a tilt alone."""
_ROLL_PER_PAN = 0.1
"""Radians by which a roll must exceed its threshold for every frame width panned meanwhile. A lens of focal length f
widths bends the pan of a point at height y by y / f^2: where only a strip of the picture has texture (0.2 widths from
the middle, f = 1.4) the similarity that fits it turns by this."""
_LEAST_COVERAGE = 0.8
"""Share of the window's steps that must be known for any label to be given."""
_LEAST_CONFIDENCE = 0.5
"""Mean share of followed points that agree. Measured on real footage: 0.53 where the camera circles a runner, 0.62 with
a taxi that fills half of the frame, 0.71 to 0.99 elsewhere; below half, most of what is seen goes another way."""
_SLOW, _FAST = 0.10, 0.20
"""Frame widths per second at the frame's edge: below = slowly, above = quickly."""

_NAMES: tuple[tuple[CameraLabel, CameraLabel], ...] = (
    ("pan_left", "pan_right"),
    ("tilt_up", "tilt_down"),
    ("zoom_out", "zoom_in"),
    ("roll_right", "roll_left"),
)
"""Per axis of `_coordinates`: the label of a falling and of a rising sweep."""
_ROLL = 3


@dataclass(frozen=True, slots=True)
class _Sweep:
    """One movement in one direction: its label, amplitude in the axis' own unit, first and last time (10 % to
    90 % of it), first and last index of the path."""

    label: CameraLabel
    amplitude: float
    start_seconds: float
    end_seconds: float
    first: int
    last: int


def camera_evidence(observations: Sequence[Observation], *, aspect: float) -> CameraEvidence:
    """Labels and totals of the whole path. A missing step is taken to go on as its neighbours do; with more than a
    fifth missing, a mean inlier share under one half, or a single observation, nothing is claimed (labels are empty).
    """
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
    raw = _coordinates(times, steps, aspect)  # [T, 4]
    smooth = local_linear(times, raw, half_width_seconds=_SMOOTH_SECONDS)
    rest = (raw - smooth)[:, :2]
    # Twicing (Tukey 1977): what a bend of the path leaves in the rest is slow, and smoothing finds it there.
    jitter = rest - local_linear(times, rest, half_width_seconds=_SMOOTH_SECONDS)
    shake = _shake(times, jitter, smooth[:, :2])
    sweeps = _all_sweeps(times, smooth, aspect)
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


def _coordinates(
    times: NDArray[np.float64], steps: Sequence[NDArray[np.float64] | None], aspect: float
) -> NDArray[np.float64]:
    """Running sums float64 [T, 4]: view shift right and down (widths), log scale, picture turned clockwise
    (radians). A missing step has the speed between its neighbours'."""
    centre = np.array([0.5, 0.5 * aspect])
    rows = np.full((len(steps), 4), np.nan)
    for i, step in enumerate(steps):
        if step is None:
            continue
        matrix = in_widths(step, aspect)
        point, jacobian = mapped(matrix, centre)
        # y grows downward, so a positive angle is a picture turning clockwise on the screen.
        angle = np.arctan2(jacobian[1, 0] - jacobian[0, 1], jacobian[0, 0] + jacobian[1, 1])
        scale = np.log(max(float(np.linalg.det(jacobian)), 1e-6)) / 2
        rows[i] = centre[0] - point[0], centre[1] - point[1], scale, angle
    gaps = np.maximum(np.diff(times), 1e-6)
    known = np.flatnonzero(~np.isnan(rows[:, 0]))
    missing = np.flatnonzero(np.isnan(rows[:, 0]))
    for axis in range(4):
        speeds = rows[known, axis] / gaps[known]
        rows[missing, axis] = np.interp(missing, known, speeds) * gaps[missing]
    return np.vstack([np.zeros(4), np.cumsum(rows, axis=0)])


def _shake(times: NDArray[np.float64], jitter: NDArray[np.float64], smooth: NDArray[np.float64]) -> float:
    """Largest median |jitter| of any second, where the jitter swings there and back and is faster than the `smooth`
    path, both [T, 2] in widths; 0 where it is not.

    The median over a second ignores the corner that a suddenly starting pan leaves; sign changes tell
    swinging from slow error.
    """
    size = np.hypot(jitter[:, 0], jitter[:, 1])
    best = 0.0
    for start in times:
        inside = (times >= start) & (times < start + 1.0)
        if inside.sum() < 5:
            continue
        changes = (np.diff(np.sign(jitter[inside]), axis=0) != 0).sum(0)
        travelled = float(np.hypot(*np.diff(smooth[inside], axis=0).T).sum())
        speed = travelled / max(float(np.ptp(times[inside])), 1e-6)
        amplitude = float(np.median(size[inside]))
        if changes.max() >= 3 and 2 * math.pi * _LEAST_SHAKE_HERTZ * amplitude > speed:
            best = max(best, amplitude)
    return best


def _all_sweeps(times: NDArray[np.float64], smooth: NDArray[np.float64], aspect: float) -> list[_Sweep]:
    """Sweeps of all four axes; of a slanting shift only the ways that the nearest of eight directions names."""
    thresholds = (
        PAN_THRESHOLD,
        TILT_THRESHOLD * aspect,
        float(np.log(ZOOM_THRESHOLD)),
        float(np.radians(ROLL_THRESHOLD_DEGREES)),
    )
    found = []
    for axis, threshold in enumerate(thresholds):
        for sweep in _sweeps(times, smooth[:, axis], threshold=threshold, names=_NAMES[axis]):
            if axis < 2:
                across = np.abs(np.diff(smooth[sweep.first : sweep.last + 1, 1 - axis])).sum()
                if sweep.amplitude < _OFF_AXIS * float(across):
                    continue
            if axis == _ROLL:
                panned = np.abs(np.diff(smooth[sweep.first : sweep.last + 1, 0])).sum()
                if sweep.amplitude < threshold + _ROLL_PER_PAN * float(panned):
                    continue
            found.append(sweep)
    return found


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
        first=first,
        last=last,
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
