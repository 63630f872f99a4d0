"""Short prompts made by a seed, with what a caption of each must say. Used by test_enhance.py."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

_NUMBERS = ((1, "a"), (2, "two"), (3, "three"), (7, "seven"), (40, "40"))
_COLOURS = ("red", "black", "white", "grey", "orange", "black and white", "")
_SIZES = ("small", "old", "sleepy", "")
_NOUNS = (
    ("dog", "dogs", "dog"),
    ("kitten", "kittens", "cat"),
    ("woman", "women", "person"),
    ("truck", "trucks", "truck"),
    ("wolf", "wolves", "wolf"),
    ("sailboat", "sailboats", "boat"),
    ("mug", "mugs", "cup"),
    ("glorptang", "glorptangs", "glorptang"),
)
_VERBS = (("runs", "run"), ("is sleeping", "are sleeping"), ("flies", "fly"), ("turns left", "turn left"), ("", ""))
_PLACES = ("on a beach", "in the snowy forest at night", "in a kitchen", "next to a red car", "")
_ENDS = ("", ", the camera zooms in slowly", ", aerial shot", ", no people", " with a blue collar", "!!", " 🐕")


@dataclass(frozen=True)
class MadePrompt:
    """`count` things of `class_name`, each of `colour` ("" for none), doing `verb` (third person; "" for nothing)."""

    text: str
    noun: str
    class_name: str
    count: int
    colour: str
    verb: str


def made_prompt(seed: int) -> MadePrompt:
    random = Random(seed)
    (count, number), (one, many, class_name) = random.choice(_NUMBERS), random.choice(_NOUNS)
    size, colour, (sings, plural) = random.choice(_SIZES), random.choice(_COLOURS), random.choice(_VERBS)
    head = " ".join(filter(None, (number, size, colour, one if count == 1 else many)))
    words = " ".join(filter(None, (head, sings if count == 1 else plural, random.choice(_PLACES))))
    return MadePrompt(words + random.choice(_ENDS), one, class_name, count, colour, sings)
