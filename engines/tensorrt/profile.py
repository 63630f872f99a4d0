"""The sizes a compiled engine is built for: one profile from the ranges of a `GraphSpec`.

In: a `GraphSpec`, the parsed network. Out: (least, usual, most) shape of every input, checked against the file.
"""

from __future__ import annotations

from typing import Any

from edgecap.engines.errors import EngineBuildError, GraphContractError
from edgecap.engines.graph.spec import GraphSpec, TensorSpec
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
    _check_side(spec, spec.inputs, found_inputs, api, kind="input")
    _check_side(spec, spec.outputs, found_outputs, api, kind="output")
    for tensor in found_inputs:
        if tensor.is_shape_tensor:
            raise EngineBuildError(
                f"{spec.file}: the values of input {tensor.name!r} decide sizes inside the graph, so a profile would "
                "need ranges of values, which packs don't have; export the graph with that size taken from an axis"
            )


def _check_side(spec: GraphSpec, declared: tuple[TensorSpec, ...], found: list[Any], api: TrtApi, *, kind: str) -> None:
    nodes = {node.name: node for node in found}
    if set(nodes) != {tensor.name for tensor in declared}:
        want = sorted(tensor.name for tensor in declared)
        raise GraphContractError(
            f"{spec.file}: {kind} names differ: the pack declares {want}, the graph has {sorted(nodes)}; {_FIX}"
        )
    for tensor in declared:
        node = nodes[tensor.name]
        if node.dtype != api.dtype(tensor.dtype):
            raise GraphContractError(
                f"{spec.file}: {kind} {tensor.name!r}: the pack declares {tensor.dtype}, {api.name} reads "
                f"{api.dtype_name(node.dtype)}; {_FIX}"
            )
        sizes = list(node.shape)
        same = len(sizes) == len(tensor.axes) and all(
            size == axis or size == -1 for size, axis in zip(sizes, tensor.axes, strict=True)
        )
        # A size of an output may be found while parsing that the exporter did not know; an input's may not.
        if not same and (kind == "input" or len(sizes) != len(tensor.axes)):
            raise GraphContractError(
                f"{spec.file}: {kind} {tensor.name!r}: the pack declares axes {list(tensor.axes)}, the graph has "
                f"{sizes}; {_FIX}"
            )


_FIX = "export the graph again, or correct pack.json"
