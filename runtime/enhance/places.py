"""Positions in the captioner's own wording, and the cells a prompt's words allow.

In: a mention's words. Out: `Course` (start and end cell) and its sentence. The
wording is that of words.position_sentence, so that prompts and training captions agree (docs/spec/instancecap.md 6,
last defects)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from edgecap.runtime.enhance.words.nouns import Kind
from edgecap.runtime.measure.position import CELLS, COLUMNS, ROWS

_CELL = "|".join(CELLS)
POSITION = re.compile(
    rf"The [^.]+ (?:stays at (?:{_CELL})|is at (?:{_CELL}), then moves out of frame in the end|stays between "
    rf"(?:{_CELL}) "
    rf"and (?:{_CELL})|moves from (?:{_CELL}) to (?:{_CELL})(?: and out of frame in the end"
    rf"| and back to (?:{_CELL})(?:, then out of frame in the end)?)?)\."
)
"""Every form that words.position_sentence can write before a still camera; the test compares the two."""

_ROWS_OF: dict[str, tuple[str, ...]] = {
    "aircraft": ("top",),
    "bird": ("top", "center"),
    "watercraft": ("center", "bottom"),
}
_IN_PLACE = re.compile(r"\b(?:circles|back and forth|around|in place)\b", re.IGNORECASE)
_SIDE_NAMES = {"centre": "middle", "center": "middle"}


@dataclass(frozen=True, slots=True)
class Course:
    """`start`, `end`: cells. `stated`: the prompt's words that fixed part of it. `leaves`: out of frame in the end."""

    start: str
    end: str
    stated: tuple[str, ...] = ()
    leaves: bool = False

    @property
    def direction(self) -> str:
        """Of the way across: "right", "left", "up", "down", or "" where it stays or goes askew."""
        (row, column), (row_end, column_end) = self.start.split("-"), self.end.split("-")
        across = COLUMNS.index(column_end) - COLUMNS.index(column)
        down = ROWS.index(row_end) - ROWS.index(row)
        if across and down:
            return ""
        return ("right" if across > 0 else "left") if across else ("down" if down > 0 else "up") if down else ""


def position_sentence(class_name: str, course: Course) -> str:
    """ "The dog moves from center-left to center-right.", as the captioner writes it."""
    leaves = " and out of frame in the end" if course.leaves else ""
    if course.start == course.end:
        rest = f"is at {course.start}, then moves out of frame in the end" if leaves else f"stays at {course.start}"
        return f"The {class_name} {rest}."
    return f"The {class_name} moves from {course.start} to {course.end}{leaves}."


def choose_course(*, words: str, action: str, kind: Kind, travels: bool, taken: set[str], random: Random) -> Course:
    """A way that agrees with the prompt's `words` of place and with its `action`; the rest by `random`, off the cells
    in `taken` (start cells of others) where one is left."""
    said = f"{words}; {action}".lower()
    rows, columns = _allowed(said, kind)
    leaves = bool(re.search(r"out of (?:the )?frame|leaves the (?:frame|scene|picture)", said))
    path = re.search(r"from (?:the )?(left|right|top|bottom) to (?:the )?(left|right|top|bottom)", said)
    cells = [f"{row}-{column}" for row in rows for column in columns]
    free = [c for c in cells if c not in taken] or cells
    stated = tuple(filter(None, words.split("; ")))
    if path:
        start = _at_edge(path.group(1), rows[0], random)
        return Course(start, _opposite(start, path.group(2)), stated, leaves)
    row, column = random.choice(free).split("-")
    heading = _heading(said, travels)
    if heading is None:
        return Course(f"{row}-{column}", f"{row}-{column}", stated, leaves)
    if heading == "any":
        fixed = len(columns) == 1
        heading = random.choice(("up", "down") if fixed else ("left", "right"))
    return Course(*_ends(heading, row, column), stated, leaves)


def beside(course: Course, taken: set[str]) -> Course:
    """The way of one that does the same: level with it where it stays, in another row where it moves across."""
    row, column = course.start.split("-")
    if course.direction in ("left", "right"):
        free = [r for r in ("center", "bottom", "top") if f"{r}-{column}" not in taken] or [row]
        return Course(f"{free[0]}-{column}", f"{free[0]}-{course.end.split('-')[1]}", course.stated, course.leaves)
    free = [c for c in COLUMNS if f"{row}-{c}" not in taken] or [column]
    return Course(f"{row}-{free[0]}", f"{course.end.split('-')[0]}-{free[0]}", course.stated, course.leaves)


def _allowed(said: str, kind: Kind) -> tuple[tuple[str, ...], tuple[str, ...]]:
    rows = _ROWS_OF.get(kind, ("center", "bottom"))
    side = re.search(r"\b(?:on|at|in)(?: the)?(?: far)? (left|right|center|centre|middle)\b", said)
    columns = (_SIDE_NAMES.get(side.group(1), side.group(1)),) if side else COLUMNS
    if re.search(r"\b(?:at|in|on)(?: the)? top\b", said):
        rows = ("top",)
    elif re.search(r"\b(?:at|in|on)(?: the)? (?:bottom|foreground)\b", said):
        rows = ("bottom",)
    elif re.search(r"\bin(?: the)? (?:background|distance|sky|air)\b", said):
        rows = ("top",) if "sky" in said or "air" in said else ("center",)
    return rows, columns


def _heading(said: str, travels: bool) -> str | None:
    """ "left", "right", "up", "down"; "any" for a way without a side; None where it stays."""
    if side := re.search(r"\b(?:to|towards?)(?: the)? (left|right)\b|\b(left|right)wards?\b", said):
        return side.group(1) or side.group(2)
    if re.search(r"\btowards? the camera", said):
        return "down"
    if re.search(r"\baway from the camera|\binto the distance", said):
        return "up"
    if not travels or _IN_PLACE.search(said):
        return None
    return "any"


def _ends(heading: str, row: str, column: str) -> tuple[str, str]:
    """Start and end cell of a way of at least one cell."""
    if heading in ("left", "right"):
        start, end = ("right", "left") if heading == "left" else ("left", "right")
        return f"{row}-{start}", f"{row}-{column if column != start else end}"
    return (f"center-{column}", f"bottom-{column}") if heading == "down" else (f"bottom-{column}", f"center-{column}")


def _at_edge(side: str, row: str, random: Random) -> str:
    return f"{row}-{side}" if side in COLUMNS else f"{side}-{random.choice(COLUMNS)}"


def _opposite(start: str, side: str) -> str:
    """Keep row (or column) of the start: a way from left to right is level."""
    row, column = start.split("-")
    return f"{row}-{side}" if side in COLUMNS else f"{side}-{column}"
