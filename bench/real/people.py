"""What poses say of people, against labels that a person gave crops of real sequences.

In: `bench/results/people_labels.json`, records. Out: `Judged` rows and their counts. A label names every value that is
true; what is said is right where it is among them. Nothing said is an abstention, which is counted and not wrong.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import InputError
from edgecap.runtime.data.boxes import box_ious
from edgecap.runtime.data.evidence import TrackEvidence
from edgecap.runtime.data.person import PARTS, PersonEvidence
from edgecap.runtime.data.record import Record

KINDS = ("action", "facing", *PARTS)
_SAME_IOU = 0.45
"""From here on a track's box is the labelled person's: crops have a person in the middle, boxes of trackers lag."""
_MOST_FRAMES = 2
"""Between the labelled frame and the analysed one that stands for it."""
NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class PersonLabel:
    """One labelled crop."""

    sequence: str
    """FOLDER/NAME.mp4"""
    frame: int
    """0-based, of the source."""
    half: str
    """Which half of the sequences it is in."""
    box_xyxy: NDArray[np.float32]
    """float32 [4], relative to the frame."""
    true: dict[str, tuple[str, ...] | None]
    """Kind -> every true value; () nothing may be said, None not judged."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What was said of one label in one kind."""

    label: PersonLabel
    kind: str
    said: tuple[str, ...]
    """() for an abstention."""
    tracked: bool
    """Whether any track was on the person."""


def read_labels(path: Path) -> tuple[PersonLabel, ...]:
    """Raises `InputError` where the file is not one of labels."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["labels"]
        return tuple(
            PersonLabel(
                row["sequence"],
                int(row["frame"]),
                row["half"],
                np.array(row["box_xyxy"], np.float32),
                {kind: None if row[kind] is None else tuple(row[kind]) for kind in KINDS},
            )
            for row in rows
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a file of labelled people ({type(error).__name__}: {error})") from error


def judge_people(labels: Iterable[PersonLabel], records: Sequence[Record]) -> list[Judged]:
    """Every kind of every label of one sequence that is judged, from the records of all its windows."""
    judged = []
    for label in labels:
        found = _track_of(label, records)
        person = found[0].person if found else None
        seconds = found[1] if found else 0.0
        for kind, true in label.true.items():
            if true is not None:
                said = () if person is None else _said(person, kind, seconds)
                judged.append(Judged(label, kind, said, found is not None))
    return judged


def _said(person: PersonEvidence, kind: str, seconds: float) -> tuple[str, ...]:
    if kind == "action":
        return tuple(dict.fromkeys(act.name.replace("_", " ") for act in person.act_at(seconds)))
    if kind == "facing":
        facing = person.facing_at(seconds)
        return () if facing is None else (facing,)
    return tuple(c.name for one in person.clothes if one.part == kind for c in one.colours)


def _track_of(label: PersonLabel, records: Sequence[Record]) -> tuple[TrackEvidence, float] | None:
    """The reported track whose box is best on the label's, and the analysed frame's time."""
    best: tuple[float, int, TrackEvidence, float] | None = None
    for record in records:
        tracks = {track.track_id: track for track in record.evidence.tracks}
        for observation in record.window.observations:
            away = abs(observation.frame.index - label.frame)
            if away > _MOST_FRAMES:
                continue
            for instance in observation.instances:
                iou = float(box_ious(label.box_xyxy[None], instance.box_xyxy[None])[0])
                if instance.track_id in tracks and iou >= _SAME_IOU and (best is None or (iou, -away) > best[:2]):
                    best = iou, -away, tracks[instance.track_id], observation.frame.pts_seconds
    return None if best is None else best[2:]


def people_scores(judged: Sequence[Judged]) -> dict[str, Any]:
    """Half -> kind -> counts, JSON types: labelled, untracked, said (crops of which anything is said), claims, right,
    share right of the claims; for action and facing the confusion: first true value -> said -> count."""
    halves = list(dict.fromkeys(one.label.half for one in judged))
    return {
        half: {
            kind: _counts([one for one in judged if one.label.half == half and one.kind == kind], kind)
            for kind in KINDS
        }
        for half in halves
    }


def _counts(rows: Sequence[Judged], kind: str) -> dict[str, Any]:
    # A part's colours are one claim ("red and white"), acts are claims of their own.
    claims = [
        all(name in (row.label.true[kind] or ()) for name in group)
        for row in rows
        for group in ([row.said] if kind in PARTS else [(name,) for name in row.said])
        if group
    ]
    counts: dict[str, Any] = {
        "labelled": len(rows),
        "untracked": sum(not row.tracked for row in rows),
        "said": sum(bool(row.said) for row in rows),
        "claims": len(claims),
        "right": sum(claims),
        "share_right": round(sum(claims) / len(claims), 4) if claims else None,
    }
    return counts if kind in PARTS else counts | {"confusion": _confusion(rows, kind)}


def _confusion(rows: Sequence[Judged], kind: str) -> dict[str, dict[str, int]]:
    table: dict[str, Counter[str]] = {}
    for row in rows:
        true = row.label.true[kind] or (NOTHING,)
        for said in row.said or (NOTHING,):
            table.setdefault(true[0], Counter())[
                f"{said}" if said in true or said == NOTHING else f"{said} (false)"
            ] += 1
    return {true: dict(sorted(table[true].items())) for true in sorted(table)}


def people_lines(scores: dict[str, Any]) -> list[str]:
    """The scores for a terminal."""
    lines = []
    for half, kinds in scores.items():
        lines.append(f"{half:<16}{'labelled':>10}{'untracked':>10}{'said':>10}{'claims':>10}{'right':>10}{'share':>10}")
        for kind, counts in kinds.items():
            share = "-" if counts["share_right"] is None else f"{counts['share_right']:.3f}"
            cells = "".join(f"{counts[name]:>10}" for name in ("labelled", "untracked", "said", "claims", "right"))
            lines.append(f"  {kind:<14}{cells}{share:>10}")
        for kind in ("action", "facing"):
            for true, said in kinds[kind].get("confusion", {}).items():
                lines.append(f"  {kind}, true {true}: {', '.join(f'{name} {n}' for name, n in said.items())}")
        lines.append("")
    return lines
