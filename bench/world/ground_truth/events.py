"""Events of one actor: enter, leave, occluded (from what is visible), start, stop, turn (from its path)."""

from __future__ import annotations

from itertools import pairwise
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.world.actors import Path

_BRIDGED_SECONDS = 0.25
"""Shorter gaps in visibility are no leaving."""
_OCCLUDED_BELOW = 0.5
_TURN_DEGREES = 20.0


class Event(TypedDict):
    """One thing that happened to one actor."""

    type: str
    actor_id: int
    seconds: float
    end_seconds: float
    """Equal to `seconds` for instants."""
    cause: str
    """enter/leave: "border" or "scenery"; otherwise ""."""


def visibility_events(
    actor_id: int, visible: NDArray[np.bool_], fractions: NDArray[np.float64], inside: NDArray[np.float64], fps: float
) -> list[Event]:
    """Entering, leaving, occlusion.

    visible [T] by the rule of `motion`; fractions [T] visible share of the body; inside [T] share of its rest box in
    the frame.
    """
    events: list[Event] = []
    runs = _runs(_bridged(visible, round(_BRIDGED_SECONDS * fps)))
    for first, last in runs:
        if first > 0:
            events.append(_event("enter", actor_id, first / fps, cause=_cause(inside[first - 1])))
        if last < len(visible) - 1:
            events.append(_event("leave", actor_id, last / fps, cause=_cause(inside[last + 1])))
    seen = np.zeros(len(visible), dtype=bool)
    if runs:
        seen[runs[0][0] : runs[-1][1] + 1] = True
    hidden = seen & (inside > 0.85) & (fractions < _OCCLUDED_BELOW)
    for first, last in _runs(hidden):
        events.append(_event("occluded", actor_id, first / fps, end_seconds=(last + 1) / fps))
    return events


def path_events(actor_id: int, path: Path, duration_seconds: float) -> list[Event]:
    """Starts, stops and turns at the knots of a path that lie inside the clip."""
    events = []
    for k, seconds in enumerate(path.times_seconds.tolist()):
        if not 0.05 < seconds < duration_seconds - 0.05:
            continue
        before = np.zeros(2) if k == 0 else path.points[k] - path.points[k - 1]
        after = np.zeros(2) if k == len(path.points) - 1 else path.points[k + 1] - path.points[k]
        kind = _knot_kind(before, after)
        if kind:
            events.append(_event(kind, actor_id, seconds))
    return events


def _knot_kind(before: NDArray[np.float64], after: NDArray[np.float64]) -> str:
    moved, moves = bool(np.any(before)), bool(np.any(after))
    if moved and moves:
        cosine = before @ after / (np.linalg.norm(before) * np.linalg.norm(after))
        return "turn" if cosine < np.cos(np.deg2rad(_TURN_DEGREES)) else ""
    return "stop" if moved else "start" if moves else ""


def _event(kind: str, actor_id: int, seconds: float, *, end_seconds: float | None = None, cause: str = "") -> Event:
    return {
        "type": kind,
        "actor_id": actor_id,
        "seconds": round(seconds, 4),
        "end_seconds": round(seconds if end_seconds is None else end_seconds, 4),
        "cause": cause,
    }


def _cause(inside: float) -> str:
    return "border" if inside < 0.9 else "scenery"


def _bridged(flags: NDArray[np.bool_], longest: int) -> NDArray[np.bool_]:
    """`flags` with inner gaps of at most `longest` frames filled."""
    out = flags.copy()
    runs = _runs(flags)
    for (_, last), (first, _) in pairwise(runs):
        if first - last - 1 <= longest:
            out[last : first + 1] = True
    return out


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, last) of every run of true values, both inclusive."""
    padded = np.concatenate([[0], flags.astype(np.int8), [0]])
    steps = np.diff(padded)
    return list(zip(np.flatnonzero(steps == 1).tolist(), (np.flatnonzero(steps == -1) - 1).tolist(), strict=True))
