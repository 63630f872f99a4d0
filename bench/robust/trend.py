"""Does a measure grow over a long run: its median in the first third of the minutes against that in the last."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_GROWTH = 0.05
"""Share of the early value by which a flat measure may grow."""
_MEASURES = {
    "rss_mb": ("memory", "MiB", 0.0),
    "threads": ("threads", "", 0.0),
    "handles": ("open handles", "", 1.0),  # a file may be open at the moment of looking
    "tracks_alive": ("tracks alive", "", 3.0),  # the footage is not the same in every minute
    "frames_alive": ("frames alive", "", 5.0),  # likewise the fill of the queues
}
"""Name in a row -> words, unit, and a growth that is none."""


@dataclass(frozen=True, slots=True)
class Trend:
    """One measure over the compared minutes."""

    name: str
    unit: str
    early: float
    """Median of the first third."""
    late: float
    """Median of the last third."""
    growth: float
    """(late - early) / early; 0.0 where both are 0."""
    flat: bool
    words: str
    """The verdict as a sentence."""


def trends_of(minutes: Sequence[Mapping[str, float]]) -> tuple[Trend, ...]:
    """One trend a measure; `minutes`: at least 3 rows with the keys of `SoakMinute`, after the warm-up."""
    third = max(1, len(minutes) // 3)
    trends = []
    for key, (name, unit, slack) in _MEASURES.items():
        early, late = (statistics.median(row[key] for row in part) for part in (minutes[:third], minutes[-third:]))
        growth = (late - early) / early if early else float(late > 0)
        flat = late - early <= max(slack, MOST_GROWTH * early)
        trends.append(Trend(name, unit, early, late, growth, flat, _words(name, unit, early, late, flat=flat)))
    return tuple(trends)


def _words(name: str, unit: str, early: float, late: float, *, flat: bool) -> str:
    space = f" {unit}" if unit else ""
    change = f"{late - early:+.4g}{space}, {(late - early) / early:+.1%}" if early else f"{late - early:+.4g}{space}"
    return f"{name} {'stayed flat' if flat else 'grew'}: {early:.4g} to {late:.4g}{space} ({change})"
