"""Symmetric quantise/dequantise pairs at the layers of a graph, the form that TensorRT compiles: INT8 and FP8.

In: an fp32 `onnx.ModelProto` and what its activations look like. Out: the same graph with Q/DQ on the activation that
each layer reads and with stored low-precision weights behind a DequantizeLinear.

Written out by us because ONNX Runtime's quantiser puts int32 biases and zero points other than zero into its Q/DQ,
which TensorRT's parser refuses (docs/spec/measured.md E), and knows no FP8.

    x -> Q -> DQ -> Conv(DQ(weight int8, one scale a channel), bias fp32) -> y      both scales symmetric, zero point 0
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecap.export.onnx.graph_walk import drop_unused_weights, layers, weight_names

if TYPE_CHECKING:
    import onnx

Kind = Literal["int8", "fp8"]
LARGEST: dict[Kind, float] = {"int8": 127.0, "fp8": 448.0}
"""Largest number of each format; FP8 is E4M3FN (Micikevicius et al. 2022, arXiv 2209.05433)."""
_SAMPLES = 2048  # values kept per tensor and input
_AT_ONCE = 400  # tensors looked at in one run
_SHRINKS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)


@dataclass(frozen=True, slots=True)
class Activation:
    """What one tensor was seen to hold: the largest magnitude, and some of its values float32 [n]."""

    largest: float
    samples: NDArray[np.float32]

    def limit(self, kind: Kind) -> float:
        """The magnitude that becomes the format's largest number: for INT8 the clipping with the least squared error
        over the samples, for FP8, whose steps grow with the number, the largest seen."""
        if kind == "fp8" or self.largest == 0.0:
            return self.largest
        tried = [self.largest * shrink for shrink in _SHRINKS]
        errors = [float(np.square(_rounded(self.samples, limit) - self.samples).sum()) for limit in tried]
        # the largest value stands for itself: a sample of few may not hold the outliers that clipping hurts most
        errors = [e + (self.largest - limit) ** 2 for e, limit in zip(errors, tried, strict=True)]
        return tried[int(np.argmin(errors))]


def _rounded(values: NDArray[np.float32], limit: float) -> NDArray[np.float32]:
    scale = limit / LARGEST["int8"]
    result: NDArray[np.float32] = np.clip(np.rint(values / scale), -127, 127).astype(np.float32) * np.float32(scale)
    return result


def calibrate(
    model: onnx.ModelProto, feeds: Iterable[Mapping[str, NDArray[Any]]], tensors: Sequence[str]
) -> dict[str, Activation]:
    """Run `model` on every feed (name -> array) in ONNX Runtime and note what `tensors` hold.

    Raises ValueError without a feed, or where a tensor is not finite.
    """
    import onnxruntime
    from onnx import helper

    probe = type(model)()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    inputs = {value.name for value in model.graph.input}
    inner = [name for name in dict.fromkeys(tensors) if name not in inputs]
    probe.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in inner)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    seen: dict[str, list[NDArray[Any]]] = {name: [] for name in dict.fromkeys(tensors)}
    largest = dict.fromkeys(seen, 0.0)
    ran = False
    for feed in feeds:
        ran = True
        values = dict(zip(inner, session.run(inner, dict(feed)), strict=True)) | {n: feed[n] for n in seen if n in feed}
        for name, value in values.items():
            largest[name] = float(np.maximum(largest[name], np.abs(value).max(initial=0.0)))  # NaN stays NaN
            flat = np.asarray(value).ravel()
            seen[name].append(flat[:: max(1, flat.size // _SAMPLES)].astype(np.float32))
    if not ran:
        raise ValueError("no calibration input; give at least one picture")
    bad = [name for name, top in largest.items() if not np.isfinite(top)]
    if bad:
        raise ValueError(f"tensor {bad[0]} is not finite on the calibration inputs")
    return {name: Activation(largest[name], np.concatenate(seen[name])) for name in seen}


def magnitudes(model: onnx.ModelProto, feeds: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, float]:
    """Largest magnitude that each float tensor reaches on `feeds`, in runs of some tensors each, so that the values of
    a whole large graph are never held at once; {} without feeds."""
    from onnx import TensorProto, shape_inference

    if not feeds:
        return {}
    inferred = shape_inference.infer_shapes(model).graph.value_info
    floats = {v.name for v in inferred if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    made = [name for node in model.graph.node for name in node.output if name in floats]
    found: dict[str, float] = {}
    for start in range(0, len(made), _AT_ONCE):
        seen = calibrate(model, feeds, made[start : start + _AT_ONCE])
        found |= {name: activation.largest for name, activation in seen.items()}
    return found


def insert_pairs(
    model: onnx.ModelProto, nodes: Sequence[str], activations: Mapping[str, Activation], *, kind: Kind
) -> None:
    """Quantise, in place, the layers named by `nodes`: their stored weight and the activation they read."""
    chosen, rewritten = set(nodes), []
    weights = {i.name: i for i in model.graph.initializer}
    lowered: dict[str, str] = {}
    for node in model.graph.node:
        if node.name in chosen:
            for index in (0, 1):
                name = node.input[index]
                if name not in lowered:
                    if index:
                        rewritten.append(_weight_pair(model, weights[name], axis=channel_axis(node), kind=kind))
                    else:
                        rewritten += _activation_pair(model, name, activations[name].limit(kind), kind=kind)
                    lowered[name] = rewritten[-1].output[0]
                node.input[index] = lowered[name]
        rewritten.append(node)
    del model.graph.node[:]
    model.graph.node.extend(rewritten)
    drop_unused_weights(model)


def channel_axis(node: onnx.NodeProto) -> int:
    """The axis of a layer's weight that runs over its outputs."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "Gemm":
        return 0 if any(a.name == "transB" and a.i for a in node.attribute) else 1
    return 1  # MatMul [K, N], ConvTranspose [in, out, h, w]


def quantisable(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Layers whose weight has two or four axes and whose activation is computed."""
    stored = weight_names(model)
    shapes = {i.name: len(i.dims) for i in model.graph.initializer}
    return [n for n in layers(model) if n.input[0] not in stored and shapes[n.input[1]] in (2, 4)]


def _activation_pair(model: onnx.ModelProto, name: str, limit: float, *, kind: Kind) -> list[onnx.NodeProto]:
    from onnx import helper

    scale, zero = _scale_and_zero(model, f"{name}.act", np.float32(max(limit, 1e-8) / LARGEST[kind]), kind=kind)
    codes, back = f"{name}.{kind}", f"{name}.{kind}.back"
    return [
        helper.make_node("QuantizeLinear", [name, scale, zero], [codes], name=f"quantise.{name}"),
        helper.make_node("DequantizeLinear", [codes, scale, zero], [back], name=f"dequantise.{name}"),
    ]


def _weight_pair(model: onnx.ModelProto, weight: onnx.TensorProto, *, axis: int, kind: Kind) -> onnx.NodeProto:
    """Codes and scales become initialisers. FP8 takes one scale a tensor: TensorRT's FP8 layers need it."""
    from onnx import helper, numpy_helper

    values = numpy_helper.to_array(weight).astype(np.float32)
    over = tuple(a for a in range(values.ndim) if a != axis) if kind == "int8" else None
    largest = np.maximum(np.abs(values).max(axis=over, keepdims=True), 1e-8)
    scale = (largest / LARGEST[kind]).astype(np.float32)
    codes = f"{weight.name}.{kind}"
    model.graph.initializer.append(_codes(values / scale, codes, kind=kind))
    held = scale.reshape(-1) if kind == "int8" else scale.reshape(())
    scale_name, zero = _scale_and_zero(model, weight.name, held, kind=kind)
    extra: dict[str, Any] = {"axis": axis} if kind == "int8" else {}
    return helper.make_node(
        "DequantizeLinear", [codes, scale_name, zero], [f"{codes}.back"], name=f"dequantise.{weight.name}", **extra
    )


def _codes(values: NDArray[np.float32], name: str, *, kind: Kind) -> onnx.TensorProto:
    from onnx import TensorProto, helper, numpy_helper

    if kind == "int8":
        return numpy_helper.from_array(np.clip(np.rint(values), -127, 127).astype(np.int8), name)
    import ml_dtypes

    codes = np.clip(values, -448, 448).astype(ml_dtypes.float8_e4m3fn)
    return helper.make_tensor(name, TensorProto.FLOAT8E4M3FN, values.shape, codes.tobytes(), raw=True)


def _scale_and_zero(
    model: onnx.ModelProto, name: str, scale: NDArray[np.float32] | np.float32, *, kind: Kind
) -> tuple[str, str]:
    from onnx import numpy_helper

    zeros = np.zeros(np.shape(scale), np.float32)
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(scale, np.float32), f"{name}.scale"))
    model.graph.initializer.append(_codes(zeros, f"{name}.zero", kind=kind))
    return f"{name}.scale", f"{name}.zero"
