"""Small ONNX graphs with the traits that precision passes trip over, written node by node: no torch, no tracing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgecap.engines.graph.spec import GraphSpec, TensorSpec
from edgecap.engines.packs.specs import DetectorSpec

DETECTOR_GRAPH = GraphSpec(
    "detector.onnx",
    "fp32",
    (TensorSpec("images", "uint8", ("batch", 3, "height", "width")),),
    (
        TensorSpec("boxes_xyxy", "float32", ("batch", 4, 4)),
        TensorSpec("scores", "float32", ("batch", 4)),
        TensorSpec("class_ids", "int64", ("batch", 4)),
    ),
    {"batch": (1, 1, 4), "height": (32, 32, 64), "width": (32, 48, 64)},
)


def conv_net(seed: int = 0) -> onnx.ModelProto:
    """Pixels uint8 -> scaled -> 3 convolutions with a residual -> pooled, dense layer -> boxes, scores, class ids."""
    rng = np.random.default_rng(seed)
    weights = {
        "scale": np.float32(1 / 255),
        "stem.w": rng.normal(0, 0.3, (16, 3, 3, 3)),
        "stem.b": rng.normal(0, 0.1, 16),
        "body.w": rng.normal(0, 0.1, (16, 16, 3, 3)),
        "body.b": rng.normal(0, 0.1, 16),
        "head.w": rng.normal(0, 0.2, (32, 16, 1, 1)),
        "head.b": rng.normal(0, 0.1, 32),
        "dense.w": rng.normal(0, 0.3, (32, 20)),
        "parts": np.array([16, 4], np.int64),
        "box_shape": np.array([-1, 4, 4], np.int64),
        "halves": np.array([2, 2], np.int64),
        "fifth": np.float32(0.2),
        "least": np.float32(0.3),
        "k": np.array([4], np.int64),
        "last": np.array([2], np.int64),
        "axes": np.array([2, 3], np.int64),
    }
    three = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], name="to_float", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["pixels", "scale"], ["x0"], name="scale_pixels"),
        helper.make_node("Conv", ["x0", "stem.w", "stem.b"], ["x1"], name="stem", strides=[2, 2], **three),
        helper.make_node("Relu", ["x1"], ["x2"], name="relu"),
        helper.make_node("Conv", ["x2", "body.w", "body.b"], ["x3"], name="body", **three),
        helper.make_node("Add", ["x2", "x3"], ["x4"], name="residual"),
        helper.make_node("Conv", ["x4", "head.w", "head.b"], ["x5"], name="head", kernel_shape=[1, 1]),
        helper.make_node("ReduceMean", ["x5", "axes"], ["x6"], name="pool", keepdims=0),
        helper.make_node("MatMul", ["x6", "dense.w"], ["x7"], name="dense"),
        helper.make_node("Split", ["x7", "parts"], ["flat", "logits"], name="split", axis=1),
        helper.make_node("Reshape", ["flat", "box_shape"], ["raw"], name="reshape"),
        helper.make_node("Sigmoid", ["raw"], ["shares"], name="box_sigmoid"),
        helper.make_node("Split", ["shares", "halves"], ["corner", "side_share"], name="corners", axis=2),
        helper.make_node("Mul", ["side_share", "fifth"], ["extra"], name="extra"),
        helper.make_node("Add", ["extra", "least"], ["side"], name="side"),
        helper.make_node("Add", ["corner", "side"], ["far"], name="far"),
        helper.make_node("Concat", ["corner", "far"], ["all_boxes"], name="boxes", axis=2),
        helper.make_node("Sigmoid", ["logits"], ["all_scores"], name="score_sigmoid"),
        helper.make_node("TopK", ["all_scores", "k"], ["scores", "class_ids"], name="best", axis=1),
        helper.make_node("Unsqueeze", ["class_ids", "last"], ["places"], name="places"),
        helper.make_node("GatherND", ["all_boxes", "places"], ["boxes_xyxy"], name="in_order", batch_dims=1),
    ]
    return _model("conv", nodes, weights, DETECTOR_GRAPH.inputs, DETECTOR_GRAPH.outputs)


DENSE_GRAPH = GraphSpec(
    "vision.onnx",
    "fp32",
    (TensorSpec("x", "float32", ("n", 6, 64)),),
    (TensorSpec("tokens", "float32", ("n", 6, 64)),),
    {"n": (1, 2, 4)},
)


def dense_net(seed: int = 0, *, epsilon: float = 1e-6) -> onnx.ModelProto:
    """A norm written out (Pow, ReduceMean, Sqrt, Div), an attention of two activations, a gated feed-forward."""
    rng = np.random.default_rng(seed)
    weights: dict[str, Any] = {
        "two": np.float32(2),
        "eps": np.float32(epsilon),
        "last": np.array([-1], np.int64),
        **{name: rng.normal(0, 0.12, (64, 64)) for name in ("q.w", "k.w", "v.w", "out.w")},
        "up.w": rng.normal(0, 0.12, (64, 128)),
        "down.w": rng.normal(0, 0.12, (128, 64)),
        "gain": 1 + rng.normal(0, 0.1, 64),
    }
    nodes = [
        helper.make_node("Pow", ["x", "two"], ["square"], name="square"),
        helper.make_node("ReduceMean", ["square", "last"], ["variance"], name="variance"),
        helper.make_node("Add", ["variance", "eps"], ["safe"], name="epsilon"),
        helper.make_node("Sqrt", ["safe"], ["root"], name="root"),
        helper.make_node("Div", ["x", "root"], ["normed"], name="normed"),
        helper.make_node("Mul", ["normed", "gain"], ["h"], name="gain"),
        *(helper.make_node("MatMul", ["h", f"{n}.w"], [n], name=n) for n in "qkv"),
        helper.make_node("Transpose", ["k"], ["kt"], name="kt", perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "kt"], ["affinity"], name="affinity"),
        helper.make_node("Softmax", ["affinity"], ["share"], name="softmax", axis=-1),
        helper.make_node("MatMul", ["share", "v"], ["mixed"], name="mixed"),
        helper.make_node("MatMul", ["mixed", "out.w"], ["projected"], name="out"),
        helper.make_node("Add", ["x", "projected"], ["y"], name="residual"),
        helper.make_node("MatMul", ["y", "up.w"], ["wide"], name="up"),
        helper.make_node("Relu", ["wide"], ["gated"], name="gate"),
        helper.make_node("MatMul", ["gated", "down.w"], ["tokens"], name="down"),
    ]
    return _model("dense", nodes, weights, DENSE_GRAPH.inputs, DENSE_GRAPH.outputs)


def pictures(count: int, seed: int = 1) -> list[dict[str, NDArray[Any]]]:
    """Feeds of `conv_net`: smooth pictures, each of another brightness."""
    rng = np.random.default_rng(seed)
    feeds = []
    for _ in range(count):
        coarse = rng.integers(0, 256, (1, 3, 4, 6)).repeat(8, 2).repeat(8, 3)
        feeds.append({"images": np.clip(coarse * rng.uniform(0.4, 1.0), 0, 255).astype(np.uint8)})
    return feeds


def vectors(count: int, seed: int = 1) -> list[dict[str, NDArray[Any]]]:
    """Feeds of `dense_net`."""
    rng = np.random.default_rng(seed)
    return [{"x": rng.normal(0, 1, (2, 6, 64)).astype(np.float32)} for _ in range(count)]


def detector_spec(graph: GraphSpec = DETECTOR_GRAPH) -> DetectorSpec:
    """A role around `conv_net`."""
    return DetectorSpec(graph, 64, 32, 114, 0.3, 0.6, ("cat", "dog", "person", "car"))


def save(model: onnx.ModelProto, path: Path) -> Path:
    """Write and return the path."""
    onnx.save(model, str(path))
    return path


def _model(
    name: str,
    nodes: list[onnx.NodeProto],
    weights: dict[str, Any],
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
) -> onnx.ModelProto:
    def info(t: TensorSpec) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(t.name, getattr(TensorProto, _KINDS[t.dtype]), list(t.axes))

    stored = []
    for key, value in weights.items():
        array = np.asarray(value)
        stored.append(numpy_helper.from_array(array if array.dtype == np.int64 else array.astype(np.float32), key))
    graph = helper.make_graph(nodes, name, [info(t) for t in inputs], [info(t) for t in outputs], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


_KINDS = {"uint8": "UINT8", "float32": "FLOAT", "int64": "INT64"}
