"""8- and 4-bit weights in blocks: the numbers, and the node that multiplies by them.

In: float weights. Out: codes and scales. Activations are quantised
per row while running, so an answer never depends on the rest of a batch; `quantize_dynamic`, whose scale is per tensor,
moved the nano vision tokens by up to 0.05 between batch sizes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 32  # weights per scale; 32 lost least in docs/spec/measured.md
_ACCURACY_INT8 = 4  # MatMulNBits multiplies in int8 (VNNI)
_SHRINKS = (1.0, 0.95, 0.9, 0.85)
_STEPS = (7.0, 7.5, 8.0, 8.5, 9.0)
"""Candidates for a 4-bit block: its largest magnitude over the scale. Above 7 or 8 the extreme is clipped a little, and
the other 31 weights of the block gain from it; the candidate with the least squared error is taken."""


def quantise_blocks(weight: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Symmetric 8-bit blocks along the input axis: weight [N, K] -> codes uint8 [N, K/32, 32], scales float32 [N,
    K/32].

    weight ~ (codes - 128) * scale: 128 is the zero point that MatMulNBits assumes when none is given.
    """
    blocks = _blocks(weight)
    scales = np.maximum(np.abs(blocks).max(2) / 127.0, 1e-12).astype(np.float32)
    codes = np.clip(np.rint(blocks / scales[..., None]) + 128, 1, 255).astype(np.uint8)
    return codes, scales


def quantise_blocks4(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric 4-bit blocks along the input axis: weight [N, K] -> codes int8 [N, K/32, 32] in -8...7, scales float32
    [N, K/32], all positive (TensorRT refuses others).

    weight ~ codes * scale; the scale of each block is searched over a few.
    """
    codes, scales, _ = search_blocks4(_blocks(weight), symmetric=True)
    return codes.astype(np.int8) - np.int8(8), scales


def search_blocks4(
    blocks: NDArray[np.float32], *, symmetric: bool
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint8] | None]:
    """Weights [N, blocks, block] -> codes uint8 0-15 [same], scales float32 [N, blocks], zero points uint8 [N, blocks]
    (None: all 8). weight ~ (code - zero) * scale; the scale of each block is searched for the least squared error."""
    least = np.full(blocks.shape[:2], np.inf, np.float32)
    scales, zeros = np.ones_like(least), np.full(least.shape, 8, np.uint8)
    codes = np.zeros(blocks.shape, np.uint8)
    for scale, zero in _candidates(blocks, symmetric=symmetric):
        rounded = np.clip(np.rint(blocks / scale[..., None]) + zero[..., None], 0, 15)
        error = np.square((rounded - zero[..., None]) * scale[..., None] - blocks).sum(2)
        better = error < least
        least[better], scales[better], zeros[better] = error[better], scale[better], zero[better].astype(np.uint8)
        codes[better] = rounded[better].astype(np.uint8)
    return codes, scales, None if symmetric else zeros


def _candidates(
    blocks: NDArray[np.float32], *, symmetric: bool
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    if symmetric:
        largest = np.abs(blocks).max(2)
        eight = np.full(largest.shape, 8.0, np.float32)
        return [(np.maximum(largest / np.float32(steps), 1e-12), eight) for steps in _STEPS]
    low, high = np.minimum(blocks.min(2), 0.0), np.maximum(blocks.max(2), 0.0)
    found = []
    for shrink in _SHRINKS:
        scale = np.maximum((high - low) * np.float32(shrink / 15.0), 1e-12)
        found.append((scale, np.clip(np.rint(-low * np.float32(shrink) / scale), 0, 15).astype(np.float32)))
    return found


def blocked_product(*, rows: int, width: int, bits: int, block: int = BLOCK) -> dict[str, Any]:
    """Domain and attributes of a MatMulNBits over a matrix [rows, width]."""
    return {
        "domain": "com.microsoft", "N": rows, "K": width, "bits": bits, "block_size": block,
        "accuracy_level": _ACCURACY_INT8,
    }  # fmt: skip


def pack_pairs(codes: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Two 4-bit numbers a byte along the last axis, the earlier one in the low half; an axis of odd length is packed
    flat, as INT4 tensors are."""
    low = np.ascontiguousarray(codes).view(np.uint8)
    if low.shape[-1] % 2:
        low = np.append(low.reshape(-1), np.zeros(low.size % 2, np.uint8)).astype(np.uint8)
    packed: NDArray[np.uint8] = low[..., 0::2] | (low[..., 1::2] << np.uint8(4))
    return packed


def _blocks(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, width = weight.shape
    return weight.reshape(rows, width // BLOCK, BLOCK)
