"""False statements for `planted`: what is put into a true caption so that one thing in it is wrong.

Written apart from `runtime.lexicon`, and not to be read off it: a phrase that the lexicon misses is a miss to be
counted, not a phrase to be taken out here (nor is it to be copied there one by one).
"""

from __future__ import annotations

SOUND_CLAUSES = (
    "while a horn sounds in the distance",
    "as an engine hums nearby",
    "and its steps can be heard on the ground",
    "with a faint buzzing in the air",
    "accompanied by cheerful music",
    "and it lets out a loud cry",
    "while birds chirp around it",
    "making a soft rustling sound",
    "and the wind howls around it",
    "to the beat of a distant drum",
    "with a squeak at every move",
    "and a bell rings somewhere",
    "amid the chatter of a crowd",
    "in complete silence",
    "while voices murmur in the background",
    "with a low rumble",
)
"""Added to the end of a sentence."""

HEDGE_CLAUSES = (
    "probably on its way home",
    "as if it were waiting for someone",
    "perhaps to catch attention",
    "which may be part of a game",
    "seemingly in a good mood",
    "suggesting a calm mood",
    "likely for a celebration",
    "which could be a signal",
    "presumably out of habit",
    "possibly after a long journey",
    "as though it had just woken up",
    "indicating that it is new",
    "which might be a test",
    "apparently without a destination",
    "what looks like a rehearsal",
    "or maybe it is only resting",
)
"""Added to the end of a sentence after a comma."""

CLASS_SYNONYMS: dict[str, tuple[str, ...]] = {
    "person": ("man", "woman", "pedestrian"),
    "bicycle": ("bike",),
    "car": ("sedan", "automobile"),
    "bus": ("coach",),
    "truck": ("lorry",),
    "boat": ("sailboat", "ship"),
    "airplane": ("plane", "aircraft"),
    "bird": ("sparrow",),
    "dog": ("puppy", "hound"),
    "horse": ("pony",),
    "elephant": (),
    "giraffe": (),
    "umbrella": ("parasol",),
    "kite": (),
    "sports ball": ("ball", "football"),
}
"""Other names of the world's classes, used for a wrong class in one case of three."""

COLOUR_SHADES: dict[str, tuple[str, ...]] = {
    "black": ("jet-black",),
    "white": ("ivory", "snow-white"),
    "gray": ("grey", "silver"),
    "red": ("crimson", "scarlet"),
    "orange": ("tangerine",),
    "yellow": ("golden", "lemon-yellow"),
    "green": ("olive", "emerald"),
    "blue": ("navy", "azure"),
    "purple": ("violet", "lilac"),
    "pink": ("rose-colored", "magenta"),
    "brown": ("chocolate-brown", "tan"),
}
"""Other names of the basic terms, used for a wrong colour in one case of three."""

OPENINGS = (
    "Seen {place}, ",
    "On this clear view {place}, ",
    "{Place}, ",
    "Well lit {place}, ",
)
"""Heads of a long sentence; {place} is "in a meadow"."""

DETAILS = (
    "Its outline is crisp against the ground behind it.",
    "The surface is smooth and evenly lit.",
    "Light falls on it from above and gives it clear edges.",
    "Its parts stand out well, and its shape is simple and rounded.",
)
"""True of anything in the world, and about nothing that is measured."""

SIDES: dict[str, tuple[str, ...]] = {
    "left": ("to the left", "towards the left side of the frame", "leftward", "from right to left"),
    "right": ("to the right", "towards the right side of the frame", "rightward", "from left to right"),
    "up": ("upward", "towards the top of the frame", "up"),
    "down": ("downward", "towards the bottom of the frame", "down"),
}
"""How a way is said in free prose."""

PLACES_IN_FRAME: dict[str, tuple[str, ...]] = {
    "top-left": ("in the upper left corner of the frame", "in the top-left part of the picture"),
    "top-middle": ("at the top of the frame, in the middle",),
    "top-right": ("in the upper right corner of the frame", "in the top-right part of the picture"),
    "center-left": ("at center-left", "on the left side of the frame"),
    "center-middle": ("in the middle of the frame", "in the center of the picture"),
    "center-right": ("at center-right", "on the right side of the frame"),
    "bottom-left": ("in the lower left corner of the frame", "in the bottom-left part of the picture"),
    "bottom-middle": ("at the bottom of the frame, in the middle",),
    "bottom-right": ("in the lower right corner of the frame", "in the bottom-right part of the picture"),
}
"""How a cell is said in free prose."""
