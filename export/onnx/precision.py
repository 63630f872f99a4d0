"""Lower precision for an exported graph: every form that a backend of ours takes, and what stayed high and why.

In: an fp32 `onnx.ModelProto`. Out: `Converted`, a new model; the given one is not touched.

| function | runs on | weights | activations |
|---|---|---|---|
| `to_fp16` | TensorRT, CUDA | float16 | float16 |
| `static_cpu` | ONNX Runtime CPU | int8 a channel | uint8, calibrated |
| `static_symmetric` | TensorRT | int8 a channel, symmetric | int8 symmetric, calibrated |
| `dynamic_int8` | ONNX Runtime CPU | int8 | uint8, range of each run |
| `int4_blocks` | ONNX Runtime CPU (MatMulNBits), TensorRT (blocked Q/DQ) | int4, one scale in 32 | untouched |
| `fp8` | TensorRT, sm_89 and later | float8 E4M3 | float8 E4M3, calibrated |

Exclusions are patterns (`*`, `?`) over the names of nodes, of their weights and of their tensors; one that finds
nothing is an error, so that a recipe can't lose its reasons silently.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import onnx
from numpy.typing import NDArray

from edgecap.engines.errors import ExportError
from edgecap.engines.graph.spec import GraphSpec
from edgecap.export.onnx.block_matmuls import block_matmuls
from edgecap.export.onnx.graph import check_graph, name_axes
from edgecap.export.onnx.graph_walk import layers, matching, working_copy
from edgecap.export.onnx.half import to_half
from edgecap.export.onnx.qdq import Kind, calibrate, insert_pairs, magnitudes, quantisable
from edgecap.export.onnx.quantise import QUANTISED_OPS, nodes_outside, quantise_file

Feeds = Iterable[Mapping[str, NDArray[Any]]]


@dataclass(frozen=True, slots=True)
class Converted:
    """`kept_high`: node -> why it stayed as it was. `lowered`: how many nodes did not."""

    model: onnx.ModelProto
    kept_high: dict[str, str]
    lowered: int

    def save(self, path: Path, spec: GraphSpec) -> None:
        """Write the file, its axes named as in `spec`, and check it. Raises `GraphContractError`."""
        onnx.save(self.model, str(path))
        name_axes(path, spec)
        check_graph(path, spec)


def to_fp16(model: onnx.ModelProto, *, keep: Sequence[str] = (), feeds: Feeds = ()) -> Converted:
    """float16 in the types of the graph; inputs and outputs as declared, with Casts at the border.

    float32 stay: what `keep` names, arithmetic before the first and after the last layer (pixels, scores, boxes),
    operators that leave float16's range, inner graphs. A graph that has Q/DQ keeps them, with float16 around.

    feeds: one or two inputs to find the tensors that would overflow, whose nodes then stay too. Give them: a parity run
    on a CPU can't show an overflow, because ONNX Runtime there computes float16 nodes in float32 and drops the rounding
    between neighbours. Raises ExportError where the result is not consistently typed.
    """
    made = working_copy(model)
    feeds = tuple(feeds)
    if any(node.op_type == "QuantizeLinear" for node in made.graph.node):
        raise_opset(made, 19)  # the first whose Q/DQ take float16
    kept = to_half(made, keep, largest=magnitudes(made, feeds))
    try:
        onnx.checker.check_model(made)
        onnx.shape_inference.infer_shapes(made, check_type=True, strict_mode=_plain(made))
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ExportError(f"float16 form is not a valid graph ({reason}); export with --precision fp32") from error
    return Converted(made, kept, len(made.graph.node) - len(kept))


def static_cpu(
    model: onnx.ModelProto, feeds: Feeds, *, exclude: Sequence[str] = (), ops: Sequence[str] = QUANTISED_OPS
) -> Converted:
    """INT8 for ONNX Runtime on CPUs: uint8 activations, int8 weights per channel (1.5-2.2 times faster there than int8
    activations, docs/spec/measured.md A). `ops`: operators that are quantised, where they are between two layers."""
    made = working_copy(model)
    kept = _excluded(made, exclude)
    layer_ops = [op for op in ops if op in ("Conv", "MatMul", "Gemm")]
    with TemporaryDirectory() as folder:
        source, destination = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        onnx.save(made, str(source))
        outside = nodes_outside(source, layer_ops=layer_ops)
        quantise_file(source, destination, feeds, exclude=[*kept, *outside], ops=ops)
        quantised = onnx.load(str(destination))
    names = {node.name for node in made.graph.node if node.op_type in ops}
    kept |= {name: "not between two layers: scores and coordinates" for name in names.intersection(outside) - set(kept)}
    return Converted(quantised, kept, len(names - set(kept)))


def static_symmetric(model: onnx.ModelProto, feeds: Feeds, *, exclude: Sequence[str] = ()) -> Converted:
    """INT8 for TensorRT: symmetric Q/DQ at every layer with a stored weight; biases stay fp32."""
    return _paired(model, feeds, exclude=exclude, kind="int8", opset=13)


def fp8(model: onnx.ModelProto, feeds: Feeds, *, exclude: Sequence[str] = ()) -> Converted:
    """FP8 (E4M3) Q/DQ at every layer with a stored weight; ONNX Runtime's CPU has no kernels for all of it."""
    return _paired(model, feeds, exclude=exclude, kind="fp8", opset=19)


def dynamic_int8(model: onnx.ModelProto, *, exclude: Sequence[str] = ()) -> Converted:
    """INT8 MatMuls for ONNX Runtime on CPUs, the activation's range measured at every run: no calibration.

    Closest to fp32 of the INT8 forms for transformer towers (cosine .9997, static .93: measured.md part 2, section 5).
    The range is that of a whole tensor: an answer depends a little on the rest of its batch.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    made = working_copy(model)
    kept = _excluded(made, exclude)
    stored = {node.name for node in layers(made)}
    ops = ("MatMul", "Gemm")
    for node in made.graph.node:
        if node.op_type in ops and node.name not in stored:
            kept.setdefault(node.name, "multiplies two activations")
    with TemporaryDirectory() as folder:
        source, destination = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        onnx.save(made, str(source))
        logging.getLogger("root").setLevel(logging.ERROR)  # as in quantise_file
        quantize_dynamic(
            str(source),
            str(destination),
            op_types_to_quantize=["MatMul"],  # a Gemm becomes MatMul + Add first
            per_channel=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=list(kept),
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
        )
        quantised = onnx.load(str(destination))
    lowered = sum(node.op_type == "MatMulInteger" for node in quantised.graph.node)
    return Converted(quantised, kept, lowered)


def int4_blocks(
    model: onnx.ModelProto,
    *,
    exclude: Sequence[str] = (),
    block: int = 32,
    symmetric: bool = False,
    form: Literal["matmulnbits", "qdq"] = "matmulnbits",
) -> Converted:
    """4-bit weights of every MatMul by a stored matrix, one scale per `block` inputs; activations stay as they are.

    form: "matmulnbits" for ONNX Runtime (zero points uint8: float ones take its slow path), "qdq" (blocked
    DequantizeLinear, opset 21) for TensorRT, which takes symmetric blocks only: ValueError otherwise.
    """
    if form == "qdq" and not symmetric:
        raise ValueError("TensorRT takes symmetric 4-bit blocks only; ask for symmetric=True")
    made = working_copy(model)
    kept = _excluded(made, exclude)
    shapes = {i.name: tuple(i.dims) for i in made.graph.initializer}
    chosen = []
    for node in layers(made):
        shape = shapes[node.input[1]]
        if node.op_type != "MatMul":
            kept.setdefault(node.name, f"is a {node.op_type}; 4-bit blocks are for MatMul")
        elif len(shape) != 2 or shape[0] % block:
            kept.setdefault(node.name, f"its weight {list(shape)} has no whole blocks of {block} along its inputs")
        elif node.name not in kept:
            chosen.append(node.name)
    if form == "qdq":
        raise_opset(made, 21)
    block_matmuls(made, chosen, block=block, symmetric=symmetric, form=form)
    return Converted(made, kept, len(chosen))


def _paired(model: onnx.ModelProto, feeds: Feeds, *, exclude: Sequence[str], kind: Kind, opset: int) -> Converted:
    made = working_copy(model)
    raise_opset(made, opset)
    kept = _excluded(made, exclude)
    stored = quantisable(made)
    for node in made.graph.node:
        if node.op_type in ("Conv", "ConvTranspose", "MatMul", "Gemm") and node.name not in {n.name for n in stored}:
            kept.setdefault(node.name, "multiplies two activations, or by a vector")
    chosen = [node for node in stored if node.name not in kept]
    insert_pairs(
        made,
        [node.name for node in chosen],
        calibrate(made, feeds, [node.input[0] for node in chosen]),
        kind=kind,
    )
    return Converted(made, kept, len(chosen))


def raise_opset(model: onnx.ModelProto, least: int) -> None:
    """Declare at least opset `least`, in place. Raises ExportError where an operator changed its meaning on the way."""
    held = next(o for o in model.opset_import if o.domain in ("", "ai.onnx"))
    if held.version >= least:
        return
    changed = {"GroupNormalization": 21, "DFT": 20}  # of what exporters write at opset 18, what means something else
    for node in model.graph.node:
        if held.version < changed.get(node.op_type, 0) <= least:
            raise ExportError(f"{node.name}: {node.op_type} means something else from opset {changed[node.op_type]} on")
        if node.op_type == "GridSample" and held.version < 20 <= least:
            for attribute in node.attribute:
                if attribute.name == "mode":  # two of its words were renamed
                    attribute.s = {b"bilinear": b"linear", b"bicubic": b"cubic"}.get(attribute.s, attribute.s)
    held.version = least
    model.ir_version = max(model.ir_version, 10 if least >= 21 else 9)


def _excluded(model: onnx.ModelProto, patterns: Sequence[str]) -> dict[str, str]:
    return {name: f"asked for by {pattern!r}" for name, pattern in matching(model.graph.node, patterns).items()}


def _plain(model: onnx.ModelProto) -> bool:
    """Whether all operators are ONNX's own; its shape inference knows no others."""
    return all(node.domain in ("", "ai.onnx") for node in model.graph.node)
