"""The 11 basic colour terms and the inks derived from them.

In: a colour name. Out: RGB triples.
"""

from __future__ import annotations

import numpy as np

RGB = tuple[int, int, int]

COLOURS: dict[str, RGB] = {
    "black": (30, 30, 34),
    "white": (246, 246, 244),
    "gray": (134, 136, 140),
    "red": (214, 38, 42),
    "orange": (246, 132, 20),
    "yellow": (250, 216, 40),
    "green": (42, 150, 62),
    "blue": (38, 88, 214),
    "purple": (126, 52, 168),
    "pink": (250, 142, 192),
    "brown": (122, 72, 34),
}
"""Central RGB per term, kept away from the borders between terms."""

NEUTRAL_INKS: dict[str, RGB] = {
    "line": (38, 36, 44),
    "rim": (250, 248, 240),
    "tyre": (52, 52, 58),
    "hub": (196, 198, 202),
    "glass": (182, 198, 206),
    "gleam": (226, 234, 238),
    "shoe": (58, 50, 48),
    "eye": (24, 24, 28),
    "metal": (168, 170, 176),
    "wood": (168, 132, 92),
    "lamp_off": (150, 148, 140),
    "lamp_on": (255, 246, 190),
    "inside": (66, 62, 66),
    "beak": (216, 168, 96),
    "ivory": (240, 234, 216),
    "string": (110, 106, 104),
}
"""Small details that are no part of the two named colours."""

SKIN_TONES: tuple[RGB, ...] = ((244, 204, 172), (226, 176, 138), (184, 132, 96), (128, 90, 66))
HAIR_TONES: tuple[RGB, ...] = ((56, 42, 36), (96, 66, 44), (176, 136, 84), (70, 68, 72))
JITTER = 7
"""Largest change per channel of an actor's colour around the central one, in 8-bit steps."""


def jittered(name: str, rng: np.random.Generator) -> RGB:
    """The central colour of `name` moved by at most `JITTER` per channel."""
    moved = np.clip(np.array(COLOURS[name]) + rng.integers(-JITTER, JITTER + 1, 3), 0, 255)
    return (int(moved[0]), int(moved[1]), int(moved[2]))


def tinted(rgb: RGB, amount: float) -> RGB:
    """Lighter (`amount` > 0, towards white) or darker (`amount` < 0, towards black); |amount| <= 1."""
    target = 255.0 if amount > 0 else 0.0
    weight = abs(amount)
    r, g, b = (round(c * (1 - weight) + target * weight) for c in rgb)
    return (r, g, b)


def inks_of(primary: RGB, secondary: RGB, *, skin: int, hair: int) -> dict[str, RGB]:
    """Every ink a sprite may name; the tints are mild, so that a tint never reads as another basic colour."""
    inks = dict(NEUTRAL_INKS)
    for name, rgb in (("primary", primary), ("secondary", secondary)):
        inks[name] = rgb
        # A darker black can't be seen, so both tints of black go up.
        is_black = sum(rgb) < 160
        inks[name + "_light"] = tinted(rgb, 0.24 if is_black else 0.16)
        inks[name + "_dark"] = tinted(rgb, 0.13 if is_black else -0.15)
    if sum(primary) < 160:
        inks["line"] = (82, 82, 92)
    inks["skin"] = SKIN_TONES[skin % len(SKIN_TONES)]
    inks["hair"] = HAIR_TONES[hair % len(HAIR_TONES)]
    return inks
