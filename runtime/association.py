"""Pairs rows with columns at the least total cost. Called by tracker; small problems only (tens of rows)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FORBIDDEN = 1e6


def assign(cost: NDArray[np.float64], *, allowed: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Pairs (row, column) of the cheapest assignment of cost [R, C] that first makes as many allowed pairs as it can.

    Each row and column is used at most once; pairs outside `allowed` bool [R, C] are never returned. Sorted by row.
    Successive shortest augmenting paths with potentials (Kuhn 1955, Munkres 1957), O(R^2 C) with vectorised columns.
    """
    if cost.size == 0 or not allowed.any():
        return []
    if cost.shape[0] > cost.shape[1]:
        return sorted((r, c) for c, r in assign(cost.T, allowed=allowed.T))
    padded = np.where(allowed, cost, _FORBIDDEN)
    row_of_column = _solve(padded)
    return sorted((int(r), c) for c, r in enumerate(row_of_column) if r >= 0 and allowed[r, c])


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
        # Prices move by how much earlier each settled column was reached than the free one: reduced costs stay >= 0.
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
