"""A TensorFlow.js graph model -> one ONNX graph.

In: `TfjsModel`. Out: `onnx.ModelProto`, float32, inputs and outputs in TensorFlow's layout and under its names ("/"
and ":" as "_"). `COVERED` is the table of operators; another one is an error that names the node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import onnx
from onnx import helper, shape_inference

from edgecap.engines.errors import ExportError
from edgecap.export.onnx.graph_walk import drop_unused_weights
from edgecap.export.tfjs.conversion import Conversion
from edgecap.export.tfjs.layer_ops import LAYER_OPS
from edgecap.export.tfjs.model import TfjsModel, TfjsNode, node_name
from edgecap.export.tfjs.number_ops import NUMBER_OPS
from edgecap.export.tfjs.onnx_writer import OPSET, OnnxWriter
from edgecap.export.tfjs.replay import OPERATORS
from edgecap.export.tfjs.shape_ops import SHAPE_OPS
from edgecap.export.tfjs.tidy import tidy

Rule = Callable[[Conversion, TfjsNode], None]
COVERED: Mapping[str, Rule] = {**LAYER_OPS, **NUMBER_OPS, **SHAPE_OPS}
"""TensorFlow operator -> what writes it."""
_TYPES = {
    "DT_FLOAT": onnx.TensorProto.FLOAT, "DT_HALF": onnx.TensorProto.FLOAT, "DT_INT32": onnx.TensorProto.INT32,
    "DT_BOOL": onnx.TensorProto.BOOL, "DT_UINT8": onnx.TensorProto.UINT8,
}  # fmt: skip


def convert(model: TfjsModel, *, outputs: Iterable[str] = (), prefix: str = "") -> onnx.ModelProto:
    """`outputs`: tensors that the graph gives, () = those of the signature. `prefix`: of every name inside.

    Raises `ExportError` naming the node whose operator, or whose form of it, is not covered, and for an output that
    the model lacks.
    """
    wanted = tuple(outputs) or model.outputs
    missing = [name for name in wanted if node_name(name) not in model.nodes]
    if missing:
        raise ExportError(f"{model.path}: has no node {missing[0]!r} to give as an output")
    writer = OnnxWriter(prefix)
    to = Conversion(model, writer)
    inputs = [_input(to, node, prefix) for node in model.inputs]
    for node in _ordered(model, wanted):
        _write(to, node)
    given = [prefix + safe_name(name) + ("_out" if name in _input_names(model) else "") for name in wanted]
    for tensor, name in zip(wanted, given, strict=True):
        writer.node("Identity", [to.plain(tensor)], output=name)
    graph = helper.make_graph(
        writer.nodes,
        model.path.stem,
        inputs,
        [helper.make_empty_tensor_value_info(name) for name in given],
        writer.weights,
    )
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="edgecap", ir_version=9
    )
    return _finished(made)


def safe_name(tensor: str) -> str:
    """A TensorFlow name as a name of an ONNX input or output."""
    return tensor.replace("/", "_").replace(":", "_")


def _input_names(model: TfjsModel) -> set[str]:
    return {node.name for node in model.inputs}


def _input(to: Conversion, node: TfjsNode, prefix: str) -> onnx.ValueInfoProto:
    kind, sizes = node.get("dtype"), node.get("shape")
    if kind not in _TYPES or not sizes:
        to.refuse(node, f"an input of type {kind} and shape {sizes} is not covered")
    name = prefix + safe_name(node.name)
    to.put(node, name)
    axes = [f"{safe_name(node.name)}_{axis}" if size is None else size for axis, size in enumerate(sizes)]
    return helper.make_tensor_value_info(name, _TYPES[kind], axes)


def _write(to: Conversion, node: TfjsNode) -> None:
    if node.op in ("Const", "Placeholder"):
        return
    if node.inputs and all(tensor in to.constants for tensor in node.inputs) and node.op in OPERATORS:
        _fold(to, node)
        return
    if node.op not in COVERED:
        to.refuse(node, f"the operator is not covered; covered are {', '.join(sorted(COVERED))}")
    COVERED[node.op](to, node)


def _fold(to: Conversion, node: TfjsNode) -> None:
    """All its inputs are known: its value is computed here, once."""
    made = OPERATORS[node.op](node, [to.constants[tensor] for tensor in node.inputs])
    for index, value in enumerate(made if isinstance(made, list | tuple) else [made]):
        to.constants[node.name if index == 0 else f"{node.name}:{index}"] = np.asarray(value)


def _ordered(model: TfjsModel, wanted: Iterable[str]) -> list[TfjsNode]:
    """The nodes that `wanted` needs, each after what it reads. Raises `ExportError` for a name that isn't there and
    for a circle."""
    done: dict[str, bool] = {}
    order: list[TfjsNode] = []
    stack = [(node_name(name), False) for name in reversed(list(wanted))]
    while stack:
        name, read = stack.pop()
        if read:
            done[name] = True
            order.append(model.nodes[name])
            continue
        if name in done:
            if not done[name]:
                raise ExportError(f"{model.path}: node {name!r} reads its own result; control flow is not covered")
            continue
        if name not in model.nodes:
            raise ExportError(f"{model.path}: node {name!r} is read and not in the file; fetch it again")
        done[name] = False
        stack.append((name, True))
        stack += [(node_name(tensor), False) for tensor in model.nodes[name].inputs if not done.get(node_name(tensor))]
    return order


def _finished(made: onnx.ModelProto) -> onnx.ModelProto:
    """Tidied, with every shape that can be known written down."""
    drop_unused_weights(made)
    made = tidy(shape_inference.infer_shapes(made, data_prop=True))
    kept = {output.name: output for output in shape_inference.infer_shapes(made, data_prop=True).graph.output}
    for output in made.graph.output:
        output.CopyFrom(kept[output.name])
    onnx.checker.check_model(made)
    return made
