"""What two instances do to each other, decided from where they are: rules on a `PairPath`, nothing else.

In: `PairPath`. Out: `PairSpan`s. The method
names no relations, so the rules and figures are ours; lengths are frame widths, speeds frame widths per second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.measure.relations.pair_path import PairPath

PairRelation = Literal[
    "left_of", "right_of", "above", "below", "near", "approaches", "moves_away_from", "follows", "crosses", "passes"
]

SIDE = 0.06
"""Centres this far apart along an axis, which is also the axis of their larger distance: one is beside the other.
Masks locate a centre to about 0.005; half a small actor of the synthetic world is 0.05."""
NEAR_BODIES = 0.35
"""Empty space below this many mean long sides of the two boxes."""
CLOSING = 0.03
"""Speed towards (or away from) the other; the slowest walk of the synthetic world is 0.06, a measured rest below
0.01."""
CLOSING_COSINE = 0.7
"""Heading within 45 degrees of the line between the two."""
LEAST_CHANGE, LEAST_RATIO = 0.06, 0.8
"""What a coming (going) must change: the distance by this much, and to at most this share of it."""
FOLLOW_SPEED, FOLLOW_COSINE, FOLLOW_RATIO, FOLLOW_DISTANCE = 0.035, 0.85, 2.5, 0.5
"""Both at least so fast, headings within about 30 degrees, one at most so many times as fast, so near."""
PASSED = 0.03
"""How far on the other side a centre must come to have passed: half the dead zone of a side."""
MUTUAL = 0.4
"""Moving against each other, the slower at least this much as fast: they pass each other, neither crosses."""
_LONGEST_PASS_SECONDS = 4.0
_LEAST_SECONDS = {"side": 0.5, "near": 0.5, "closing": 0.6, "follows": 1.0}
_LONGEST_GAP_SECONDS = 0.6
"""A state seen before and after a gap in the observations this short goes on through it."""
_LEAVE = 0.6
"""A state begins at its threshold and ends below this share of it, so that jitter about the threshold is one state."""


@dataclass(frozen=True, slots=True)
class PairSpan:
    """One relation of a pair over a time: `by_a` where a is its subject and b its object, else the other way round."""

    name: PairRelation
    by_a: bool
    start_seconds: float
    end_seconds: float
    confidence: float


def pair_spans(pair: PairPath, *, margin: float = 1.0) -> list[PairSpan]:
    """Every relation of the pair, by start. `margin` scales the thresholds: above 1 only clear cases pass, below 1
    doubtful ones too (bench bands its truth with it).

    left_of, right_of, above, below and near and passes are given once, with a as the subject; the others per subject.
    """
    if len(pair) < 2:
        return []
    found = [*_sides(pair, margin), *_nears(pair, margin)]
    if pair.known.sum() >= 3:
        still = _known(pair)
        follows = list(_follows(still, margin))
        moves = [m for m in _closings(still, margin) if not any(_mostly_within(m, f) for f in follows)]
        found += [*follows, *moves]
    found += _crossings(pair, margin)
    return sorted(found, key=lambda s: (s.start_seconds, s.name, s.by_a))


def _sides(pair: PairPath, margin: float) -> Iterator[PairSpan]:
    offset = pair.offset_xy
    wide = np.abs(offset[:, 0]) >= np.abs(offset[:, 1])
    names: tuple[tuple[PairRelation, NDArray[np.float64]], ...] = (
        ("left_of", np.where(wide, offset[:, 0], 0.0)),
        ("right_of", np.where(wide, -offset[:, 0], 0.0)),
        ("above", np.where(wide, 0.0, offset[:, 1])),
        ("below", np.where(wide, 0.0, -offset[:, 1])),
    )
    for name, values in names:
        yield from _states(pair, name, values, SIDE * margin, least_seconds=_LEAST_SECONDS["side"])


def _nears(pair: PairPath, margin: float) -> Iterator[PairSpan]:
    sizes = [(b[:, 2:] - b[:, :2]).max(1) for b in (pair.boxes_a, pair.boxes_b)]
    reach = NEAR_BODIES / margin * (sizes[0] + sizes[1]) / 2
    # 1 where they touch, 0 where the space between them is all that is allowed.
    closeness = 1.0 - pair.gaps / np.maximum(reach, 1e-6)
    yield from _states(pair, "near", closeness + 0.2, 0.2, least_seconds=_LEAST_SECONDS["near"])


def _closings(pair: PairPath, margin: float) -> Iterator[PairSpan]:
    line = pair.world_b_xy - pair.world_a_xy
    distance = np.hypot(line[:, 0], line[:, 1])
    towards = line / np.maximum(distance, 1e-6)[:, None]
    changes = np.gradient(distance, pair.times_seconds)
    for by_a, positions, way in ((True, pair.world_a_xy, towards), (False, pair.world_b_xy, -towards)):
        velocity = np.gradient(positions, pair.times_seconds, axis=0)
        speed = np.hypot(velocity[:, 0], velocity[:, 1])
        closing = (velocity * way).sum(1)
        names: tuple[tuple[PairRelation, float], ...] = (("approaches", 1.0), ("moves_away_from", -1.0))
        for name, sign in names:
            straight = sign * closing >= CLOSING_COSINE * speed
            value = np.where(straight & (sign * changes < 0), sign * closing, 0.0)
            for span in _states(pair, name, value, CLOSING * margin, least_seconds=_LEAST_SECONDS["closing"]):
                inside = (pair.times_seconds >= span.start_seconds) & (pair.times_seconds <= span.end_seconds)
                first, last = distance[inside][0], distance[inside][-1]
                far, close = (first, last) if sign > 0 else (last, first)
                if far - close >= LEAST_CHANGE * margin and close <= LEAST_RATIO / max(margin, 1.0) * far:
                    yield PairSpan(name, by_a, span.start_seconds, span.end_seconds, span.confidence)


def _follows(pair: PairPath, margin: float) -> Iterator[PairSpan]:
    velocity_a = np.gradient(pair.world_a_xy, pair.times_seconds, axis=0)
    velocity_b = np.gradient(pair.world_b_xy, pair.times_seconds, axis=0)
    speed_a, speed_b = (np.maximum(np.hypot(v[:, 0], v[:, 1]), 1e-9) for v in (velocity_a, velocity_b))
    line = pair.world_b_xy - pair.world_a_xy
    distance = np.maximum(np.hypot(line[:, 0], line[:, 1]), 1e-6)
    together = (velocity_a * velocity_b).sum(1) / (speed_a * speed_b)
    slower, faster = np.minimum(speed_a, speed_b), np.maximum(speed_a, speed_b)
    base = (together >= FOLLOW_COSINE) & (faster <= FOLLOW_RATIO * slower) & (distance <= FOLLOW_DISTANCE / margin)
    for by_a, velocity, speed, sign in ((True, velocity_a, speed_a, 1.0), (False, velocity_b, speed_b, -1.0)):
        behind = sign * (velocity * line).sum(1) / (speed * distance)
        value = np.where(base & (behind >= CLOSING_COSINE), slower, 0.0)
        for span in _states(pair, "follows", value, FOLLOW_SPEED * margin, least_seconds=_LEAST_SECONDS["follows"]):
            yield PairSpan("follows", by_a, span.start_seconds, span.end_seconds, span.confidence)


def _crossings(pair: PairPath, margin: float) -> Iterator[PairSpan]:
    """From clearly on one side to clearly on the other, the boxes level with each other on the way.

    offset  ----====\\____ 0 ____\\====----     ==== the last and first observation beyond PASSED: the span
    """
    for axis in (0, 1):
        sides = np.where(np.abs(pair.offset_xy[:, axis]) >= PASSED * margin, np.sign(pair.offset_xy[:, axis]), 0.0)
        clear = np.flatnonzero(sides)
        for first, last in pairwise(clear.tolist()):
            if sides[first] == sides[last]:
                continue
            start, end = float(pair.times_seconds[first]), float(pair.times_seconds[last])
            if end - start > _LONGEST_PASS_SECONDS or not _level(pair, first, last, 1 - axis):
                continue
            if not (pair.known[first] and pair.known[last]):
                continue  # it isn't known who passed whom
            a, b = (float(w[last, axis] - w[first, axis]) for w in (pair.world_a_xy, pair.world_b_xy))
            slower, faster = sorted((abs(a), abs(b)))
            mutual = a * b < 0 and slower >= MUTUAL * faster
            # Of what came before and after: in between one may hide the other, and that is no doubt about the passing.
            around = np.concatenate([pair.trust[max(first - 4, 0) : first + 1], pair.trust[last : last + 5]])
            trust = round(float(around.mean()), 3)
            yield PairSpan("passes" if mutual else "crosses", mutual or abs(a) >= abs(b), start, end, trust)


def _level(pair: PairPath, first: int, last: int, axis: int) -> bool:
    """Whether the boxes share at least a third of the shorter one's extent along `axis`, on average."""
    a, b = pair.boxes_a[first : last + 1], pair.boxes_b[first : last + 1]
    shared = np.minimum(a[:, axis + 2], b[:, axis + 2]) - np.maximum(a[:, axis], b[:, axis])
    shorter = np.minimum(a[:, axis + 2] - a[:, axis], b[:, axis + 2] - b[:, axis])
    return bool(float((shared / np.maximum(shorter, 1e-6)).mean()) >= 1 / 3)


def _states(
    pair: PairPath, name: PairRelation, values: NDArray[np.float64], threshold: float, *, least_seconds: float
) -> Iterator[PairSpan]:
    """Spans in which `values` [T] reached the threshold and did not fall below `_LEAVE` of it.

    Confidence: how far beyond the threshold on average (twice it = 1), times the trust in the positions.
    """
    times, begun = pair.times_seconds, -1
    for i in range(len(values) + 1):
        gap = 0 < i < len(values) and times[i] - times[i - 1] > _LONGEST_GAP_SECONDS
        holds = i < len(values) and values[i] >= (threshold if begun < 0 else _LEAVE * threshold)
        if begun >= 0 and (gap or not holds):
            if times[i - 1] - times[begun] >= least_seconds:
                strength = float(np.clip(values[begun:i] / (2 * threshold), 0.0, 1.0).mean())
                trust = float(pair.trust[begun:i].mean())
                yield PairSpan(name, True, float(times[begun]), float(times[i - 1]), round(strength * trust, 3))
            begun = -1
            holds = i < len(values) and bool(values[i] >= threshold)
        if holds and begun < 0:
            begun = i


def _known(pair: PairPath) -> PairPath:
    return PairPath(*(getattr(pair, field.name)[pair.known] for field in fields(pair)))


def _mostly_within(one: PairSpan, other: PairSpan) -> bool:
    shared = min(one.end_seconds, other.end_seconds) - max(one.start_seconds, other.start_seconds)
    return shared >= 0.5 * (one.end_seconds - one.start_seconds)
