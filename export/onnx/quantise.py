"""Static INT8: an fp32 graph and example inputs -> a Q/DQ graph.

Activations uint8, weights int8 per output channel: on CPUs that is 1.5-2.2 times faster than int8 activations
(docs/spec/measured.md A).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

QUANTISED_OPS: tuple[str, ...] = ("Conv", "Relu", "Add", "Concat", "Resize", "MaxPool")
"""Convolutions, and what is between them: a sum or a join left in fp32 would go through two conversions each. A
Relu in the list melts into its convolution (uint8 has no negative values) instead of halving the resolution before
it."""


class _Feeds(CalibrationDataReader):  # type: ignore[misc]
    """The calibration inputs, one dict per call."""

    def __init__(self, feeds: Iterable[Mapping[str, NDArray[Any]]]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """The next inputs, None at the end."""
        feeds = next(self._feeds, None)
        return None if feeds is None else dict(feeds)


def quantise_file(
    source: Path,
    destination: Path,
    feeds: Iterable[Mapping[str, NDArray[Any]]],
    *,
    exclude: Sequence[str],
    ops: Sequence[str] = QUANTISED_OPS,
) -> None:
    """Write the INT8 form of `source`: every node of a type in `ops` but those named in `exclude`."""
    with TemporaryDirectory() as folder:
        logging.getLogger("root").setLevel(logging.ERROR)  # it advises pre-processing, which folding in torch replaced
        quantize_static(
            str(source),
            str(Path(folder) / "int8.onnx"),
            _Feeds(feeds),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(ops),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=list(exclude),
            calibrate_method=CalibrationMethod.MinMax,
        )
        destination.write_bytes((Path(folder) / "int8.onnx").read_bytes())


def nodes_outside(path: Path, *, layer_ops: Sequence[str] = ("Conv",)) -> list[str]:
    """Names of the nodes that are not between two layers (convolutions, or nodes of type `layer_ops`): the
    arithmetic of coordinates, before and after.

    Quantising a sum of pixel positions moves every box by pixels (IoU .95 against fp32 where the features were exact).
    """
    graph = onnx.load(str(path)).graph
    after, before = set[str](), set[str]()  # tensors that some convolution leads to, tensors that lead to one
    for node in graph.node:
        if node.op_type in layer_ops or after.intersection(node.input):
            after.update(node.output)
    for node in reversed(graph.node):
        if node.op_type in layer_ops or before.intersection(node.output):
            before.update(node.input)
    melting = {name for node in graph.node if node.op_type in (*layer_ops, "Add") for name in node.output}
    return [
        node.name
        for node in graph.node
        if node.op_type not in layer_ops
        and not (node.op_type == "Relu" and melting.intersection(node.input))
        and not (after.intersection(node.input) and before.intersection(node.output))
    ]
