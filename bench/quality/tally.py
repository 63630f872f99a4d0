"""Counts that add up over clips, and three-state scores: right (1), not said (0), wrong (-1) [spec 7.3, CAPability
arithmetic].
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Self

Score = Literal[-1, 0, 1]


class Pooled:
    """A slotted dataclass of counts; `+` adds field by field."""

    __slots__: tuple[str, ...] = ()

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Tally(Pooled):
    """Counts of one field over (true instance, field) pairs."""

    right: int = 0
    silent: int = 0
    wrong: int = 0

    @classmethod
    def of(cls, scores: Iterable[Score]) -> Tally:
        """Count scores."""
        found = list(scores)
        return cls(found.count(1), found.count(0), found.count(-1))

    @property
    def total(self) -> int:
        """N: how often the question was asked."""
        return self.right + self.silent + self.wrong

    @property
    def hit(self) -> float:
        """Share of questions that got any answer; 0 for no question."""
        return (self.right + self.wrong) / self.total if self.total else 0.0

    @property
    def precision(self) -> float:
        """Share of answers that are right; 0 where nothing was answered (the original divides by zero there)."""
        answered = self.right + self.wrong
        return self.right / answered if answered else 0.0

    @property
    def recall(self) -> float:
        """Share of questions answered rightly; 0 for no question."""
        return self.right / self.total if self.total else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        p, r = self.precision, self.recall
        return 2 * p * r / (p + r) if p + r else 0.0


def scored(is_right: bool) -> Score:
    """1 or -1: something was said."""
    return 1 if is_right else -1
