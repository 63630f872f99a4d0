"""How true an engine is to the graph that it was compiled from.

In: two sessions over one `GraphSpec`. Out: figures per output, and what they have to reach. (How true a graph is to
its checkpoint is the exporter's question, `export.parity`.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.compile.trial_feeds import trial_feeds
from edgecap.engines.graph.session import Session

# The least cosine of an output between engine and graph, by the precision of the graph. Both hold the same weights, so
# what differs is the order of sums, and in reduced precisions the rounding in between.
_LEAST_COSINE = {"fp32": 0.9999, "fp16": 0.999}
_LEAST_COSINE_QUANTISED = 0.98
# Rows ordered by a score swap places at near-ties, which noise pictures are full of: the rows of a detector are looked
# for wherever they are, and half of the best must be found.
_UNORDERED = frozenset({"boxes_xyxy", "class_ids"})
_BEST_ROWS = 20
_SAME_IOU = 0.5
_LEAST_FOUND_AGAIN = 0.5


def engine_figures(reference: Session, engine: Session, *, seeds: tuple[int, ...] = (0, 1)) -> dict[str, float]:
    """Worst figure over trial inputs: "NAME.cosine" (-1 to 1) and "NAME.max_abs" (>= 0) of every output; of a detector
    "boxes_xyxy.found_again" too, the share (0-1) of its best boxes that the engine has with the same class."""
    figures: dict[str, float] = {}
    for seed in seeds:
        feeds = trial_feeds(reference.spec, seed=seed)
        want, got = reference.run(feeds), engine.run(feeds)
        for name, wanted in want.items():
            cosine, gap = _compare(wanted, got[name])
            figures[f"{name}.cosine"] = min(figures.get(f"{name}.cosine", 1.0), cosine)
            figures[f"{name}.max_abs"] = max(figures.get(f"{name}.max_abs", 0.0), gap)
        if {*_UNORDERED, "scores"} <= want.keys():
            found = min(_found_again(want, got, picture) for picture in range(len(want["scores"])))
            figures["boxes_xyxy.found_again"] = min(figures.get("boxes_xyxy.found_again", 1.0), found)
    return figures


def drift(figures: dict[str, float], *, precision: str) -> str:
    """What misses its limit, in words; "" where the engine is as true as its precision allows."""
    least = _LEAST_COSINE.get(precision, _LEAST_COSINE_QUANTISED)
    limits = {
        name: _LEAST_FOUND_AGAIN if name.endswith(".found_again") else least
        for name in figures
        if name.endswith((".cosine", ".found_again")) and name.removesuffix(".cosine") not in _UNORDERED
    }
    missed = [f"{name} {figures[name]:.5f} (at least {at})" for name, at in limits.items() if not figures[name] >= at]
    return ", ".join(missed)


def _found_again(want: dict[str, NDArray[Any]], got: dict[str, NDArray[Any]], picture: int) -> float:
    """Share of the best boxes of one picture that have a box of their class in the same place, in any row."""
    best = np.argsort(-want["scores"][picture])[:_BEST_ROWS]
    a, b = (rows["boxes_xyxy"][picture].astype(np.float64) for rows in (want, got))
    a = a[best, None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = sides.clip(0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).clip(0).prod(-1) + (b[..., 2:] - b[..., :2]).clip(0).prod(-1) - shared
    same = (shared >= _SAME_IOU * union) & (want["class_ids"][picture][best, None] == got["class_ids"][picture])
    return float(same.any(1).mean())


def _compare(wanted: NDArray[Any], got: NDArray[Any]) -> tuple[float, float]:
    """Cosine and greatest absolute difference; -1 and a huge figure where an engine gives no finite numbers."""
    a, b = wanted.astype(np.float64).ravel(), got.astype(np.float64).ravel()
    if not np.isfinite(b).all():
        return -1.0, float(np.finfo(np.float64).max)
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    same = bool(np.array_equal(a, b))
    cosine = 1.0 if same else float(a @ b) / norms if norms else 0.0
    return min(cosine, 1.0), float(np.abs(a - b).max(initial=0.0))
