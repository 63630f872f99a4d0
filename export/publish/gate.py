"""The parity gate: an export that is too far from its original is not published.

In: the comparisons of a `RoleExport`. Out: nothing where all pass; `ParityError` where one doesn't, or, with drift
allowed, the failures in words for pack.json.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from edgecap.engines.errors import ParityError
from edgecap.export.job import Comparison
from edgecap.export.onnx.parity import GraphParity

_WORST = {"max_abs": max, "relative_l2": max, "cosine": min}


def judge(comparisons: Sequence[Comparison], *, allow_drift: bool) -> tuple[str, ...]:
    """The failures, one line each; () where every figure reaches its limit.

    Raises `ParityError` naming the first failure unless `allow_drift`. An export that compared nothing, or set no
    limit, fails too: a gate without a measurement is open.
    """
    drift = tuple(failure for row in comparisons for failure in failures(row))
    if not any(row.limits for row in comparisons):
        drift = ("nothing was compared with its original", *drift)
    if drift and not allow_drift:
        more = f" (and {len(drift) - 1} more)" if len(drift) > 1 else ""
        raise ParityError(
            f"not published: {drift[0]}{more}; choose a higher --precision, calibrate on your own videos with "
            "--calibrate, or publish it as it is with --allow-drift"
        )
    return drift


def failures(row: Comparison) -> list[str]:
    """What a comparison misses: graph, figure, value, limit. A figure that isn't a number misses every limit."""
    found = []
    for figure, (kind, limit) in row.limits.items():
        value = figure_of(row.parity, figure)
        passes = value >= limit if kind == "min" else value <= limit
        if not passes:
            found.append(
                f"{row.parity.graph} against {row.parity.reference}: {figure} is {value:.4g}, "
                f"{'at least' if kind == 'min' else 'at most'} {limit:.4g} is needed"
            )
    return found


def figure_of(parity: GraphParity, figure: str) -> float:
    """A task figure by name, or "max_abs", "relative_l2", "cosine" of the worst tensor.

    Raises ValueError for a figure that the comparison doesn't have.
    """
    if figure in parity.figures:
        return float(parity.figures[figure])
    if figure not in _WORST or not parity.tensors:
        known = sorted({*parity.figures, *(_WORST if parity.tensors else ())})
        raise ValueError(f"{parity.graph}: has no figure {figure!r}; it has {', '.join(known) or 'none'}")
    values = [float(getattr(tensor, figure)) for tensor in parity.tensors]
    return math.nan if any(math.isnan(v) for v in values) else _WORST[figure](values)


def report(comparisons: Sequence[Comparison], drift: Sequence[str]) -> dict[str, Any]:
    """What parity.<role>.json says: every comparison with its limits, and what was let through."""
    return {
        "passed": not drift,
        "drift": list(drift),
        "comparisons": [
            {
                **row.parity.as_dict(),
                "limits": {figure: {kind: limit} for figure, (kind, limit) in row.limits.items()},
                "failures": failures(row),
            }
            for row in comparisons
        ],
    }
