"""How true an engine is to the graph that it was compiled from.

In: two sessions over one `GraphSpec`. Out: figures per output, and what they have to reach. Called by `engine_maker`
before an engine is published. (How true a graph is to its checkpoint is the exporter's question, `export.parity`.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.session import Session
from edgecap.engines.trial_feeds import trial_feeds

# The least cosine of an output between engine and graph, by the precision of the graph. Both hold the same weights, so
# what differs is the order of sums, and in reduced precisions the rounding in between.
_LEAST_COSINE = {"fp32": 0.9999, "fp16": 0.999}
_LEAST_COSINE_QUANTISED = 0.98
# Rows ordered by a score swap places at near-ties, which noise pictures are full of; the sorted scores tell enough.
_UNORDERED = frozenset({"boxes_xyxy", "class_ids"})


def engine_figures(reference: Session, engine: Session, *, seeds: tuple[int, ...] = (0, 1)) -> dict[str, float]:
    """Worst figure over trial inputs: "NAME.cosine" (-1 to 1) and "NAME.max_abs" (>= 0) of every output."""
    figures: dict[str, float] = {}
    for seed in seeds:
        feeds = trial_feeds(reference.spec, seed=seed)
        want, got = reference.run(feeds), engine.run(feeds)
        for name, wanted in want.items():
            cosine, gap = _compare(wanted, got[name])
            figures[f"{name}.cosine"] = min(figures.get(f"{name}.cosine", 1.0), cosine)
            figures[f"{name}.max_abs"] = max(figures.get(f"{name}.max_abs", 0.0), gap)
    return figures


def drift(figures: dict[str, float], *, precision: str) -> str:
    """What misses its limit, in words; "" where the engine is as true as its precision allows."""
    least = _LEAST_COSINE.get(precision, _LEAST_COSINE_QUANTISED)
    missed = [
        f"{name} {value:.5f} (at least {least})"
        for name, value in figures.items()
        if name.endswith(".cosine") and name.removesuffix(".cosine") not in _UNORDERED and not value >= least
    ]
    return ", ".join(missed)


def _compare(wanted: NDArray[Any], got: NDArray[Any]) -> tuple[float, float]:
    """Cosine and greatest absolute difference; -1 and a huge figure where an engine gives no finite numbers."""
    a, b = wanted.astype(np.float64).ravel(), got.astype(np.float64).ravel()
    if not np.isfinite(b).all():
        return -1.0, float(np.finfo(np.float64).max)
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    same = bool(np.array_equal(a, b))
    cosine = 1.0 if same else float(a @ b) / norms if norms else 0.0
    return min(cosine, 1.0), float(np.abs(a - b).max(initial=0.0))
