"""True captions of one instance in several shapes, and the same with one false statement in it.

In: a `Subject`, what is true of one instance by the world's truth. Out: `Pair`s of a true text and its false twin.
Closed texts are the truth's own sentences; free ones are longer, of several shapes, so that a check that fits the
closed ones only is found out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from edgecap.bench.quality.facts import Heading, TrueInstance
from edgecap.bench.quality.fields import FOUR_WAYS, angle_between, way_of
from edgecap.bench.quality.planted import words as pools
from edgecap.bench.quality.vocabulary import CELLS
from edgecap.bench.world.classes import CLASS_BY_NAME, CLASSES
from edgecap.bench.world.ground_truth.sentences import with_articles
from edgecap.runtime.data.question import FieldName
from edgecap.runtime.verify.words.lexicon import COLOURS

Kind = Literal["colour", "class", "direction", "position", "sound", "hedge"]
KINDS: tuple[Kind, ...] = ("colour", "class", "direction", "position", "sound", "hedge")
Form = Literal["closed", "free"]

_OTHER_NAME_SHARE = 1 / 3
_LEAST_WRONG_DEGREES = 80.0
"""A way is false where both the path in the picture and the one in the world lead at least this far from it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is true of one instance. `classes`: all classes visible in the clip. `visited`: cells its visible mask was
    in at any analysed frame. `place`: "in a meadow"."""

    truth: TrueInstance
    classes: frozenset[str]
    visited: frozenset[str]
    place: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A true text and the same with one false statement of `kind`; `planted` is what was put in."""

    kind: Kind
    form: Form
    shape: str
    field: FieldName
    true_text: str
    false_text: str
    planted: str


@dataclass(frozen=True, slots=True)
class _Said:
    """The slots of a text. `way` and the places are phrases; `tail` is added to the first sentence."""

    name: str
    colours: tuple[str, ...]
    way: str
    start: str
    end: str
    opening: str
    detail: str
    tail: str = ""


_Shape = tuple[FieldName, Callable[[Subject, _Said], str]]


def make_pair(kind: Kind, form: Form, subject: Subject, rng: np.random.Generator) -> Pair | None:
    """A text of `form` with a false statement of `kind`; None where this subject cannot carry one (a direction needs a
    thing that moves)."""
    said = _true_slots(subject, form, rng)
    found = _falsified(kind, form, subject, said, rng)
    if found is None:
        return None
    false, planted = found
    shapes = [s for s in _SHAPES[form] if kind in _CARRIES.get(s, KINDS)]
    shape = str(rng.choice(shapes))
    field, write = _SHAPES[form][shape]
    return Pair(kind, form, shape, field, write(subject, said), write(subject, false), planted)


def _true_slots(subject: Subject, form: Form, rng: np.random.Generator) -> _Said:
    truth = subject.truth
    colours = tuple(c for c in (truth.primary_colour, truth.secondary_colour) if c is not None)
    angle = truth.heading_world.angle_degrees
    opening = _pick(pools.OPENINGS, rng).format(place=subject.place, Place=_capital(subject.place))
    return _Said(
        name=truth.class_name,
        colours=colours,
        way="" if angle is None else _way_phrase(way_of(angle, FOUR_WAYS), form, rng),
        start=_cell_phrase(truth.cell_start, form, rng),
        end=_cell_phrase(truth.cell_end, form, rng),
        opening=opening,
        detail=_pick(pools.DETAILS, rng),
    )


def _falsified(
    kind: Kind, form: Form, subject: Subject, said: _Said, rng: np.random.Generator
) -> tuple[_Said, str] | None:
    if kind == "sound":
        clause = _pick(pools.SOUND_CLAUSES, rng)
        return replace(said, tail=f" {clause}"), clause
    if kind == "hedge":
        clause = _pick(pools.HEDGE_CLAUSES, rng)
        return replace(said, tail=f", {clause}"), clause
    if kind == "class":
        name = _wrong_name(subject, rng)
        return replace(said, name=name), name
    if kind == "colour":
        at = int(rng.integers(len(said.colours)))
        colour = _wrong_colour(said.colours, rng)
        return replace(said, colours=tuple(colour if i == at else c for i, c in enumerate(said.colours))), colour
    if kind == "direction":
        ways = _wrong_ways(subject.truth)
        if not ways or not said.way:
            return None
        way = _way_phrase(_pick(ways, rng), form, rng)
        return replace(said, way=way), way
    cells = [c for c in CELLS if c not in subject.visited]
    cell = _cell_phrase(_pick(tuple(cells), rng), "closed", rng)
    if form == "free":  # "the left side" may be true of a cell that is not; a cell's own name is not
        cell = f"at {cell}"
    return replace(said, start=cell, end=cell), cell


def _wrong_name(subject: Subject, rng: np.random.Generator) -> str:
    name = _pick(tuple(c.name for c in CLASSES if c.name != subject.truth.class_name), rng)
    others = pools.CLASS_SYNONYMS[name]
    return _pick(others, rng) if others and rng.random() < _OTHER_NAME_SHARE else name


def _wrong_colour(true: tuple[str, ...], rng: np.random.Generator) -> str:
    colour = _pick(tuple(c for c in COLOURS if c not in true), rng)
    return _pick(pools.COLOUR_SHADES[colour], rng) if rng.random() < _OTHER_NAME_SHARE else colour


def _wrong_ways(truth: TrueInstance) -> tuple[str, ...]:
    def away(way: str, heading: Heading) -> bool:
        angle = heading.angle_degrees
        return angle is None or angle_between(angle, 90.0 * FOUR_WAYS.index(way)) >= _LEAST_WRONG_DEGREES

    if truth.heading_world.angle_degrees is None:
        return ()
    return tuple(w for w in FOUR_WAYS if away(w, truth.heading_world) and away(w, truth.heading_image))


def _way_phrase(way: str, form: Form, rng: np.random.Generator) -> str:
    if form == "closed":
        return f"to the {way}" if way in ("left", "right") else way
    return _pick(pools.SIDES[way], rng)


def _cell_phrase(cell: str, form: Form, rng: np.random.Generator) -> str:
    return cell if form == "closed" else _pick(pools.PLACES_IN_FRAME[cell], rng)


def _look(said: _Said, subject: Subject) -> str:
    """ "a red dog with a blue vest", with the name in `said`."""
    spec = CLASS_BY_NAME[subject.truth.class_name]
    own = "" if len(said.colours) == 1 else said.colours[1]
    text = spec.look.format(p=said.colours[0], s=own) if own else spec.plain_look.format(p=said.colours[0])
    return with_articles(text.replace(spec.name, said.name))


def _goes(said: _Said, subject: Subject) -> str:
    """ "runs to the left"; "stands still" of a thing at rest."""
    spec = CLASS_BY_NAME[subject.truth.class_name]
    moves = subject.truth.heading_world.moving
    return f"{spec.moves} {said.way}" if moves and said.way else spec.moves if _in_motion(subject) else spec.rests


def _in_motion(subject: Subject) -> bool:
    return subject.truth.action_text.startswith(f"It {CLASS_BY_NAME[subject.truth.class_name].moves}")


def _closed_action(subject: Subject, said: _Said) -> str:
    way = f" It moves {said.way}." if said.way else ""
    return f"{subject.truth.action_text[:-1]}{said.tail}.{way}"


def _closed_position(subject: Subject, said: _Said) -> str:
    truth = subject.truth
    path = f"stays at {said.start}" if truth.cell_start == truth.cell_end else f"moves from {said.start} to {said.end}"
    return f"The {said.name} {path}{said.tail}."


_SHAPES: dict[Form, dict[str, _Shape]] = {
    "closed": {
        "look": ("appearance", lambda t, s: f"{_capital(_look(s, t))}{s.tail}."),
        "action": ("action", _closed_action),
        "position": ("action", _closed_position),
    },
    "free": {
        "opening": ("action", lambda t, s: f"{s.opening}{_look(s, t)} {_goes(s, t)}{s.tail}. {s.detail}"),
        "begins": (
            "action",
            lambda t, s: f"{_capital(_look(s, t))} begins {s.start} and {_goes(s, t)}{s.tail}. {s.detail}",
        ),
        "subject": (
            "appearance",
            lambda t, s: f"The main subject is {_look(s, t)}{s.tail}. {s.detail} It {_goes(s, t)}, and ends {s.end}.",
        ),
        "apposition": (
            "action",
            lambda t, s: (
                f"{s.detail} This {s.name}, {' and '.join(s.colours)}, {_goes(s, t)}{s.tail}, "
                f"and it is {s.end} at last."
            ),
        ),
    },
}
_CARRIES: dict[str, tuple[Kind, ...]] = {
    "look": ("colour", "class", "sound", "hedge"),
    "action": ("direction", "sound", "hedge"),
    "position": ("position",),
    "opening": ("colour", "class", "direction", "sound", "hedge"),
}
"""Shapes without a slot for every kind."""


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


def _pick(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]
