"""One clip's truth against what was said of it, and the pooling of many clips into figures.

Definitions: docs/spec/metrics.md 7.2-7.5. Two rows keep every figure honest: `oracle_said` (the truth put through the
same arithmetic must reach 1.0) and `blind_said` (a guesser who sees nothing, only knows where instances are).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from typing import TypeVar

import numpy as np

from edgecap.bench.quality.camera import CameraCounts, camera_counts
from edgecap.bench.quality.facts import Heading, SaidClip, Statement, TrueClip, TrueInstance
from edgecap.bench.quality.fields import FieldScores, field_scores, sentence_score
from edgecap.bench.quality.hallucination import HallucinationCounts, hallucination_counts
from edgecap.bench.quality.identity import IdentityCounts, identity_counts, no_identity
from edgecap.bench.quality.masks import MaskScores, mask_scores
from edgecap.bench.quality.matching import Matching, lies_on, match_clip
from edgecap.bench.quality.tally import Tally, scored

T = TypeVar("T")
_CAPTION_FIELDS = ("class", "colour", "second colour", "position start", "position end")


@dataclass(frozen=True, slots=True)
class ClipResult:
    """Everything counted of one clip. `masks`: of the matched instances, in the order of `matching.pairs`.
    `rows`, `invalid_rows`: see `SaidClip`. `spoken_of`, `consistent_ids`: instances in captions, and those
    of them under one id only.
    """

    name: str
    matching: Matching
    fields: FieldScores
    identity: IdentityCounts
    masks: tuple[MaskScores, ...]
    camera: CameraCounts
    hallucination: HallucinationCounts
    background: Tally
    global_sentence: Tally
    count: Tally
    count_within_one: Tally
    rows: int
    invalid_rows: int
    spoken_of: int
    consistent_ids: int
    unknown_ids: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Pooled figures by name, as in the JSON of `edgecap bench quality`; `fields` has the three-state
    tallies, `camera_labels` the rows per label.
    """

    clips: int
    values: dict[str, float]
    fields: dict[str, Tally]
    camera_labels: dict[str, tuple[float, float, int]] = field(default_factory=dict)


def evaluate_clip(truth: TrueClip, said: SaidClip) -> ClipResult:
    """Count one clip."""
    matching = match_clip(truth, said)
    hallucination = hallucination_counts(truth, said, matching)
    difference = abs(hallucination.reported - hallucination.true_instances)
    reported = {t: said.masks.get(t, {}) for s in said.statements for t in (s.track_id,)}
    names = {i: [t for t, m in reported.items() if lies_on(m, [truth.masks[i]])] for i in truth.masks}
    cited = {t for ids in said.caption_ids for t in ids}
    return ClipResult(
        name=truth.name,
        matching=matching,
        fields=field_scores(truth, said, matching),
        identity=identity_counts(truth.masks, said.masks, ignored=truth.ignored, frame_count=truth.frame_count),
        masks=tuple(
            mask_scores(truth.masks[i], said.masks[t], ignored=truth.ignored.get(i, {})) for i, t, _ in matching.pairs
        ),
        camera=camera_counts(truth.camera_labels, said.camera_labels),
        hallucination=hallucination,
        background=Tally.of([sentence_score(said.background_text, truth.background_text)]),
        global_sentence=Tally.of([sentence_score(said.global_text, truth.global_text)]),
        count=Tally.of([scored(difference == 0)]),
        count_within_one=Tally.of([scored(difference <= 1)]),
        rows=said.rows,
        invalid_rows=said.invalid_rows,
        spoken_of=sum(bool(n) for n in names.values()),
        consistent_ids=sum(len(n) == 1 for n in names.values()),
        unknown_ids=len(cited - set(said.masks)),
    )


def pool(results: Sequence[ClipResult]) -> Figures:
    """Figures over all clips: counts are pooled first (micro); mask figures are means over all true instances, those
    without a track appended as zeros [spec 7.5].
    """
    seen = reduce(add, (r.hallucination for r in results), HallucinationCounts())
    identity = reduce(add, (r.identity for r in results), no_identity())
    camera = reduce(add, (r.camera for r in results), CameraCounts())
    fields: dict[str, Tally] = {}
    for result in results:
        for name, tally in result.fields.tallies.items():
            fields[name] = fields.get(name, Tally()) + tally
    values = {
        "recall": seen.recall,
        "precision": seen.precision,
        "hallucinated_instances": seen.hallucinated_instances,
        "invented_instances": seen.invented_instances,
        "omission": seen.omission,
        **_identity_values(identity),
        **_mask_values([m for r in results for m in r.masks], missed=seen.missed),
        **_caption_values(results, seen, camera),
        "chota_s": _chota_s(identity, fields),
        **_angle_values(results),
    }
    return Figures(len(results), values, dict(sorted(fields.items())), camera.per_label())


def oracle_said(truth: TrueClip) -> SaidClip:
    """The truth in the form of a caption."""
    statements = tuple(_true_statement(i) for i in truth.instances)
    return SaidClip(
        truth.name,
        truth.frame_count,
        statements,
        truth.masks,
        truth.camera_labels,
        truth.global_text,
        truth.background_text,
        rows=1,
        schema_errors=(),
        caption_ids=(frozenset(truth.masks),),
    )


def blind_said(truths: Sequence[TrueClip]) -> list[SaidClip]:
    """A guesser that knows where the instances are and says of each field what is most often true in this
    very set (so it is the best a prior can do), camera and sentences included."""
    instances = [i for t in truths for i in t.instances]
    usual = _usual_instance(instances) if instances else None
    camera = _most_common(t.camera_labels for t in truths)
    background, whole = _most_common(t.background_text for t in truths), _most_common(t.global_text for t in truths)
    said = []
    for truth in truths:
        statements = tuple(replace(_true_statement(usual), track_id=i.instance_id) for i in truth.instances if usual)
        said.append(
            replace(
                oracle_said(truth),
                statements=statements,
                camera_labels=camera,
                background_text=background,
                global_text=whole,
            )
        )
    return said


def _identity_values(identity: IdentityCounts) -> dict[str, float]:
    return {
        "idf1": identity.idf1,
        "hota": identity.hota,
        "det_a": float(identity.det_a.mean()),
        "ass_a": float(identity.ass_a.mean()),
        "id_switches": float(identity.switches),
    }


def _mask_values(masks: Sequence[MaskScores], *, missed: int) -> dict[str, float]:
    """`mask_j`, `mask_f`: over every true instance's life. `..._where_both`: a diagnosis, matched instances in the
    frames that both sides have."""

    def mean(get: Callable[[MaskScores], float], *, over: int) -> float:
        return sum(map(get, masks)) / over if over else 0.0

    matched, every = len(masks), len(masks) + missed
    return {
        "mask_j": mean(lambda m: m.j_union, over=every),
        "mask_f": mean(lambda m: m.f_union, over=every),
        "mask_j_where_both": mean(lambda m: m.j_both, over=matched),
        "mask_f_where_both": mean(lambda m: m.f_both, over=matched),
    }


def _caption_values(results: Sequence[ClipResult], seen: HallucinationCounts, camera: CameraCounts) -> dict[str, float]:
    def share(part: int, whole: int) -> float:
        return part / whole if whole else 1.0

    def of(get: Callable[[ClipResult], Tally]) -> Tally:
        return reduce(add, map(get, results), Tally())

    rows = sum(max(r.rows, r.invalid_rows) for r in results)  # a clip without a row owes one

    return {
        "camera_exact": camera.exact.recall,
        "camera_micro_f1": camera.micro_f1,
        "camera_listed": camera.listed.recall,
        "chair_i": seen.chair_i,
        "chair_s": seen.chair_s,
        "object_recall": seen.object_recall,
        "colour_leakage": seen.leakage,
        "dlc_s": seen.dlc_s,
        "background_exact": of(lambda r: r.background).recall,
        "global_exact": of(lambda r: r.global_sentence).recall,
        "count_exact": of(lambda r: r.count).recall,
        "count_within_one": of(lambda r: r.count_within_one).recall,
        "schema_valid": 1.0 - share(sum(r.invalid_rows for r in results), rows) if results else 0.0,
        "rows_per_clip": sum(r.rows for r in results) / max(len(results), 1),
        "id_consistency": share(sum(r.consistent_ids for r in results), sum(r.spoken_of for r in results)),
        "unknown_ids": float(sum(r.unknown_ids for r in results)),
    }


def _angle_values(results: Sequence[ClipResult]) -> dict[str, float]:
    """Median and 90th percentile of the angular error, by plane and camera; absent where nothing moved."""
    errors: dict[str, list[float]] = {}
    for result in results:
        for key, found in result.fields.angle_errors.items():
            errors.setdefault(key, []).extend(found)
    values: dict[str, float] = {}
    for key, angles in sorted(errors.items()):
        name = key.replace(" ", "_")
        values[f"angle_error_{name}_median"], values[f"angle_error_{name}_p90"] = (
            float(np.percentile(angles, q)) for q in (50, 90)
        )
    return values


def _chota_s(identity: IdentityCounts, fields: dict[str, Tally]) -> float:
    """(DetA * AssA * CapA-S)^(1/3) at IoU 0.5, CapA-S = mean field F1 [spec 7.5: an offline variant, so the
    suffix].
    """
    half = 9  # ALPHAS[9] = 0.5
    caption = sum(fields.get(f, Tally()).f1 for f in _CAPTION_FIELDS) / len(_CAPTION_FIELDS)
    return float((identity.det_a[half] * identity.ass_a[half] * caption) ** (1 / 3))


def _true_statement(instance: TrueInstance) -> Statement:
    position = f"{instance.class_name} moves from {instance.cell_start} to {instance.cell_end}"
    position += " and out of frame in the end." if instance.gone_at_end else "."
    return Statement(
        instance.instance_id,
        instance.class_name,
        instance.appearance_text,
        instance.action_text,
        position,
        instance.heading_image,
        instance.heading_world,
    )


def _usual_instance(instances: Sequence[TrueInstance]) -> TrueInstance:
    """An instance each of whose facts is the most common one."""
    first, second = (
        _most_common(i.primary_colour for i in instances),
        _most_common(i.secondary_colour for i in instances),
    )
    heading = Heading((0.0, 0.0), _most_common(_octant(i.heading_image) for i in instances), True)
    return TrueInstance(
        instance_id=-1,
        class_name=_most_common(i.class_name for i in instances),
        primary_colour=first,
        secondary_colour=second,
        cell_start=_most_common(i.cell_start for i in instances),
        cell_end=_most_common(i.cell_end for i in instances),
        released_start="",
        released_end="",
        gone_at_end=_most_common(i.gone_at_end for i in instances),
        heading_image=heading,
        heading_world=heading,
        action_text=_most_common(i.action_text for i in instances),
        appearance_text=f"{first} {second or ''}",
    )


def _octant(heading: Heading) -> float | None:
    return None if heading.angle_degrees is None else round(heading.angle_degrees / 45.0) % 8 * 45.0


def _most_common(values: Iterable[T]) -> T:
    return Counter(values).most_common(1)[0][0]
