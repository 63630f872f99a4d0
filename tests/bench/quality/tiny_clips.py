"""Hand-made clips of squares, small enough to know every answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgecap.bench.quality.evaluate import oracle_said
from edgecap.bench.quality.facts import Heading, SaidClip, Statement, TrueClip, TrueInstance
from edgecap.runtime.data.mask import Mask

SIZE_WH = (96, 54)
RIGHT = Heading((0.3, 0.0), 0.0, True)
CENTER_RIGHT = ("center-right", "center-right")
STILL = Heading((0.0, 0.0), None, False)


def square(x: int, y: int, side: int = 10) -> Mask:
    """A filled square with its top left pixel at (x, y)."""
    return Mask((x, y), np.ones((side, side), bool), SIZE_WH)


def track(x: int, y: int, *, frames: range = range(10), step: int = 0) -> dict[int, Mask]:
    """The square in each of `frames`, `step` pixels further right per frame."""
    return {f: square(x + step * f, y) for f in frames}


def instance(
    instance_id: int,
    *,
    class_name: str = "dog",
    first: str = "red",
    second: str | None = "blue",
    heading: Heading = RIGHT,
    cells: tuple[str, str] = ("top-left", "top-right"),
    gone: bool = False,
) -> TrueInstance:
    """An instance with plain facts."""
    look = f"A {first} {class_name} with a {second} vest." if second else f"A {first} {class_name}."
    facts = (*cells, "center-left", "bottom-right", gone, heading, heading, "It runs.", look)
    return TrueInstance(instance_id, class_name, first, second, *facts)


def two_dogs(**changes: object) -> TrueClip:
    """Two instances, far apart, over ten frames; camera static."""
    instances = (
        instance(1),
        instance(2, class_name="cat", first="green", second=None, heading=STILL, cells=CENTER_RIGHT),
    )
    clip = TrueClip(
        "tiny",
        10,
        instances,
        {1: track(5, 5, step=7), 2: track(70, 30)},
        {},
        frozenset({"dog", "cat"}),
        frozenset({"static"}),
        False,
        "A meadow.",
        "A dog and a cat are in a meadow.",
    )
    return replace(clip, **changes)  # type: ignore[arg-type]


def said_of(truth: TrueClip, **changes: object) -> SaidClip:
    """The perfect caption with some things changed."""
    return replace(oracle_said(truth), **changes)  # type: ignore[arg-type]


def statement(said: SaidClip, track_id: int, **changes: object) -> tuple[Statement, ...]:
    """The statements of `said` with that of one track changed."""
    return tuple(replace(s, **changes) if s.track_id == track_id else s for s in said.statements)  # type: ignore[arg-type]
