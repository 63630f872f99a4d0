"""A tiny graph with known answers, and how to write others."""

from __future__ import annotations

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
            helper.make_tensor_value_info(
                t.name, helper.np_dtype_to_tensor_dtype(np.dtype(t.dtype)), list(t.axes)
            )
            for t in getattr(spec, side)
        ]

    initializers = [
        helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in (constants or {}).items()
    ]
    graph = helper.make_graph(nodes, "test", tensors("inputs"), tensors("outputs"), initializers)
    opset_imports = [helper.make_opsetid(domain, version) for domain, version in (opsets or {"": 17}).items()]
    onnx.save(helper.make_model(graph, opset_imports=opset_imports, ir_version=10), path)
    return path
