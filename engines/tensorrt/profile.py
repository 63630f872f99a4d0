"""The sizes a compiled engine is built for: one profile from the ranges of a `GraphSpec`.

In: a `GraphSpec`, the parsed network. Out: (least, usual, most) shape of every input, checked against the file.
"""

from __future__ import annotations

from typing import Any

from edgecap.engines.errors import EngineBuildError
from edgecap.engines.graph.spec import GraphSpec, Side, TensorSpec, contract_error, pair_tensors
from edgecap.engines.tensorrt.api import TrtApi

Shape = tuple[int, ...]
Shapes = tuple[Shape, Shape, Shape]


def profile_shapes(spec: GraphSpec) -> dict[str, Shapes]:
    """Input name -> its (least, usual, most) shape. One axis name has one range, whichever inputs carry it.

    Raises `EngineBuildError` for a free axis without a range: a compiler would have to guess it.
    """
    shapes: dict[str, Shapes] = {}
    for tensor in spec.inputs:
        sizes = [_range(spec, tensor, axis) for axis in tensor.axes]
        least, usual, most = (tuple(size[at] for size in sizes) for at in range(3))
        shapes[tensor.name] = (least, usual, most)
    return shapes


def _range(spec: GraphSpec, tensor: TensorSpec, axis: int | str) -> tuple[int, int, int]:
    if isinstance(axis, int):
        return axis, axis, axis
    if axis not in spec.ranges:
        known = ", ".join(sorted(spec.ranges)) or "none"
        raise EngineBuildError(
            f"{spec.file}: axis {axis!r} of input {tensor.name!r} has no range (ranges are given for: {known}), and an "
            "engine is compiled for ranges of sizes; export the graph again, or add the axis to its ranges in pack.json"
        )
    return spec.ranges[axis]


def check_network(spec: GraphSpec, network: Any, api: TrtApi) -> None:
    """Raise `GraphContractError` unless the parsed file has the inputs and outputs that the pack declares."""
    found_inputs = [network.get_input(index) for index in range(network.num_inputs)]
    found_outputs = [network.get_output(index) for index in range(network.num_outputs)]
    _check_side(spec, found_inputs, api, side="input")
    _check_side(spec, found_outputs, api, side="output")
    for tensor in found_inputs:
        if tensor.is_shape_tensor:
            raise EngineBuildError(
                f"{spec.file}: the values of input {tensor.name!r} decide sizes inside the graph, so a profile would "
                "need ranges of values, which packs don't have; export the graph with that size taken from an axis"
            )


def _check_side(spec: GraphSpec, found: list[Any], api: TrtApi, *, side: Side) -> None:
    for tensor, node in pair_tensors(spec, found, side=side):
        if node.dtype != api.dtype(tensor.dtype):
            got = f"{api.name} reads {api.dtype_name(node.dtype)}"
            raise contract_error(spec, tensor, side=side, declared=tensor.dtype, got=got)
        sizes = list(node.shape)
        same = len(sizes) == len(tensor.axes) and all(
            size == axis or size == -1 for size, axis in zip(sizes, tensor.axes, strict=True)
        )
        # A size of an output may be found while parsing that the exporter did not know; an input's may not.
        if not same and (side == "input" or len(sizes) != len(tensor.axes)):
            declared = f"axes {list(tensor.axes)}"
            raise contract_error(spec, tensor, side=side, declared=declared, got=f"the graph has {sizes}")
