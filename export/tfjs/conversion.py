"""What a converter of operators works with: the tensors known so far, in TensorFlow's layout or channels first.

TensorFlow.js keeps pictures as [B, H, W, C], ONNX's convolutions take [B, C, H, W]. A tensor that a convolution made
stays channels first until an operator asks for its TensorFlow layout; constants are turned here, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from edgecap.engines.errors import ExportError
from edgecap.export.tfjs.model import Constant, TfjsModel, TfjsNode
from edgecap.export.tfjs.onnx_writer import OnnxWriter

CHANNELS_FIRST_AXIS = (0, 2, 3, 1)
"""Axis of [B, H, W, C] -> the axis of [B, C, H, W] that holds the same."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor that the graph computes."""

    name: str
    """Its name in the ONNX graph."""
    channels_first: bool
    """True: four axes [B, C, H, W]; False: as in TensorFlow."""


class Conversion:
    """One model on its way to ONNX. Operators read their inputs with `plain` or `first` and answer with `put`."""

    def __init__(self, model: TfjsModel, writer: OnnxWriter) -> None:
        self.model, self.writer = model, writer
        self.constants: dict[str, Constant] = dict(
            (name, model.weights[name]) for name, node in model.nodes.items() if node.op == "Const"
        )
        self._tensors: dict[str, Tensor] = {}
        self._views: dict[tuple[str, bool], str] = {}

    def put(self, node: TfjsNode, name: str, *, channels_first: bool = False, output: int = 0) -> None:
        """Record what a node computes; `output` numbers its outputs."""
        self._tensors[node.name if output == 0 else f"{node.name}:{output}"] = Tensor(name, channels_first)

    def put_same(self, node: TfjsNode, tensor: str) -> None:
        """The node passes `tensor` on."""
        self._tensors[node.name] = self._tensors[tensor]

    def is_first(self, tensor: str) -> bool:
        """Whether a computed tensor is held channels first; False for a constant."""
        return tensor in self._tensors and self._tensors[tensor].channels_first

    def all_first(self, tensors: Sequence[str]) -> bool:
        """Whether every computed one of `tensors` is, there is one, and every constant fits beside it."""
        computed = [tensor for tensor in tensors if tensor not in self.constants]
        fitting = all(self.constants[tensor].ndim <= 4 for tensor in tensors if tensor in self.constants)
        return bool(computed) and fitting and all(self.is_first(tensor) for tensor in computed)

    def held(self, tensor: str) -> Tensor:
        """A tensor as it is, for operators that treat each number by itself."""
        if tensor in self.constants:
            return Tensor(self.plain(tensor), False)
        return self._tensors[tensor]

    def plain(self, tensor: str) -> str:
        """ONNX name of a tensor in TensorFlow's layout."""
        if tensor in self.constants:
            return self._view(tensor, False, lambda: self.writer.constant(self.constants[tensor]))
        held = self._tensors[tensor]
        if not held.channels_first:
            return held.name
        return self._view(tensor, False, lambda: self.writer.node("Transpose", [held.name], perm=[0, 2, 3, 1]))

    def first(self, tensor: str) -> str:
        """ONNX name of a tensor of four axes (a constant: at most four), channels first."""
        if tensor in self.constants:
            value = self.constants[tensor]
            turned = value if value.ndim == 0 else value.reshape((1,) * (4 - value.ndim) + value.shape)
            turned = turned if turned.ndim == 0 else turned.transpose(0, 3, 1, 2)
            return self._view(tensor, True, lambda: self.writer.constant(turned))
        held = self._tensors[tensor]
        if held.channels_first:
            return held.name
        return self._view(tensor, True, lambda: self.writer.node("Transpose", [held.name], perm=[0, 3, 1, 2]))

    def whole(self, tensor: str) -> str:
        """A shape or an index as int64."""
        if tensor in self.constants:
            return self.writer.constant(self.constants[tensor], np.int64)
        return self.writer.cast(self.plain(tensor), "int64")

    def known(self, node: TfjsNode, index: int) -> Constant:
        """An input that must be a constant. Raises `ExportError` otherwise."""
        tensor = node.inputs[index]
        if tensor not in self.constants:
            self.refuse(node, f"its input {index} ({tensor!r}) is computed; a constant is needed")
        return self.constants[tensor]

    def refuse(self, node: TfjsNode, reason: str) -> NoReturn:
        """Raise `ExportError` that names the node."""
        raise ExportError(f"{self.model.path}: node {node.name!r} ({node.op}): {reason}")

    def _view(self, tensor: str, channels_first: bool, make: object) -> str:
        key = (tensor, channels_first)
        if key not in self._views:
            assert callable(make)
            self._views[key] = make()
        return self._views[key]


def first_axes(axes: Iterable[int]) -> list[int]:
    """Axes of [B, H, W, C], counted from either end, as axes of [B, C, H, W]."""
    return [CHANNELS_FIRST_AXIS[axis % 4] for axis in axes]
