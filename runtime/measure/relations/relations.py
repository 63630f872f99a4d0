"""Relations between instances over time: how they are placed, and what they do to each other.

In: the `BodyPosition` of every track of a window. Out: `Relation` rows. Pure; the rules are in pair_rules.py
(positions) and occlusion.py (masks), the sentences in runtime/describe/relation_sentences.py.

left_of, right_of, above, below   by the centres in the picture, on the axis along which they are farther apart
near                              little empty space between the boxes, by their size
in_front_of                       one hides part of the other; never guessed from their positions
approaches, moves_away_from       the subject's own movement, camera removed, changes the distance
follows                           both move the same way, the subject behind
crosses                           the subject passes from one side of the other to its other side
passes                            the same where both move, against each other: neither is the one that crosses
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.evidence import Order, Relation, RelationName
from edgecap.runtime.measure.body_position import BodyPosition
from edgecap.runtime.measure.camera_path import CameraPath
from edgecap.runtime.measure.relations.occlusion import Hiding, hidings
from edgecap.runtime.measure.relations.pair_path import pair_path
from edgecap.runtime.measure.relations.pair_rules import PairSpan, pair_spans

RELATION_NAMES: tuple[RelationName, ...] = get_args(RelationName)


def relate(
    bodies: Sequence[BodyPosition], path: CameraPath, times_seconds: NDArray[np.float64]
) -> tuple[Relation, ...]:
    """Every relation between the tracks, by start, then pair; the same input gives the same rows.

    `bodies`: of one window, the most important first. `times_seconds` [S]: of all its observations. `path`: its
    camera's."""
    found: list[Relation] = []
    for one, other in combinations(bodies, 2):
        pair = pair_path(one, other, path)
        if pair is None:
            continue
        a, b = one.tracklet.track_id, other.tracklet.track_id
        hides = hidings(one, other, path, times_seconds)
        found += [_hiding(h, a, b) for h in hides]
        found += [_relation(s, a, b, hides) for s in pair_spans(pair)]
    return tuple(sorted(found, key=lambda r: (r.start_seconds, r.subject_id, r.object_id, r.name)))


def _hiding(hiding: Hiding, a: int, b: int) -> Relation:
    subject, other = (a, b) if hiding.by_a else (b, a)
    return Relation("in_front_of", subject, other, hiding.start_seconds, hiding.end_seconds, hiding.confidence)


def _relation(span: PairSpan, a: int, b: int, hides: Sequence[Hiding]) -> Relation:
    subject, other = (a, b) if span.by_a else (b, a)
    order: Order = ""
    if span.name in ("crosses", "passes"):
        fronts = {h.by_a == span.by_a for h in hides if _overlap(h, span)}
        order = "" if len(fronts) != 1 else "in front" if True in fronts else "behind"
    return Relation(span.name, subject, other, span.start_seconds, span.end_seconds, span.confidence, order)


def _overlap(hiding: Hiding, span: PairSpan) -> bool:
    """A meeting begins before and ends after the moment of passing, so half a second on either side counts."""
    return hiding.start_seconds <= span.end_seconds + 0.5 and hiding.end_seconds >= span.start_seconds - 0.5
