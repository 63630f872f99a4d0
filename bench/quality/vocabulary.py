"""Words of a caption -> colours, cells, classes. All synonyms are here."""

from __future__ import annotations

import re
from functools import cache

from edgecap.bench.world.classes import CLASSES
from edgecap.runtime.verify.words.lexicon import COLOUR_SYNONYMS, COLOURS

CELLS = tuple(f"{row}-{column}" for row in ("top", "center", "bottom") for column in ("left", "middle", "right"))
_CELL = re.compile(r"\b(top|center|bottom)-(left|middle|right)\b")
_WORD = re.compile(r"[a-z]+")

# Only words that no sentence of the world uses for something else ("glass", "ball of wool"...); longest phrase wins.
_MORE_NAMES = {
    "person": ("man", "men", "woman", "women", "child", "persons", "pedestrian"),
    "bicycle": ("bike", "bikes"),
    "boat": ("ship", "sailboat"),
    "dog": ("puppy",),
    "bird": ("baby bird",),
    "sports ball": ("ball", "balls"),
    "car": ("automobile",),
    "airplane": ("plane",),
    "cat": ("kitten",),
    "truck": ("lorry",),
    "horse": ("pony",),
    "umbrella": ("parasol",),
}
# COCO things of which the world has none: naming one in a caption of the world is a hallucination.
_ABSENT_FROM_THE_WORLD = (
    "motorcycle, train, traffic light, fire hydrant, stop sign, parking meter, bench, sheep, cow, bear, zebra, "
    "backpack, handbag, suitcase, frisbee, skis, snowboard, baseball bat, skateboard, surfboard, tennis "
    "racket, bottle, cup, fork, knife, spoon, banana, apple, sandwich, broccoli, carrot, hot dog, pizza, "
    "donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop, keyboard, cell phone, "
    "microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear, toothbrush, "
    "airplane, bus, truck, cat, bird, horse, elephant, giraffe"
)


def colours_in(text: str) -> tuple[str, ...]:
    """Basic colour terms in the order of mention, doubles kept: "A gray dog, a gold vest." -> ("gray", "yellow")."""
    words = [COLOUR_SYNONYMS.get(w, w) for w in _WORD.findall(text.lower())]
    return tuple(w for w in words if w in COLOURS)


def cells_in(text: str) -> tuple[str, ...]:
    """Position cells in the order of mention."""
    return tuple(m.group(0) for m in _CELL.finditer(text.lower()))


def are_neighbours(cell: str, other: str) -> bool:
    """Whether two cells are the same or touch (corners count)."""
    (r1, c1), (r2, c2) = (divmod(CELLS.index(c), 3) for c in (cell, other))
    return abs(r1 - r2) <= 1 and abs(c1 - c2) <= 1


def class_of(name: str) -> str:
    """The class that a class field names; a word in no table is its own class."""
    return _names().get(name.lower().strip(), name.lower().strip())


def mentions_in(text: str) -> tuple[str, ...]:
    """Classes named in a text, one entry per mention; of overlapping phrases the longest counts: a "hot dog" is not a
    dog [spec 7.4, CHAIR]."""
    return tuple(_names()[m.group(0)] for m in _mention_pattern().finditer(text.lower()))


@cache
def _names() -> dict[str, str]:
    absent = _ABSENT_FROM_THE_WORLD.split(", ")
    names = {name: name for name in absent} | {f"{name}s": name for name in absent}
    names |= {more: name for name, others in _MORE_NAMES.items() for more in others}
    for actor in CLASSES:
        names[actor.name] = names[actor.plural] = actor.name
    return names


@cache
def _mention_pattern() -> re.Pattern[str]:
    phrases = sorted(_names(), key=len, reverse=True)
    return re.compile(r"\b(?:" + "|".join(map(re.escape, phrases)) + r")\b")
