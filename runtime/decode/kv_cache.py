"""The language model's memory of what it has read: one block of keys and values per question, kept over calls.

In: how many rows and positions a batch needs. Out: array views to bind.

    rows      0 ..... P-1 | P ............ Q-1        P prompts, Q questions
              first question  further questions       prefixes are computed in rows 0..P-1, then copied to
              of each prompt  of those prompts        the rows of the same prompt's further questions
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import EngineError

MOST_KV_BYTES = 2 << 30
"""Bounds the memory of a crowded window; more questions make a second batch."""
_GRANULE = 32
"""Capacities grow in these steps, so that a slightly longer batch does not move the memory again."""


class KvPool:
    """Preallocated `[rows, kv_heads, capacity, head_dim]` arrays, two per layer; past and present are the
    same memory.

    `fixed_capacity`: the one length that the decoder's graph takes. `most_capacity`: the longest it takes.
    """

    def __init__(
        self,
        *,
        layers: int,
        kv_heads: int,
        head_dim: int,
        dtype: str = "float32",
        fixed_capacity: int | None = None,
        most_capacity: int | None = None,
    ) -> None:
        self.rows = 0
        self.capacity = 0
        self._layers, self._kv_heads, self._head_dim = layers, kv_heads, head_dim
        self._dtype = np.dtype(dtype)
        self._fixed, self.most_capacity = fixed_capacity, fixed_capacity or most_capacity
        self._keys: list[NDArray[Any]] = []
        self._values: list[NDArray[Any]] = []

    def __repr__(self) -> str:
        return f"KvPool({self.rows = }, {self.capacity = }, layers={self._layers}, bytes={self.bytes})"

    @property
    def bytes(self) -> int:
        """Memory in use, in bytes."""
        return sum(a.nbytes for a in (*self._keys, *self._values))

    def row_bytes(self, capacity: int) -> int:
        """Memory of one row with room for `capacity` positions, in bytes."""
        return 2 * self._layers * self._kv_heads * (self._fixed or capacity) * self._head_dim * self._dtype.itemsize

    def reserve(self, *, rows: int, capacity: int) -> bool:
        """Make room for `rows` questions of up to `capacity` positions; True where memory moved (bindings
        are void then).

        Nothing that was stored survives a move: a batch reserves before it writes. Raises `EngineError` for more
        positions than the decoder takes.
        """
        if self.most_capacity is not None and capacity > self.most_capacity:
            raise EngineError(
                f"the captioner needs {capacity} positions (pictures, question and answer), its decoder was made for "
                f"{self.most_capacity}; use a pack with fewer or smaller views, or export it for longer sequences"
            )
        if rows <= self.rows and capacity <= self.capacity:
            return False
        rounded = -(-capacity // _GRANULE) * _GRANULE
        capacity = self._fixed or min(rounded, self.most_capacity or rounded)
        both = max(self.rows, rows), max(self.capacity, capacity)
        # Many short questions, then few long ones: room for both together may be far more than either needs.
        within = both[0] * self.row_bytes(both[1]) <= MOST_KV_BYTES
        self.rows, self.capacity = both if within else (rows, capacity)
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

    def blocks(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Name ("key_0", "value_0", "key_1", ...) and array of each block."""
        for i, (keys, values) in enumerate(zip(self._keys, self._values, strict=True)):
            yield f"key_{i}", keys
            yield f"value_{i}", values

    def copy(self, *, source: int, target: int, length: int) -> None:
        """Copy the first `length` positions of row `source` to row `target` (a fork, or a move)."""
        for block in (*self._keys, *self._values):
            block[target, :, :length] = block[source, :, :length]

    def swap(self, one: int, other: int, *, length: int) -> None:
        """Exchange the first `length` positions of two rows."""
        for block in (*self._keys, *self._values):
            block[[one, other], :, :length] = block[[other, one], :, :length]

    def _named(self, tense: str, start: int, stop: int) -> dict[str, NDArray[Any]]:
        named = {f"{tense}_key_{i}": block[start:stop] for i, block in enumerate(self._keys)}
        return named | {f"{tense}_value_{i}": block[start:stop] for i, block in enumerate(self._values)}
