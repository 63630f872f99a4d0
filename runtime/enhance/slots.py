"""Plausible attributes for what a prompt leaves open, by kind of thing and by class. Our own lists.

In: a class. Out: `Slot`s and actions. A slot
is left out where the prompt says anything of its sort; no option names a class of the detector, a sound or a mood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgecap.runtime.enhance.words.nouns import Kind
from edgecap.runtime.enhance.words.phrase import BODY, GARMENTS
from edgecap.runtime.verify.words.lexicon import COLOUR_SYNONYMS, COLOURS

SlotForm = Literal["adjective", "with", "in"]

_COLOUR_WORDS = frozenset({*COLOURS, *COLOUR_SYNONYMS, "spotted", "striped", "colorful", "colourful", "tabby", "rusty"})
_GARMENT_WORDS = frozenset(GARMENTS.split("|")) | {"dressed", "naked", "wearing", "worn"}
_HAIR_WORDS = frozenset({"hair", "haired", "bald", "blonde", "blond", "brunette", "redhead", "beard", "braids",
                         "ponytail", "curls", "hat", "cap", "helmet", "hood", "beanie", "crown"})  # fmt: skip
_BODY_WORDS = frozenset(BODY.split("|")) | frozenset(GARMENTS.split("|"))


@dataclass(frozen=True, slots=True)
class Slot:
    """`form`: an adjective before the noun, a "with ..." or an "in ..." after it. `blocked_by`: words of the thing's
    own phrase that fill the slot already."""

    form: SlotForm
    options: tuple[str, ...]
    blocked_by: frozenset[str] = frozenset()


def _colours(*options: str) -> Slot:
    return Slot("adjective", options, _COLOUR_WORDS)


def _parts(*options: str) -> Slot:
    return Slot("with", options, _BODY_WORDS)


_COATS = (
    "in a grey jacket and dark trousers",
    "in a blue shirt and brown trousers",
    "in a green sweater and black trousers",
    "in a white shirt and blue jeans",
    "in a red coat and grey trousers",
    "in a yellow raincoat and dark boots",
)
_HAIR = ("short dark hair", "light brown hair", "curly black hair", "straight dark brown hair", "wavy auburn hair")

_BY_KIND: dict[Kind, tuple[Slot, ...]] = {
    "person": (Slot("with", _HAIR, _HAIR_WORDS), Slot("in", _COATS, _GARMENT_WORDS)),
    "animal": (
        _colours("brown", "grey", "tan", "dark brown", "pale grey"),
        _parts("a smooth coat", "a thick coat", "bright eyes", "a long tail", "upright ears"),
    ),
    "bird": (
        _colours("white", "grey", "brown", "black"),
        _parts("dark wing tips", "a slender beak", "smooth feathers", "a pale breast", "bright eyes"),
    ),
    "vehicle": (
        _colours("red", "blue", "white", "black", "silver", "green"),
        _parts("clean windows", "a thin layer of dust", "polished paint", "round headlights"),
    ),
    "aircraft": (
        _colours("white", "red", "blue", "yellow"),
        _parts("a slim body", "a stripe along its side", "a smooth surface", "a rounded front"),
    ),
    "watercraft": (
        _colours("white", "blue", "red", "brown"),
        _parts("a painted hull", "a narrow hull", "a wooden deck", "a stripe along its side"),
    ),
    "street": (
        _colours("red", "grey", "yellow"),
        _parts("a metal post", "worn paint", "a dusty surface", "a solid base"),
    ),
    "furniture": (
        _colours("brown", "grey", "white", "dark brown"),
        _parts("slim legs", "rounded edges", "a smooth surface", "a sturdy frame"),
    ),
    "food": (Slot("with", ("a fresh look", "an even surface", "a smooth surface", "small irregular marks")),),
    "tableware": (
        _colours("white", "blue", "clear", "grey"),
        _parts("a smooth surface", "a thin rim", "a small chip", "a faint reflection"),
    ),
    "electronics": (
        _colours("black", "white", "silver"),
        _parts("rounded corners", "a flat surface", "a matte finish", "a thin edge"),
    ),
    "carried": (
        _colours("black", "brown", "blue", "red"),
        _parts("visible seams", "a plain surface", "a soft fold", "a slim shape"),
    ),
    "sport": (
        _colours("red", "white", "yellow", "blue"),
        _parts("a smooth surface", "a few scuffs", "a thin stripe", "a clean edge"),
    ),
    "plant": (
        _colours("green", "dark green"),
        _parts("broad leaves", "slender leaves", "glossy leaves", "a short stem"),
    ),
    "object": (
        Slot(
            "with",
            ("a smooth surface", "a few small marks", "an even shape", "a matte finish", "clean edges"),
            _BODY_WORDS,
        ),
    ),
}
_BY_CLASS: dict[str, tuple[Slot, ...]] = {
    "cat": (
        _colours("black", "white", "orange", "grey", "black and white"),
        _parts("green eyes", "a long tail", "white paws", "pale whiskers", "upright ears"),
    ),
    "dog": (
        _colours("brown", "black", "white", "tan", "black and white"),
        _parts("floppy ears", "upright ears", "a blue collar", "a curled tail", "a smooth coat"),
    ),
    "horse": (
        _colours("brown", "black", "white", "grey"),
        _parts("a dark mane", "a white blaze", "a long tail", "pale lower legs"),
    ),
    "elephant": (_colours("grey", "dark grey"), _parts("wide ears", "short tusks", "wrinkled skin", "a raised trunk")),
    "sheep": (_colours("white", "cream"), _parts("thick wool", "a dark face", "curled wool", "short legs")),
    "cow": (
        _colours("brown", "black and white", "white"),
        _parts("short horns", "a broad back", "a white face", "a long tail"),
    ),
    "zebra": (_parts("black and white stripes", "a short upright mane", "a striped tail", "rounded ears"),),
    "giraffe": (_parts("brown patches", "a long neck", "short horns", "slender legs"),),
    "bicycle": (
        _colours("red", "blue", "black", "green"),
        _parts("thin wheels", "a wicker basket", "a black saddle", "curved handlebars"),
    ),
    "penguin": (_parts("a white front", "a dark back", "orange feet", "short wings"),),
    "banana": (
        _colours("yellow"),
        Slot("with", ("a curved shape", "small brown specks", "a short stem", "smooth skin")),
    ),
    "apple": (
        _colours("red", "green"),
        Slot("with", ("a short stem", "smooth skin", "small pale dots", "a round shape")),
    ),
    "robot": (
        _colours("silver", "white", "black"),
        Slot("with", ("jointed arms", "a rounded head", "metal panels", "lit eyes")),
    ),
}

_STILL: dict[Kind, tuple[str, ...]] = {
    "person": ("stands and looks around", "stands still and looks ahead", "turns and looks to one side"),
    "animal": ("stands and looks around", "turns its head slowly", "sniffs the ground", "shifts its weight"),
    "bird": ("turns its head from side to side", "stays in place and folds its wings", "moves its head up and down"),
    "aircraft": ("keeps its height", "sways a little in the air"),
    "watercraft": ("floats in place", "rocks gently on the water"),
}
_AT_REST = ("stays in place", "stands still", "does not move")


def slots_of(class_name: str, kind: Kind) -> tuple[Slot, ...]:
    """The class's own slots, else its kind's: any class has some (defect 10 of the spec: no key may be missing)."""
    return _BY_CLASS.get(class_name, _BY_KIND[kind])


def still_actions(kind: Kind) -> tuple[str, ...]:
    """What a thing may do where the prompt gives it nothing to do: nothing that changes its place."""
    return _STILL.get(kind, _AT_REST)
