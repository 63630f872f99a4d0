"""A structured caption as one flowing paragraph: instances with their places, their relations, then the
setting, then the camera.

In: a `CaptionRow`. Out: plain prose, third person, present tense, no keys, no lists. Order and rules:
docs/spec/instancecap.md 9 (the alignment step, whose prompt the reference does not publish; this is our own flattener
without a model).

The same row always gives the same paragraph; which of several wordings is used follows from a hash of the row's
texts, so that a data set is not one sentence frame 22,000 times. The captioner's sentences are carried over word for
word; only a noun phrase ("A red car.") is given a verb. A sentence is never said twice. What is "unknown", and what
could not be measured, is left out.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from edgecap.runtime.data.caption import Provenance
from edgecap.runtime.output.reader import CaptionRow, InstanceTexts
from edgecap.runtime.verify.words import lexicon

_CELLS = {
    "top-left": "the upper left",
    "top-middle": "the upper middle",
    "top-right": "the upper right",
    "center-left": "the left",
    "center-middle": "the middle",
    "center-right": "the right",
    "bottom-left": "the lower left",
    "bottom-middle": "the lower middle",
    "bottom-right": "the lower right",
}
_CELL = "|".join(_CELLS)
_POSITION = re.compile(
    rf"(?:the )?(?P<who>.+?) (?:stays at|is at|moves from|stays between) (?P<start>{_CELL})"
    rf"(?: (?P<joint>and|to) (?P<end>{_CELL}))?(?P<back> and back to (?:{_CELL}))?"
    r"(?P<leaves>,? (?:and |then )?(?:moves )?out of frame in the end)?"
    r"(?: in the picture)?(?P<cause> because the camera [a-z ]+)?\.",
    re.IGNORECASE,
)
_ORDINALS = ("", "first ", "second ", "third ", "fourth ", "fifth ", "sixth ", "seventh ", "eighth ")
_VERBS = frozenset(
    {"is", "are", "was", "were", "has", "have", "wears", "wear", "stands", "sits", "holds", "carries", "shows", "looks"}
    | {"walks", "runs", "moves", "seems", "features", "rides", "lies", "leans", "faces", "appears", "remains", "keeps"}
    | {"displays", "sports"}
)
_BEFORE_NOUNS = frozenset(
    {"a", "an", "the", "in", "on", "with", "and", "of", "at", "by", "under", "over", "behind", "near", "beside", "its"}
    | {"his", "her", "their", "some", "two", "three", "four", "five", "six", "several", "many", "few", "long", "short"}
    | {"small", "large", "big", "old", "new", "dark", "light", "bright", "pale"}
)
"""A word in -s after one of these (or a colour) is taken for a plural, after any other word for a verb."""
_ACT = re.compile(
    r"\b(?:(?:approaches|moves away from|follows|passes|crosses in front of|crosses behind) (?:(?! and |, then ).)+"
    r"|pass each other)(?=$|[.,]| and )"
)
"""What one instance does to another in a sentence of relation_words.py: up to the next act."""
_UNSAID = ("unknown.", "the camera motion could not be measured.")
_SETTINGS = ("The background shows {}.", "Behind all this there is {}.", "The setting is {}.")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """`provenance`: "computed" (this flattener), "model", or "fallback" where the model's was refused twice;
    `rejections`: why."""

    text: str
    provenance: Provenance
    rejections: tuple[str, ...] = ()


def computed_paragraph(row: CaptionRow) -> Paragraph:
    """`dense_paragraph` with its provenance."""
    return Paragraph(dense_paragraph(row), "computed")


def dense_paragraph(row: CaptionRow) -> str:
    """The paragraph of a row; "" for a row that says nothing. Rows with missing texts give what they have."""
    seed = hashlib.sha256("\x1f".join(_texts(row)).encode("utf-8", "replace")).digest()
    said: dict[str, None] = {}
    names = _names(row.instances)
    looks_told: Counter[str] = Counter()
    for number, (instance, who) in enumerate(zip(row.instances, names, strict=True)):
        looks_told[instance.appearance.lower()] += 1
        nth = looks_told[instance.appearance.lower()]
        for sentence in _instance(instance, who=who, choice=seed[number % 24], nth=nth):
            _say(_again(sentence, who) if sentence in said else sentence, said)
    general = [] if row.instances else _split(row.global_description)
    related = _related(row)
    for sentence in (*general, *related, *_setting(row.background, choice=seed[30]), *_split(row.camera)):
        _say(sentence, said)
    return " ".join(said)


def is_noun_phrase(sentence: str) -> bool:
    """Whether a sentence has no verb ("A person in a red shirt."). In doubt it is taken to have one."""
    words = re.findall(r"[a-z'-]+", sentence.lower())
    if len(words) < 2 or words[0] not in ("a", "an", "two", "three", "several") or _VERBS & set(words):
        return False
    before = _BEFORE_NOUNS | set(lexicon.COLOURS) | set(lexicon.COLOUR_SYNONYMS)
    return all(a in before for a, b in pairwise(words) if b.endswith("s") and not b.endswith("ss"))


def _instance(instance: InstanceTexts, *, who: str, choice: int, nth: int) -> Iterator[str]:
    """Looks and place, then what it does, then where it ends up. `nth`: how often this appearance was used before."""
    looks = _split(instance.appearance) or [f"{_with_article(instance.class_name or 'object')}."]
    if nth > 1:
        looks = [_another(looks[0], nth), *looks[1:]]
    place = _POSITION.fullmatch(instance.position)
    if is_noun_phrase(looks[0]):
        yield _placed(looks[0], place["start"].lower() if place else None, choice)
    else:
        yield looks[0]
    yield from looks[1:]
    if place and not is_noun_phrase(looks[0]):
        yield _capital(f"{who} is {_where(place['start'])}{' at first' if place['joint'] == 'to' else ''}.")
    yield from _split(instance.action)
    if place:
        yield from _arrival(place, who, choice)
    else:
        yield from (_capital(s) for s in _split(instance.position))


def _placed(noun_phrase: str, start: str | None, choice: int) -> str:
    thing = noun_phrase[0].lower() + noun_phrase[1:].rstrip(".")
    verb = "are" if thing.split()[0] in ("two", "three", "several") else "is"
    if start is None:
        return f"There {verb} {thing}."
    where = _where(start)
    return (
        f"{_capital(where)} of the frame there {verb} {thing}.",
        f"There {verb} {thing} {where} of the frame.",
        f"{_capital(where)} of the picture {verb} {thing}.",
        f"{_capital(thing)} can be seen {where} of the frame.",
    )[choice % 4]


def _arrival(place: re.Match[str], who: str, choice: int) -> Iterator[str]:
    """Where it ends up, where that is not where it began."""
    if place["joint"] == "and":
        yield f"{_capital(who)} stays between {_CELLS[place['start'].lower()]} and {_CELLS[place['end'].lower()]}."
    elif place["joint"] == "to" and place["back"]:
        yield f"{_capital(who)} goes over to {_CELLS[place['end'].lower()]} and comes back."
    elif place["joint"] == "to":
        where = f"{_where(place['end'])}{place['cause'] or ''}"
        yield (
            f"By the end, {who} is {where}.",
            f"{_capital(who)} ends up {where}.",
            f"At last {who} is {where}.",
        )[choice // 4 % 3]
    if place["leaves"]:
        yield (f"Then {who} leaves the frame.", f"{_capital(who)} then goes out of view.")[choice // 12 % 2]


def _related(row: CaptionRow) -> list[str]:
    """Sentences of the row's own measured relations, without those that an action field already states (a record
    puts what an instance does to others behind its action); [] in rows without them."""
    actions = [f" {i.action.lower()}" for i in row.instances]
    kept = []
    for sentence in row.meta.get("relation_sentences", ()):
        acts = [act.group().rstrip(".") for act in _ACT.finditer(sentence.lower())]
        if not any(re.search(rf"\b{re.escape(act)}\b", action) for act in acts for action in actions):
            kept += _split(sentence)
    return kept


def _setting(background: str, *, choice: int) -> list[str]:
    sentences = _split(background)
    if sentences and is_noun_phrase(sentences[0]):
        scene = sentences[0][0].lower() + sentences[0][1:].rstrip(".")
        sentences[0] = _SETTINGS[choice % len(_SETTINGS)].format(scene)
    return sentences


def _another(sentence: str, nth: int) -> str:
    """ "A red car." repeated becomes "A second red car."; another beginning is left as it is."""
    return re.sub(r"^An? ", f"A {_ordinal(nth)}", sentence)


def _where(cell: str) -> str:
    cell = cell.lower()
    return f"{'on' if cell in ('center-left', 'center-right') else 'in'} {_CELLS[cell]}"


def _split(text: str) -> list[str]:
    """Sentences that say something, each with an end mark and a capital."""
    parts = [part.strip() for part in re.split(r"(?<=[.!?])\s+(?=[A-Z\"'(])", text) if part.strip()]
    whole = [_capital(part if part[-1] in ".!?\"')" else f"{part}.") for part in parts]
    return [sentence for sentence in whole if sentence.lower() not in _UNSAID]


def _names(instances: Sequence[InstanceTexts]) -> list[str]:
    """What each is called: "the dog", or "the first dog" and "the second dog" where there are two."""
    total, count = Counter(i.class_name for i in instances), Counter[str]()
    names = []
    for instance in instances:
        count[instance.class_name] += 1
        nth = count[instance.class_name]
        number = "" if total[instance.class_name] == 1 else _ordinal(nth)
        names.append(f"the {number}{instance.class_name or 'object'}")
    return names


def _again(sentence: str, who: str) -> str:
    """A sentence that was used for another before: "It stands still." -> "The second dog also stands still."."""
    return re.sub(r"^(?:It|He|She) ", f"{_capital(who)} also ", sentence)


def _say(sentence: str, said: dict[str, None]) -> None:
    if sentence.lower() not in {s.lower() for s in said}:
        said[sentence] = None


def _ordinal(nth: int) -> str:
    return _ORDINALS[nth] if nth < len(_ORDINALS) else f"{nth}th "


def _texts(row: CaptionRow) -> Sequence[str]:
    texts = [row.global_description, row.background, row.camera]
    for i in row.instances:
        texts += [i.class_name, i.appearance, i.action, i.position]
    return texts


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _with_article(noun: str) -> str:
    return f"{'An' if noun[:1].lower() in 'aeiou' else 'A'} {noun}"
