"""An ONNX graph written node by node: fresh names, constants stored once.

Out: `onnx.ModelProto`. The head of a detector and the crops of a mask decoder are written with it too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from edgecap.engines.graph.spec import TensorSpec
from edgecap.export.onnx.graph_walk import drop_unused_weights

OPSET = 18
"""As all vision graphs here: what static quantisation, ONNX Runtime's CUDA provider and TensorRT take."""
TYPES: Mapping[str, int] = {
    "float32": TensorProto.FLOAT,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "uint8": TensorProto.UINT8,
    "bool": TensorProto.BOOL,
}


class OnnxWriter:
    """Nodes in the order in which they are written; names begin with `prefix`, so that two graphs can be joined."""

    def __init__(self, prefix: str = "") -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._prefix = prefix
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def constant(self, value: ArrayLike, dtype: Any = None) -> str:
        """Name of a stored constant; equal ones are stored once."""
        array: NDArray[Any] = np.asarray(value, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"{self._prefix}const_{len(self._constants)}"
            self._constants[key] = name
            held = array if array.ndim == 0 else np.ascontiguousarray(array)
            self.weights.append(numpy_helper.from_array(held, name))
        return self._constants[key]

    def floats(self, *values: float) -> str:
        """A float32 vector."""
        return self.constant(values, np.float32)

    def ints(self, *values: int) -> str:
        """An int64 vector: axes, shapes, indices."""
        return self.constant(values, np.int64)

    def scalar(self, value: float) -> str:
        """A float32 number without axes."""
        return self.constant(np.float32(value))

    def node(self, op: str, inputs: Sequence[str], *, output: str | None = None, **attributes: Any) -> str:
        """Write a node with one output; its name."""
        return self.node_of(op, inputs, outputs=[output or self._fresh(op)], **attributes)[0]

    def node_of(self, op: str, inputs: Sequence[str], *, outputs: Sequence[str] | int, **attributes: Any) -> list[str]:
        """Write a node with several outputs, named or counted; their names."""
        named = outputs if not isinstance(outputs, int) else [self._fresh(f"{op}_{i}") for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), list(named), name=named[0], **attributes))
        return list(named)

    def cast(self, name: str, dtype: str) -> str:
        """A tensor as another number format ("float32", "int64", ...)."""
        return self.node("Cast", [name], to=TYPES[dtype])

    def slice(self, name: str, start: int, end: int, *, axis: int) -> str:
        """Positions start to end (exclusive) along an axis."""
        return self.node("Slice", [name, self.ints(start), self.ints(end), self.ints(axis)])

    def include(self, model: onnx.ModelProto) -> None:
        """Write a whole graph's nodes and weights as they are; its inputs must have been written before."""
        self.nodes.extend(model.graph.node)
        self.weights.extend(model.graph.initializer)

    def model(self, name: str, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> onnx.ModelProto:
        """The finished graph, without constants that nothing reads. Raises onnx's ValidationError."""
        graph = helper.make_graph(
            self.nodes, name, [_declared(t) for t in inputs], [_declared(t) for t in outputs], self.weights
        )
        made = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="edgecap", ir_version=9
        )
        drop_unused_weights(made)
        onnx.checker.check_model(made)
        return made

    def _fresh(self, op: str) -> str:
        return f"{self._prefix}{op.lower()}_{len(self.nodes)}"


def _declared(tensor: TensorSpec) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, TYPES[tensor.dtype], list(tensor.axes))
