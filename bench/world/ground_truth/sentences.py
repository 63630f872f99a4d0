"""Reference sentences: pure functions of class, colours, gesture and background.

The nano captioner is trained to write exactly these, so the vocabulary is small, the grammar regular, and a change
here means training again. Every sentence starts with a capital and ends with a full stop.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from edgecap.bench.world.classes import CLASS_BY_NAME, CLASSES

_COUNT_WORDS = ("no", "a", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_PLACES: dict[str, tuple[str, str]] = {
    "meadow": ("in a meadow", "A green meadow with flowers lies under a cloudy sky."),
    "beach": ("on a beach", "A sandy beach lies beside the sea under a bright sky."),
    "street": ("on a street", "A gray street runs past a row of houses with many windows."),
    "desert": ("in a desert", "A dry desert with dunes and rocks lies under a warm sky."),
    "snow field": ("in a snow field", "A snow field with white hills lies under a pale sky."),
    "lake": ("at a lake", "A calm lake lies between a grassy shore and distant mountains."),
    "forest": ("in a forest", "A forest with tall trees stands behind a mossy clearing."),
    "night harbor": ("in a harbor at night", "A harbor with lit city windows lies under a dark night sky."),
}
_MOST_GROUPS_NAMED = 4
"""More distinct classes than this are shortened to the first three "and others", to stay within 20 words."""


def appearance(class_name: str, primary_colour: str, secondary_colour: str | None) -> str:
    """What it looks like, e.g. "A person in a red shirt and blue trousers."; no second colour: "A red car."."""
    spec = CLASS_BY_NAME[class_name]
    if secondary_colour is None:
        return _sentence(spec.plain_look.format(p=primary_colour))
    return _sentence(spec.look.format(p=primary_colour, s=secondary_colour))


def action(class_name: str, moving: bool, gesture: str | None) -> str:
    """What it does, e.g. "It walks and waves an arm."; `gesture` is the name of one of the class's gestures."""
    spec = CLASS_BY_NAME[class_name]
    verb = spec.moves if moving else spec.rests
    if gesture is None:
        return _sentence(f"it {verb}")
    phrases = {g.name: g.phrase for g in spec.gestures}
    return _sentence(f"it {verb} and {phrases[gesture]}")


def background(name: str) -> str:
    """One plain sentence about the background."""
    return _PLACES[name][1]


def global_sentence(class_names: Sequence[str], background_name: str) -> str:
    """One sentence of at most 20 words about the whole clip.

    Groups are sorted by count (largest first), then by the order of `CLASSES`, so that the sentence does not depend
    on the order of `class_names`. No instance: "Nothing is on a beach.".
    """
    place = _PLACES[background_name][0]
    counts = Counter(class_names)
    order = {c.name: i for i, c in enumerate(CLASSES)}
    groups = sorted(counts, key=lambda n: (-counts[n], order[n]))
    if not groups:
        return _sentence(f"nothing is {place}")
    words = [_counted(n, counts[n]) for n in groups]
    if len(words) > _MOST_GROUPS_NAMED:
        words = [*words[:3], "others"]
    verb = "is" if len(class_names) == 1 else "are"
    return _sentence(f"{_listed(words)} {verb} {place}")


def _counted(class_name: str, count: int) -> str:
    if count == 1:
        return f"a {class_name}"
    word = _COUNT_WORDS[count] if count < len(_COUNT_WORDS) else str(count)
    return f"{word} {CLASS_BY_NAME[class_name].plural}"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def with_articles(text: str) -> str:
    """ "a orange bus" -> "an orange bus", "an bus" -> "a bus"."""
    return re.sub(r"\ban? (?=(\w))", lambda match: "an " if match[1] in "aeiou" else "a ", text)


def _sentence(text: str) -> str:
    """Capital, full stop, and "an" before a vowel."""
    text = with_articles(text)
    return f"{text[0].upper()}{text[1:]}."
