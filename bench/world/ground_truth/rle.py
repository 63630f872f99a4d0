"""Run lengths of masks, COCO style: column-major, counts alternate zeros and ones and start with zeros.

mask  0 1      column-major 0 1 1 1 -> counts [1, 3]
      1 1
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray


class Rle(TypedDict):
    """JSON form of a mask."""

    size: list[int]
    """[height, width]."""
    counts: list[int]


def encode_mask(mask: NDArray[np.bool_]) -> Rle:
    """Counts of a [H, W] mask."""
    flat = mask.T.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    if flat.size and flat[0]:
        counts.insert(0, 0)
    return {"size": [int(mask.shape[0]), int(mask.shape[1])], "counts": counts}


def decode_mask(rle: Rle) -> NDArray[np.bool_]:
    """[H, W] mask from its counts."""
    height, width = rle["size"]
    counts = np.asarray(rle["counts"], dtype=np.int64)
    if counts.sum() != height * width:
        raise ValueError(
            f"run lengths cover {int(counts.sum())} pixels, expected {height} x {width} = {height * width}"
        )
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(width, height).T
