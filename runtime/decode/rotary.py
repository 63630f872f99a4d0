"""Position of each token and its rotary angles: plain, and the three-part positions of M-RoPE.

In: the parts of a prompt. Out: coordinates (time, row, column) and cos/sin for a decoder that takes its angles as
inputs.

M-RoPE (Qwen2-VL, arXiv 2409.12191, section 2.1): text has one coordinate three times; the tokens of a picture that
begins at p are at (p, p + row, p + column) of the merged patches; the text after it continues one past the largest
coordinate. So a sequence's next position is no longer its length:

    text  a b   picture of 2 rows x 3 columns   c d
    time  0 1   2 2 2 2 2 2                     5 6
    row   0 1   2 2 2 3 3 3                     5 6
    col   0 1   2 3 4 2 3 4                     5 6
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import PackError
from edgecap.engines.packs.specs import RopeSpec

Part = int | tuple[int, int]
"""So many text tokens, or a picture of (rows, columns) tokens."""


class Rotary:
    """cos and sin of positions, as `RopeSpec` says."""

    def __init__(self, spec: RopeSpec, *, head_dim: int) -> None:
        half = head_dim // 2
        if spec.sections and sum(spec.sections) != half:
            raise PackError(
                f"rotary sections {list(spec.sections)} cover {sum(spec.sections)} frequencies, a head of {head_dim} "
                f"has {half}; export the pack again"
            )
        exponents = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
        self._frequencies = (1.0 / np.power(np.float32(spec.theta), exponents)).astype(np.float32)
        axes = [axis % 3 for axis, count in enumerate(spec.sections) for _ in range(count)]
        self._axes = np.array(axes or [0] * half)

    def angles(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """positions int64 [..., 3] -> cos, sin float32 [..., head_dim]; the second half repeats the first."""
        turns = positions.astype(np.float32)[..., self._axes] * self._frequencies
        doubled = np.concatenate([turns, turns], -1)
        return np.cos(doubled), np.sin(doubled)


def text_positions(start: int, *, count: int) -> NDArray[np.int64]:
    """Coordinates int64 [count, 3] of text that begins at `start`."""
    return np.repeat(np.arange(start, start + count, dtype=np.int64)[:, None], 3, axis=1)


def picture_positions(start: int, *, grid_hw: tuple[int, int]) -> NDArray[np.int64]:
    """Coordinates int64 [rows * columns, 3] of a picture's tokens, row by row; the next text is at `start` + the longer
    side."""
    rows, columns = grid_hw
    places = np.stack([np.zeros((rows, columns), np.int64), *np.indices((rows, columns))], -1)
    return start + places.reshape(-1, 3)


def positions_of(parts: Sequence[Part], *, rope: RopeSpec | None) -> tuple[NDArray[np.int64], int]:
    """Coordinates int64 [S, 3] of a prompt that begins at 0, and the position that the next token has.

    Without sections in `rope` pictures count like text: position = index.
    """
    start, placed = 0, []
    for part in parts:
        if isinstance(part, int):
            placed.append(text_positions(start, count=part))
            start += part
        elif rope is not None and rope.sections:
            placed.append(picture_positions(start, grid_hw=part))
            start += max(part)
        else:
            placed.append(text_positions(start, count=part[0] * part[1]))
            start += part[0] * part[1]
    return (np.concatenate(placed) if placed else np.zeros((0, 3), np.int64)), start
