"""Two packs on the same clips: what quantisation (or any other change) costs in points of every figure, and saves in
bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from edgecap.bench.quality.evaluate import Figures
from edgecap.bench.quality.report import BARS, value_of
from edgecap.bench.quality.run import run_tier
from edgecap.engines.packs.pack import Pack
from edgecap.runtime.config import PipelineConfig, PipelineOptions, make_config
from edgecap.runtime.pipeline.pipeline import Pipeline

ALLOWED_LOSS_POINTS = 1.0


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of both packs; `points`: by how many hundredths the second is worse (positive) than the first."""

    tier: str
    label: str
    first: float
    second: float
    points: float

    @property
    def within(self) -> bool:
        """Whether the loss stays within one point."""
        return self.points <= ALLOWED_LOSS_POINTS + 1e-9


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both packs: names, bytes, bytes per file of each, and the differences of every figure that has a bar."""

    first: str
    second: str
    first_bytes: int
    second_bytes: int
    first_files: dict[str, int]
    second_files: dict[str, int]
    differences: tuple[Difference, ...]


def compare_packs(
    first: str | Path,
    second: str | Path,
    *,
    tiers: Sequence[str],
    seeds: range,
    folder: Path,
    on_step: Callable[[str], None] = lambda text: None,
) -> Comparison:
    """Run both packs (say fp32, then quantised) over the same clips of `tiers` and compare.

    Raises as `Pipeline` does where a pack can't be opened.
    """
    figures: list[list[Figures]] = []
    for pack in (first, second):
        pipeline = Pipeline(quality_config(str(pack)))
        rows = []
        for tier in tiers:
            on_step(f"{pack}: {tier}")
            rows.append(run_tier(pipeline, tier, seeds=seeds, folder=folder).figures)
        figures.append(rows)
    differences = tuple(d for tier, a, b in zip(tiers, *figures, strict=True) for d in differences_of(tier, a, b))
    sizes = [
        {name: entry.bytes for name, entry in Pack.open(p, verify=False).spec.files.items()} for p in (first, second)
    ]
    return Comparison(
        str(first), str(second), sum(sizes[0].values()), sum(sizes[1].values()), sizes[0], sizes[1], differences
    )


def quality_config(pack: str, /, **options: Unpack[PipelineOptions]) -> PipelineConfig:
    """The config of quality runs: windows so long that a clip of the world is one record."""
    options.setdefault("window_seconds", 10.0)
    options.setdefault("max_instances", 16)
    options["pack"] = pack
    return make_config(**options)


def differences_of(tier: str, first: Figures, second: Figures) -> list[Difference]:
    """Every figure that has a bar for `tier`; where less is better, with the sign reversed."""
    rows = []
    for bar in BARS:
        if tier not in bar.tiers and tier != "stress":
            continue
        a, b = value_of(first, bar.figure), value_of(second, bar.figure)
        rows.append(Difference(tier, bar.label, a, b, 100.0 * ((a - b) if bar.at_least else (b - a))))
    return rows
