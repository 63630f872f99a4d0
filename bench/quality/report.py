"""Figures as a table, and which of the project's bars they reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgecap.bench.quality.evaluate import Figures

BAR_TIERS = ("clean", "moving")
"""Tiers that the bars apply to; the stress tier has figures but no bars."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One limit. `figure`: a name of `Figures.values`, or a field, whose recall is meant: the share of all true
    instances for which the field is right, so that a missing instance, an empty answer and a failed clip all count as
    wrong. `at_least` False: the figure must not exceed `limit`. `tiers`: where it applies."""

    label: str
    figure: str
    limit: float
    at_least: bool = True
    tiers: tuple[str, ...] = BAR_TIERS


BARS = (
    Bar("recall of visible instances", "recall", 0.95),
    Bar("precision of reported instances", "precision", 0.97),
    Bar("IDF1", "idf1", 0.90),
    Bar("mask J", "mask_j", 0.85),
    Bar("class", "class", 0.97),
    Bar("colour", "colour", 0.95),
    Bar("second colour", "second colour", 0.90),
    Bar("position start", "position start", 0.95),
    Bar("position end", "position end", 0.95),
    Bar("motion direction, still camera", "direction 4+static world static", 0.98, tiers=("clean",)),
    Bar("motion direction, compensated", "direction 4+static world moving", 0.95, tiers=("moving",)),
    Bar("camera label set", "camera_exact", 0.90),
    Bar("hallucinated instances", "hallucinated_instances", 0.02, at_least=False),
    Bar("schema-valid", "schema_valid", 1.0),
)


@dataclass(frozen=True, slots=True)
class BarResult:
    """A bar met or missed by a figure."""

    bar: Bar
    value: float
    met: bool


def check_bars(figures: Figures, *, tier: str) -> tuple[BarResult, ...]:
    """Every bar that applies to `tier`; a figure that no clip could give counts as missed."""
    return tuple(_checked(bar, figures) for bar in BARS if tier in bar.tiers)


def value_of(figures: Figures, name: str) -> float:
    """A figure by name, or the recall of a field (see `Bar`); 0 where there is none."""
    if name in figures.values:
        return figures.values[name]
    return figures.fields[name].recall if name in figures.fields else 0.0


def bar_lines(results: Sequence[BarResult]) -> list[str]:
    """One line per bar: met or MISSED, value, limit."""
    width = max((len(r.bar.label) for r in results), default=0)
    return [
        f"{'met   ' if r.met else 'MISSED'}  {r.bar.label:<{width}}  {r.value:6.3f}  "
        f"({'at least' if r.bar.at_least else 'at most'} {r.bar.limit:.2f})"
        for r in results
    ]


def figure_lines(figures: Figures, *, oracle: Figures, blind: Figures) -> list[str]:
    """All figures next to those of the oracle (the truth itself) and of the blind guesser (a prior that sees nothing).
    Fields: share right of all true instances (as for the bars, also of oracle and blind), and of those stated."""
    lines = [f"{'figure':<34}{'value':>9}{'oracle':>9}{'blind':>9}"]
    for name, value in figures.values.items():
        lines.append(f"{name:<34}{value:9.3f}{_cell(oracle.values.get(name))}{_cell(blind.values.get(name))}")
    lines += ["", f"{'field (three-state)':<34}{'of all':>9}{'of said':>9}{'F1':>9}{'N':>7}{'oracle':>9}{'blind':>9}"]
    for name, tally in figures.fields.items():
        others = "".join(_cell(f.fields[name].recall if name in f.fields else None) for f in (oracle, blind))
        lines.append(f"{name:<34}{tally.recall:9.3f}{tally.precision:9.3f}{tally.f1:9.3f}{tally.total:7d}{others}")
    lines += ["", f"{'camera label':<34}{'precision':>9}{'recall':>9}{'clips':>7}"]
    lines += [f"{label:<34}{p:9.3f}{r:9.3f}{n:7d}" for label, (p, r, n) in figures.camera_labels.items()]
    return lines


def figures_json(figures: Figures) -> dict[str, Any]:
    """Figures as JSON types."""
    return {
        "clips": figures.clips,
        "values": {name: round(value, 5) for name, value in figures.values.items()},
        "fields": {
            name: {key: round(getattr(t, key), 5) for key in ("precision", "recall", "hit", "f1")} | {"n": t.total}
            for name, t in figures.fields.items()
        },
        "camera_labels": {
            label: {"precision": round(p, 5), "recall": round(r, 5), "clips": n}
            for label, (p, r, n) in figures.camera_labels.items()
        },
    }


def _checked(bar: Bar, figures: Figures) -> BarResult:
    value = value_of(figures, bar.figure)
    tolerance = 1e-9  # 1.0 computed as 1 - 0/N must reach a bar of 1.0
    met = value >= bar.limit - tolerance if bar.at_least else value <= bar.limit + tolerance
    return BarResult(bar, value, met)


def _cell(value: float | None) -> str:
    return f"{'-':>9}" if value is None else f"{value:9.3f}"
