"""Noun phrases: a thing or a place with the words before it, and what it wears or has ("in a red dress") behind it.

In: text and chunks. Out: `Phrase`s in order of their heads; spans of the text, in which a garment is not an instance.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgecap.runtime.enhance.words.chunks import Chunk

GARMENTS = (
    "shirt|t-shirt|blouse|dress|gown|skirt|jacket|coat|raincoat|sweater|hoodie|vest|suit|uniform|costume|jeans|trousers|"
    "pants|shorts|robe|apron|kimono|armor|armour|spacesuit|tuxedo|swimsuit|bikini|leggings|overalls|jersey|cardigan|"
    "hat|cap|helmet|crown|hood|beanie|scarf|tie|gloves|boots|shoes|sneakers|sandals|heels|socks|glasses|sunglasses|"
    "goggles|mask|necklace|earrings|ring|watch|belt|ribbon|collar|saddle|harness|leash|clothes|outfit|pajamas|cape|cloak"
)
BODY = (
    "hair|beard|moustache|mustache|eyes|ears|ear|tail|tails|fur|coat|mane|stripes|spots|wings|feathers|horns|antlers|"
    "legs|paws|nose|beak|face|teeth|whiskers|wheels|windows|roof|doors|headlights|sails|sail|lid|handle|label|stickers|"
    "tattoos|freckles|braids|ponytail|curls|smile|expression|trunk|tusks|neck"
)
_STOPS = "and|in|on|at|with|wearing|while|is|are|who|walking|running|sitting|standing|playing|riding"
_WORD = rf"(?!(?:{_STOPS})\b)[^\W\d_][\w'-]*"
_ITEM = rf"(?:{_WORD}\s+){{0,4}}?(?:{GARMENTS}|{BODY})\b"
_TRAIT = re.compile(
    rf"\b(?:(?:dressed )?in|with|wearing|that has|who has|having)\s+{_ITEM}(?:(?:\s*,)?\s+(?:and|with)\s+{_ITEM})*",
    re.I,
)
_MODIFIER = ("colour", "word", "light")


@dataclass(frozen=True, slots=True)
class Phrase:
    """`modifiers`: the words between number or article and head, verbatim. `number`: the number or article, lower case,
    "" for none. `start`:`end` of modifiers and head in the text. `index` of the head's chunk, `first` of the phrase's.
    `denied`: "no dog", "without a collar".
    """

    head: Chunk
    modifiers: str
    number: str
    start: int
    end: int
    index: int
    first: int
    denied: bool = False


def find_phrases(chunks: list[Chunk], skipped: list[bool]) -> list[Phrase]:
    """`skipped[i]`: chunk i belongs to a trait ("in a red dress") and does not head a phrase."""
    phrases: list[Phrase] = []
    for i, chunk in enumerate(chunks):
        if chunk.kind not in ("noun", "place") or skipped[i] or _names_the_next(chunks, i):
            continue
        first = _first_modifier(chunks, i, phrases[-1].index if phrases else -1)
        before = chunks[first - 1] if first else None
        if before is not None and before.kind == "prep" and before.key == "of" and first > 1:
            before = chunks[first - 2] if chunks[first - 2].kind == "number" else before
        number = before.key if before is not None and before.kind in ("number", "det") else ""
        denier = chunks[first - 2] if number and first > 1 else before
        denied = before is not None and (before.kind == "neg" or (denier is not None and denier.kind == "neg"))
        words = " ".join(c.text for c in chunks[first:i])
        phrases.append(Phrase(chunk, words, number, chunks[first].start, chunk.end, i, first, denied))
    return phrases


def _names_the_next(chunks: list[Chunk], i: int) -> bool:
    """ "dog" of "dog house", "horse" of "horse rider": the next noun is the thing."""
    if i + 1 >= len(chunks) or chunks[i].key.endswith("s"):
        return False
    return chunks[i + 1].kind in ("noun", "place") or chunks[i + 1].text.startswith("'")


def _first_modifier(chunks: list[Chunk], head: int, previous_head: int) -> int:
    first = head
    while first - 1 > previous_head:
        chunk, left = chunks[first - 1], chunks[first - 2] if first >= 2 else None
        opens = left is None or left.kind in ("number", "det", "neg", *_MODIFIER)
        joined = chunk.kind == "conj" or chunk.key == ","
        if joined and chunks[first].kind == "colour" and left is not None and left.kind == "colour":
            first -= 1  # "black and white cat"
        elif chunk.kind in (*_MODIFIER, "noun") or (chunk.kind in ("verb", "adverb") and opens):
            first -= 1  # "a small sleeping dog"; a verb after a thing is not a modifier
        else:
            break
    return first


def trait_spans(text: str, chunks: list[Chunk]) -> list[tuple[int, int]]:
    """Half-open spans, in order; only those that follow a thing or another trait."""
    ends = [c.end for c in chunks if c.kind in ("noun", "word")]
    spans: list[tuple[int, int]] = []
    for match in _TRAIT.finditer(text):
        before = text[: match.start()].rstrip(" ,")
        if len(before) in ends or (spans and spans[-1][1] == len(before)):
            spans.append(match.span())
    return spans
