"""A tiny graph with known answers, how to write others, and a GPU acted out."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from edgecap.engines import GraphSpec, TensorSpec

SCALE = GraphSpec(
    "scale.onnx", "fp32", (TensorSpec("x", "float32", ("B", 3)),), (TensorSpec("y", "float32", ("B", 3)),)
)
"""y = 2 x + 1, rows free."""


def save_graph(
    path: Path,
    nodes: list[onnx.NodeProto],
    spec: GraphSpec,
    *,
    constants: dict[str, float] | None = None,
    opsets: dict[str, int] | None = None,
) -> Path:
    """Write an ONNX file with the inputs and outputs of `spec`; `constants` are float32 scalars."""

    def tensors(side: str) -> list[onnx.ValueInfoProto]:
        return [
            helper.make_tensor_value_info(t.name, helper.np_dtype_to_tensor_dtype(np.dtype(t.dtype)), list(t.axes))
            for t in getattr(spec, side)
        ]

    initializers = [
        helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in (constants or {}).items()
    ]
    graph = helper.make_graph(nodes, "test", tensors("inputs"), tensors("outputs"), initializers)
    opset_imports = [helper.make_opsetid(domain, version) for domain, version in (opsets or {"": 17}).items()]
    onnx.save(helper.make_model(graph, opset_imports=opset_imports, ir_version=10), path)
    return path


class CopyingDevice:
    """Session and binding of a GPU, acted out: an input is copied when bound, not when run. y = 2x + 1."""

    def __init__(self) -> None:
        self.x = np.zeros(3, np.float32)
        self.y_address = 0
        self.synchronized: list[str] = []

    def io_binding(self) -> CopyingDevice:
        return self

    def bind_input(self, name: str, device: str, index: int, dtype: type, shape: tuple, address: int) -> None:
        self.x = self._at(address).copy()

    def bind_output(self, name: str, device: str, index: int, dtype: type, shape: tuple, address: int) -> None:
        self.y_address = address

    def run_with_iobinding(self, io: CopyingDevice) -> None:
        assert self.synchronized[-1] == "inputs"
        self._at(self.y_address)[:] = 2 * self.x + 1

    def synchronize_inputs(self) -> None:
        self.synchronized.append("inputs")

    def synchronize_outputs(self) -> None:
        self.synchronized.append("outputs")

    def _at(self, address: int) -> np.ndarray:
        return np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(ctypes.c_float)), (3,))


def rows(count: int) -> np.ndarray:
    """An input of `SCALE`: 0, 1, 2, ... float32 [count, 3]."""
    return np.arange(3 * count, dtype=np.float32).reshape(count, 3)
