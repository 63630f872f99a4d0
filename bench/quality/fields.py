"""Was each field of each instance right? Three-state scores per field, pooled over instances [spec 7.3].

The question is asked of every true instance that counts; one that was not found scores 0 everywhere.
Position, colours and action are read from the *sentences* a user gets; headings from the measured motion
behind the motion sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgecap.bench.quality.facts import Heading, SaidClip, Statement, TrueClip, TrueInstance
from edgecap.bench.quality.matching import Matching
from edgecap.bench.quality.tally import Score, Tally, judged
from edgecap.bench.quality.vocabulary import are_neighbours, cells_in, class_of, colours_in

FOUR_WAYS = ("right", "down", "left", "up")
EIGHT_WAYS = ("right", "down-right", "down", "down-left", "left", "up-left", "up", "up-right")
_DIAGONAL_MARGIN_DEGREES = 10.0


@dataclass(frozen=True, slots=True)
class FieldScores:
    """`tallies`: field -> Tally. `angle_errors`: absolute angular errors in degrees, by "image"/"world" and
    camera ("image static", "world moving"...), where truth and prediction both move."""

    tallies: dict[str, Tally]
    angle_errors: dict[str, tuple[float, ...]]


def field_scores(truth: TrueClip, said: SaidClip, matching: Matching) -> FieldScores:
    """Score every field of one clip."""
    statement_of = {s.track_id: s for s in said.statements}
    partner = {i: statement_of[t] for i, t, _ in matching.pairs}
    scores: dict[str, list[Score]] = {}
    errors: dict[str, list[float]] = {}
    camera = "moving" if truth.camera_moves else "static"
    for instance in truth.instances:
        statement = partner.get(instance.instance_id)
        for field, score in _score_instance(instance, statement):
            scores.setdefault(field, []).append(score)
        for plane, wanted, got in _headings(instance, statement):
            for field, score in _score_heading(wanted, got):
                scores.setdefault(f"{field} {plane} {camera}", []).append(score)
            if got is not None and wanted.moving and wanted.angle_degrees is not None and got.angle_degrees is not None:
                errors.setdefault(f"{plane} {camera}", []).append(
                    angle_between(wanted.angle_degrees, got.angle_degrees)
                )
    return FieldScores(
        {f: Tally(s.count(1), s.count(0), s.count(-1)) for f, s in scores.items()},
        {k: tuple(v) for k, v in errors.items()},
    )


def angle_between(first_degrees: float, second_degrees: float) -> float:
    """Absolute difference of two directions, 0-180 degrees."""
    return abs((first_degrees - second_degrees + 180.0) % 360.0 - 180.0)


def way_of(angle_degrees: float, ways: Sequence[str]) -> str:
    """The nearest of evenly spaced ways, the first at 0 degrees (right), going round by "down"."""
    step = 360.0 / len(ways)
    return ways[round(angle_degrees / step) % len(ways)]


def _score_instance(instance: TrueInstance, said: Statement | None) -> list[tuple[str, Score]]:
    colours = colours_in(said.appearance) if said else ()
    second = _second_colour(colours)
    cells = cells_in(said.position) if said else ()
    rows: list[tuple[str, Score]] = [
        ("class", _of_class(instance, said)),
        ("colour", judged(colours[0] == instance.primary_colour) if colours else 0),
        ("appearance sentence", _sentence(said.appearance if said else None, instance.appearance_text)),
        ("action sentence", _sentence(said.action if said else None, instance.action_text)),
        ("position start", judged(cells[0] == instance.cell_start) if cells else 0),
        ("position end", judged(cells[-1] == instance.cell_end) if cells else 0),
        ("position start, neighbour", judged(are_neighbours(cells[0], instance.cell_start)) if cells else 0),
        ("position end, neighbour", judged(are_neighbours(cells[-1], instance.cell_end)) if cells else 0),
        ("position start, released rule", judged(instance.released_start == instance.cell_start)),
        ("position end, released rule", judged(instance.released_end == instance.cell_end)),
        ("out of frame", judged(("out of frame" in said.position) == instance.gone_at_end) if said else 0),
    ]
    if instance.secondary_colour is not None:
        rows.append(("second colour", judged(second == instance.secondary_colour) if second else 0))
    elif said is not None and colours:
        rows.append(("no second colour invented", judged(second is None)))
    return rows


def _second_colour(colours: Sequence[str]) -> str | None:
    """The second mention, also where it is the first colour again ("a red shirt and red trousers")."""
    return colours[1] if len(colours) > 1 else None


def _of_class(instance: TrueInstance, said: Statement | None) -> Score:
    if said is None or said.class_name in ("", "unknown"):
        return 0
    return judged(class_of(said.class_name) == instance.class_name)


def _sentence(said: str | None, true: str) -> Score:
    """Exact, but for case and spaces; "unknown" and nothing are no answer."""
    if not said or said.strip().lower().rstrip(".") in ("", "unknown"):
        return 0
    return judged(" ".join(said.lower().split()) == " ".join(true.lower().split()))


def _headings(instance: TrueInstance, said: Statement | None) -> list[tuple[str, Heading, Heading | None]]:
    return [
        ("image", instance.heading_image, said.heading_image if said else None),
        ("world", instance.heading_world, said.heading_world if said else None),
    ]


def _score_heading(true: Heading, said: Heading | None) -> list[tuple[str, Score]]:
    """4 ways: true movers whose direction is at least 10 degrees off the diagonals (nearer, two answers are
    equally right). 8 ways + static: everything; `direction 45`: true movers, right when the angle is within
    45/2 degrees (no sector borders)."""
    rows: list[tuple[str, Score]] = []
    moves = said is not None and said.angle_degrees is not None
    if true.moving and true.angle_degrees is not None:
        off_diagonal = abs((true.angle_degrees % 90.0) - 45.0)
        if off_diagonal >= _DIAGONAL_MARGIN_DEGREES:
            rows.append(("direction 4", _way(true, said, FOUR_WAYS)))
        rows.append(("direction 8", _way(true, said, EIGHT_WAYS)))
        close = (
            moves
            and said is not None
            and said.angle_degrees is not None
            and (angle_between(true.angle_degrees, said.angle_degrees) <= 22.5)
        )
        rows.append(("direction within 22.5", judged(close) if said else 0))
    else:
        rows.append(("direction 8", judged(not moves) if said else 0))
    rows.append(("moving or not", judged(moves == (true.angle_degrees is not None)) if said else 0))
    return rows


def _way(true: Heading, said: Heading | None, ways: Sequence[str]) -> Score:
    if said is None or true.angle_degrees is None:
        return 0
    if said.angle_degrees is None:
        return -1
    return judged(way_of(said.angle_degrees, ways) == way_of(true.angle_degrees, ways))
