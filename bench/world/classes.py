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


def _lights(name: str = "lights") -> Gesture:
    return Gesture("flash", f"flashes its {name}")


CLASSES: tuple[ActorClass, ...] = (
    ActorClass(
        "person",
        "people",
        ("shirt", "trousers"),
        "a person in a {p} shirt and {s} trousers",
        "a person in {p} clothes",
        "walks",
        "stands still",
        (Gesture("wave", "waves an arm"), Gesture("lift", "lifts both arms"), Gesture("bow", "bows")),
        "ground",
        (0.30, 0.44),
    ),
    ActorClass(
        "bicycle",
        "bicycles",
        ("wheels", "frame"),
        "a bicycle with {p} wheels and a {s} frame",
        "a {p} bicycle",
        "rolls",
        "is parked",
        (Gesture("wheelie", "lifts its front wheel"), _lights("lamp")),
        "ground",
        (0.25, 0.38),
    ),
    ActorClass(
        "car",
        "cars",
        ("body", "door"),
        "a {p} car with a {s} door",
        "a {p} car",
        "drives",
        "is parked",
        (_lights(), Gesture("hood", "lifts its hood")),
        "ground",
        (0.30, 0.44),
    ),
    ActorClass(
        "bus",
        "buses",
        ("body", "stripe"),
        "a {p} bus with a {s} stripe",
        "a {p} bus",
        "drives",
        "is parked",
        (_lights(), Gesture("doors", "opens its doors")),
        "ground",
        (0.36, 0.45),
    ),
    ActorClass(
        "truck",
        "trucks",
        ("box", "cab"),
        "a truck with a {p} box and a {s} cab",
        "a {p} truck",
        "drives",
        "is parked",
        (_lights(), Gesture("tip", "tips its box")),
        "ground",
        (0.34, 0.45),
    ),
    ActorClass(
        "boat",
        "boats",
        ("hull", "sail"),
        "a {p} boat with a {s} sail",
        "a {p} boat",
        "sails",
        "floats in place",
        (Gesture("rock", "rocks from side to side"), Gesture("sail", "swings its sail")),
        "water",
        (0.26, 0.42),
    ),
    ActorClass(
        "airplane",
        "airplanes",
        ("body", "wings"),
        "a {p} airplane with {s} wings",
        "a {p} airplane",
        "flies",
        "hovers",
        (Gesture("rock", "rocks its wings"), _lights()),
        "air",
        (0.28, 0.44),
    ),
    ActorClass(
        "bird",
        "birds",
        ("body", "wings"),
        "a {p} bird with {s} wings",
        "a {p} bird",
        "flies",
        "hovers",
        (Gesture("flap", "flaps its wings"), Gesture("nod", "nods its head")),
        "air",
        (0.20, 0.32),
    ),
    ActorClass(
        "dog",
        "dogs",
        ("coat", "vest"),
        "a {p} dog with a {s} vest",
        "a {p} dog",
        "runs",
        "stands still",
        (Gesture("wag", "wags its tail"), Gesture("paw", "lifts a paw")),
        "ground",
        (0.22, 0.32),
    ),
    ActorClass(
        "horse",
        "horses",
        ("coat", "blanket"),
        "a {p} horse with a {s} blanket",
        "a {p} horse",
        "trots",
        "stands still",
        (Gesture("nod", "nods its head"), Gesture("tail", "swings its tail")),
        "ground",
        (0.32, 0.44),
    ),
    ActorClass(
        "elephant",
        "elephants",
        ("skin", "blanket"),
        "a {p} elephant with a {s} blanket",
        "a {p} elephant",
        "walks",
        "stands still",
        (Gesture("trunk", "raises its trunk"), Gesture("ears", "flaps its ears")),
        "ground",
        (0.34, 0.45),
    ),
    ActorClass(
        "giraffe",
        "giraffes",
        ("coat", "spots"),
        "a {p} giraffe with {s} spots",
        "a {p} giraffe",
        "walks",
        "stands still",
        (Gesture("neck", "lowers its neck"),),
        "ground",
        (0.38, 0.45),
    ),
    ActorClass(
        "umbrella",
        "umbrellas",
        ("canopy", "stripes"),
        "a {p} umbrella with {s} stripes",
        "a {p} umbrella",
        "drifts",
        "stands still",
        (Gesture("open", "opens and closes"), Gesture("tilt", "tilts from side to side")),
        "ground",
        (0.24, 0.36),
    ),
    ActorClass(
        "kite",
        "kites",
        ("sheet", "cross"),
        "a {p} kite with a {s} cross",
        "a {p} kite",
        "flies",
        "hovers",
        (Gesture("tail", "waves its tail"), Gesture("rock", "rocks from side to side")),
        "air",
        (0.28, 0.42),
    ),
    ActorClass(
        "sports ball",
        "sports balls",
        ("ball", "stripe"),
        "a {p} sports ball with a {s} stripe",
        "a {p} sports ball",
        "rolls",
        "lies still",
        (Gesture("squash", "squashes and stretches"),),
        "ground",
        (0.16, 0.24),
    ),
)

CLASS_BY_NAME: dict[str, ActorClass] = {c.name: c for c in CLASSES}
