"""Small rewrites of a converted graph, by its known shapes: paddings as numbers, sizes as scales.

TensorFlow's "SAME" depends on the input's size, and a resize names its target in pixels. Both are settled for the size
that the model was made for; the forms written here also hold for its multiples and are what quantisers and TensorRT
understand best.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from edgecap.export.onnx.graph_walk import drop_unused_weights

_VERY_NEGATIVE = -1e3
"""A padding below it never wins in a MaxPool."""
Shape = list[int | None]


def tidy(model: onnx.ModelProto) -> onnx.ModelProto:
    """In place, and returned: SAME -> pads; Pads and biases become part of their Conv; Resize goes by scale."""
    shapes = _shapes(model)
    weights = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in ("Conv", "MaxPool", "AveragePool"):
            _fix_same(node, shapes.get(node.input[0]))
        elif node.op_type == "Resize":
            _go_by_scale(model, node, shapes)
    _join_pads(model, weights)
    _join_biases(model, weights)
    del model.graph.value_info[:]
    drop_unread(model)
    return model


def _shapes(model: onnx.ModelProto) -> Mapping[str, Shape]:
    return {
        value.name: [dim.dim_value if dim.HasField("dim_value") else None for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.value_info, *model.graph.input, *model.graph.output)
    }


def _fix_same(node: onnx.NodeProto, shape: Shape | None) -> None:
    held = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if held.get("auto_pad") != b"SAME_UPPER" or shape is None:
        return
    strides, kernel = held["strides"], held["kernel_shape"]
    dilations = held.get("dilations", [1, 1])
    before, after = [], []
    for size, stride, reach, dilation in zip(shape[2:], strides, kernel, dilations, strict=True):
        if size is None:
            return
        span = (reach - 1) * dilation + 1
        spare = max((-(-size // stride) - 1) * stride + span - size, 0)
        before.append(spare // 2)
        after.append(spare - spare // 2)
    kept = [attribute for attribute in node.attribute if attribute.name != "auto_pad"]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute("pads", [*before, *after])])


def _go_by_scale(model: onnx.ModelProto, node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> None:
    source, target = shapes.get(node.input[0]), shapes.get(node.output[0])
    if source is None or target is None:
        return
    pixels = [*source[2:], *target[2:]]
    if len(pixels) != 4 or any(size is None for size in pixels):
        return
    high, wide, to_high, to_wide = (float(size) for size in pixels if size is not None)
    name = f"{node.output[0]}_scales"
    scales = np.array([1, 1, _scale(high, to_high), _scale(wide, to_wide)], np.float32)
    model.graph.initializer.append(numpy_helper.from_array(scales, name))
    picture = node.input[0]
    del node.input[:]
    node.input.extend([picture, "", name])


def _scale(size: float, target: float) -> np.float32:
    """The float32 factor whose product, rounded down as ONNX does, is the target."""
    scale = np.float32(target / size)
    while np.floor(np.float32(size) * scale) < target:
        scale = np.nextafter(scale, np.float32(np.inf))
    return scale


def _join_pads(model: onnx.ModelProto, weights: Mapping[str, NDArray[np.generic]]) -> None:
    made = {name: node for node in model.graph.node for name in node.output}
    readers = _readers(model)
    for node in model.graph.node:
        source = made.get(node.input[0]) if node.input else None
        if node.op_type not in ("Conv", "MaxPool") or source is None or source.op_type != "Pad":
            continue
        amounts = [int(one) for one in weights[source.input[1]]]
        value = float(weights[source.input[2]]) if len(source.input) > 2 else None
        fits = value == 0.0 if node.op_type == "Conv" else value is not None and value < _VERY_NEGATIVE
        padded = any(attribute.name in ("pads", "auto_pad") for attribute in node.attribute)
        if len(amounts) != 8 or any(amounts[i] for i in (0, 1, 4, 5)) or not fits or padded:
            continue
        if readers[source.output[0]] == 1:
            node.input[0] = source.input[0]
            node.attribute.append(helper.make_attribute("pads", [amounts[i] for i in (2, 3, 6, 7)]))


def _join_biases(model: onnx.ModelProto, weights: Mapping[str, NDArray[np.generic]]) -> None:
    """An Add of one number per channel behind a Conv without a bias becomes its bias."""
    bare = {n.output[0]: n for n in model.graph.node if n.op_type == "Conv" and len(n.input) == 2}
    readers = _readers(model)
    for node in model.graph.node:
        if node.op_type != "Add":
            continue
        for made, added in (tuple(node.input), tuple(reversed(node.input))):
            value = weights.get(added)
            source = bare.get(made)
            if source is None or value is None or readers[made] != 1:
                continue
            channels = weights[source.input[1]].shape[0] if source.input[1] in weights else -1
            if value.shape in ((1, channels, 1, 1), (channels, 1, 1)):
                name = f"{source.output[0]}_bias"
                model.graph.initializer.append(numpy_helper.from_array(np.ravel(value), name))
                source.input.append(name)
                node.op_type = "Identity"
                del node.input[:]
                node.input.append(made)
                break
    _skip_identities(model)


def _skip_identities(model: onnx.ModelProto) -> None:
    """Read what an inner Identity reads; those that make an output stay."""
    given = {output.name for output in model.graph.output}
    source = {n.output[0]: n.input[0] for n in model.graph.node if n.op_type == "Identity" and n.output[0] not in given}
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            while name in source:
                name = source[name]
            node.input[index] = name


def _readers(model: onnx.ModelProto) -> dict[str, int]:
    readers: dict[str, int] = {}
    for node in model.graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    return readers


def drop_unread(model: onnx.ModelProto) -> None:
    """Remove, in place, nodes and constants that lead to no output."""
    read = {output.name for output in model.graph.output}
    kept = []
    for node in reversed(model.graph.node):
        if read.intersection(node.output):
            read.update(node.input)
            kept.append(node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(kept))
    drop_unused_weights(model)
