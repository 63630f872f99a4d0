"""Word lists of the checks: short, our own, English. Called by `checks`."""

from __future__ import annotations

SOUND = (
    "sound",
    "sounds",
    "noise",
    "noises",
    "noisy",
    "loud",
    "loudly",
    "quietly",
    "audible",
    "audio",
    "music",
    "melody",
    "song",
    "voice",
    "voices",
    "heard",
    "hears",
    "hearing",
    "silence",
    "silently",
    "barks",
    "barking",
    "honks",
    "honking",
    "shouts",
    "shouting",
    "sings",
    "singing",
    "whistles",
    "roars",
    "roaring",
    "echoes",
    "hum",
    "humming",
)
"""There is no audio track in what the model sees."""

HEDGES = (
    "appears",
    "appear",
    "apparently",
    "seems",
    "seem",
    "seemingly",
    "possibly",
    "probably",
    "perhaps",
    "maybe",
    "might",
    "presumably",
    "likely",
    "suggests",
    "suggesting",
    "implying",
    "unclear",
    "unsure",
    "could",
)
"""Words of a guess. A caption states what is seen or says nothing."""

HEDGE_PHRASES = ("looks like", "look like", "as if", "as though", "may be", "may have", "i think", "hard to tell")

ABSENT_PHRASES = (
    "no visible",
    "not visible",
    "no other",
    "there is no",
    "there are no",
    "there isn't",
    "there aren't",
    "is not wearing",
    "without any",
    "no clear",
    "cannot be seen",
    "can't be seen",
    "not present",
    "is absent",
    "no text",
    "none of",
)
"""A caption lists what is there; a list of what is missing never ends."""

PICTURE_WORDS = (
    "mosaic",
    "mosaics",
    "blurred",
    "blurry",
    "blur",
    "blurring",
    "pixelated",
    "pixelation",
    "masked",
    "cropped",
    "screenshot",
    "timestamp",
    "timestamps",
    "collage",
    "thumbnail",
)
"""Remarks about the visual prompt rather than about what it shows."""

TRAVEL_VERBS = (
    "walks",
    "runs",
    "moves",
    "rolls",
    "drives",
    "sails",
    "flies",
    "drifts",
    "trots",
    "rides",
    "travels",
    "strolls",
    "gallops",
    "swims",
    "glides",
    "walking",
    "running",
    "moving",
    "driving",
    "sailing",
    "flying",
    "rolling",
)
"""Verbs that change a thing's place."""

REST_PHRASES = (
    "stands still",
    "is parked",
    "lies still",
    "floats in place",
    "hovers",
    "stays still",
    "sits still",
    "is still",
    "remains still",
    "does not move",
    "is motionless",
    "rests",
)
"""Phrases that deny it."""

COLOURS = ("black", "white", "gray", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
"""The 11 basic colour terms of the palette."""

COLOUR_SYNONYMS = {
    "grey": "gray",
    "violet": "purple",
    "beige": "brown",
    "tan": "brown",
    "golden": "yellow",
    "gold": "yellow",
    "crimson": "red",
    "scarlet": "red",
    "navy": "blue",
    "silver": "gray",
    "magenta": "pink",
    "turquoise": "blue",
    "teal": "green",
    "cream": "white",
}

COLOUR_NEIGHBOURS: dict[str, frozenset[str]] = {
    "black": frozenset({"gray", "blue", "brown"}),
    "white": frozenset({"gray", "pink", "yellow"}),
    "gray": frozenset({"white", "black", "blue", "brown", "green"}),
    "red": frozenset({"orange", "pink", "brown", "purple"}),
    "orange": frozenset({"red", "yellow", "brown"}),
    "yellow": frozenset({"orange", "white", "green"}),
    "green": frozenset({"yellow", "gray", "blue"}),
    "blue": frozenset({"purple", "gray", "black"}),
    "purple": frozenset({"blue", "pink", "red"}),
    "pink": frozenset({"red", "purple", "white", "orange"}),
    "brown": frozenset({"orange", "red", "black", "gray"}),
}
"""Terms that one and the same surface may get in other light: too near each other for a pixel count to
overrule the model."""

NUMBER_WORDS = {
    "a": 1,
    "an": 1,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
}
