"""Scene classes from background texts: a few kinds of place, recognised by the nouns that name them. Our own list.

In: a "Background Detail" text. Out: a class name, or "unknown". A captioner that knows other places is served by the
same nouns; no class is guessed from colours.
"""

from __future__ import annotations

import re

UNKNOWN = "unknown"
SCENES: dict[str, tuple[str, ...]] = {
    "beach": ("beach", "seashore", "seaside", "shoreline", "ocean", "sea"),
    "lake or river": ("lake", "river", "pond", "harbour", "harbor", "waterfall", "stream", "canal"),
    "snow": ("snow", "snowy", "snow field", "ski slope", "glacier", "ice rink"),
    "desert": ("desert", "dunes", "canyon"),
    "mountain": ("mountain", "mountains", "cliff", "valley"),
    "forest": ("forest", "woods", "jungle", "woodland"),
    "meadow or farm": ("meadow", "field", "pasture", "farm", "grassland", "hill", "hills"),
    "park or garden": ("park", "garden", "lawn", "playground", "courtyard", "yard"),
    "street": ("street", "road", "city", "urban", "sidewalk", "pavement", "crossing", "highway", "town", "bridge"),
    "plaza or market": ("plaza", "square", "market", "mall", "shop", "store", "shelves"),
    "sports ground": ("stadium", "court", "gym", "pitch", "arena", "track", "pool"),
    "kitchen or restaurant": ("kitchen", "restaurant", "cafe", "bar", "dining"),
    "studio or stage": ("studio", "stage", "interview", "desk", "news", "concert"),
    "room": ("room", "bedroom", "indoor", "indoors", "office", "hallway", "corridor", "apartment", "interior", "house"),
    "sky or water view": ("sky", "clouds", "underwater", "space", "aerial"),
}
"""Class -> nouns that name it, most telling classes first: a tie goes to the earlier one."""


def scene_of(text: str) -> str:
    """The class whose nouns the text names most often; of equals, the one named first; "unknown" where none is.

    >>> scene_of("A quiet street with shops and a parked van."), scene_of("")
    ('street', 'unknown')
    """
    words = text.lower()
    found: dict[str, tuple[int, int]] = {}
    for scene, nouns in SCENES.items():
        places = [m.start() for noun in nouns for m in re.finditer(rf"\b{re.escape(noun)}\b", words)]
        if places:
            found[scene] = (-len(places), min(places))
    return min(found, key=lambda scene: found[scene]) if found else UNKNOWN
