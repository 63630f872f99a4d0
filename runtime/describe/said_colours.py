"""Which of the measured colours a person would name.

In: `TrackEvidence`, or what else has a class and a palette. Out: its `ColourShare`s that are said, largest first.
"""

from __future__ import annotations

from typing import Protocol

from edgecap.runtime.data.evidence import ColourShare

SECOND_SHARE = 0.18
"""A colour with less of the instance is not named."""
_LEAST_OF_CLOTHES = {"brown": 0.6, "orange": 0.6, "pink": 0.6, "gray": 0.5}
"""Skin, hair and shade rarely fill half of a person, bare arms and legs a little more: a colour of theirs is taken for
clothes only from here on."""
_LEAST_BLACK_BESIDE = 0.35
"""Hair, shoes and folds are black beside clothes of another colour; dark trousers or a dark jacket are more."""
_LEAST_PANED_BLACK = 0.5
"""Panes, tyres and the shade below fill up to half of a car seen from the side."""
_LEAST_BESIDE = 0.3
"""Beside an animal's own colour a smaller share of one that shade or grass gives is not named."""
_SURE_GRAY = 0.85
"""An animal with less of it is black in the sun or white in the shade as often as gray: of eleven dogs that were called
gray, in 171 of Flickr8k's photographs, people called two so."""
_PANED = frozenset({"car", "bus", "truck", "train"})
_VEHICLES = _PANED | {"bicycle", "motorcycle"}
_ANIMALS = frozenset({"bird", "cat", "dog", "horse", "sheep", "cow", "bear"})
_COATS = frozenset({"black", "white", "gray", "brown", "orange"})
"""Of mammals and most birds."""


class Coloured(Protocol):
    """What is needed of a `TrackEvidence`."""

    @property
    def class_name(self) -> str:
        """The detector's word for it."""
        ...

    @property
    def palette(self) -> tuple[ColourShare, ...]:
        """Its colours, largest first."""
        ...


def said_colours(track: Coloured) -> list[ColourShare]:
    """Colours of a thing or an animal that a person would name, largest first; at most three.

    Gray is what white becomes in the shade, brown fur in flat light and black in the sun, so it is named only where it
    is the largest and neither white nor a colour is beside it; of an animal only where it is nearly all. Black beside
    gray is shadow, beside brown fur its shaded side, and on a vehicle tyres and panes. Green, blue and purple beside
    the colour of a coat are grass, water and sky.
    """
    named = [c for c in track.palette if c.share >= SECOND_SHARE][:3]
    if not named:
        return []
    names, first = [c.name for c in named], named[0].name
    dropped = set()
    unsure = track.class_name in _ANIMALS and named[0].share < _SURE_GRAY
    if "gray" in names and (first != "gray" or unsure or set(names) - {"gray", "black"}):
        dropped.add("gray")
    if first != "black" and (first == "gray" or track.class_name in _VEHICLES):
        dropped.add("black")
    if track.class_name in _PANED and named[0].share < _LEAST_PANED_BLACK:
        dropped.add("black")
    if track.class_name in _ANIMALS and first in _COATS:
        from_outside = {"green", "blue", "purple"} | ({"black"} if first in ("brown", "orange") else set())
        dropped |= {c.name for c in named[1:] if c.name in from_outside and c.share < _LEAST_BESIDE}
    return [c for c in named if c.name not in dropped]


def clothes_colours(track: Coloured) -> list[ColourShare]:
    """Colours of a person's clothes, largest first, at most two: those of the whole person without what may be skin,
    hair or shade."""
    least = dict(_LEAST_OF_CLOTHES)
    if track.palette and track.palette[0].name != "black":
        least["black"] = _LEAST_BLACK_BESIDE
    return [c for c in track.palette if c.share >= least.get(c.name, SECOND_SHARE)][:2]
