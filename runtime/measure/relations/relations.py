"""Relations between instances over time: where they stand to each other, and what they do to each other.

In: `Window` and the tracks measured of it. Out: `Relation` rows. Pure; the rules are in pair_rules.py (places) and
occlusion.py (masks), the sentences in relation_words.py.

left_of, right_of, above, below   by the centres in the picture, on the axis along which they are farther apart
near                              little empty space between the boxes, by their size
in_front_of                       one hides part of the other; never guessed from where they stand
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

from edgecap.runtime.data.evidence import TrackEvidence
from edgecap.runtime.data.relation import Order, Relation, RelationName
from edgecap.runtime.data.window import Window
from edgecap.runtime.measure.body_position import body_position
from edgecap.runtime.measure.camera_path import CameraPath, camera_path
from edgecap.runtime.measure.motion import camera_scales
from edgecap.runtime.measure.relations.occlusion import Hiding, hidings
from edgecap.runtime.measure.relations.pair_path import Body, pair_path
from edgecap.runtime.measure.relations.pair_rules import PairSpan, pair_spans
from edgecap.runtime.measure.tracklet import Tracklet, tracklets

RELATION_NAMES: tuple[RelationName, ...] = get_args(RelationName)


def relate(window: Window, tracks: Sequence[TrackEvidence], *, path: CameraPath | None = None) -> tuple[Relation, ...]:
    """Every relation between `tracks`, by start, then pair; the same input gives the same rows. They must be measured
    from `window`; fewer than two have no relations. `path`: the window's camera path where it is known already."""
    if len(tracks) < 2:
        return ()
    if path is None:
        height, width = window.observations[0].frame.image_rgb.shape[:2]
        path = camera_path(window.observations, aspect=height / width)
    all_lives = {tracklet.track_id: tracklet for tracklet in tracklets(window)}
    bodies = {t.track_id: _body(all_lives[t.track_id], window, path) for t in tracks}
    times = np.array([o.frame.pts_seconds for o in window.observations], np.float64)
    found: list[Relation] = []
    for a, b in combinations([t.track_id for t in tracks], 2):
        pair = pair_path(bodies[a], bodies[b], path)
        if pair is None:
            continue
        hides = hidings(bodies[a], bodies[b], path, times)
        found += [_hiding(h, a, b) for h in hides]
        found += [_relation(s, a, b, hides) for s in pair_spans(pair)]
    return tuple(sorted(found, key=lambda r: (r.start_seconds, r.subject_id, r.object_id, r.name)))


def _body(tracklet: Tracklet, window: Window, path: CameraPath) -> Body:
    others = []
    for step in tracklet.steps:
        rows = [i.box_xyxy for i in window.observations[step].instances if i.track_id != tracklet.track_id]
        others.append(np.stack(rows) if rows else np.zeros((0, 4), np.float32))
    return Body(tracklet, body_position(tracklet, others, scales=camera_scales(tracklet, path)))


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
