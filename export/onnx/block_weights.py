"""8- and 4-bit weights in blocks of 32: the numbers, and a pass that puts 8-bit ones into an exported graph.

In: float weights or an fp32 graph. Out: codes and scales, or the graph with smaller weights. Activations are quantised
per row while running, so an answer never depends on the rest of a batch; `quantize_dynamic`, whose scale is per tensor,
moved the nano vision tokens by up to 0.05 between batch sizes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

BLOCK = 32  # weights per scale; 32 lost least in docs/spec/measured.md
ACCURACY_INT8 = 4  # MatMulNBits multiplies in int8 (VNNI)
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
    blocks = _blocks(weight)
    largest = np.abs(blocks).max(2)
    least = np.full(largest.shape, np.inf, np.float32)
    scales, codes = np.ones(largest.shape, np.float32), np.zeros(blocks.shape, np.int8)
    for steps in _STEPS:
        tried = np.maximum(largest / np.float32(steps), 1e-12).astype(np.float32)
        rounded = np.clip(np.rint(blocks / tried[..., None]), -8, 7)
        error = np.square(rounded * tried[..., None] - blocks).sum(2)
        better = error < least
        least[better], scales[better] = error[better], tried[better]
        codes[better] = rounded[better].astype(np.int8)
    return codes, scales


def pack_pairs(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two 4-bit codes a byte, the earlier one in the low half: uint8 [..., 2k] of values 0-15 -> uint8 [..., k]."""
    packed: NDArray[np.uint8] = codes[..., 0::2] | (codes[..., 1::2] << np.uint8(4))
    return packed


def _blocks(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, width = weight.shape
    return weight.reshape(rows, width // BLOCK, BLOCK)


def quantise_matmuls(model: onnx.ModelProto) -> int:
    """Replace, in place, every MatMul by a constant [K, N] (K a multiple of 32) with MatMulNBits; returns how many."""
    from onnx import helper

    constants = {i.name: i for i in model.graph.initializer}
    replaced: set[str] = set()
    nodes = []
    for node in model.graph.node:
        held = constants.get(node.input[1]) if node.op_type == "MatMul" else None
        if held is None or len(held.dims) != 2 or held.dims[0] % BLOCK:
            nodes.append(node)
            continue
        nodes.append(_small_matmul(model, node, held))
        replaced.add(held.name)
    used = {name for node in nodes for name in node.input}
    kept = [i for i in model.graph.initializer if i.name in used]
    for field, values in ((model.graph.node, nodes), (model.graph.initializer, kept)):
        del field[:]
        field.extend(values)
    if all(o.domain != "com.microsoft" for o in model.opset_import):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return len(replaced)


def _small_matmul(model: onnx.ModelProto, node: onnx.NodeProto, held: onnx.TensorProto) -> onnx.NodeProto:
    from onnx import helper, numpy_helper

    codes, scales = quantise_blocks(np.ascontiguousarray(numpy_helper.to_array(held).T))
    names = [f"{held.name}.codes", f"{held.name}.scales"]
    if names[0] not in {i.name for i in model.graph.initializer}:
        arrays: tuple[NDArray[Any], ...] = (codes, scales)
        named = zip(arrays, names, strict=True)
        model.graph.initializer.extend(numpy_helper.from_array(v, n) for v, n in named)
    width, rows = held.dims
    return helper.make_node(
        "MatMulNBits",
        [node.input[0], *names],
        list(node.output),
        name=node.name,
        domain="com.microsoft",
        N=rows,
        K=width,
        bits=8,
        block_size=BLOCK,
        accuracy_level=ACCURACY_INT8,
    )
