"""A prompt cut into chunks: nouns, places, verbs, numbers and the rest, each with its place in the text.

In: cleaned text. Out: `Chunk`s in order. Longest match first, so that a "train station" is not a
train; a word that can be a verb or a noun is decided by the word before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from edgecap.runtime.enhance.words import scenes
from edgecap.runtime.enhance.words.nouns import noun_forms
from edgecap.runtime.enhance.words.verbs import verb_forms
from edgecap.runtime.verify.words import lexicon

ChunkKind = Literal[
    "noun", "place", "light", "camera", "verb", "be", "number", "det", "colour", "prep", "conj", "neg", "adverb",
    "small",
    "punct", "word",
]  # fmt: skip

_TOKEN = re.compile(r"[^\W\d_]+(?:['’-][^\W_]+)*|\d+|[^\w\s]")
_BE = frozenset({"is", "are", "was", "were", "be"})
_PRONOUNS = frozenset({"he", "she", "it", "they"})
_CONJ = frozenset({"and", "or", "but"})
_MOST_TOKENS = 4
_LIGHT = frozenset(scenes.LIGHT)


@dataclass(frozen=True, slots=True)
class Chunk:
    """`text`: as it stands in the prompt, `start`:`end` (half-open). `key`: lower case, single spaces."""

    kind: ChunkKind
    text: str
    key: str
    start: int
    end: int


def camera_spans(text: str) -> list[tuple[int, int]]:
    """Where the prompt speaks of the camera, not of the scene."""
    found = [m.span() for pattern, _ in scenes.CAMERA_MOVES for m in re.finditer(rf"\b{pattern}\b", text, re.I)]
    found += [m.span() for m in scenes.SHOTS.finditer(text)]
    # "the camera slowly pans left": the words around the move belong to it
    # ...but what runs towards the camera belongs to the scene
    around = re.finditer(r"\b(?:(\w+) )?((?:the )?camera(?: is| \w+ly)*)\b", text, re.IGNORECASE)
    found += [m.span(2) for m in around if (m.group(1) or "").lower() not in scenes.PREPOSITIONS]
    return sorted(found)


def chunks_of(text: str) -> list[Chunk]:
    """All chunks of `text`, in order; words of the camera are one chunk each."""
    spans = camera_spans(text)
    tokens = [(m.group(), m.start(), m.end()) for m in _TOKEN.finditer(text)]
    chunks: list[Chunk] = []
    i = 0
    while i < len(tokens):
        word, start, end = tokens[i]
        if any(low <= start < high for low, high in spans):
            chunks.append(Chunk("camera", word, word.lower(), start, end))
            i += 1
            continue
        size, kind = _longest(tokens, i, chunks[-1] if chunks else None)
        last = tokens[i + size - 1][2]
        chunks.append(Chunk(kind, text[start:last], _key(tokens[i : i + size]), start, last))
        i += size
    return chunks


def _key(tokens: list[tuple[str, int, int]]) -> str:
    return " ".join(t[0].lower() for t in tokens)


def _longest(tokens: list[tuple[str, int, int]], i: int, before: Chunk | None) -> tuple[int, ChunkKind]:
    for size in range(min(_MOST_TOKENS, len(tokens) - i), 0, -1):
        key = _key(tokens[i : i + size])
        following = tokens[i + size][0].lower() if i + size < len(tokens) else ""
        if size == 1:
            return 1, _single(key, following, before)
        if key in scenes.NEGATIONS:
            return size, "neg"
        if key in scenes.VAGUE_NUMBERS or key in scenes.NUMBERS:
            return size, "number"
        if key in _LIGHT:
            return size, "light"
        if (
            before is not None
            and before.key in ("a", "an", "one")
            and key.endswith("s")
            and key[:-1] in scenes.place_forms()
        ):
            continue  # "a bus stops" is not a place
        if key in scenes.place_forms():
            return size, "place"
        if key in noun_forms():
            return size, "noun"
    raise AssertionError("a single token always has a kind")


def _single(key: str, following: str, before: Chunk | None) -> ChunkKind:
    if not key[0].isalnum():
        return "punct"
    if key in ("no", "without"):
        return "neg"
    small: dict[ChunkKind, bool] = {
        "number": key in scenes.NUMBERS or key in scenes.VAGUE_NUMBERS or key.isdecimal(),
        "det": key in scenes.DETERMINERS,
        "be": key in _BE,
        "conj": key in _CONJ,
    }
    kind = next((k for k, true in small.items() if true), None)
    if kind is not None:
        return kind
    if _is_verb(key, before):
        return "verb"
    if key in scenes.PREPOSITIONS:
        return "prep"
    if (key in lexicon.COLOURS or key in lexicon.COLOUR_SYNONYMS) and not _is_fruit(key, following):
        return "colour"
    if key in _LIGHT:
        return "light"
    if key in noun_forms():
        return "noun"
    if key in scenes.place_forms():
        return "place"
    if key in scenes.SMALL_WORDS:
        return "small"
    return "adverb" if key.endswith("ly") else "word"


def _is_verb(key: str, before: Chunk | None) -> bool:
    """A verb where a verb can stand: after a thing, "is", a conjunction or an adverb; a gerund anywhere.

    An unknown word ending in -s or -ing right after a thing is taken for one too ("the dog yodels").
    """
    after_thing = before is not None and before.kind in ("noun", "be", "adverb")
    verb = verb_forms().get(key)
    if verb is None:
        unknown = key not in noun_forms() and key not in scenes.place_forms() and key not in scenes.SMALL_WORDS
        shaped = (key.endswith("s") and not key.endswith("ss")) or (key.endswith("ing") and len(key) > 5)
        return unknown and shaped and before is not None and before.kind in ("noun", "be") and key not in _LIGHT
    if key == verb.gerund:
        return True
    if after_thing or (before is not None and before.key in _PRONOUNS):
        return True
    if (
        before is not None
        and before.kind in ("word", "light")
        and key in (verb.present, verb.past)
        and verb.base != key
    ):
        return key not in noun_forms()  # "in a red dress rides"
    if before is not None and before.kind == "word" and before.key.endswith("s") and key == verb.base:
        return not before.key.endswith("ss")  # "glorptangs turn left"
    joins = before is not None and (before.kind in ("conj", "punct") or before.key in ("then", "who", "which", "that"))
    return joins and key not in noun_forms()


def _is_fruit(key: str, following: str) -> bool:
    """ "an orange and a cat", not "an orange cat"."""
    ends = not following or not following[0].isalpha() or following in scenes.PREPOSITIONS or following in _CONJ
    return key == "orange" and (ends or following in verb_forms() or following in _BE)
