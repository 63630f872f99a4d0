"""What one graph takes and gives: names, types and axes of its tensors, declared once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

from edgecap.engines.errors import GraphContractError


class Named(Protocol):
    """A tensor of a file, as ONNX Runtime and TensorRT have it."""

    name: str


_Named = TypeVar("_Named", bound=Named)
Side = Literal["input", "output"]
DType = Literal["uint8", "int8", "int32", "int64", "float16", "float32", "bool"]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output. `axes`: an int where the size is fixed, a name where it is free, in order."""

    name: str
    dtype: DType
    axes: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """One ONNX file. `precision` as written by the exporter: fp32, fp16, int8-static, int8-dynamic, int8-weights,
    int4-weights, fp8.

    `ranges`: free axis -> (least, usual, most) size, inclusive; what a compiled engine's profile is made of. An axis
    without an entry can't be compiled by TensorRT and is refused there by name.
    """

    file: str
    precision: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    ranges: dict[str, tuple[int, int, int]] = field(default_factory=dict)


def pair_tensors(spec: GraphSpec, found: Iterable[_Named], *, side: Side) -> list[tuple[TensorSpec, _Named]]:
    """The declared tensors of one side of `spec`, each with the tensor of that name that a file has.

    Raises `GraphContractError` where the names are not the same.
    """
    declared = spec.inputs if side == "input" else spec.outputs
    by_name = {tensor.name: tensor for tensor in found}
    if set(by_name) != {tensor.name for tensor in declared}:
        want = sorted(tensor.name for tensor in declared)
        raise GraphContractError(
            f"{spec.file}: {side} names differ: the pack declares {want}, the graph has {sorted(by_name)}; {_FIX}"
        )
    return [(tensor, by_name[tensor.name]) for tensor in declared]


def contract_error(spec: GraphSpec, tensor: TensorSpec, *, side: Side, declared: str, got: str) -> GraphContractError:
    """That `tensor` is declared as `declared`, but the file says `got` ("the graph has float32")."""
    return GraphContractError(f"{spec.file}: {side} {tensor.name!r}: the pack declares {declared}, {got}; {_FIX}")


_FIX = "export the graph again, or correct pack.json"
