"""One relation between two instances over a time. Made by `relations`, read by `relation_words`, records and bench."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RelationName = Literal[
    "left_of",
    "right_of",
    "above",
    "below",
    "near",
    "in_front_of",
    "approaches",
    "moves_away_from",
    "follows",
    "crosses",
    "passes",
]
Order = Literal["", "in front", "behind"]


@dataclass(frozen=True, slots=True)
class Relation:
    """One relation between two tracks over a time: `subject_id` is `name` `object_id`.

    `start_seconds`, `end_seconds`: first and last observation in which it holds (source clock, both included).
    `confidence`: 0-1, how clearly beyond the rule's threshold, times the trust in the places. `order`: of "crosses"
    and "passes", whether the subject passed in front of the object or behind it, where masks show it; else "". Standing
    relations (sides, near) and "passes" are given once per pair, with the more important instance as the subject.
    """

    name: RelationName
    subject_id: int
    object_id: int
    start_seconds: float
    end_seconds: float
    confidence: float
    order: Order = ""

    def __post_init__(self) -> None:
        if self.subject_id == self.object_id:
            raise ValueError(f"a relation is between two instances; got {self.subject_id = } twice")
        if not self.start_seconds <= self.end_seconds:
            raise ValueError(f"a relation ends before it begins: {self.start_seconds = }, {self.end_seconds = }")
