"""A converted graph for other sizes than the one it was made for: batch, height and width as free axes.

In: `convert.convert`'s model. Out: a copy. Fully convolutional networks only; what depends on the size otherwise (a
table of positions, a count of cells) must be beyond the outputs that were asked for.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import numpy_helper, shape_inference

from edgecap.export.onnx.graph_walk import drop_unused_weights


def free_axes(model: onnx.ModelProto, axes: Mapping[int, str]) -> onnx.ModelProto:
    """`axes`: index -> name, of every input, e.g. {0: "batch", 2: "height", 3: "width"}.

    A Reshape to stored numbers keeps its first axis where that is a batch of 1, and where height and width are free
    the axis that counts a map's cells is left to be found out. The outputs' axes are named accordingly.
    """
    made = onnx.ModelProto()
    made.CopyFrom(shape_inference.infer_shapes(model))
    sides_free = len(axes) > 1
    _free_reshapes(made, sides_free)
    del made.graph.value_info[:]
    for value in made.graph.input:
        for axis, name in axes.items():
            value.type.tensor_type.shape.dim[axis].dim_param = name
    inferred = {value.name: value for value in shape_inference.infer_shapes(_unshaped(made)).graph.output}
    for value in made.graph.output:
        dims = value.type.tensor_type.shape.dim
        for axis, (dim, found) in enumerate(zip(dims, inferred[value.name].type.tensor_type.shape.dim, strict=True)):
            if not found.HasField("dim_value"):
                dim.dim_param = axes.get(0, "") if axis == 0 else f"{value.name}_{axis}"
    drop_unused_weights(made)
    onnx.checker.check_model(made)
    return made


def _free_reshapes(model: onnx.ModelProto, sides_free: bool) -> None:
    weights = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    shapes = {v.name: [dim.dim_value for dim in v.type.tensor_type.shape.dim] for v in model.graph.value_info}
    for node in model.graph.node:
        if node.op_type != "Reshape" or node.input[1] not in weights:
            continue
        target, source = weights[node.input[1]].astype(np.int64).copy(), shapes.get(node.input[0], [])
        if len(target) < 2 or target[0] != 1:
            continue
        target[0] = 0
        cells = {source[1] * source[2], source[2] * source[3]} if len(source) == 4 else set[int]()
        counting = [axis for axis, size in enumerate(target) if axis and int(size) in cells]
        if sides_free and -1 not in target and counting:
            target[counting[0]] = -1
        name = f"{node.output[0]}_shape"
        model.graph.initializer.append(numpy_helper.from_array(target, name))
        node.input[1] = name


def _unshaped(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose outputs are known by rank only, so that inference says which of their sizes remain."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    for value in bare.graph.output:
        for dim in value.type.tensor_type.shape.dim:
            dim.Clear()
    return bare
