"""The actor classes of the world: COCO names, the two coloured parts, verbs and gestures. The drawing of a class
lives in `sprites`, under the same name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Habitat = Literal["ground", "water", "air"]


@dataclass(frozen=True, slots=True)
class Gesture:
    """A periodic deformation of the body without any translation of the whole."""

    name: str
    """Short key, unique within its class."""
    phrase: str
    """Third person, e.g. "waves an arm"."""


@dataclass(frozen=True, slots=True)
class ActorClass:
    """What the world knows about one class."""

    name: str
    plural: str
    parts: tuple[str, str]
    """(primary part, secondary part); the primary one is clearly the larger."""
    look: str
    """Sentence of a two-coloured actor, with {p} and {s} for "a red", "red" see `sentences.appearance`."""
    plain_look: str
    """Sentence of a single-coloured actor, with {p}."""
    moves: str
    """Third person verb when moving."""
    rests: str
    """Verb phrase when still."""
    gestures: tuple[Gesture, ...]
    habitat: Habitat
    size_range: tuple[float, float]
    """Long side as a share of the frame height, before perspective."""


def _class(
    name: str,
    parts: tuple[str, str],
    verbs: tuple[str, str],
    size_range: tuple[float, float],
    *,
    habitat: Habitat = "ground",
    plural: str = "",
    look: str = "",
    plain_look: str = "",
    **gestures: str,
) -> ActorClass:
    """`verbs`: moving, at rest. Unless given, the plural is NAMEs and the look "a {p} NAME with a {s} PART"."""
    article = "" if parts[1].endswith("s") and not parts[1].endswith("ss") else "a "
    return ActorClass(
        name,
        plural or f"{name}s",
        parts,
        look or f"a {{p}} {name} with {article}{{s}} {parts[1]}",
        plain_look or f"a {{p}} {name}",
        *verbs,
        tuple(Gesture(key, phrase) for key, phrase in gestures.items()),
        habitat,
        size_range,
    )


_LIGHTS, _ROCKS, _NODS = "flashes its lights", "rocks from side to side", "nods its head"
CLASSES: tuple[ActorClass, ...] = (
    _class(
        "person",
        ("shirt", "trousers"),
        ("walks", "stands still"),
        (0.30, 0.44),
        plural="people",
        look="a person in a {p} shirt and {s} trousers",
        plain_look="a person in {p} clothes",
        wave="waves an arm",
        lift="lifts both arms",
        bow="bows",
    ),
    _class(
        "bicycle",
        ("wheels", "frame"),
        ("rolls", "is parked"),
        (0.25, 0.38),
        look="a bicycle with {p} wheels and a {s} frame",
        wheelie="lifts its front wheel",
        flash="flashes its lamp",
    ),
    _class("car", ("body", "door"), ("drives", "is parked"), (0.30, 0.44), flash=_LIGHTS, hood="lifts its hood"),
    _class(
        "bus",
        ("body", "stripe"),
        ("drives", "is parked"),
        (0.36, 0.45),
        plural="buses",
        flash=_LIGHTS,
        doors="opens its doors",
    ),
    _class(
        "truck",
        ("box", "cab"),
        ("drives", "is parked"),
        (0.34, 0.45),
        look="a truck with a {p} box and a {s} cab",
        flash=_LIGHTS,
        tip="tips its box",
    ),
    _class(
        "boat",
        ("hull", "sail"),
        ("sails", "floats in place"),
        (0.26, 0.42),
        habitat="water",
        rock=_ROCKS,
        sail="swings its sail",
    ),
    _class(
        "airplane",
        ("body", "wings"),
        ("flies", "hovers"),
        (0.28, 0.44),
        habitat="air",
        rock="rocks its wings",
        flash=_LIGHTS,
    ),
    _class(
        "bird", ("body", "wings"), ("flies", "hovers"), (0.20, 0.32), habitat="air", flap="flaps its wings", nod=_NODS
    ),
    _class("dog", ("coat", "vest"), ("runs", "stands still"), (0.22, 0.32), wag="wags its tail", paw="lifts a paw"),
    _class("horse", ("coat", "blanket"), ("trots", "stands still"), (0.32, 0.44), nod=_NODS, tail="swings its tail"),
    _class(
        "elephant",
        ("skin", "blanket"),
        ("walks", "stands still"),
        (0.34, 0.45),
        trunk="raises its trunk",
        ears="flaps its ears",
    ),
    _class("giraffe", ("coat", "spots"), ("walks", "stands still"), (0.38, 0.45), neck="lowers its neck"),
    _class(
        "umbrella",
        ("canopy", "stripes"),
        ("drifts", "stands still"),
        (0.24, 0.36),
        open="opens and closes",
        tilt="tilts from side to side",
    ),
    _class(
        "kite", ("sheet", "cross"), ("flies", "hovers"), (0.28, 0.42), habitat="air", tail="waves its tail", rock=_ROCKS
    ),
    _class("sports ball", ("ball", "stripe"), ("rolls", "lies still"), (0.16, 0.24), squash="squashes and stretches"),
)

CLASS_BY_NAME: dict[str, ActorClass] = {c.name: c for c in CLASSES}
