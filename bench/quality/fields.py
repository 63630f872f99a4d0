"""Three-state scores of each field of each instance [spec 7.3].

The question is asked of every true instance that counts; one that was not found scores 0 everywhere.
Position, colours and action are read from the *sentences* a user gets; headings from the measured motion
behind the motion sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgecap.bench.quality.facts import Heading, SaidClip, Statement, TrueClip, TrueInstance
from edgecap.bench.quality.matching import Matching
from edgecap.bench.quality.tally import Score, Tally, scored
from edgecap.bench.quality.vocabulary import are_neighbours, cells_in, class_of, colours_in
from edgecap.bench.world.ground_truth.motion import position_cell
from edgecap.runtime.data.mask import Mask

FOUR_WAYS = ("right", "down", "left", "up")
EIGHT_WAYS = ("right", "down-right", "down", "down-left", "left", "up-left", "up", "up-right")
DIAGONAL_MARGIN_DEGREES = 10.0


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
    seen_cells = {i: cells_where_seen(truth, i, said.masks[t]) for i, t, _ in matching.pairs}
    scores: dict[str, list[Score]] = {}
    errors: dict[str, list[float]] = {}
    camera = "moving" if truth.camera_moves else "static"
    for instance in truth.instances:
        statement = partner.get(instance.instance_id)
        rows = _score_instance(instance, statement)
        rows += _score_position(instance, statement, seen_cells.get(instance.instance_id))
        for field, score in rows:
            scores.setdefault(field, []).append(score)
        for plane, true, got in _headings(instance, statement):
            for field, score in _score_heading(true, got):
                scores.setdefault(f"{field} {plane} {camera}", []).append(score)
            if got is not None and true.moving and true.angle_degrees is not None and got.angle_degrees is not None:
                errors.setdefault(f"{plane} {camera}", []).append(angle_between(true.angle_degrees, got.angle_degrees))
    return FieldScores(
        {f: Tally.of(s) for f, s in scores.items()},
        {k: tuple(v) for k, v in errors.items()},
    )


def angle_between(first_degrees: float, second_degrees: float) -> float:
    """Absolute difference of two directions, 0-180 degrees."""
    return abs((first_degrees - second_degrees + 180.0) % 360.0 - 180.0)


def way_of(angle_degrees: float, ways: Sequence[str]) -> str:
    """The nearest of evenly spaced ways, the first at 0 degrees (right), going round by "down"."""
    step = 360.0 / len(ways)
    return ways[round(angle_degrees / step) % len(ways)]


def ways_accepted(angle_degrees: float) -> frozenset[str]:
    """The four-way names that are right for a true direction: the nearest axis, and within 10 degrees of a diagonal
    either of the two axes next to it (noise decides between them)."""
    if abs(angle_degrees % 90.0 - 45.0) > DIAGONAL_MARGIN_DEGREES:
        return frozenset({way_of(angle_degrees, FOUR_WAYS)})
    quadrant = int(angle_degrees // 90.0) % 4
    return frozenset({FOUR_WAYS[quadrant], FOUR_WAYS[(quadrant + 1) % 4]})


def cells_where_seen(truth: TrueClip, instance_id: int, said_masks: Mapping[int, Mask]) -> tuple[str, str] | None:
    """True cells (start, end) in the first and the last frame of a track in which the instance is truly
    visible, by its visible mask.

    A diagnosis: it separates a wrong cell from the right cell of another frame. The bars are about the whole track.
    None where the track never sees the instance.
    """
    visible = {**truth.ignored.get(instance_id, {}), **truth.masks.get(instance_id, {})}
    shared = sorted(visible.keys() & said_masks.keys())
    centroids = [visible[f].centroid_xy for f in shared[:1] + shared[-1:]]
    cells = [position_cell(*xy) for xy in centroids if xy is not None]
    return (cells[0], cells[-1]) if cells else None


def _score_position(
    instance: TrueInstance, said: Statement | None, seen: tuple[str, str] | None
) -> list[tuple[str, Score]]:
    """Start and end cell: of the instance's first and last countable analysed frame (whatever the track saw of it);
    also where the track saw it, and what the reference's released rule gives for the same centroids (a baseline, the
    same for every pipeline)."""
    cells = cells_in(said.position) if said else ()
    rows: list[tuple[str, Score]] = []
    for which, at in (("start", 0), ("end", -1)):
        whole = instance.cell_start if at == 0 else instance.cell_end
        where_seen = seen[at] if seen is not None else whole
        released = instance.released_start if at == 0 else instance.released_end
        rows += [
            (f"position {which}", scored(cells[at] == whole) if cells else 0),
            (f"position {which}, neighbour", scored(are_neighbours(cells[at], whole)) if cells else 0),
            (f"position {which}, where seen", scored(cells[at] == where_seen) if cells else 0),
            (f"position {which}, released rule", scored(released == whole)),
        ]
    gone = scored(("out of frame" in said.position) == instance.gone_at_end) if said else 0
    return [*rows, ("out of frame", gone)]


def _score_instance(instance: TrueInstance, said: Statement | None) -> list[tuple[str, Score]]:
    colours = colours_in(said.appearance) if said else ()
    second = colours[1] if len(colours) > 1 else None  # also where it is the first again: "a red shirt, red trousers"
    rows: list[tuple[str, Score]] = [
        ("class", _of_class(instance, said)),
        ("colour", scored(colours[0] == instance.primary_colour) if colours else 0),
        ("appearance sentence", sentence_score(said.appearance if said else None, instance.appearance_text)),
        ("action sentence", sentence_score(said.action if said else None, instance.action_text)),
    ]
    if instance.secondary_colour is not None:
        rows.append(("second colour", scored(second == instance.secondary_colour) if second else 0))
    elif said is not None and colours:
        rows.append(("no second colour invented", scored(second is None)))
    return rows


def _of_class(instance: TrueInstance, said: Statement | None) -> Score:
    if said is None or said.class_name in ("", "unknown"):
        return 0
    return scored(class_of(said.class_name) == instance.class_name)


def sentence_score(said: str | None, true: str) -> Score:
    """Equal but for case and spaces; "unknown" and an empty sentence count as not said."""
    if not said or said.strip().lower().rstrip(".") in ("", "unknown"):
        return 0
    return scored(" ".join(said.lower().split()) == " ".join(true.lower().split()))


def _headings(instance: TrueInstance, said: Statement | None) -> list[tuple[str, Heading, Heading | None]]:
    return [
        ("image", instance.heading_image, said.heading_image if said else None),
        ("world", instance.heading_world, said.heading_world if said else None),
    ]


def _score_heading(true: Heading, said: Heading | None) -> list[tuple[str, Score]]:
    """4 ways + static (the bar), asked of every instance: a true mover must be said to move along an accepted axis
    (`ways_accepted`), a still one must be said static. 8 ways + static: the same with the nearest of eight. `within
    22.5`: true movers, right when the angle is that close (no sector borders). Nothing measured: 0."""
    if said is None:
        rows: list[tuple[str, Score]] = [("direction 4+static", 0), ("direction 8", 0), ("moving or not", 0)]
        return [*rows, ("direction within 22.5", 0)] if true.angle_degrees is not None else rows
    a, b = true.angle_degrees, said.angle_degrees
    if a is None or b is None:
        agree = scored(a is b)
        rows = [("direction 4+static", agree), ("direction 8", agree), ("moving or not", agree)]
        return [*rows, ("direction within 22.5", -1)] if a is not None else rows
    return [
        ("direction 4+static", scored(way_of(b, FOUR_WAYS) in ways_accepted(a))),
        ("direction 8", scored(way_of(b, EIGHT_WAYS) == way_of(a, EIGHT_WAYS))),
        ("direction within 22.5", scored(angle_between(a, b) <= 22.5)),
        ("moving or not", 1),
    ]
