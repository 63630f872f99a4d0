"""How many planted false statements the verifier catches, and how many true captions it refuses.

In: held-out clips of the world, perceived and measured by a pipeline; true captions of their instances by the truth.
Out: `PlantedReport`: catch rate by kind and form, false-alarm rate over the same captions without the plant, and what
the verifier did to the pipeline's own fields.

Only instances matched with a track are used, as the verifier checks what was perceived. Evidence is the pipeline's
own, errors included; the truth decides what is false.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecap.bench.quality.facts import TrueClip
from edgecap.bench.quality.matching import match_clip
from edgecap.bench.quality.planted.texts import KINDS, Form, Kind, Pair, Subject, make_pair
from edgecap.bench.quality.run import caption_clip, scored_truth
from edgecap.bench.quality.said_facts import said_clip
from edgecap.bench.world.ground_truth.motion import position_cell
from edgecap.runtime.data.evidence import CameraEvidence, TrackEvidence
from edgecap.runtime.data.question import Answer
from edgecap.runtime.data.record import Record
from edgecap.runtime.pipeline.pipeline import Pipeline
from edgecap.runtime.verify.reasons import ReasonCode, VerifierCounts, verifier_counts
from edgecap.runtime.verify.verifier import check_instance

_COUNTS_AS: dict[Kind, frozenset[ReasonCode]] = {
    "colour": frozenset({"colour"}),
    "class": frozenset({"class"}),
    "direction": frozenset({"direction", "motion"}),
    "position": frozenset({"position"}),
    "sound": frozenset({"sound"}),
    "hedge": frozenset({"hedge"}),
}
_FORMS: tuple[Form, ...] = ("closed", "free")
_MOST_TRIES = 200


@dataclass(frozen=True, slots=True)
class Watched:
    """One true instance and what was measured of it; `seen`: classes of all tracks of its window."""

    clip: str
    subject: Subject
    track: TrackEvidence
    camera: CameraEvidence
    labels: tuple[str, ...]
    seen: frozenset[str]


@dataclass(frozen=True, slots=True)
class Trial:
    """One pair and the codes (sorted) of what was said against each of its texts."""

    clip: str
    pair: Pair
    false_codes: tuple[ReasonCode, ...]
    true_codes: tuple[ReasonCode, ...]

    @property
    def caught(self) -> bool:
        """The false text was refused, for the planted statement and not for something else."""
        return bool(_COUNTS_AS[self.pair.kind] & set(self.false_codes) - set(self.true_codes))

    @property
    def refused(self) -> bool:
        """The false text was refused for any reason, as a user would see it."""
        return bool(self.false_codes)

    @property
    def false_alarm(self) -> bool:
        """The true text was refused."""
        return bool(self.true_codes)


@dataclass(frozen=True, slots=True)
class PlantedReport:
    """`trials` in the order of kinds; `own`: what the verifier did to the captioner's fields of the same clips."""

    seeds: tuple[int, ...]
    instances: int
    trials: tuple[Trial, ...]
    own: VerifierCounts


def watch_clip(pipeline: Pipeline, folder: Path, *, tier: str, seed: int) -> tuple[list[Watched], list[Record]]:
    """Perceive one held-out clip; its matched instances and its records."""
    clip, records = caption_clip(pipeline, tier=tier, seed=seed, folder=folder)
    truth = scored_truth(clip, records)
    matching = match_clip(truth, said_clip(truth.name, records))
    instances = {i.instance_id: i for i in truth.instances}
    place = re.split(r" (?:is|are) ", truth.global_text.rstrip("."))[-1]  # "A dog is in a meadow."
    found = []
    for instance_id, track_id, _ in matching.pairs:
        record = next(r for r in records if any(t.track_id == track_id for t in r.evidence.tracks))
        track = next(t for t in record.evidence.tracks if t.track_id == track_id)
        subject = Subject(instances[instance_id], truth.classes, _visited(truth, instance_id), place)
        labels, seen = record.window.labels, frozenset(t.class_name for t in record.evidence.tracks)
        found.append(Watched(truth.name, subject, track, record.evidence.camera, labels, seen))
    return found, records


def measure_planted(
    pipeline: Pipeline,
    folder: Path,
    *,
    seeds: Sequence[int],
    count: int,
    tier: str = "moving",
    on_clip: Callable[[int], None] = lambda seed: None,
) -> PlantedReport:
    """`count` planted captions, balanced over kinds and forms, on the clips of `seeds`."""
    watched: list[Watched] = []
    own = VerifierCounts()
    for seed in seeds:
        here, records = watch_clip(pipeline, folder, tier=tier, seed=seed)
        watched += here
        own += verifier_counts(r.caption for r in records)
        on_clip(seed)
    return PlantedReport(tuple(seeds), len(watched), tuple(plant(watched, count=count)), own)


def plant(watched: Sequence[Watched], *, count: int, seed: int = 0) -> list[Trial]:
    """`count` trials: kinds in turn, closed and free in turn, for each of these the instances in an order drawn
    by `seed`, so that all are used before any is used again. Fewer where no instance suits a kind."""
    rng = np.random.default_rng(seed)
    orders = {(k, f): _endless(len(watched), rng) for k in KINDS for f in _FORMS}
    trials: list[Trial] = []
    for number in range(count if watched else 0):
        kind, form = KINDS[number % len(KINDS)], _FORMS[number // len(KINDS) % len(_FORMS)]
        for _ in range(_MOST_TRIES):
            one = watched[next(orders[kind, form])]
            if (pair := make_pair(kind, form, one.subject, rng)) is not None:
                trials.append(try_pair(one, pair))
                break
    return trials


def _endless(count: int, rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from rng.permutation(count).tolist()


def try_pair(one: Watched, pair: Pair) -> Trial:
    """What the checks say of both texts of a pair."""
    return Trial(one.clip, pair, _codes(one, pair, pair.false_text), _codes(one, pair, pair.true_text))


def _codes(one: Watched, pair: Pair, text: str) -> tuple[ReasonCode, ...]:
    answer = Answer(one.track.track_id, pair.field, text, len(text.split()), 1.0, False)
    reasons = check_instance(answer, one.track, one.labels, camera=one.camera, seen=one.seen)
    return tuple(sorted({r.code for r in reasons}))


def _visited(truth: TrueClip, instance_id: int) -> frozenset[str]:
    centroids = [m.centroid_xy for m in truth.masks[instance_id].values()]
    return frozenset(position_cell(*xy) for xy in centroids if xy is not None)


def planted_lines(report: PlantedReport, *, misses: int = 0) -> list[str]:
    """The table by kind and form, the false-alarm rate, the pipeline's own fields, and up to `misses` missed texts."""
    trials = report.trials
    lines = [
        f"{len(trials)} captions of {report.instances} instances, one false statement each; "
        f"seeds {report.seeds[0]}-{report.seeds[-1]}",
        f"{'kind':<12}{'planted':>8}{'caught':>8}{'rate':>8}{'closed':>10}{'free':>10}{'false alarms':>14}",
    ]
    for kind in (*KINDS, "all"):
        mine = [t for t in trials if kind in (t.pair.kind, "all")]
        closed, free = ([t for t in mine if t.pair.form == form] for form in _FORMS)
        caught, alarms = sum(t.caught for t in mine), sum(t.false_alarm for t in mine)
        lines.append(
            f"{kind:<12}{len(mine):>8}{caught:>8}{_rate(caught, len(mine)):>8}{_part(closed):>10}{_part(free):>10}"
            f"{f'{alarms} of {len(mine)}':>14}"
        )
    refused, alarms = sum(t.refused for t in trials), sum(t.false_alarm for t in trials)
    lines.append(
        f"refused for any reason: {_rate(refused, len(trials))} of the false captions, "
        f"{_rate(alarms, len(trials))} of the same captions when true"
    )
    if report.own.asked:
        lines.append(f"the captioner's own fields on these clips: {report.own.line()}")
    missed = [t for t in trials if not t.caught][:misses]
    return lines + [f"missed {t.pair.kind} {t.pair.planted!r} ({t.clip}): {t.pair.false_text}" for t in missed]


def planted_json(report: PlantedReport) -> dict[str, Any]:
    """Counts by kind and form, and every trial."""
    groups = {
        f"{kind} {form}": [t for t in report.trials if (t.pair.kind, t.pair.form) == (kind, form)]
        for kind in KINDS
        for form in _FORMS
    }
    return {
        "seeds": list(report.seeds),
        "instances": report.instances,
        "groups": {
            name: {
                "planted": len(group),
                "caught": sum(t.caught for t in group),
                "refused": sum(t.refused for t in group),
                "false_alarms": sum(t.false_alarm for t in group),
            }
            for name, group in groups.items()
        },
        "own_fields": dataclasses.asdict(report.own),
        "trials": [dataclasses.asdict(t) for t in report.trials],
    }


def _part(trials: Sequence[Trial]) -> str:
    return f"{sum(t.caught for t in trials)}/{len(trials)}"


def _rate(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"
