"""New positions for a decoder to read. Made by `captioner`, read by the decoder ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Chunk:
    """New positions of rows first_row ... first_row+B-1 of the pool.

    `embeds` float32 [B, S, H], right-padded; `counts` int64 [B]: how many of the S are real, 1 at least; `begins` int64
    [B]: valid positions of the row before; `positions` int64 [B, S, 3]: rotary coordinates. The pool needs room for
    begins + S, padding too.
    """

    embeds: NDArray[np.float32]
    counts: NDArray[np.int64]
    begins: NDArray[np.int64]
    positions: NDArray[np.int64]
    first_row: int = 0

    @classmethod
    def join(
        cls,
        embeds: Sequence[NDArray[np.float32]],
        positions: Sequence[NDArray[np.int64]],
        *,
        begins: Sequence[int],
        first_row: int = 0,
    ) -> Chunk:
        """One array [S_b, H] and one [S_b, 3] a row, padded to the longest."""
        counts = np.array([len(e) for e in embeds], np.int64)
        shape = (len(embeds), int(counts.max()))
        padded = np.zeros((*shape, embeds[0].shape[1]), np.float32)
        places = np.zeros((*shape, 3), np.int64)
        for b, count in enumerate(counts):
            padded[b, :count], places[b, :count] = embeds[b], positions[b]
        return cls(padded, counts, np.array(begins, np.int64), places, first_row)

    def piece(self, rows: slice, columns: slice) -> Chunk:
        """The same for some rows and columns; counts end where the columns do."""
        start, stop, _ = columns.indices(self.embeds.shape[1])
        return Chunk(
            self.embeds[rows, columns],
            np.clip(self.counts[rows] - start, 1, stop - start),
            self.begins[rows] + start,
            self.positions[rows, columns],
            self.first_row + (rows.start or 0),
        )
