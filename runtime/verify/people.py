"""Checks of what a text says a person does, where they face and what they wear, against what poses show.

In: a text about one person and its `TrackEvidence`. Out: `Reason`s. Only a contradiction is refused: poses that show
nothing of a matter leave it open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgecap.runtime.data.evidence import TrackEvidence
from edgecap.runtime.data.person import ActName, Facing, Part, PersonEvidence
from edgecap.runtime.verify.reasons import Reason
from edgecap.runtime.verify.words import lexicon

LEAST_SHARE = 0.5
"""Of the time with poses, in which acts must be known before another act is refused."""
_ACT_WORDS: tuple[tuple[re.Pattern[str], frozenset[ActName]], ...] = (
    (re.compile(r"\b(?:sits|sitting|seated)\b"), frozenset({"sitting", "riding", "crouching"})),
    (re.compile(r"\b(?:stands|standing)\b"), frozenset({"standing", "turning", "walking"})),
    (re.compile(r"\b(?:walks|walking|strolls|strolling)\b"), frozenset({"walking"})),
    (
        re.compile(r"\b(?:runs|running|sprints|sprinting|jogs|jogging)\b(?! (?:her|his|their|a) )"),
        frozenset({"running"}),
    ),
    (re.compile(r"\b(?:crouches|crouching|squats|squatting|kneels|kneeling)\b"), frozenset({"crouching", "sitting"})),
)
"""Words of an act, and the measured acts with which they are no contradiction."""
_FACING_WORDS: tuple[tuple[re.Pattern[str], Facing], ...] = (
    (re.compile(r"\b(?:faces|facing) (?:to |towards? )?(?:the |its |their )?left\b"), "left"),
    (re.compile(r"\b(?:faces|facing) (?:to |towards? )?(?:the |its |their )?right\b"), "right"),
    (re.compile(r"\b(?:faces|facing) (?:towards? )?(?:the )?(?:camera|viewer)\b"), "camera"),
    (re.compile(r"\b(?:faces|facing) away\b|\bseen from behind\b"), "away"),
)
_OPPOSITE: dict[Facing, Facing] = {"left": "right", "right": "left", "camera": "away", "away": "camera"}
_GARMENTS: dict[Part, str] = {
    "upper": "shirt|t-shirt|tee|top|jacket|coat|sweater|hoodie|blouse|pullover|jersey",
    "lower": "trousers|pants|jeans|leggings",
    "shoes": "shoes|sneakers|boots|trainers",
}


def person_reasons(text: str, track: TrackEvidence) -> list[Reason]:
    """Acts, facings and colours of garments that the poses contradict; nothing where the track has none."""
    person = track.person
    if person is None:
        return []
    lowered = text.lower()
    return [*_acts(lowered, person), *_facings(lowered, person), *_garments(lowered, person)]


def _acts(text: str, person: PersonEvidence) -> Iterator[Reason]:
    known = [act for act in person.acts if act.name not in ("arm_raised", "waving", "turning")]
    lasting = sum(act.end_seconds - act.start_seconds for act in known)
    if not known or lasting < LEAST_SHARE * (person.end_seconds - person.start_seconds):
        return
    names = {act.name for act in known}
    for pattern, compatible in _ACT_WORDS:
        if (said := pattern.search(text)) and not names & compatible:
            shown = ", ".join(sorted(names))
            yield Reason("act", f"says {said.group()!r}, poses show {shown}", (said.group(),))


def _facings(text: str, person: PersonEvidence) -> Iterator[Reason]:
    names = {span.facing for span in person.facings}
    for pattern, facing in _FACING_WORDS:
        if (said := pattern.search(text)) and names == {_OPPOSITE[facing]}:
            yield Reason("act", f"says {said.group()!r}, poses show {_OPPOSITE[facing]}", (said.group(),))


def _garments(text: str, person: PersonEvidence) -> Iterator[Reason]:
    """A colour right before a garment, of which the pixels of that part have neither it nor a neighbour."""
    colour = "|".join((*lexicon.COLOURS, *lexicon.COLOUR_SYNONYMS))
    for part, nouns in _GARMENTS.items():
        found = {c.name for c in person.colours_of(part)}
        near = found.union(*(lexicon.COLOUR_NEIGHBOURS[name] for name in found))
        for said in re.finditer(rf"\b({colour}) (?:\w+ )?(?:{nouns})\b", text) if found else ():
            if lexicon.COLOUR_SYNONYMS.get(said.group(1), said.group(1)) not in near:
                shown = " and ".join(sorted(found))
                yield Reason("colour", f"says {said.group()!r}, that part is {shown}", (said.group(1),))
