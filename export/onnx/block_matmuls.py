"""Weights in blocks in a traced graph: each MatMul by a stored matrix becomes MatMulNBits, or reads a blocked
DequantizeLinear.

In: an fp32 `onnx.ModelProto`. Out: the same model, changed. The numbers come from `block_weights`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from edgecap.export.onnx.block_weights import BLOCK, blocked_product, pack_pairs, quantise_blocks, search_blocks4
from edgecap.export.onnx.graph_walk import drop_unused_weights, name_nodes

if TYPE_CHECKING:
    import onnx


def quantise_matmuls(model: onnx.ModelProto) -> int:
    """Replace, in place, every MatMul by a constant [K, N] (K a multiple of 32) with an 8-bit MatMulNBits; returns how
    many matrices that were."""
    name_nodes(model)
    dims = {i.name: i.dims for i in model.graph.initializer}
    found = {
        n.name: n.input[1]
        for n in model.graph.node
        if n.op_type == "MatMul" and len(dims.get(n.input[1], ())) == 2 and not dims[n.input[1]][0] % BLOCK
    }
    block_matmuls(model, list(found), block=BLOCK, symmetric=True, form="matmulnbits", bits=8)
    return len(set(found.values()))


def block_matmuls(
    model: onnx.ModelProto,
    nodes: Sequence[str],
    *,
    block: int,
    symmetric: bool,
    form: Literal["matmulnbits", "qdq"],
    bits: Literal[4, 8] = 4,
) -> None:
    """Replace, in place, the MatMuls named by `nodes`; the inputs K of each are a multiple of `block`. `bits` 8: in
    blocks of 32, symmetric, as MatMulNBits."""
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
            held[name] = _store(
                model, name, *_codes(values, block, bits=bits, symmetric=symmetric), form=form, bits=bits
            )
        if form == "matmulnbits":
            inputs, how = [node.input[0], *held[name]], blocked_product(rows=rows, width=width, bits=bits, block=block)
            made.append(helper.make_node("MatMulNBits", inputs, list(node.output), name=node.name, **how))
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


def _codes(
    values: NDArray[np.float32], block: int, *, bits: Literal[4, 8], symmetric: bool
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint8] | None]:
    if bits == 8:
        return *quantise_blocks(values), None
    return search_blocks4(values.reshape(len(values), -1, block), symmetric=symmetric)


def _store(
    model: onnx.ModelProto,
    name: str,
    codes: NDArray[np.uint8],
    scales: NDArray[np.float32],
    zeros: NDArray[np.uint8] | None,
    *,
    form: Literal["matmulnbits", "qdq"],
    bits: Literal[4, 8],
) -> list[str]:
    """Add the initialisers; returns their names in the order in which the node reads them."""
    from onnx import TensorProto, helper, numpy_helper

    rows = codes.shape[0]
    if form == "qdq":  # [K, N] as MatMul reads it, two numbers a byte
        signed = (codes.reshape(rows, -1).T.astype(np.int16) - 8).astype(np.int8)
        held = helper.make_tensor(
            f"{name}.int4", TensorProto.INT4, signed.shape, pack_pairs(signed & 15).tobytes(), raw=True
        )
        parts = [held, numpy_helper.from_array(np.ascontiguousarray(scales.T), f"{name}.scale")]
    else:
        parts = [
            numpy_helper.from_array(codes if bits == 8 else pack_pairs(codes), f"{name}.codes"),
            numpy_helper.from_array(scales, f"{name}.scales"),
        ]
        if zeros is not None:
            padded = np.pad(zeros, ((0, 0), (0, zeros.shape[1] % 2)), constant_values=8)
            parts.append(numpy_helper.from_array(pack_pairs(padded), f"{name}.zeros"))
    model.graph.initializer.extend(parts)
    return [part.name for part in parts]
