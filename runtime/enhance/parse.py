"""Step A by rules: what a short prompt says. Things with counts and their own words, places, light, camera.

In: a prompt. Out: `Reading`. Everything it takes over is in the prompt word for
word; what it can't read is named in `not_understood`, never dropped in silence.
"""

from __future__ import annotations

import re
import unicodedata

from edgecap.engines.errors import InputError
from edgecap.runtime.data.evidence import CameraLabel
from edgecap.runtime.english import printable
from edgecap.runtime.enhance.actions import attach_actions, is_not
from edgecap.runtime.enhance.plan import Mention, Reading
from edgecap.runtime.enhance.words import scenes
from edgecap.runtime.enhance.words.chunks import Chunk, chunks_of
from edgecap.runtime.enhance.words.nouns import Noun, noun_forms
from edgecap.runtime.enhance.words.phrase import Phrase, find_phrases, trait_spans

MOST_WORDS = 200
"""The method's long form has 151 to 196 words (docs/spec/instancecap.md 6, step A): longer ones need no enhancing."""
_BIDI_CONTROLS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_MOSTLY = 0.5
_WHERE = re.compile(
    r"\bfrom (?:the )?(?:left|right|top|bottom) to (?:the )?(?:left|right|top|bottom)"
    r"|\b(?:on|at|in|to|towards?)(?: the)?(?: far)? "
    r"(?:left|right|center|centre|middle|top|bottom|foreground|background)\b"
    r"(?! of\b)|\b(?:toward|towards|away from) the camera|\bin(?:to)? the (?:distance|sky|air)\b"
    r"|\bout of (?:the )?frame|\bin (?:small |wide )?circles|\bback and forth|\b(?:left|right|up|down)wards?\b",
    re.IGNORECASE,
)
_BESIDE = frozenset(
    {"on", "in", "inside", "with", "beside", "by", "near", "under", "beneath", "alongside", "at", "onto"}
)


def read(prompt: str) -> Reading:
    """Raises `InputError` where the prompt is empty or too long."""
    text, notes = _clean(prompt)
    script = _foreign_script(text)
    chunks = chunks_of(text)
    traits = trait_spans(text, chunks)
    in_trait = [any(low <= c.start < high for low, high in traits) for c in chunks]
    phrases = find_phrases(chunks, in_trait)
    things = [p for p in phrases if p.head.kind == "noun" and not p.denied]
    if not things:
        things = _guessed(text, chunks)
    mentions = [_mention(text, p, traits) for p in things]
    used = attach_actions(text, chunks, things, mentions)
    for i, (phrase, mention) in enumerate(zip(things, mentions, strict=True)):
        until = things[i + 1].start if i + 1 < len(things) else len(text)
        mention.linked = i - 1 if i and _is_beside(chunks, phrase) else None
        loose = [m for m in _WHERE.finditer(text, phrase.end, until) if not any(a <= m.start() < b for a, b in used)]
        own = [m for clause in mention.actions for m in _WHERE.finditer(clause)]
        mention.where = "; ".join(m.group() for m in (*loose, *own))
    camera, shots, adverb = _camera(text)
    spans = [*traits, *used, *((p.start, p.end) for p in (*phrases, *things))]
    unread = tuple(dict.fromkeys(c.text for c in chunks if c.kind in ("word", "verb") and not _inside(c, spans)))
    denied = _denied_words(chunks)
    unread = tuple(word for word in unread if word.lower() not in denied)
    if script is not None:
        notes += (f"most of the prompt is in {script} letters; the rules read English only",)
    return Reading(
        text=text,
        mentions=tuple(mentions),
        places=_places(text, phrases),
        light=tuple(dict.fromkeys(c.text for c in chunks if c.kind == "light")),
        camera=camera,
        shots=shots,
        adverb=adverb,
        excluded=denied,
        words=frozenset(re.findall(r"[^\W\d_]+", text.lower())),
        not_understood=unread,
        notes=notes,
    )


def _mention(text: str, phrase: Phrase, traits: list[tuple[int, int]]) -> Mention:
    noun = noun_forms().get(phrase.head.key) or _unknown_noun(phrase)
    count, stated = _count(phrase, noun)
    end, own = phrase.end, []
    for low, high in traits:
        if low >= end and not text[end:low].strip(" ,"):
            own.append(text[low:high])
            end = high
    return Mention(
        noun,
        modifiers=phrase.modifiers,
        traits=tuple(own),
        count=count,
        count_stated=stated,
        guessed=phrase.head.key not in noun_forms(),
    )


def _unknown_noun(phrase: Phrase) -> Noun:
    """ "glorptangs" after "seven" is many a "glorptang"."""
    key = phrase.head.key
    many = key.endswith("s") and not key.endswith("ss") and phrase.number not in ("a", "an", "one", "the")
    singular = key[:-1] if many else key
    return Noun(singular, singular, "object", many)


def _count(phrase: Phrase, noun: Noun) -> tuple[int, bool]:
    """(how many, whether the prompt gives it). A bare plural is two."""
    key = phrase.number
    if key in scenes.NUMBERS and not (key in ("a", "an") and noun.many):
        return scenes.NUMBERS[key], True
    if key.isdecimal():
        return min(max(int(key), 1), 10**6), True
    if key in scenes.VAGUE_NUMBERS:
        return scenes.VAGUE_NUMBERS[key], False
    if noun.many and noun.singular not in ("skis", "scissors"):
        return 2, False
    return 1, True


def _guessed(text: str, chunks: list[Chunk]) -> list[Phrase]:
    """Where no thing is known: the last word of "a yodelling axolotl", taken for one; not the "deserted" of "a deserted
    beach"."""
    for i, chunk in enumerate(chunks):
        if chunk.kind not in ("number", "det") or (i and chunks[i - 1].kind == "prep"):
            continue
        end = i + 1
        while end < len(chunks) and (chunks[end].kind in ("word", "colour") or _between_colours(chunks, end)):
            end += 1
        describes = end < len(chunks) and chunks[end].kind in ("place", "light", "noun")
        if end > i + 1 and chunks[end - 1].kind == "word" and not describes:
            words = chunks[i + 1 : end]
            before = text[words[0].start : words[-1].start].strip()
            return [Phrase(words[-1], before, chunk.key, words[0].start, words[-1].end, end - 1, i + 1)]
    return []


def _is_beside(chunks: list[Chunk], phrase: Phrase) -> bool:
    """ "on a bench", "with a dog", "next to a car": at the place of the thing before it."""
    first = phrase.first - 1
    while first >= 0 and chunks[first].kind in ("number", "det"):
        first -= 1
    return first >= 0 and chunks[first].key in _BESIDE | ({"to"} if chunks[first - 1].key == "next" else set())


def _denied_words(chunks: list[Chunk]) -> tuple[str, ...]:
    """What the prompt says is not there, or not done: nothing made up may name it."""
    words: list[str] = []
    for i, chunk in enumerate(chunks):
        if chunk.kind == "neg" or is_not(chunk):
            for other in chunks[i + 1 :]:
                if other.kind in ("punct", "conj", "prep"):
                    break
                words += [other.key] if other.kind not in ("number", "det") else []
    return tuple(dict.fromkeys(words))


def _between_colours(chunks: list[Chunk], i: int) -> bool:
    around = chunks[i - 1 : i + 2]
    return [c.kind for c in around] == ["colour", "conj", "colour"]


def _places(text: str, phrases: list[Phrase]) -> tuple[tuple[str, str, str], ...]:
    found = {}
    for phrase in phrases:
        if phrase.head.kind == "place" and not phrase.denied:
            group, where = scenes.place_forms()[phrase.head.key]
            words = text[phrase.start : phrase.end]
            found[f"{phrase.number} {words}" if phrase.number in ("a", "an") else f"the {words}"] = (group, where)
    return tuple((words, *of) for words, of in found.items())


def _camera(text: str) -> tuple[tuple[CameraLabel, ...], tuple[str, ...], str]:
    spans = [
        (m.start(), m.end(), label)
        for pattern, label in scenes.CAMERA_MOVES
        for m in re.finditer(rf"\b{pattern}\b", text, re.IGNORECASE)
    ]
    shots = tuple(m.group() for m in scenes.SHOTS.finditer(text))
    adverb = ""
    for low, high, _ in spans:
        if match := scenes.ADVERBS.search(text, max(0, low - 12), high + 12):
            adverb = match.group().lower()
    return tuple(dict.fromkeys(label for _, _, label in sorted(spans))), shots, adverb


def _inside(chunk: Chunk, spans: list[tuple[int, int]]) -> bool:
    return any(low <= chunk.start < high for low, high in spans)


def _clean(prompt: str) -> tuple[str, tuple[str, ...]]:
    """(the prompt on one line, notes). Raises `InputError` where it is empty or over `MOST_WORDS` words."""
    text = printable(prompt)
    kept = "".join(" " if c.isspace() else c for c in text if c.isspace() or not _is_control(c))
    removed = sum(1 for c in text if _is_control(c) and not c.isspace())
    kept = " ".join(kept.split())
    if not any(c.isalnum() for c in kept):
        raise InputError("the prompt is empty: no letter in it; write a few words, such as 'a dog runs on a beach'")
    if (count := len(kept.split())) > MOST_WORDS:
        raise InputError(
            f"the prompt has {count} words, at most {MOST_WORDS} can be enhanced; a text of that length is a "
            "description already: shorten it to a sentence or two"
        )
    return kept, (f"{removed} control characters were removed",) if removed else ()


def _foreign_script(text: str) -> str | None:
    """The script most letters are of, where that is not Latin: "HANGUL", "CYRILLIC", "CJK"; else None."""
    letters = [c for c in text if c.isalpha()]
    foreign = [c for c in letters if not unicodedata.name(c, "?").startswith("LATIN")]
    if len(foreign) <= _MOSTLY * len(letters):
        return None
    names = [unicodedata.name(c, "UNKNOWN").split()[0] for c in foreign]
    return max(sorted(set(names)), key=names.count)


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs", "Cn") or char in _BIDI_CONTROLS
