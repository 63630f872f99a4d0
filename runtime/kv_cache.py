"""The captioner's memory of what it has read: one block of keys and values per question, kept over calls.

In: how many rows and positions a round needs. Out: array views to bind. Called by `captioner`.

    rows      0 ..... P-1 | P ............ Q-1        P prompts, Q questions
              first question  further questions       prefixes are computed in rows 0..P-1, then copied to
              of each prompt  of those prompts        the rows of the same prompt's further questions
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_GRANULE = 32
"""Capacities grow in these steps, so that a slightly longer round does not move the memory again."""


class KvPool:
    """Preallocated `[rows, kv_heads, capacity, head_dim]` arrays, two per layer; past and present are the
    same memory."""

    def __init__(self, *, layers: int, kv_heads: int, head_dim: int, dtype: str = "float32") -> None:
        self.rows = 0
        self.capacity = 0
        self._layers, self._kv_heads, self._head_dim = layers, kv_heads, head_dim
        self._dtype = np.dtype(dtype)
        self._keys: list[NDArray[Any]] = []
        self._values: list[NDArray[Any]] = []

    def __repr__(self) -> str:
        return f"KvPool({self.rows = }, {self.capacity = }, layers={self._layers}, bytes={self.bytes})"

    @property
    def bytes(self) -> int:
        """Memory held, in bytes."""
        return sum(a.nbytes for a in (*self._keys, *self._values))

    def reserve(self, *, rows: int, capacity: int) -> bool:
        """Make room for `rows` questions of up to `capacity` positions; True where memory moved (bindings
        are void then).

        Nothing that was stored survives a move: a round reserves before it writes.
        """
        if rows <= self.rows and capacity <= self.capacity:
            return False
        self.rows = max(self.rows, rows)
        self.capacity = max(self.capacity, -(-capacity // _GRANULE) * _GRANULE)
        shape = (self.rows, self._kv_heads, self.capacity, self._head_dim)
        # Zeros, not empty: positions past a row's length are multiplied by a zero weight, and 0 * NaN would
        # be NaN.
        self._keys = [np.zeros(shape, self._dtype) for _ in range(self._layers)]
        self._values = [np.zeros(shape, self._dtype) for _ in range(self._layers)]
        return True

    def past(self, start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Views of rows start:stop (half-open) under the names of the decoder's inputs."""
        return self._named("past", start, stop)

    def present(self, start: int, stop: int) -> dict[str, NDArray[Any]]:
        """The same views under the names of the decoder's outputs."""
        return self._named("present", start, stop)

    def copy(self, *, source: int, target: int, length: int) -> None:
        """Copy the first `length` positions of row `source` to row `target` (a fork, or a move)."""
        for block in (*self._keys, *self._values):
            block[target, :, :length] = block[source, :, :length]

    def _named(self, tense: str, start: int, stop: int) -> dict[str, NDArray[Any]]:
        named = {f"{tense}_key_{i}": block[start:stop] for i, block in enumerate(self._keys)}
        return named | {f"{tense}_value_{i}": block[start:stop] for i, block in enumerate(self._values)}
