"""Operators that treat numbers one by one, in whichever layout they are held, and reductions."""

from __future__ import annotations

import numpy as np

from edgecap.export.tfjs.conversion import Conversion, first_axes
from edgecap.export.tfjs.model import TfjsNode

_UNARY = {
    "Relu": "Relu", "Sigmoid": "Sigmoid", "Tanh": "Tanh", "Exp": "Exp", "Log": "Log", "Abs": "Abs", "Sqrt": "Sqrt",
    "Reciprocal": "Reciprocal", "Floor": "Floor", "Ceil": "Ceil", "Elu": "Elu", "Neg": "Neg", "LogicalNot": "Not",
    "Softplus": "Softplus",
}  # fmt: skip
_BINARY = {
    "Add": "Add", "AddV2": "Add", "BiasAdd": "Add", "Sub": "Sub", "Mul": "Mul", "RealDiv": "Div", "Minimum": "Min",
    "Maximum": "Max", "Pow": "Pow", "Less": "Less", "LessEqual": "LessOrEqual", "Greater": "Greater",
    "GreaterEqual": "GreaterOrEqual", "Equal": "Equal", "LogicalAnd": "And", "LogicalOr": "Or",
}  # fmt: skip
_REDUCTIONS = {"Mean": "ReduceMean", "Sum": "ReduceSum", "Max": "ReduceMax", "Min": "ReduceMin"}
_CASTS = {
    "DT_FLOAT": "float32", "DT_HALF": "float32", "DT_INT32": "int32", "DT_INT64": "int64", "DT_BOOL": "bool",
    "DT_UINT8": "uint8",
}  # fmt: skip


def unary(to: Conversion, node: TfjsNode) -> None:
    """One number in, one out."""
    held = to.held(node.inputs[0])
    to.put(node, to.writer.node(_UNARY[node.op], [held.name]), channels_first=held.channels_first)


def clipped(to: Conversion, node: TfjsNode) -> None:
    """Relu6, and ClipByValue with its two limits as inputs."""
    held = to.held(node.inputs[0])
    limits = [to.writer.scalar(0), to.writer.scalar(6)]
    if node.op == "ClipByValue":
        limits = [to.plain(tensor) for tensor in node.inputs[1:3]]
    to.put(node, to.writer.node("Clip", [held.name, *limits]), channels_first=held.channels_first)


def leaky_relu(to: Conversion, node: TfjsNode) -> None:
    """Slope `alpha` below zero."""
    held = to.held(node.inputs[0])
    made = to.writer.node("LeakyRelu", [held.name], alpha=node.get("alpha", 0.2))
    to.put(node, made, channels_first=held.channels_first)


def square(to: Conversion, node: TfjsNode) -> None:
    """x * x, and 1 / sqrt(x)."""
    held = to.held(node.inputs[0])
    if node.op == "Rsqrt":
        made = to.writer.node("Reciprocal", [to.writer.node("Sqrt", [held.name])])
    else:
        made = to.writer.node("Mul", [held.name, held.name])
    to.put(node, made, channels_first=held.channels_first)


def cast(to: Conversion, node: TfjsNode) -> None:
    """To the number format `DstT`."""
    held, kind = to.held(node.inputs[0]), node.get("DstT")
    if kind not in _CASTS:
        to.refuse(node, f"casts to {kind}; {', '.join(_CASTS)} are covered")
    to.put(node, to.writer.cast(held.name, _CASTS[kind]), channels_first=held.channels_first)


def binary(to: Conversion, node: TfjsNode) -> None:
    """Two tensors that broadcast."""
    first, [a, b] = _both(to, node)
    to.put(node, to.writer.node(_BINARY[node.op], [a, b]), channels_first=first)


def squared_difference(to: Conversion, node: TfjsNode) -> None:
    """(a - b) squared."""
    first, sides = _both(to, node)
    difference = to.writer.node("Sub", sides)
    to.put(node, to.writer.node("Mul", [difference, difference]), channels_first=first)


def floored(to: Conversion, node: TfjsNode) -> None:
    """FloorDiv and FloorMod: rounded to minus infinity, where ONNX's Div of whole numbers rounds to zero."""
    first, [a, b] = _both(to, node)
    write = to.writer.node
    if node.get("T") == "DT_FLOAT":
        quotient = write("Floor", [write("Div", [a, b])])
        made = quotient if node.op == "FloorDiv" else write("Sub", [a, write("Mul", [b, quotient])])
    else:
        made = write("Mod", [a, b])
        if node.op == "FloorDiv":
            made = write("Div", [write("Sub", [a, made]), b])
    to.put(node, made, channels_first=first)


def sum_of_all(to: Conversion, node: TfjsNode) -> None:
    """AddN: tensors of one shape."""
    first, sides = _both(to, node)
    to.put(node, to.writer.node("Sum", sides), channels_first=first)


def prelu(to: Conversion, node: TfjsNode) -> None:
    """A slope per channel below zero."""
    first = to.is_first(node.inputs[0])
    view = to.first if first else to.plain
    to.put(node, to.writer.node("PRelu", [view(tensor) for tensor in node.inputs]), channels_first=first)


def reduction(to: Conversion, node: TfjsNode) -> None:
    """Mean, Sum, Max, Min over constant axes."""
    axes = [int(axis) for axis in np.atleast_1d(to.known(node, 1))]
    keep, source = int(bool(node.get("keep_dims", False))), node.inputs[0]
    first = bool(keep) and to.is_first(source)
    name = to.first(source) if first else to.plain(source)
    chosen = to.writer.ints(*(first_axes(axes) if first else axes))
    to.put(node, to.writer.node(_REDUCTIONS[node.op], [name, chosen], keepdims=keep), channels_first=first)


def softmax(to: Conversion, node: TfjsNode) -> None:
    """Over the last axis."""
    to.put(node, to.writer.node("Softmax", [to.plain(node.inputs[0])], axis=-1))


def select(to: Conversion, node: TfjsNode) -> None:
    """Where a condition holds, the first, else the second."""
    to.put(node, to.writer.node("Where", [to.plain(tensor) for tensor in node.inputs]))


def _both(to: Conversion, node: TfjsNode) -> tuple[bool, list[str]]:
    first = to.all_first(node.inputs)
    return first, [to.first(tensor) if first else to.plain(tensor) for tensor in node.inputs]


NUMBER_OPS = {
    **dict.fromkeys(_UNARY, unary),
    **dict.fromkeys(_BINARY, binary),
    **dict.fromkeys(_REDUCTIONS, reduction),
    **dict.fromkeys(("Relu6", "ClipByValue"), clipped),
    **dict.fromkeys(("Square", "Rsqrt"), square),
    **dict.fromkeys(("FloorDiv", "FloorMod"), floored),
    **dict.fromkeys(("Select", "SelectV2"), select),
    "LeakyRelu": leaky_relu,
    "Cast": cast,
    "SquaredDifference": squared_difference,
    "AddN": sum_of_all,
    "Prelu": prelu,
    "Softmax": softmax,
}
