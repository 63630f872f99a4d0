"""The questions of the nano pack and every sentence of its closed corpus.

In: nothing (constants) or truth of one instance. Out: prompt templates and text.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from edgecap.bench.world.classes import CLASSES
from edgecap.bench.world.colours import COLOURS
from edgecap.bench.world.ground_truth import sentences
from edgecap.runtime.english import instances_phrase

PROMPTS: dict[str, str] = {
    "appearance": "Describe the {class}.",
    "action": "The {class} is {motion}. What does it do?",
    "background": "Describe the background.",
    "global": "The video shows {instances}. Describe it.",
}
MAX_TOKENS: dict[str, int] = {"appearance": 24, "action": 20, "background": 28, "global": 40}
BACKGROUNDS: tuple[str, ...] = tuple(sentences._PLACES)
CLASS_NAMES: tuple[str, ...] = tuple(c.name for c in CLASSES)
_SPARE_LINES = ("object", "objects")  # the class of a detector that has none, and the phrase for an empty picture


def fill(field: str, **values: str) -> str:
    """The question of `field` with its placeholders (class, motion, instances) filled in."""
    text = PROMPTS[field]
    for key, value in values.items():
        text = text.replace("{" + key + "}", value)
    return text


def closed_corpus() -> Iterator[str]:
    """Every kind of line the captioner will read or write, each word at least once in its place."""
    colours = tuple(COLOURS)
    for spec in CLASSES:
        yield fill("appearance", **{"class": spec.name})
        for primary, secondary in product(colours, (None, *colours)):
            yield sentences.appearance(spec.name, primary, secondary)
        for moving, gesture in product((True, False), (None, *(g.name for g in spec.gestures))):
            yield fill("action", **{"class": spec.name, "motion": "moving" if moving else "still"})
            yield sentences.action(spec.name, moving, gesture)
    for name in BACKGROUNDS:
        yield fill("background")
        yield sentences.background(name)
        yield sentences.global_sentence((), name)
        for spec, count in product(CLASSES, range(1, 7)):
            yield sentences.global_sentence((spec.name,) * count, name)
            yield fill("global", instances=instances_phrase((spec.name,) * count))
        yield sentences.global_sentence(CLASS_NAMES[:6], name)
        yield fill("global", instances=instances_phrase(CLASS_NAMES))
    for noun in _SPARE_LINES:
        yield fill("appearance", **{"class": noun})
        yield fill("global", instances=f"no {noun}")
