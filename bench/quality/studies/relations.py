"""Relations said by `runtime.relations` against the world's truth: precision and recall of each.

    python -m edgecap.bench.quality.studies.relations --clips 40

What is true comes from the scene itself (exact places of the bodies, the exact camera, who stands nearer), put through
the same definitions (`pair_rules`). Near a threshold a case is doubtful for both
sides: so recall counts what is true with a margin (`CLEAR`), precision what is true with less (`DOUBTFUL`). Both are
also given without a band ("exact").
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.quality.compare import quality_config
from edgecap.bench.quality.matching import match_tracks
from edgecap.bench.quality.run import caption_clip, scored_frames
from edgecap.bench.quality.said_facts import frame_indices, said_clip
from edgecap.bench.quality.studies.command import study_options, write_figures
from edgecap.bench.quality.truth_facts import true_clip
from edgecap.bench.world.actors import Actor
from edgecap.bench.world.cached_clips import clip_cache
from edgecap.bench.world.ground_truth.clip_truth import ActorTruth, ClipTruth
from edgecap.bench.world.scene import Scene, make_scene
from edgecap.bench.world.seeds import EVALUATION_SEED_START
from edgecap.runtime.data.evidence import Relation, RelationName
from edgecap.runtime.data.record import Record
from edgecap.runtime.measure.relations.pair_path import PairPath
from edgecap.runtime.measure.relations.pair_rules import pair_spans
from edgecap.runtime.measure.relations.relations import RELATION_NAMES
from edgecap.runtime.pipeline.pipeline import Pipeline

CLEAR, DOUBTFUL = 1.3, 0.7
_HIDDEN = {CLEAR: 0.28, 1.0: 0.2, DOUBTFUL: 0.08}
"""Share of a body that another must hide for "in front of", by margin; 1.0 is occlusion.py's own threshold."""
_SLACK_SECONDS = 0.35
"""Analysed frames are 0.125 s apart and paths are smoothed over 0.4 s: spans this far apart still meet."""
_INVERSE: dict[RelationName, RelationName] = {"right_of": "left_of", "below": "above"}


@dataclass(frozen=True, slots=True)
class RelationFigure:
    """One relation. `said`, `right`: rows said, and those true (doubtful cases too); `clear`, `found`: rows that are
    clearly true, and those said; `exact_precision`, `exact_recall`: without a band."""

    name: str
    said: int
    right: int
    clear: int
    found: int
    exact_precision: float
    exact_recall: float

    @property
    def precision(self) -> float:
        """1 where nothing was said."""
        return self.right / self.said if self.said else 1.0

    @property
    def recall(self) -> float:
        """1 where there was nothing to say."""
        return self.found / self.clear if self.clear else 1.0


@dataclass(frozen=True, slots=True)
class ClipRelations:
    """One clip: what was said (of matched instances, in the ids of the truth), what is true by margin, how many rows
    were about tracks without a partner (not scored)."""

    said: tuple[Relation, ...]
    true: dict[float, tuple[Relation, ...]]
    unmatched: int
    orders_right: int
    orders_said: int


def score_clip(scene: Scene, truth: ClipTruth, records: Sequence[Record]) -> ClipRelations:
    """Relations of all records of one clip against the truth."""
    frames = scored_frames(frame_indices(records), truth)
    facts = true_clip(truth, frames)
    pairs = match_tracks(facts.masks, said_clip(truth.name, records).masks, ignored=facts.ignored)
    actor_of = {track: actor for actor, track, _ in pairs}
    rows = [r for record in records for r in record.evidence.relations]
    said = [_renamed(r, actor_of) for r in rows if r.subject_id in actor_of and r.object_id in actor_of]
    depth = {a.id: a.z_order for a in scene.actors}
    ordered = [r for r in said if r.order]
    right = sum((depth[r.subject_id] > depth[r.object_id]) == (r.order == "in front") for r in ordered)
    true = {margin: true_relations(scene, truth, frames, margin=margin) for margin in (CLEAR, 1.0, DOUBTFUL)}
    return ClipRelations(tuple(said), true, len(rows) - len(said), right, len(ordered))


def true_relations(scene: Scene, truth: ClipTruth, frames: Sequence[int], *, margin: float) -> tuple[Relation, ...]:
    """Everything true of the captioned actors at the source frames `frames`."""
    bodies = {a.id: a for a in scene.actors}
    found: list[Relation] = []
    for one, other in combinations(truth.captioned(), 2):
        pair = _true_pair(scene, (bodies[one.id], bodies[other.id]), (one, other), frames)
        for span in pair_spans(pair, margin=margin) if pair is not None else ():
            subject, object_ = (one.id, other.id) if span.by_a else (other.id, one.id)
            found.append(Relation(span.name, subject, object_, span.start_seconds, span.end_seconds, 1.0))
        near, far = (one, other) if bodies[one.id].z_order > bodies[other.id].z_order else (other, one)
        found += _true_hidings(scene, near, far, bodies[far.id], frames, least_hidden=_HIDDEN[margin])
    return tuple(found)


def figures(clips: Iterable[ClipRelations]) -> list[RelationFigure]:
    """One row per relation, pooled over clips; "right_of" and "below" are their inverses turned round."""
    clips = list(clips)
    names = [n for n in RELATION_NAMES if n not in _INVERSE]
    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    for clip in clips:
        for row in clip.said:
            here = counts[_canonical(row)[0]]
            here.update(said=1, right=_among(row, clip.true[DOUBTFUL]), exact_right=_among(row, clip.true[1.0]))
        for row in clip.true[CLEAR]:
            counts[_canonical(row)[0]].update(clear=1, found=_among(row, clip.said))
        for row in clip.true[1.0]:
            counts[_canonical(row)[0]].update(exact=1, exact_found=_among(row, clip.said))
    return [
        RelationFigure(
            name,
            said=c["said"],
            right=c["right"],
            clear=c["clear"],
            found=c["found"],
            exact_precision=c["exact_right"] / c["said"] if c["said"] else 1.0,
            exact_recall=c["exact_found"] / c["exact"] if c["exact"] else 1.0,
        )
        for name, c in counts.items()
    ]


def _true_pair(
    scene: Scene, actors: tuple[Actor, Actor], truths: tuple[ActorTruth, ActorTruth], frames: Sequence[int]
) -> PairPath | None:
    shared = [f for f in frames if truths[0].visible[f] and truths[1].visible[f]]
    if len(shared) < 2:
        return None
    times = np.array(shared) / scene.fps
    width, height = scene.size_wh
    cameras = scene.camera_path.matrices
    middle = cameras[shared[len(shared) // 2]]
    places = [a.path.at(times)[0] for a in actors]
    world = [_seen_by(np.broadcast_to(middle, (len(times), 3, 3)), p) / width for p in places]
    here = [_seen_by(cameras[shared], p) / width for p in places]
    scale = np.array([1.0, height / width, 1.0, height / width])
    boxes = [t.boxes_xyxy[shared].astype(np.float64) * scale for t in truths]
    whole = np.ones(len(times))
    return PairPath(times, world[0], world[1], here[1] - here[0], boxes[0], boxes[1], whole.astype(bool), whole)


def _seen_by(cameras: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixels [T, 2] of world points [T, 2] under cameras [T, 3, 3]."""
    moved = np.einsum("tij,tj->ti", cameras, np.column_stack([points, np.ones(len(points))]))
    pixels: NDArray[np.float64] = moved[:, :2] / moved[:, 2:]
    return pixels


def _true_hidings(
    scene: Scene, near: ActorTruth, far: ActorTruth, body: Actor, frames: Sequence[int], *, least_hidden: float
) -> list[Relation]:
    """Times at which the nearer actor's pixels are in the farther one's rest box, enough for half of what is hidden of
    it (else scenery hides it)."""
    hides = [f for f in frames if _hides(scene, near, far, body, f, least_hidden)]
    if not hides:
        return []
    groups = np.split(np.array(hides), np.flatnonzero(np.diff(hides) > 0.6 * scene.fps) + 1)
    return [
        Relation("in_front_of", near.id, far.id, float(g[0] / scene.fps), float(g[-1] / scene.fps), 1.0)
        for g in groups
        if len(g) >= 2
    ]


def _hides(scene: Scene, near: ActorTruth, far: ActorTruth, body: Actor, frame: int, least_hidden: float) -> bool:
    hidden = 1.0 - float(far.visible_fractions[frame])
    mask = near.mask(frame)
    if hidden < least_hidden or not body.alive(frame / scene.fps) or mask is None:
        return False
    middle, half = body.rest_box(frame / scene.fps, scene.camera_path.matrices[frame])
    x0, y0 = np.maximum(np.round(middle - half), 0).astype(int)
    x1, y1 = np.round(middle + half).astype(int)
    inside = mask[y0 : max(y1, 0), x0 : max(x1, 0)]
    # A sprite fills about half of its rest box, so what is hidden of it is about hidden * box / 2 pixels.
    return float(np.count_nonzero(inside)) >= 0.5 * hidden * 0.5 * float(np.prod(2 * half))


def _canonical(row: Relation) -> tuple[str, int, int]:
    if row.name in _INVERSE:
        return _INVERSE[row.name], row.object_id, row.subject_id
    if row.name in ("near", "passes"):
        return row.name, min(row.subject_id, row.object_id), max(row.subject_id, row.object_id)
    return row.name, row.subject_id, row.object_id


def _among(row: Relation, others: Iterable[Relation]) -> bool:
    """Whether one of `others` is the same relation at (for at least half of the shorter span) the same time."""
    start, end = row.start_seconds - _SLACK_SECONDS, row.end_seconds + _SLACK_SECONDS
    for other in others:
        if _same(row, other):
            shared = min(end, other.end_seconds) - max(start, other.start_seconds)
            shorter = min(row.end_seconds - row.start_seconds, other.end_seconds - other.start_seconds)
            if shared >= 0.5 * shorter:
                return True
    return False


def _same(row: Relation, other: Relation) -> bool:
    """Whether two rows say the same of the same pair. Who crosses whom is open where one of the two says "passes"."""
    if {row.name, other.name} == {"crosses", "passes"}:
        return {row.subject_id, row.object_id} == {other.subject_id, other.object_id}
    return _canonical(other) == _canonical(row)


def _renamed(row: Relation, actor_of: dict[int, int]) -> Relation:
    return Relation(
        row.name,
        actor_of[row.subject_id],
        actor_of[row.object_id],
        row.start_seconds,
        row.end_seconds,
        row.confidence,
        row.order,
    )


def table(rows: Sequence[RelationFigure]) -> str:
    """The figures as text."""
    lines = [f"{'relation':<16}{'said':>6}{'precision':>11}{'clear':>7}{'recall':>9}{'exact P':>9}{'exact R':>9}"]
    for f in rows:
        lines.append(
            f"{f.name:<16}{f.said:6d}{f.precision:11.3f}{f.clear:7d}{f.recall:9.3f}"
            f"{f.exact_precision:9.3f}{f.exact_recall:9.3f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Run nano's perception over held-out clips and print the table."""
    options = study_options("Relations against the world's truth.", clips=40, seed_start=EVALUATION_SEED_START)
    pipeline, scored = Pipeline(quality_config("nano", captioner="none")), []
    for seed in options.seeds:
        truth, records = caption_clip(pipeline, tier=options.tier, seed=seed, folder=clip_cache())
        scored.append(score_clip(make_scene(seed=seed, tier=options.tier), truth, records))
    print(f"{options.clips} held-out clips, tier {options.tier}")
    rows = figures(scored)
    print(table(rows))
    write_figures(options, {"relations": [dataclasses.asdict(row) for row in rows]})
    orders = sum(c.orders_right for c in scored), sum(c.orders_said for c in scored)
    print(
        f"order of crossings right: {orders[0]} of {orders[1]}; rows about unmatched tracks, not scored: "
        f"{sum(c.unmatched for c in scored)}"
    )


if __name__ == "__main__":
    main()
