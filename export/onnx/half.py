"""float32 -> float16 in the types of a graph, as a strongly typed compiler (TensorRT 11, TensorRT-RTX) expects it.

In: an fp32 `onnx.ModelProto`. Out: the same graph computing in float16, its inputs and outputs as they were declared,
with a Cast wherever the two meet.

Our own pass rather than onnxruntime.transformers.float16: that one decides by fixed lists alone, leaves nodes out of
order and types unchecked. Here each tensor's type is inferred, every node is decided with a reason, and the result
passes ONNX's type check.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgecap.export.onnx.graph_walk import (
    after_last_layer,
    before_first_layer,
    drop_unused_weights,
    inner_graphs,
    inputs_of,
    matching,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx

FLOAT, HALF = 1, 10  # TensorProto.FLOAT, TensorProto.FLOAT16
LARGEST = 65504.0
HEADROOM = 4.0
"""Other inputs may be this many times as loud as the ones looked at."""
SMALLEST_NORMAL = 2.0**-14
_OVERFLOWS = "squares, sums and exponentials leave float16's range (65504)"
_POSITIONS = "float16 can't hold positions above 2048 exactly"
_NO_TYPE = "makes float32 whatever it is given"
KEPT_OPS: dict[str, str] = {
    **dict.fromkeys(("Pow", "Exp", "Log", "ReduceSum", "ReduceSumSquare", "ReduceL2", "ReduceLogSumExp"), _OVERFLOWS),
    **dict.fromkeys(("Softplus", "ReduceProd", "Det"), _OVERFLOWS),
    **dict.fromkeys(("Range", "CumSum", "Sin", "Cos", "Atan", "NonMaxSuppression"), _POSITIONS),
    **dict.fromkeys(("EyeLike", "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike"), _NO_TYPE),
    **dict.fromkeys(("Multinomial", "Bernoulli", "DynamicQuantizeLinear", "MatMulInteger", "ConvInteger"), _NO_TYPE),
}
_FOLLOWERS = frozenset({"ReduceMean", "Add", "Sub", "Sqrt", "Reciprocal", "Neg", "Max", "Clip", "Identity"})
"""After a kept node these stay too where nothing else flows in: variance, epsilon and root belong together."""
_FLOAT_INPUTS: dict[str, frozenset[int]] = {"Resize": frozenset({2}), "GroupNorm": frozenset({1, 2})}
"""Inputs that the operator needs in float32 whatever the others are (scales of Resize)."""


def to_half(model: onnx.ModelProto, keep: Sequence[str], *, largest: Mapping[str, float]) -> dict[str, str]:
    """Change `model` in place (nodes named, no local functions); returns node name -> why it stays float32.

    `largest`: tensor -> magnitude it was seen to reach; the node that makes one too near float16's limit stays."""
    _constants_to_weights(model)
    types = _types(model)
    loud = {name: top for name, top in largest.items() if top > LARGEST / HEADROOM}
    kept = _kept(model, types, keep, loud)
    _Converter(model, types, kept).run()
    drop_unused_weights(model)
    del model.graph.value_info[:]
    return kept


def _constants_to_weights(model: onnx.ModelProto) -> None:
    """Float tensors of Constant nodes become initialisers, so that there is one kind of constant."""
    kept = []
    for node in model.graph.node:
        value = next((a.t for a in node.attribute if a.name == "value"), None)
        if node.op_type == "Constant" and value is not None:
            weight = model.graph.initializer.add()
            weight.CopyFrom(value)
            weight.name = node.output[0]
        else:
            kept.append(node)
    del model.graph.node[:]
    model.graph.node.extend(kept)


def _types(model: onnx.ModelProto) -> dict[str, int]:
    """Element type of every tensor; outputs of operators that ONNX does not know take their first input's."""
    from onnx import shape_inference

    graph = shape_inference.infer_shapes(model).graph
    types = {i.name: i.data_type for i in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        types[value.name] = value.type.tensor_type.elem_type
    for node in graph.node:
        first = next((types[name] for name in node.input if types.get(name)), 0)
        for name in node.output:
            if not types.get(name):
                types[name] = first
    return types


def _kept(
    model: onnx.ModelProto, types: dict[str, int], keep: Sequence[str], loud: Mapping[str, float]
) -> dict[str, str]:
    asked = matching(model.graph.node, keep)
    head, tail = before_first_layer(model), after_last_layer(model)
    constants = {i.name: i for i in model.graph.initializer if i.data_type == FLOAT}
    kept: dict[str, str] = {}
    high: set[str] = set()  # tensors that kept nodes make
    for node in model.graph.node:
        flowing = {name for name in inputs_of(node) if types.get(name) == FLOAT and name not in constants}
        if not (flowing or any(types.get(name) == FLOAT for name in node.output)):
            continue
        reason = _reason(node, constants, asked=asked, head=head, tail=tail)
        if not reason and (top := max((loud.get(name, 0.0) for name in node.output), default=0.0)):
            reason = f"reaches {top:.3g} on the inputs tried; float16 ends at 65504"
        if not reason and node.op_type in _FOLLOWERS and flowing and flowing <= high:
            reason = "goes on from a node that stays float32"
        if reason:
            kept[node.name] = reason
            high.update(node.output)
    return kept


def _reason(
    node: onnx.NodeProto,
    constants: dict[str, onnx.TensorProto],
    *,
    asked: dict[str, str],
    head: set[str],
    tail: set[str],
) -> str:
    """Why a node stays float32; "" where it need not."""
    if node.name in asked:
        return f"asked for by {asked[node.name]!r}"
    if node.op_type in KEPT_OPS:
        return KEPT_OPS[node.op_type]
    if any(True for _ in inner_graphs(node)):
        return "holds an inner graph"
    if node.name in head:
        return "before the first layer: pixels and positions"
    if node.name in tail:
        return "after the last layer: scores and coordinates"
    return next((found for name in node.input if name in constants if (found := _lost(node, constants[name]))), "")


def _lost(node: onnx.NodeProto, constant: onnx.TensorProto) -> str:
    """What float16 would do to a constant that must not change: an epsilon, a scale."""
    from onnx import numpy_helper

    if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
        if np.abs(numpy_helper.to_array(constant)).min(initial=1.0) < SMALLEST_NORMAL:
            return "its scale is below float16's normal numbers (6.1e-5)"
        return ""
    if int(np.prod(constant.dims)) > 16:
        return ""
    values = np.abs(numpy_helper.to_array(constant).astype(np.float64))
    if ((values > 0) & (values < SMALLEST_NORMAL)).any():
        return "its epsilon is below float16's normal numbers (6.1e-5)"
    if ((values > LARGEST) & (values < 1e30)).any():
        return "its constant is above float16's range (65504)"
    return ""


class _Converter:
    """One walk in graph order. `held[name][type]` is the tensor that carries `name` in that type."""

    def __init__(self, model: onnx.ModelProto, types: dict[str, int], kept: dict[str, str]) -> None:
        self._model, self._types, self._kept = model, types, kept
        self._weights = {i.name: i for i in model.graph.initializer}
        self._held = {name: {kind: name} for name, kind in types.items()}
        self._outputs = {o.name for o in model.graph.output}
        self._nodes: list[onnx.NodeProto] = []

    def run(self) -> None:
        for node in list(self._model.graph.node):
            self._convert(node)
        graph = self._model.graph
        del graph.node[:]
        graph.node.extend(self._nodes)

    def _convert(self, node: onnx.NodeProto) -> None:
        low = node.name not in self._kept
        high_inputs = _FLOAT_INPUTS.get(node.op_type, frozenset())
        for index, name in enumerate(node.input):
            if self._types.get(name) == FLOAT:
                node.input[index] = self._as(name, HALF if low and index not in high_inputs else FLOAT)
        for graph in inner_graphs(node):
            self._lift_inner(graph)
        if low:
            _retype_attributes(node)
        self._nodes.append(node)
        if low:
            self._lower_outputs(node)

    def _as(self, name: str, kind: int) -> str:
        """The tensor that carries `name` as `kind`, made on first demand."""
        from onnx import helper

        held = self._held[name]
        if kind not in held:
            held[kind] = f"{name}.fp{16 if kind == HALF else 32}"
            if name in self._weights:
                self._model.graph.initializer.append(half_tensor(self._weights[name], held[kind]))
            else:
                source = next(iter(held.values()))
                self._nodes.append(helper.make_node("Cast", [source], [held[kind]], name=f"cast.{held[kind]}", to=kind))
        return held[kind]

    def _lower_outputs(self, node: onnx.NodeProto) -> None:
        from onnx import helper

        for index, name in enumerate(node.output):
            if self._types.get(name) != FLOAT:
                continue
            if name not in self._outputs:
                self._held[name] = {HALF: name}
                continue
            node.output[index] = f"{name}.fp16"  # a declared output keeps its name and type
            self._held[name] = {HALF: node.output[index], FLOAT: name}
            self._nodes.append(
                helper.make_node("Cast", [node.output[index]], [name], name=f"cast.{name}.declared", to=FLOAT)
            )

    def _lift_inner(self, graph: onnx.GraphProto) -> None:
        """Inner graphs stay float32: what they take from outside is lifted."""
        made = {i.name for i in graph.initializer} | {i.name for i in graph.input}
        for node in graph.node:
            for index, name in enumerate(node.input):
                if name not in made and self._types.get(name) == FLOAT:
                    node.input[index] = self._as(name, FLOAT)
            for inner in inner_graphs(node):
                self._lift_inner(inner)
            made.update(node.output)
        for output in graph.output:
            if output.name not in made and self._types.get(output.name) == FLOAT:
                output.name = self._as(output.name, FLOAT)


def _retype_attributes(node: onnx.NodeProto) -> None:
    """Types that stand in attributes: the target of a Cast, the value of ConstantOfShape."""
    from onnx import helper, numpy_helper

    for attribute in node.attribute:
        if attribute.name in ("to", "output_dtype") and attribute.i == FLOAT:
            attribute.i = HALF
        if attribute.name == "value" and attribute.t.data_type == FLOAT:
            attribute.t.CopyFrom(half_tensor(attribute.t, attribute.t.name))
    if node.op_type == "ConstantOfShape" and not node.attribute:
        zero = numpy_helper.from_array(np.zeros(1, np.float16))
        node.attribute.append(helper.make_attribute("value", zero))


def half_tensor(tensor: onnx.TensorProto, name: str) -> onnx.TensorProto:
    """A constant as float16; what is too large (the -3.4e38 of attention masks) becomes the largest finite number."""
    from onnx import numpy_helper

    values = numpy_helper.to_array(tensor)
    finite = np.where(np.isfinite(values), np.clip(values, -LARGEST, LARGEST), values)
    return numpy_helper.from_array(finite.astype(np.float16), name)
