"""Identity over a minute of crossings: IDF1 and HOTA over ten windows of a 60-s clip.

In: rendered `crossing_scene`s and the pipeline. Out: one row a clip. Definitions: docs/spec/metrics.md 7.5 (TrackEval's
arithmetic, bench/quality/identity.py), over all analysed frames of the clip at once, not window by window. An actor
that leaves the picture and returns must keep its id too, which a tracker without re-identification can't promise; the
actors that never leave are also scored alone.

    python -m edgecap.bench.quality.studies.long_identity --clips 5
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecap.bench.quality.facts import TrackMasks
from edgecap.bench.quality.identity import IdentityCounts, identity_counts, no_identity
from edgecap.bench.quality.matching import lies_on
from edgecap.bench.quality.said_facts import frame_indices, said_clip
from edgecap.bench.quality.studies.command import study_options, write_figures
from edgecap.bench.quality.studies.crossings import DURATION_SECONDS, crossing_scene
from edgecap.bench.quality.truth_facts import true_clip
from edgecap.bench.world.cached_clips import clip_cache, world_version
from edgecap.bench.world.ground_truth.clip_truth import ClipTruth
from edgecap.bench.world.render.encode import truth_path, write_clip
from edgecap.bench.world.scene import Scene
from edgecap.engines.graph.device import probe_device
from edgecap.runtime.config import make_config
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.data.record import Record
from edgecap.runtime.pipeline.collect import CollectSink
from edgecap.runtime.pipeline.pipeline import Pipeline

WINDOW_SECONDS = 6.0
_COVERED = 0.5


@dataclass(frozen=True, slots=True)
class LongClip:
    """`windows`: records of the clip. `meetings`: times two actors' visible boxes began to overlap. `one_id`: instances
    whose windows all carry one id, of those that never leave `staying_one_id` of `staying`. `switches_per_minute` over
    all instances. `ids`: confirmed tracks over the clip. `staying_*`: without the actors that leave the picture.
    `spoken_of`: instances in captions, `said_one_id` those under one id in all of them (spec 7.5). `births`, `losses`:
    per window, ids that are seen there first and last (the clip's ends don't count)."""

    name: str
    windows: int
    instances: int
    staying: int
    meetings: int
    idf1: float
    hota: float
    staying_idf1: float
    staying_hota: float
    switches_per_minute: float
    ids: int
    one_id: int
    staying_one_id: int
    spoken_of: int
    said_one_id: int
    births: tuple[int, ...]
    losses: tuple[int, ...]


def measure_clip(pipeline: Pipeline, scene: Scene, folder: Path) -> tuple[LongClip, IdentityCounts, IdentityCounts]:
    """One row; and the counts of all instances and of those that stay, for pooling."""
    video = folder / f"{scene.name}.mp4"
    if not video.exists():
        write_clip(scene, folder)
    sink = CollectSink()
    pipeline.run([video], [sink], overlap=False).raise_for_failures()
    clip, records = ClipTruth.load(truth_path(video)), sink.records
    truth, said = true_clip(clip, frame_indices(records)), said_clip(scene.name, records)
    staying = {a.id for a in scene.actors if a.id in truth.masks and _never_leaves(scene, a.id)}
    count = said.frame_count
    everyone = identity_counts(truth.masks, said.masks, ignored=truth.ignored, frame_count=count)
    apart = dict(truth.ignored)
    for actor, masks in truth.masks.items():
        if actor not in staying:
            apart[actor] = {**apart.get(actor, {}), **masks}
    rest = {i: m for i, m in truth.masks.items() if i in staying}
    stay = identity_counts(rest, said.masks, ignored=apart, frame_count=count)
    carried = {actor: ids_by_window(masks, said.masks, records) for actor, masks in truth.masks.items()}
    named = [said_ids(masks, said.masks, records) for masks in truth.masks.values()]
    births, losses = changes_by_window(records)
    row = LongClip(
        name=scene.name,
        windows=len(records),
        instances=len(truth.masks),
        staying=len(staying),
        meetings=_meetings(clip),
        idf1=everyone.idf1,
        hota=everyone.hota,
        staying_idf1=stay.idf1,
        staying_hota=stay.hota,
        switches_per_minute=everyone.switches / (scene.duration_seconds / 60),
        ids=len(said.masks),
        one_id=sum(len(ids) == 1 for ids in carried.values()),
        staying_one_id=sum(len(carried[i]) == 1 for i in staying),
        spoken_of=sum(bool(ids) for ids in named),
        said_one_id=sum(len(ids) == 1 for ids in named),
        births=births,
        losses=losses,
    )
    return row, everyone, stay


def ids_by_window(true_masks: Mapping[int, Mask], said: TrackMasks, records: Sequence[Record]) -> set[int]:
    """The ids that an instance has in the windows it is seen in: in each the track that covers it (IoU >= 0.5) in most
    frames."""
    found: set[int] = set()
    start = 0
    for record in records:
        stop = start + len(record.window.observations)
        covering: Counter[int] = Counter()
        for frame in range(start, stop):
            mask = true_masks.get(frame)
            if mask is not None:
                covering.update(t for t, m in said.items() if frame in m and m[frame].iou(mask) >= _COVERED)
        if covering:
            found.add(covering.most_common(1)[0][0])
        start = stop
    return found


def said_ids(true_masks: Mapping[int, Mask], said: TrackMasks, records: Sequence[Record]) -> set[int]:
    """The ids of an instance in captions: of the tracks in a window's caption, those that are on it
    (`matching.lies_on`) in that window."""
    found: set[int] = set()
    start = 0
    for record in records:
        stop = start + len(record.window.observations)
        for instance in record.caption.instances:
            here = {f: m for f, m in said.get(instance.track_id, {}).items() if start <= f < stop}
            if lies_on(here, [true_masks]):
                found.add(instance.track_id)
        start = stop
    return found


def changes_by_window(records: Sequence[Record]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(births, losses) per window: ids that no window before has, and that none behind has."""
    seen = [{i.track_id for o in r.window.observations for i in o.instances} for r in records]
    births, losses = [], []
    for k, ids in enumerate(seen):
        births.append(len(ids - set().union(*seen[:k])) if k else 0)
        losses.append(len(ids - set().union(*seen[k + 1 :])) if k + 1 < len(seen) else 0)
    return tuple(births), tuple(losses)


def _never_leaves(scene: Scene, actor_id: int) -> bool:
    """Whether the middle of an actor is in the picture in every frame."""
    actor = next(a for a in scene.actors if a.id == actor_id)
    for k, camera in enumerate(scene.camera_path.matrices):
        x, y = actor.rest_box(k / scene.fps, camera)[0]
        if not (0 <= x < scene.size_wh[0] and 0 <= y < scene.size_wh[1]):
            return False
    return True


def _meetings(clip: ClipTruth) -> int:
    count = 0
    for i, one in enumerate(clip.actors):
        for other in clip.actors[i + 1 :]:
            a, b = one.boxes_xyxy, other.boxes_xyxy
            low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
            there = (a[:, 2] > a[:, 0]) & (b[:, 2] > b[:, 0])
            overlap = (high > low).all(1) & there
            count += int((overlap[1:] & ~overlap[:-1]).sum() + overlap[:1].sum())
    return count


def table(rows: Sequence[LongClip], everyone: IdentityCounts, stay: IdentityCounts) -> str:
    """The rows as text, and the pooled figures."""
    head = f"{'clip':<16}{'windows':>8}{'actors':>7}{'meet':>6}{'IDF1':>8}{'HOTA':>7}{'stay':>6}{'IDF1':>8}{'HOTA':>7}"
    lines = [f"{head}{'switch/min':>12}{'ids':>5}{'one id':>8}{'said':>6}  born, lost"]
    for r in rows:
        lines.append(
            f"{r.name:<16}{r.windows:>8}{r.instances:>7}{r.meetings:>6}{r.idf1:>8.3f}{r.hota:>7.3f}{r.staying:>6}"
            f"{r.staying_idf1:>8.3f}{r.staying_hota:>7.3f}{r.switches_per_minute:>12.1f}{r.ids:>5}"
            f"{f'{r.one_id}/{r.instances}':>8}{f'{r.said_one_id}/{r.spoken_of}':>6}  {sum(r.births)}, {sum(r.losses)}"
        )
    total = f"all: IDF1 {everyone.idf1:.3f}, HOTA {everyone.hota:.3f}; never leaving: IDF1 {stay.idf1:.3f}, HOTA "
    kept = sum(r.staying_one_id for r in rows), sum(r.staying for r in rows)
    named = sum(r.said_one_id for r in rows), sum(r.spoken_of for r in rows)
    ids = sum(r.ids for r in rows) / max(sum(r.instances for r in rows), 1)
    return "\n".join(
        [
            *lines,
            f"{total}{stay.hota:.3f}; of those that never leave {kept[0]} of {kept[1]} keep one id",
            f"captions name {named[0]} of {named[1]} instances under one id; {ids:.2f} ids per instance",
        ]
    )


def main() -> None:
    """Run the pipeline over the clips and print the table."""
    options = study_options("Ids over a minute of crossings.", clips=5, seed_start=3000, tiers=False)
    pipeline = Pipeline(make_config(captioner="none", window_seconds=WINDOW_SECONDS, max_instances=16))
    folder = clip_cache() / world_version() / f"crossings_{DURATION_SECONDS:g}s"
    rows: list[LongClip] = []
    everyone, stay = no_identity(), no_identity()
    for seed in options.seeds:
        row, one, two = measure_clip(pipeline, crossing_scene(seed=seed), folder)
        rows, everyone, stay = [*rows, row], everyone + one, stay + two
    machine = probe_device().machine_line()
    print(f"{len(rows)} clips of {DURATION_SECONDS:g} s in windows of {WINDOW_SECONDS:g} s; {machine}")
    print(table(rows, everyone, stay))
    pooled = {"idf1": everyone.idf1, "hota": everyone.hota, "staying_idf1": stay.idf1, "staying_hota": stay.hota}
    write_figures(options, {"clips": [dataclasses.asdict(r) for r in rows], "pooled": pooled})


if __name__ == "__main__":
    main()
