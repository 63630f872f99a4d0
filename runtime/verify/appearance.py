"""Checks of what a text says is there: classes, counts and colours, against the detector and the pixels.

In: a text and the Evidence that bears on it. Out: `Reason`s.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from edgecap.runtime.data.evidence import TrackEvidence
from edgecap.runtime.english import plural
from edgecap.runtime.verify.reasons import Reason
from edgecap.runtime.verify.words import lexicon
from edgecap.runtime.verify.words import names as lexicon_names

ABSENT_SHARE = 0.04
"""A colour below this share of the visible pixels is a highlight or a compression artefact, not a part."""
TRACE_SHARE = 0.005
"""A surface whose shade is near the border of two terms leaves at least this share of its pixels on the other
side; without such a trace the neighbouring term is wrong, not another name for the same shade."""
TRACE_OF_NEIGHBOUR = 0.1
"""... and this share of what the neighbouring term fills: less is an outline on it, or a shadow."""
WHOLE_SHARE = 0.06
"""A colour said of the whole ("a gray car") fills at least this share; less is its tyres or a pane."""
DOMINANT_SHARE = 0.45
"""A colour above this share is what a person names first."""

# ruff: noqa: SIM905 (a word list reads best as words)
_DETERMINERS = frozenset("a an the this that one its his her their another each every some".split())
_PREPOSITIONS = frozenset(
    """in on near beside behind with under at of by against past above below over beneath around toward towards from
    between among before after onto into along across like to""".split()
)


@dataclass(frozen=True, slots=True)
class Mention:
    """A class named in a text: the `word` as it is there (lower case), its `label`, and the `start` of the word in
    the text (characters)."""

    word: str
    label: str
    start: int


def mentions(text: str, labels: Sequence[str]) -> list[Mention]:
    """Classes named, in order of appearance: labels, their plurals and other names; the longest wins ("sports ball"
    before "ball"). A label that is spelt like a colour is never one, and a word that may be a verb only behind a
    determiner, a number or a colour."""
    forms = {name: label for name, label in lexicon_names.NAME_SYNONYMS.items() if label in labels}
    forms |= {form: label for label in labels for form in (plural(label), label) if label not in lexicon.COLOURS}
    if not forms:
        return []
    pattern = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
    lowered = text.lower()
    found = (Mention(m.group(), forms[m.group()], m.start()) for m in re.finditer(rf"\b(?:{pattern})\b", lowered))
    return [m for m in found if m.word not in lexicon_names.VERB_LIKE or _is_noun(lowered, m.start)]


def class_reasons(text: str, class_name: str, labels: Sequence[str], seen: Collection[str]) -> list[Reason]:
    """The first class without a preposition before it is the text's subject; it must be the detector's. Any other
    class must be among those `seen` in the window (none given: not checked), small things apart."""
    if class_name not in labels:
        return []
    named = mentions(text, labels)
    subject = next((m for m in named if not _is_circumstance(text.lower(), m.start)), None)
    reasons = []
    if subject is not None and subject.label != class_name:
        detail = f"speaks of {subject.label!r}, the detector saw {class_name!r}"
        reasons.append(Reason("class", detail, (subject.word,)))
    for m in named if seen else ():
        known = m.label in seen or m.label == class_name or m.label in lexicon_names.SMALL_THINGS
        if not known and m is not subject:
            reasons.append(Reason("class", f"speaks of {m.label!r}, none was seen", (m.word,)))
    return reasons


def inventory_reasons(
    text: str, tracks: Sequence[TrackEvidence], labels: Sequence[str], seen: Mapping[str, int]
) -> list[Reason]:
    """A text about the whole may name no class that was not `seen` (class -> number of tracks), no more of one than
    were, and none in a colour that none of the reported `tracks` has where those are all."""
    numbers = "|".join(lexicon.NUMBER_WORDS)
    reasons = []
    for m in mentions(text, labels):
        before = text.lower()[: m.start]
        number = re.search(rf"\b({numbers})\s+(?:\w+\s+)?$", before)
        said = lexicon.NUMBER_WORDS[number.group(1)] if number else 1
        tracked = seen.get(m.label, 0)
        if not tracked:
            reasons.append(Reason("class", f"speaks of {m.label!r}, none was tracked", (m.word,)))
        elif said > tracked:
            phrase = f"{number.group() if number else ''}{m.word}"
            reasons.append(Reason("count", f"says {phrase!r}, {tracked} tracked"))
        elif worn := re.search(r"\b([a-z]+)\s+$", before):
            reported = [t for t in tracks if t.class_name == m.label]
            reasons += _colour_of_one(worn.group(1), reported) if len(reported) == tracked else []
    return reasons


def untracked_reasons(text: str, seen: Collection[str], labels: Sequence[str]) -> list[Reason]:
    """A text about the background may name no class that was not `seen`."""
    return [
        Reason("class", f"speaks of {m.label!r}, none was tracked", (m.word,))
        for m in mentions(text, labels)
        if m.label not in seen
    ]


def colour_reasons(text: str, track: TrackEvidence, labels: Sequence[str], *, is_appearance: bool) -> list[Reason]:
    """Colours named but not there; with `is_appearance` (an appearance) also a colour that fills the instance where the
    text names only others. A text without any colour is not checked: saying less is not wrong."""
    shares = {c.name: c.share for c in track.palette}
    worn = {c.name for part in (track.person.clothes if track.person else ()) for c in part.colours}
    named = _colours_in(text, track.class_name, labels)
    if not shares or not named:
        return []
    whole = _said_of_the_whole(text, track.class_name, labels)
    reasons = [
        Reason("colour", f"{word} is {shares.get(colour, 0.0):.0%} of what is visible", (word,))
        for word, colour in named.items()
        if colour not in worn
        and not _supported(colour, shares, set(named.values()), least=WHOLE_SHARE if word in whole else ABSENT_SHARE)
    ]
    top, share = max(shares.items(), key=lambda item: item[1])
    near = lexicon.COLOUR_NEIGHBOURS[top] | {top}
    parts = bool(worn) and set(named.values()) <= worn  # clothes of parts: the rest may be hair, skin or a bag
    if is_appearance and share > DOMINANT_SHARE and not parts and not near & set(named.values()):
        wrong = tuple(word for word, colour in named.items() if shares.get(colour, 0.0) < ABSENT_SHARE)
        reasons.append(Reason("colour", f"{top} fills {share:.0%} and is not named", wrong))
    return reasons


def _supported(colour: str, shares: dict[str, float], named: Collection[str], *, least: float = ABSENT_SHARE) -> bool:
    """Whether at least `least` of it is there, or a neighbour is that the text does not name, and leaves a trace of the
    named colour."""
    own = shares.get(colour, 0.0)
    if own >= least:
        return True
    beside = max((shares.get(n, 0.0) for n in lexicon.COLOUR_NEIGHBOURS[colour] - set(named)), default=0.0)
    return beside >= ABSENT_SHARE and own >= max(TRACE_SHARE, TRACE_OF_NEIGHBOUR * beside)


def _said_of_the_whole(text: str, class_name: str, labels: Sequence[str]) -> frozenset[str]:
    """Colour words before the instance's own name ("a gray car", "a red and white car") or added to it between commas
    ("this car, red and white, drives")."""
    lowered = text.lower()
    colour = rf"\b(?:{'|'.join((*lexicon.COLOURS, *lexicon.COLOUR_SYNONYMS))})\b"
    several = rf"{colour}(?:(?:,| and|, and) {colour})*"
    found: set[str] = set()
    for m in mentions(text, labels):
        if m.label != class_name:
            continue
        before = re.search(rf"{several} $", lowered[: m.start])
        behind = re.match(rf", (?:all )?{several}(?=[,.;])", lowered[m.start + len(m.word) :])
        found |= {w for hit in (before, behind) if hit for w in re.findall(colour, hit.group())}
    return frozenset(found)


def _colours_in(text: str, class_name: str, labels: Sequence[str]) -> dict[str, str]:
    """Words that name a colour of the instance -> the basic term; a class that is spelt like a colour is none, and the
    colour of scenery or of another class is another's."""
    lowered = text.lower()
    others = {m.start for m in mentions(text, labels) if m.label != class_name}
    terms: dict[str, str] = {}
    for m in re.finditer(r"[a-z]+", lowered):
        word = m.group()
        term = lexicon.COLOUR_SYNONYMS.get(word, word)
        if re.match(r"-colou?red\b", lowered[m.end() :]):
            term = lexicon.COLOURED_THINGS.get(word, term)
        if word == class_name or term not in lexicon.COLOURS:
            continue
        following = list(re.finditer(r"[a-z]+", lowered[m.end() :]))[:2]
        if following and m.end() + following[0].start() in others:
            continue
        if not any(f.group() in lexicon.SCENERY for f in following[:1]):
            terms[word] = term
    return terms


def _colour_of_one(word: str, tracks: Iterable[TrackEvidence]) -> list[Reason]:
    """`word` before a class's name, where no track of that class has that colour."""
    term = lexicon.COLOUR_SYNONYMS.get(word, word)
    palettes = [{c.name: c.share for c in t.palette} for t in tracks]
    if term not in lexicon.COLOURS or not all(palettes) or any(_supported(term, p, {term}) for p in palettes):
        return []
    return [Reason("colour", f"no such thing is {word}", (word,))]


def _is_noun(lowered: str, start: int) -> bool:
    before = re.findall(r"[a-z]+", lowered[:start])[-1:]
    return bool(before) and (
        before[0] in _DETERMINERS
        or before[0] in lexicon.NUMBER_WORDS
        or before[0] in lexicon.COLOURS
        or before[0] in lexicon.COLOUR_SYNONYMS
    )


def _is_circumstance(lowered: str, start: int) -> bool:
    """Whether a preposition leads to the noun at `start`, through a determiner and up to two adjectives: "near a big
    red bus"."""
    clause = re.split(r"[.,;]", lowered[:start])[-1]
    words = re.findall(r"[a-z-]+", clause)
    for back, word in enumerate(reversed(words[-4:])):
        if word in _PREPOSITIONS:
            return True
        if word in _DETERMINERS or word in lexicon.NUMBER_WORDS:
            previous = words[-back - 2 : -back - 1]
            return bool(previous) and previous[0] in _PREPOSITIONS
    return False
