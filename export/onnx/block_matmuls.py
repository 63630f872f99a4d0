"""4-bit weights in a traced graph: each MatMul by a stored matrix becomes MatMulNBits, or reads a blocked
DequantizeLinear.

In: an fp32 `onnx.ModelProto` and the names of the nodes. The numbers of symmetric blocks come from `block_weights`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from edgecap.export.onnx.block_weights import ACCURACY_INT8
from edgecap.export.onnx.graph_walk import drop_unused_weights

if TYPE_CHECKING:
    import onnx

_STEPS = (7.0, 7.5, 8.0, 8.5, 9.0)
_SHRINKS = (1.0, 0.95, 0.9, 0.85)


def block_matmuls(
    model: onnx.ModelProto,
    nodes: Sequence[str],
    *,
    block: int,
    symmetric: bool,
    form: Literal["matmulnbits", "qdq"],
) -> None:
    """Replace, in place, the MatMuls named by `nodes`; the inputs K of each are a multiple of `block`."""
    from onnx import helper, numpy_helper

    chosen, made = set(nodes), []
    weights = {i.name: i for i in model.graph.initializer}
    held: dict[str, list[str]] = {}
    for node in model.graph.node:
        if node.name not in chosen:
            made.append(node)
            continue
        name = node.input[1]
        width, rows = weights[name].dims
        if name not in held:
            values = np.ascontiguousarray(numpy_helper.to_array(weights[name]).astype(np.float32).T)
            blocks = values.reshape(rows, width // block, block)
            held[name] = _store(model, name, *quantise(blocks, symmetric=symmetric), form=form)
        if form == "matmulnbits":
            made.append(_nbits(node, held[name], rows=rows, width=width, block=block))
            continue
        back = f"{name}.int4.back"
        if all(back not in other.output for other in made):
            made.append(
                helper.make_node(
                    "DequantizeLinear", held[name], [back], name=f"dequantise.{name}", axis=0, block_size=block
                )
            )
        node.input[1] = back
        made.append(node)
    del model.graph.node[:]
    model.graph.node.extend(made)
    drop_unused_weights(model)
    if form == "matmulnbits" and all(o.domain != "com.microsoft" for o in model.opset_import):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def quantise(
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


def _store(
    model: onnx.ModelProto,
    name: str,
    codes: NDArray[np.uint8],
    scales: NDArray[np.float32],
    zeros: NDArray[np.uint8] | None,
    *,
    form: Literal["matmulnbits", "qdq"],
) -> list[str]:
    """Add the initialisers; returns their names in the order in which the node reads them."""
    from onnx import TensorProto, helper, numpy_helper

    rows = codes.shape[0]
    if form == "qdq":  # [K, N] as MatMul reads it, two numbers a byte
        signed = (codes.reshape(rows, -1).T.astype(np.int16) - 8).astype(np.int8)
        held = helper.make_tensor(
            f"{name}.int4", TensorProto.INT4, signed.shape, _pairs(signed & 15).tobytes(), raw=True
        )
        parts = [held, numpy_helper.from_array(np.ascontiguousarray(scales.T), f"{name}.scale")]
    else:
        parts = [
            numpy_helper.from_array(_pairs(codes), f"{name}.codes"),
            numpy_helper.from_array(scales, f"{name}.scales"),
        ]
        if zeros is not None:
            padded = np.pad(zeros, ((0, 0), (0, zeros.shape[1] % 2)), constant_values=8)
            parts.append(numpy_helper.from_array(_pairs(padded), f"{name}.zeros"))
    model.graph.initializer.extend(parts)
    return [part.name for part in parts]


def _pairs(codes: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Two 4-bit numbers a byte along the last axis, the earlier one in the low half."""
    low = np.ascontiguousarray(codes).view(np.uint8)
    if low.shape[-1] % 2:  # INT4 tensors are packed flat
        low = np.append(low.reshape(-1), np.zeros(low.size % 2, np.uint8)).astype(np.uint8)
    packed: NDArray[np.uint8] = low[..., 0::2] | (low[..., 1::2] << np.uint8(4))
    return packed


def _nbits(node: onnx.NodeProto, held: Sequence[str], *, rows: int, width: int, block: int) -> onnx.NodeProto:
    from onnx import helper

    return helper.make_node(
        "MatMulNBits",
        [node.input[0], *held],
        list(node.output),
        name=node.name,
        domain="com.microsoft",
        N=rows,
        K=width,
        bits=4,
        block_size=block,
        accuracy_level=ACCURACY_INT8,
    )
