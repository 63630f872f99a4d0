"""Relations in sentences: deterministic, grammatical, nothing that was not measured.

In: `Relation` rows and the `Evidence` they are of. Out: sentences, one per subject that does something, then one per
pair that does nothing. "The dog follows the person, then crosses in front of the car."
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from edgecap.runtime.data.evidence import Evidence, Relation, TrackEvidence
from edgecap.runtime.describe.said_colours import clothes_colours, said_colours
from edgecap.runtime.english import is_person

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_STANDING = {
    "left_of": "is to the left of",
    "right_of": "is to the right of",
    "above": "is above",
    "below": "is below",
    "near": "is near",
    "in_front_of": "is in front of",
}
_ACTS = {"approaches": "approaches", "moves_away_from": "moves away from", "follows": "follows", "crosses": "passes"}
_CROSSES = {"in front": "crosses in front of", "behind": "crosses behind", "": "passes"}
_LEAST_CONFIDENCE = 0.3
"""Below it a row is kept but not worded."""
_CLEAR_APPROACH = 0.5
"""From here on an approach goes into the action field of the one who approaches."""
_MOST_ACTS = 3
_OFTEN = ("", "", " twice", " several times")
"""By the number of times."""
_IMPLIED = ("approaches", "moves_away_from")
_LEAST_SHARE = 0.6
"""Share of the time both are seen that a side must last to be reported for the whole clip."""


def relation_sentences(relations: Sequence[Relation], evidence: Evidence, *, most: int = 4) -> tuple[str, ...]:
    """At most `most` sentences: what instances do to each other in order of time, then where the rest are.

    Rows about tracks that `evidence` does not have are skipped; the same rows give the same sentences.
    """
    names = instance_names(evidence.tracks)
    sure, pairs, acts = _sure(relations, names)
    tracks = {t.track_id: t for t in evidence.tracks}
    mutual = [_mutual_sentence(pair, names) for pair in pairs]
    subjects = sorted(
        {r.subject_id for r in acts}, key=lambda i: min(r.start_seconds for r in acts if r.subject_id == i)
    )
    sentences = [_acts_sentence([r for r in acts if r.subject_id == i], names) for i in subjects]
    spoken = {frozenset((r.subject_id, r.object_id)) for r in sure if r.name in _ACTS or r.name == "passes"}
    return (*mutual, *sentences, *_standing(sure, spoken, tracks, names))[:most]


def instance_names(tracks: Sequence[TrackEvidence]) -> dict[int, str]:
    """Track id -> what it is called: its class; where several share it, with its colour where that tells them apart,
    else by order ("the second dog")."""
    classes = Counter(t.class_name for t in tracks)
    coloured = {t.track_id: _coloured(t) for t in tracks}
    looks = Counter(coloured.values())
    names, seen = {}, Counter[str]()
    for track in tracks:
        number, seen[track.class_name] = seen[track.class_name], seen[track.class_name] + 1
        if classes[track.class_name] == 1:
            names[track.track_id] = f"the {track.class_name}"
        elif coloured[track.track_id] and all(
            looks[coloured[t.track_id]] == 1 for t in tracks if t.class_name == track.class_name
        ):
            names[track.track_id] = f"the {coloured[track.track_id]}"
        else:
            ordinal = _ORDINALS[number] if number < len(_ORDINALS) else f"number {number + 1}"
            shown = f"{ordinal} {track.class_name}" if number < len(_ORDINALS) else f"{track.class_name} {ordinal}"
            names[track.track_id] = f"the {shown}"
    return names


def _coloured(track: TrackEvidence) -> str:
    """ "red car", "person in red"; "" where no colour was seen."""
    if is_person(track.class_name):
        worn = clothes_colours(track)
        return f"{track.class_name} in {worn[0].name}" if worn else ""
    named = said_colours(track)
    return f"{named[0].name} {track.class_name}" if named and named[0] == track.palette[0] else ""


def act_sentences(relations: Sequence[Relation], tracks: Sequence[TrackEvidence]) -> dict[int, str]:
    """Track id -> what this instance does to others, one sentence behind those about itself: "It follows the person,
    then crosses in front of the red car."; "It and the second dog pass each other.".

    Following, crossing and passing; where there is none of them, the clearest approach. Going apart and standing
    somewhere are not worth a caption's sentence: in a scene of movers everybody does.
    """
    names = instance_names(tracks)
    _, mutual, acts = _sure(relations, names)
    sentences: dict[int, str] = {}
    for pair in mutual:
        if pair[0].name == "passes":
            sentences.setdefault(pair[0].subject_id, _mutual_sentence(pair, {**names, pair[0].subject_id: "it"}))
    for subject in dict.fromkeys(r.subject_id for r in acts):
        own = [r for r in acts if r.subject_id == subject]
        rows = [r for r in own if r.name not in _IMPLIED] or _clearest_approach(own)
        if rows:
            sentences.setdefault(subject, _acts_sentence(rows, {**names, subject: "it"}))
    return sentences


def _clearest_approach(rows: Sequence[Relation]) -> list[Relation]:
    clear = [r for r in rows if r.name == "approaches" and r.confidence >= _CLEAR_APPROACH]
    return sorted(clear, key=lambda r: (-r.confidence, r.object_id))[:1]


def _sure(
    relations: Sequence[Relation], names: Mapping[int, str]
) -> tuple[list[Relation], list[tuple[Relation, ...]], list[Relation]]:
    """Rows that are clear enough to be said, without those that another implies; of these, the pairs that one sentence
    says of both, and the acts that are left."""
    sure = [
        r for r in relations if r.confidence >= _LEAST_CONFIDENCE and r.subject_id in names and r.object_id in names
    ]
    passing = [{r.subject_id, r.object_id} for r in sure if r.name in ("crosses", "passes")]
    # Whoever passes came and went: that need not be said beside it.
    sure = [r for r in sure if r.name not in _IMPLIED or {r.subject_id, r.object_id} not in passing]
    mutual = _mutual(sure)
    done = {id(r) for pair in mutual for r in pair}
    return sure, mutual, [r for r in sure if r.name in _ACTS and id(r) not in done]


def _mutual(rows: Sequence[Relation]) -> list[tuple[Relation, ...]]:
    """Rows that one sentence says of both: passing each other, coming towards and going from each other at one time."""
    groups: list[tuple[Relation, ...]] = []
    for i, row in enumerate(rows):
        if row.name == "passes":
            groups.append((row,))
        for other in rows[i + 1 :]:
            same = row.name == other.name in ("approaches", "moves_away_from")
            if same and (row.subject_id, row.object_id) == (other.object_id, other.subject_id) and _meet(row, other):
                groups.append((row, other))
    return sorted(groups, key=lambda g: g[0].start_seconds)


def _meet(one: Relation, other: Relation) -> bool:
    shared = min(one.end_seconds, other.end_seconds) - max(one.start_seconds, other.start_seconds)
    return shared >= 0.5 * min(one.end_seconds - one.start_seconds, other.end_seconds - other.start_seconds)


def _mutual_sentence(rows: tuple[Relation, ...], names: Mapping[int, str]) -> str:
    row = rows[0]
    verb = {"passes": "pass each other", "approaches": "approach each other"}.get(row.name, "move away from each other")
    behind = {"in front": names[row.object_id], "behind": names[row.subject_id]}.get(row.order, "")
    ending = f", {behind} behind" if row.name == "passes" and behind else ""
    return _sentence(f"{names[row.subject_id]} and {names[row.object_id]} {verb}{ending}")


def _acts_sentence(rows: Sequence[Relation], names: Mapping[int, str]) -> str:
    """What one subject does, in order; an act at the same time as the one before is joined by "and". What it does to
    the same one again is counted, not repeated."""
    text, before = names[rows[0].subject_id], None
    times = Counter((_act(row), row.object_id) for row in rows)
    firsts = {(_act(row), row.object_id): row for row in sorted(rows, key=lambda r: -r.start_seconds)}
    chosen = sorted(
        sorted(firsts.values(), key=lambda r: -r.confidence)[:_MOST_ACTS], key=lambda r: (r.start_seconds, r.object_id)
    )
    for row in chosen:
        joint = "" if before is None else ", then" if row.start_seconds >= before.end_seconds - 0.5 else " and"
        again = before is not None and before.object_id == row.object_id
        same = before is not None and joint == " and" and before.name == row.name and not row.order
        often = _OFTEN[min(times[_act(row), row.object_id], len(_OFTEN) - 1)]
        text += f"{joint} {'' if same else f'{_act(row)} '}{'it' if again else names[row.object_id]}{often}"
        before = row
    return _sentence(text)


def _act(row: Relation) -> str:
    return _CROSSES[row.order] if row.name == "crosses" else _ACTS[row.name]


def _standing(
    rows: Sequence[Relation],
    spoken: set[frozenset[int]],
    tracks: Mapping[int, TrackEvidence],
    names: Mapping[int, str],
) -> list[str]:
    """One sentence per pair that does nothing to each other: where it is, and in front of what."""
    out: list[str] = []
    pairs = sorted({(min(r.subject_id, r.object_id), max(r.subject_id, r.object_id)) for r in rows})
    for pair in pairs:
        if frozenset(pair) in spoken:
            continue
        here = [r for r in rows if {r.subject_id, r.object_id} == set(pair) and r.name in _STANDING]
        shared = _shared_seconds(tracks[pair[0]], tracks[pair[1]])
        lasting = [
            r for r in here if r.end_seconds - r.start_seconds >= _LEAST_SHARE * shared or r.name == "in_front_of"
        ]
        best = sorted(lasting, key=lambda r: (r.name != "in_front_of", r.name == "near", -r.confidence))
        if best:
            out.append(_sentence(f"{names[best[0].subject_id]} {_STANDING[best[0].name]} {names[best[0].object_id]}"))
    return out


def _shared_seconds(one: TrackEvidence, other: TrackEvidence) -> float:
    start = max(float(one.pts_seconds[0]), float(other.pts_seconds[0]))
    return max(min(float(one.pts_seconds[-1]), float(other.pts_seconds[-1])) - start, 0.0)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
