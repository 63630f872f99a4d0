"""A TensorFlow.js graph model run node by node in NumPy, in TensorFlow's own layout: what a conversion is judged by.

In: `TfjsModel`, feeds by placeholder name. Out: its outputs. Slow and plain on purpose; it shares no code with the
converter but the table of constants, which the converter folds with the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import ExportError
from edgecap.export.tfjs.model import TfjsModel, TfjsNode, node_name
from edgecap.export.tfjs.replay_pictures import PICTURE_OPERATORS, activated

Array = NDArray[Any]
Values = Sequence[Array]
Operator = Callable[[TfjsNode, Values], Any]
_TYPES = {
    "DT_FLOAT": np.float32, "DT_HALF": np.float32, "DT_INT32": np.int32, "DT_INT64": np.int64, "DT_BOOL": np.bool_,
    "DT_UINT8": np.uint8,
}  # fmt: skip


def replay(model: TfjsModel, feeds: Mapping[str, Array], *, outputs: Iterable[str] = ()) -> dict[str, Array]:
    """Every output by its TensorFlow name; () = those of the signature.

    Raises `ExportError` for an operator that isn't in `OPERATORS`, naming the node.
    """
    wanted = tuple(outputs) or model.outputs
    known: dict[str, Array] = {**model.weights, **feeds}
    stack = [node_name(name) for name in wanted]
    while stack:
        node = model.nodes[stack[-1]]
        missing = [node_name(name) for name in node.inputs if node_name(name) not in known]
        if node.name in known or node.op == "NoOp":
            stack.pop()
        elif missing:
            stack += missing
        else:
            _run(model, node, known)
    return {name: known[name] for name in wanted}


def _run(model: TfjsModel, node: TfjsNode, known: dict[str, Array]) -> None:
    if node.op not in OPERATORS:
        raise ExportError(f"{model.path}: node {node.name!r} ({node.op}): can't be replayed in NumPy")
    made = OPERATORS[node.op](node, [known[name] for name in node.inputs])
    for index, value in enumerate(made if isinstance(made, list | tuple) else [made]):
        known[node.name if index == 0 else f"{node.name}:{index}"] = np.asarray(value)


def _sparse_to_dense(node: TfjsNode, x: Values) -> Array:
    indices, shape, values, default = x
    dense = np.full(tuple(shape), default)
    places = np.asarray(indices).reshape(-1, len(shape))
    for place, value in zip(places, np.broadcast_to(values, len(places)), strict=True):
        dense[tuple(place)] = value
    return dense


def _strided(node: TfjsNode, x: Values) -> Array:
    masks = [node.get(f"{kind}_mask", 0) for kind in ("begin", "end", "shrink_axis", "new_axis", "ellipsis")]
    parts: list[Any] = []
    for i, (begin, end, step) in enumerate(zip(x[1], x[2], x[3], strict=True)):
        if masks[4] >> i & 1:
            parts.append(Ellipsis)
        elif masks[3] >> i & 1:
            parts.append(None)
        elif masks[2] >> i & 1:
            parts.append(int(begin))
        else:
            parts.append(
                slice(None if masks[0] >> i & 1 else int(begin), None if masks[1] >> i & 1 else int(end), int(step))
            )
    return np.asarray(x[0][tuple(parts)])


def _part(node: TfjsNode, x: Values) -> Array:
    ends = np.where(x[2] < 0, x[0].shape, x[1] + x[2])
    return np.asarray(x[0][tuple(slice(int(a), int(b)) for a, b in zip(x[1], ends, strict=True))])


def _product(node: TfjsNode, x: Values) -> Array:
    a, b = x[0], x[1]
    if node.get("transpose_a") or node.get("adj_x"):
        a = np.swapaxes(a, -1, -2)
    if node.get("transpose_b") or node.get("adj_y"):
        b = np.swapaxes(b, -1, -2)
    return activated(node, np.matmul(a, b), x[2:])


def _top_k(node: TfjsNode, x: Values) -> list[Array]:
    order = np.argsort(-x[0], axis=-1, kind="stable")[..., : int(x[1])]
    return [np.take_along_axis(x[0], order, -1), order.astype(np.int32)]


def _reduced(function: Callable[..., Any]) -> Operator:
    return lambda node, x: function(x[0], axis=tuple(np.atleast_1d(x[1])), keepdims=bool(node.get("keep_dims", False)))


def _softmax(node: TfjsNode, x: Values) -> Array:
    raised = np.exp(x[0] - x[0].max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True))


def _unpacked(node: TfjsNode, x: Values) -> list[Array]:
    axis = node.get("axis", 0)
    return [np.take(x[0], i, axis) for i in range(node.get("num"))]


def _cast(node: TfjsNode, x: Values) -> Array:
    return x[0].astype(_TYPES[node.get("DstT")])


def _squeezed(node: TfjsNode, x: Values) -> Array:
    axes = tuple(node.get("squeeze_dims") or ())
    return np.squeeze(x[0], axes or None)


_NUMBERS: Mapping[str, Operator] = {
    "Abs": lambda node, x: np.abs(x[0]),
    "Add": lambda node, x: x[0] + x[1],
    "AddN": lambda node, x: sum(x[1:], x[0]),
    "AddV2": lambda node, x: x[0] + x[1],
    "BiasAdd": lambda node, x: x[0] + x[1],
    "Cast": _cast,
    "Ceil": lambda node, x: np.ceil(x[0]),
    "ClipByValue": lambda node, x: np.clip(x[0], x[1], x[2]),
    "Elu": lambda node, x: np.where(x[0] > 0, x[0], np.expm1(np.minimum(x[0], 0))),
    "Equal": lambda node, x: x[0] == x[1],
    "Exp": lambda node, x: np.exp(x[0]),
    "Floor": lambda node, x: np.floor(x[0]),
    "FloorDiv": lambda node, x: np.floor_divide(x[0], x[1]),
    "FloorMod": lambda node, x: np.mod(x[0], x[1]),
    "Greater": lambda node, x: x[0] > x[1],
    "GreaterEqual": lambda node, x: x[0] >= x[1],
    "LeakyRelu": lambda node, x: np.where(x[0] > 0, x[0], x[0] * np.float32(node.get("alpha", 0.2))),
    "Less": lambda node, x: x[0] < x[1],
    "LessEqual": lambda node, x: x[0] <= x[1],
    "Log": lambda node, x: np.log(x[0]),
    "LogicalAnd": lambda node, x: x[0] & x[1],
    "LogicalNot": lambda node, x: ~x[0],
    "LogicalOr": lambda node, x: x[0] | x[1],
    "Max": _reduced(np.max),
    "Maximum": lambda node, x: np.maximum(x[0], x[1]),
    "Mean": _reduced(np.mean),
    "Min": _reduced(np.min),
    "Minimum": lambda node, x: np.minimum(x[0], x[1]),
    "Mul": lambda node, x: x[0] * x[1],
    "Neg": lambda node, x: -x[0],
    "Pow": lambda node, x: x[0] ** x[1],
    "Prelu": lambda node, x: np.where(x[0] > 0, x[0], x[0] * x[1]),
    "RealDiv": lambda node, x: x[0] / x[1],
    "Reciprocal": lambda node, x: 1 / x[0],
    "Relu": lambda node, x: np.maximum(x[0], 0),
    "Relu6": lambda node, x: np.clip(x[0], 0, 6),
    "Rsqrt": lambda node, x: 1 / np.sqrt(x[0]),
    "Select": lambda node, x: np.where(x[0], x[1], x[2]),
    "SelectV2": lambda node, x: np.where(x[0], x[1], x[2]),
    "Sigmoid": lambda node, x: 0.5 * (1 + np.tanh(0.5 * x[0])),
    "Softmax": _softmax,
    "Softplus": lambda node, x: np.logaddexp(x[0], 0),
    "Sqrt": lambda node, x: np.sqrt(x[0]),
    "Square": lambda node, x: x[0] * x[0],
    "SquaredDifference": lambda node, x: (x[0] - x[1]) ** 2,
    "Sub": lambda node, x: x[0] - x[1],
    "Sum": _reduced(np.sum),
    "Tanh": lambda node, x: np.tanh(x[0]),
}
_SHAPES: Mapping[str, Operator] = {
    "ArgMax": lambda node, x: np.argmax(x[0], int(x[1])).astype(_TYPES[node.get("output_type", "DT_INT64")]),
    "ConcatV2": lambda node, x: np.concatenate(x[:-1], int(x[-1])),
    "ExpandDims": lambda node, x: np.expand_dims(x[0], int(x[1])),
    "Fill": lambda node, x: np.full(tuple(x[0]), x[1]),
    "GatherNd": lambda node, x: x[0][tuple(np.moveaxis(x[1], -1, 0))],
    "GatherV2": lambda node, x: np.take(x[0], x[1], int(x[2])),
    "Identity": lambda node, x: x[0],
    "Pack": lambda node, x: np.stack(x, node.get("axis", 0)),
    "Range": lambda node, x: np.arange(x[0].item(), x[1].item(), x[2].item()).astype(x[0].dtype),
    "Reshape": lambda node, x: x[0].reshape(tuple(x[1])),
    "Shape": lambda node, x: np.array(x[0].shape, np.int32),
    "Size": lambda node, x: np.array(x[0].size, np.int32),
    "Slice": _part,
    "SparseToDense": _sparse_to_dense,
    "Split": lambda node, x: np.split(x[1], node.get("num_split"), int(x[0])),
    "SplitV": lambda node, x: np.split(x[0], np.cumsum(x[1])[:-1], int(x[2])),
    "Squeeze": _squeezed,
    "StopGradient": lambda node, x: x[0],
    "StridedSlice": _strided,
    "Tile": lambda node, x: np.tile(x[0], tuple(x[1])),
    "TopKV2": _top_k,
    "Transpose": lambda node, x: x[0].transpose(tuple(x[1])),
    "Unpack": _unpacked,
    **dict.fromkeys(("MatMul", "_FusedMatMul", "BatchMatMulV2"), _product),
}
OPERATORS: Mapping[str, Operator] = {**_NUMBERS, **_SHAPES, **PICTURE_OPERATORS}
"""TensorFlow operator -> its value from its inputs' values."""
