"""Pairs rows with columns at the least total cost.

For small problems only (tens of rows).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def assign(cost: NDArray[np.float64], *, max_cost: float) -> list[tuple[int, int]]:
    """Pairs (row, column), sorted by row, of the cheapest assignment of cost [R, C] when leaving a pair out costs
    `max_cost`.

    Each row and column is used at most once; pairs at or above `max_cost` (inf included) are never returned. More pairs
    are not better in themselves: a far-fetched one must not push a near one aside. Successive shortest augmenting paths
    with potentials (Kuhn 1955, Munkres 1957), O(R^2 C) with vectorised columns.
    """
    if cost.size == 0:
        return []
    if cost.shape[0] > cost.shape[1]:
        return sorted((r, c) for c, r in assign(cost.T, max_cost=max_cost))
    row_of_column = _solve(np.minimum(cost, max_cost))
    return sorted((int(r), c) for c, r in enumerate(row_of_column) if r >= 0 and cost[r, c] < max_cost)


def _solve(cost: NDArray[np.float64]) -> NDArray[np.int64]:
    """Row of each column (-1: none) for cost [R, C] with R <= C."""
    rows, columns = cost.shape
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    row_of = np.full(columns, -1, np.int64)
    for first in range(rows):
        distance = np.full(columns, np.inf)  # of the cheapest alternating path from `first` to each column
        came_from = np.full(columns, -1, np.int64)  # the column before it on that path
        done = np.zeros(columns, bool)
        row, column, reached = first, -1, 0.0
        while True:
            through = reached + cost[row] - row_price[row] - column_price
            better = ~done & (through < distance)
            distance[better], came_from[better] = through[better], column
            column = int(np.argmin(np.where(done, np.inf, distance)))
            reached = float(distance[column])
            done[column] = True
            if row_of[column] < 0:
                break
            row = int(row_of[column])
        # Prices move by how much earlier each finished column was reached than the free one: reduced costs stay >= 0.
        settled = np.flatnonzero(done)
        slack = reached - distance[settled]
        column_price[settled] -= slack
        held = row_of[settled]
        row_price[held[held >= 0]] += slack[held >= 0]
        row_price[first] += reached
        while column >= 0:  # flip the path
            before = int(came_from[column])
            row_of[column] = row_of[before] if before >= 0 else first
            column = before
    return row_of
