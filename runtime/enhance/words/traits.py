"""What a thing wears or has, said after it: "in a red dress", "with a blue collar and long ears".

In: text and chunks. Out: spans of the text. A garment inside such a span is no instance.
"""

from __future__ import annotations

import re

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


def trait_spans(text: str, chunks: list[Chunk]) -> list[tuple[int, int]]:
    """Half-open spans, in order; only those that follow a thing or another trait."""
    ends = [c.end for c in chunks if c.kind in ("noun", "word")]
    spans: list[tuple[int, int]] = []
    for match in _TRAIT.finditer(text):
        before = text[: match.start()].rstrip(" ,")
        if len(before) in ends or (spans and spans[-1][1] == len(before)):
            spans.append(match.span())
    return spans
