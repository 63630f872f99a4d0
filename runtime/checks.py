"""Is what the model said fit to print? Pure functions from a text (and what was measured) to reasons
against it.

In: an `Answer` and the `Evidence` that bears on it. Out: `Reason`s, empty where there is no objection.
Called by `describe`, which asks once more with the offending words forbidden and then speaks from the
Evidence. The checks object only to what is measurably wrong or outside the form; they do not grade style.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from edgecap.runtime import lexicon
from edgecap.runtime.evidence import Evidence, TrackEvidence
from edgecap.runtime.phrases import plural
from edgecap.runtime.prompt import Answer, FieldName

MOST_WORDS: dict[FieldName, int] = {"appearance": 40, "action": 40, "background": 60, "global": 20}
ABSENT_SHARE = 0.04
"""A colour below this share of the visible pixels is a highlight or a compression artefact, not a part."""
DOMINANT_SHARE = 0.45
"""A colour above this share is what a person names first."""

_MOMENT = re.compile(
    r"\bframes? (?:number )?\d+|\b(?:first|last|next|second|third|final) frames?\b|"
    r"\b\d+(?:\.\d+)? ?s\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an answer is refused. `banned_words`: what a second try must not say; empty where a ban cannot
    help."""

    code: str
    detail: str
    banned_words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


def check_instance(answer: Answer, track: TrackEvidence, labels: Sequence[str]) -> tuple[Reason, ...]:
    """Reasons against an appearance or action answer about `track`; `labels` is the detector's list."""
    reasons = [*check_form(answer), *_class_reasons(answer.text, track.class_name, labels)]
    if answer.field == "appearance":
        reasons += _colour_reasons(answer.text, track)
    else:
        reasons += _motion_reasons(answer.text, track)
    return tuple(reasons)


def check_scene(answer: Answer, evidence: Evidence, labels: Sequence[str]) -> tuple[Reason, ...]:
    """Reasons against a background or global answer: neither may name a class that was not tracked, and a global
    answer no more of one than were."""
    reasons = list(check_form(answer))
    if answer.field == "global":
        reasons += _inventory_reasons(answer.text, Counter(t.class_name for t in evidence.tracks), labels)
    else:
        seen = {t.class_name for t in evidence.tracks}
        reasons += [
            Reason("class", f"speaks of {label!r}, none was tracked", (word,))
            for word, label in _labels_in(answer.text, labels)
            if label not in seen
        ]
    return tuple(reasons)


def check_form(answer: Answer) -> tuple[Reason, ...]:
    """Reasons that need no Evidence: empty, cut off, too long, repeating, list-like, or about what cannot
    be seen."""
    text = answer.text.strip()
    if not text:
        return (Reason("empty", "the answer has no words"),)
    reasons: list[Reason] = []
    if answer.truncated or text[-1] not in ".!":
        reasons.append(Reason("unfinished", f"it ends with {text[-12:]!r}"))
    if (count := len(text.split())) > MOST_WORDS[answer.field]:
        reasons.append(Reason("long", f"{count} words, at most {MOST_WORDS[answer.field]}"))
    if re.search(r"\n|^\s*(?:[-*\u2022#]|\d+[.)])\s", text):
        reasons.append(Reason("list", "list markers or line breaks"))
    if repeated := _repeated(text):
        reasons.append(Reason("repeated", f"says {repeated!r} again"))
    reasons += _lexicon_reasons(text)
    return tuple(reasons)


def _lexicon_reasons(text: str) -> list[Reason]:
    lists: tuple[tuple[str, Iterable[str]], ...] = (
        ("sound", lexicon.SOUND),
        ("hedge", (*lexicon.HEDGES, *lexicon.HEDGE_PHRASES)),
        ("absent", lexicon.ABSENT_PHRASES),
        ("picture", lexicon.PICTURE_WORDS),
    )
    reasons = []
    for code, phrases in lists:
        if found := _found(text, phrases):
            words = tuple(f for f in found if " " not in f)
            reasons.append(Reason(code, f"says {', '.join(map(repr, found))}", words))
    if mark := _MOMENT.search(text):
        reasons.append(Reason("picture", f"says {mark.group()!r}"))
    return reasons


def _colour_reasons(text: str, track: TrackEvidence) -> list[Reason]:
    """Colours named but not there, and a colour that fills the instance but is not named."""
    shares = {c.name: c.share for c in track.palette}
    if not shares:
        return []
    named = _colours_in(text, track.class_name)
    reasons = [
        Reason("colour", f"{word} is {shares.get(colour, 0.0):.0%} of what is visible", (word,))
        for word, colour in named.items()
        if not _supported(colour, shares, set(named.values()))
    ]
    top, share = max(shares.items(), key=lambda item: item[1])
    near = lexicon.COLOUR_NEIGHBOURS[top] | {top}
    if share > DOMINANT_SHARE and not near & set(named.values()):
        wrong = tuple(word for word, colour in named.items() if shares.get(colour, 0.0) < ABSENT_SHARE)
        reasons.append(Reason("colour", f"{top} fills {share:.0%} and is not named", wrong))
    return reasons


def _supported(colour: str, shares: dict[str, float], named: Collection[str]) -> bool:
    """Whether it is there, or a neighbour is that the text does not name (so that one may stand for the other)."""
    neighbours = lexicon.COLOUR_NEIGHBOURS[colour] - set(named)
    return any(shares.get(name, 0.0) >= ABSENT_SHARE for name in (colour, *neighbours))


def _colours_in(text: str, class_name: str) -> dict[str, str]:
    """Words of the text that name a colour -> the basic term; a class that is spelt like a colour is no
    colour."""
    words = re.findall(r"[a-z]+", text.lower())
    terms = {w: lexicon.COLOUR_SYNONYMS.get(w, w) for w in words if w != class_name}
    return {word: term for word, term in terms.items() if term in lexicon.COLOURS}


def _class_reasons(text: str, class_name: str, labels: Sequence[str]) -> list[Reason]:
    """The first class the text names is its subject; it must be the detector's (when the text names one at
    all)."""
    named = _labels_in(text, labels)
    if not named or named[0][1] == class_name or class_name not in labels:
        return []
    word, label = named[0]
    return [Reason("class", f"speaks of {label!r}, the detector saw {class_name!r}", (word,))]


def _motion_reasons(text: str, track: TrackEvidence) -> list[Reason]:
    """Travel denied or claimed against the world motion, and a side that neither the image nor the world
    motion has."""
    reasons = []
    travels, rests = _found(text, lexicon.TRAVEL_VERBS), _found(text, lexicon.REST_PHRASES)
    if travels and not rests and not track.motion_world.moving:
        reasons.append(Reason("motion", f"says {travels[0]!r}, it does not move", tuple(travels)))
    if rests and not travels and track.motion_world.moving:
        reasons.append(Reason("motion", f"says {rests[0]!r}, it moves", tuple(f for f in rests if " " not in f)))
    for side, other in (("left", "right"), ("right", "left")):
        heads = (
            rf"\b(?:to|towards?) the {side}\b|\b{side}wards?\b|"
            rf"\b(?:moves?|goes|walks|runs|drives|flies|sails|rolls) {side}\b"
        )
        directions = {track.motion_world.direction, track.motion_image.direction}
        if re.search(heads, text, re.IGNORECASE) and all(other in d for d in directions):
            reasons.append(Reason("direction", f"says {side}, it goes {other}", (side, f"{side}ward", f"{side}wards")))
    return reasons


def _inventory_reasons(text: str, tracked: Counter[str], labels: Sequence[str]) -> list[Reason]:
    reasons = []
    for word, label in _labels_in(text, labels):
        number = re.search(rf"\b({'|'.join(lexicon.NUMBER_WORDS)})\s+(?:\w+\s+)?{re.escape(word)}\b", text.lower())
        said = lexicon.NUMBER_WORDS[number.group(1)] if number else 1
        if not tracked[label]:
            reasons.append(Reason("class", f"speaks of {label!r}, none was tracked", (word,)))
        elif said > tracked[label]:
            phrase = number.group() if number else word
            reasons.append(Reason("count", f"says {phrase!r}, {tracked[label]} tracked"))
    return reasons


def _labels_in(text: str, labels: Sequence[str]) -> list[tuple[str, str]]:
    """(word as it stands in the text, label) in order of appearance; longer labels first ("sports ball"
    before "ball")."""
    forms = {form: label for label in labels for form in (plural(label), label)}
    if not forms:
        return []
    pattern = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    return [
        (m.group(), forms[m.group()])
        for m in re.finditer(rf"\b(?:{pattern})\b", text.lower())
        if forms[m.group()] not in lexicon.COLOURS
    ]


def _found(text: str, phrases: Iterable[str]) -> list[str]:
    lowered = text.lower()
    return [p for p in phrases if re.search(rf"\b{re.escape(p)}\b", lowered)]


def _repeated(text: str) -> str:
    """A sentence said twice, or four words said three times; "" where there is none."""
    sentences = Counter(s.strip().lower() for s in re.split(r"[.!]", text) if s.strip())
    words = text.lower().split()
    fours = Counter(" ".join(words[i : i + 4]) for i in range(len(words) - 3))
    return next((s for s, n in sentences.items() if n > 1), next((f for f, n in fours.items() if n > 2), ""))
