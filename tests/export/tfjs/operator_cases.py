"""One small graph per operator of the converter's table: inputs "x" float32 [1, 6, 5, 4] and "n" int32 [3]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgecap.export.specimens.tfjs import TfjsWriter

Case = tuple[str, Callable[[TfjsWriter], list[str]]]
_RNG = np.random.default_rng(7)
_CONV: dict[str, Any] = {"strides": [1, 2, 2, 1], "padding": "SAME", "data_format": "NHWC", "dilations": [1, 1, 1, 1]}


def _conv(op: str, *, shape: tuple[int, ...], fused: list[str], extra: list[Any], **changes: Any) -> Case:
    def build(w: TfjsWriter) -> list[str]:
        inputs = ["x", w.constant("w", _RNG.normal(0, 1, shape))]
        inputs += [w.constant(f"e{i}", value) for i, value in enumerate(extra)]
        attributes = _CONV | changes | ({"fused_ops": fused} if fused else {})
        return [w.node(op, "y", inputs, **attributes)]

    return (f"{op} {changes or ''} {'+'.join(fused)}".strip(), build)


def _plain(op: str, *constants: Any, source: str = "x", first: bool = False, **attributes: Any) -> Case:
    """The operator on an input and constants, once as it is and once behind a convolution (held channels first)."""

    def build(w: TfjsWriter) -> list[str]:
        names = [w.constant(f"k{i}", value) for i, value in enumerate(constants)]
        outputs = [w.node(op, "y", [*names, source] if first else [source, *names], **attributes)]
        if source == "x":
            kernel = w.constant("kernel", _RNG.normal(0, 1, (1, 1, 4, 4)))
            w.node("Conv2D", "behind", ["x", kernel], strides=[1, 1, 1, 1], padding="VALID")
            outputs.append(w.node(op, "z", [*names, "behind"] if first else ["behind", *names], **attributes))
        return outputs

    return (f"{op} {attributes or ''}".strip(), build)


def _positive(op: str) -> Case:
    def build(w: TfjsWriter) -> list[str]:
        w.node("Abs", "a", ["x"])
        w.node("AddV2", "b", ["a", w.constant("one", np.float32(0.5))])
        return [w.node(op, "y", ["b"])]

    return (op, build)


def _logic(op: str) -> Case:
    def build(w: TfjsWriter) -> list[str]:
        zero = w.constant("zero", np.float32(0))
        w.node("Greater", "a", ["x", zero])
        w.node("Less", "b", ["x", w.constant("one", np.float32(1))])
        made = w.node(op, "c", ["a"] if op == "LogicalNot" else ["a", "b"])
        return [w.node("Cast", "y", [made], DstT="DT_FLOAT")]

    return (op, build)


def _compared(op: str) -> Case:
    def build(w: TfjsWriter) -> list[str]:
        made = w.node(op, "c", ["n", w.constant("two", np.int32(2))])
        return [w.node("Cast", "y", [made], DstT="DT_INT32")]

    return (op, build)


def _split(op: str) -> Case:
    def build(w: TfjsWriter) -> list[str]:
        axis = w.constant("axis", np.int32(3))
        if op == "Split":
            w.node("Split", "s", [axis, "x"], num_split=2)
        elif op == "SplitV":
            w.node("SplitV", "s", ["x", w.constant("sizes", [1, 3]), axis])
        else:
            w.node("Unpack", "s", ["x"], num=4, axis=3)
        return [w.node("Neg", "y", ["s"]), w.node("Neg", "z", ["s:1"])]

    return (op, build)


def _selected(op: str) -> Case:
    def build(w: TfjsWriter) -> list[str]:
        w.node("Greater", "c", ["x", w.constant("zero", np.float32(0))])
        return [w.node(op, "y", ["c", "x", w.node("Neg", "m", ["x"])])]

    return (op, build)


def _transposed(padding: str, kernel: int, stride: int, size: tuple[int, int]) -> Case:
    def build(w: TfjsWriter) -> list[str]:
        weight = w.constant("w", _RNG.normal(0, 1, (kernel, kernel, 3, 4)))
        target = w.constant("target", [1, *size, 3])
        inputs = [target, weight, "x"]
        return [w.node("Conv2DBackpropInput", "y", inputs, strides=[1, stride, stride, 1], padding=padding)]

    return (f"Conv2DBackpropInput {padding} {kernel} {stride}", build)


def _top_k(w: TfjsWriter) -> list[str]:
    w.node("TopKV2", "t", ["x", w.constant("k", np.int32(2))])
    return [w.node("Neg", "y", ["t"]), w.node("Cast", "z", ["t:1"], DstT="DT_FLOAT")]


def _several(w: TfjsWriter) -> list[str]:
    """Operators that take tensors of one shape."""
    w.node("Neg", "m", ["x"])
    axis = w.constant("axis", np.int32(-1))
    return [
        w.node("AddN", "a", ["x", "m", "x"]),
        w.node("Pack", "p", ["x", "m"], axis=1),
        w.node("ConcatV2", "j", ["x", "m", axis]),
        w.node("Minimum", "least", ["x", "m"]),
        w.node("Maximum", "most", ["x", "m"]),
        w.node("SquaredDifference", "d", ["x", "m"]),
    ]


def _products(w: TfjsWriter) -> list[str]:
    w.node("Reshape", "flat", ["x", w.constant("shape", [30, 4])])
    weight, turned = (w.constant(name, _RNG.normal(0, 1, size)) for name, size in (("w", (4, 3)), ("t", (3, 4))))
    bias = w.constant("bias", np.arange(3.0))
    w.node("Reshape", "cube", ["x", w.constant("shape3", [2, 15, 4])])
    return [
        w.node("MatMul", "a", ["flat", weight]),
        w.node("MatMul", "b", ["flat", turned], transpose_b=True),
        w.node("MatMul", "c", ["flat", "flat"], transpose_a=True),
        w.node("_FusedMatMul", "d", ["flat", weight, bias], fused_ops=["BiasAdd", "Relu"]),
        w.node("BatchMatMulV2", "e", ["cube", weight]),
    ]


def _computed_shapes(w: TfjsWriter) -> list[str]:
    """A shape that the graph computes, and a constant that is folded on the way to it."""
    w.node("Shape", "s", ["x"])
    w.node(
        "StridedSlice", "b", ["s", *(w.constant(n, [v]) for n, v in (("i", 0), ("j", 1), ("k", 1)))], shrink_axis_mask=1
    )
    w.node("Mul", "cells", [w.constant("six", np.int32(6)), w.constant("five", np.int32(5))])
    w.node("Pack", "target", ["b", "cells", w.constant("four", np.int32(4))], axis=0)
    w.node("Fill", "full", ["s", w.constant("value", np.float32(3))])
    return [w.node("Reshape", "y", ["x", "target"]), w.node("Size", "z", ["x"]), w.node("Identity", "w", ["full"])]


CASES: list[Case] = [
    _conv("Conv2D", shape=(3, 3, 4, 5), fused=[], extra=[]),
    _conv("Conv2D", shape=(3, 3, 4, 5), fused=[], extra=[], padding="VALID", strides=[1, 1, 1, 1]),
    _conv("Conv2D", shape=(3, 3, 4, 5), fused=[], extra=[], dilations=[1, 2, 2, 1], strides=[1, 1, 1, 1]),
    _conv(
        "Conv2D", shape=(3, 3, 4, 5), fused=[], extra=[], padding="EXPLICIT", explicit_paddings=[0, 0, 1, 0, 2, 1, 0, 0]
    ),
    _conv("_FusedConv2D", shape=(3, 3, 4, 5), fused=["BiasAdd", "Relu6"], extra=[np.arange(5.0)]),
    _conv("_FusedConv2D", shape=(3, 3, 4, 5), fused=["BiasAdd", "Prelu"], extra=[np.arange(5.0), np.full(5, 0.3)]),
    _conv("_FusedConv2D", shape=(3, 3, 4, 5), fused=["LeakyRelu"], extra=[], leakyrelu_alpha=0.3),
    _conv("_FusedConv2D", shape=(3, 3, 4, 5), fused=["Elu"], extra=[]),
    _conv("_FusedConv2D", shape=(3, 3, 4, 5), fused=["Sigmoid"], extra=[]),
    _conv("DepthwiseConv2dNative", shape=(3, 3, 4, 2), fused=[], extra=[]),
    _conv("FusedDepthwiseConv2dNative", shape=(3, 3, 4, 1), fused=["BiasAdd", "Relu"], extra=[np.arange(4.0)]),
    _transposed("SAME", 2, 2, (12, 10)),
    _transposed("SAME", 3, 2, (12, 10)),
    _transposed("SAME", 2, 3, (18, 15)),
    _transposed("VALID", 3, 2, (13, 11)),
    _plain("MaxPool", ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding="SAME"),
    _plain("AvgPool", ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding="SAME"),
    *(
        _plain(op, [12, 10], align_corners=corners, half_pixel_centers=centres)
        for op in ("ResizeBilinear", "ResizeNearestNeighbor")
        for corners, centres in ((False, False), (True, False), (False, True))
    ),
    *(_plain(op) for op in ("Relu", "Relu6", "Sigmoid", "Tanh", "Exp", "Abs", "Floor", "Ceil", "Elu", "Neg", "Square")),
    *(_plain(op) for op in ("Softplus", "Softmax", "Identity", "StopGradient")),
    *(_positive(op) for op in ("Sqrt", "Rsqrt", "Reciprocal", "Log")),
    *(_logic(op) for op in ("LogicalNot", "LogicalAnd", "LogicalOr")),
    *(_compared(op) for op in ("Less", "LessEqual", "Greater", "GreaterEqual", "Equal")),
    *(_plain(op, np.arange(4.0)) for op in ("Add", "AddV2", "BiasAdd", "Sub", "Mul")),
    _plain("RealDiv", np.arange(1.0, 5.0)),
    _plain("Mul", np.arange(20.0).reshape(5, 4)),
    _plain("Pow", np.float32(2)),
    _plain("ClipByValue", np.float32(-1), np.float32(1)),
    _plain("LeakyRelu", alpha=0.1),
    _plain("Prelu", np.array([0.1, 0.2, 0.3, 0.4])),
    _plain("Cast", source="n", DstT="DT_FLOAT"),
    _plain("FloorDiv", np.int32(3), source="n", T="DT_INT32"),
    _plain("FloorMod", np.int32(3), source="n", T="DT_INT32"),
    _plain("FloorDiv", np.float32(0.75), T="DT_FLOAT"),
    _plain("FloorMod", np.float32(0.75), T="DT_FLOAT"),
    *(_plain(op, [1, 2], keep_dims=keep) for op in ("Mean", "Sum", "Max", "Min") for keep in (True, False)),
    *(_selected(op) for op in ("Select", "SelectV2")),
    *(_split(op) for op in ("Split", "SplitV", "Unpack")),
    _plain("Transpose", [0, 3, 1, 2]),
    _plain("Transpose", [0, 2, 1, 3]),
    _plain("Reshape", [1, 30, 4]),
    _plain("Pad", [[0, 0], [1, 2], [0, 1], [0, 0]]),
    _plain("PadV2", [[0, 0], [1, 2], [0, 1], [0, 0]], np.float32(3)),
    _plain("MirrorPad", [[0, 0], [1, 2], [0, 1], [0, 0]], mode="REFLECT"),
    _plain("ExpandDims", np.int32(1)),
    _plain("Squeeze", squeeze_dims=[0]),
    _plain("ArgMax", np.int32(3), output_type="DT_INT32"),
    _plain("GatherV2", [2, 0], np.int32(3)),
    _plain("GatherNd", [[0, 1, 2], [0, 5, 4]]),
    _plain("Tile", [1, 2, 1, 3]),
    _plain("Slice", [0, 1, 2, 0], [1, -1, 2, 4]),
    _plain("StridedSlice", [0, -1, 0, 0], [0, 0, 4, 0], [1, -1, 2, 1], begin_mask=9, end_mask=11, shrink_axis_mask=8),
    _plain("StridedSlice", [0, 0, 1], [0, 0, 3], [1, 1, 1], begin_mask=2, end_mask=3, new_axis_mask=1),
    _plain("DepthToSpace", block_size=2),
    ("TopKV2", _top_k),
    ("several tensors", _several),
    ("products", _products),
    ("computed shapes", _computed_shapes),
]  # fmt: skip
