"""What one graph takes and gives: names, types and axes of its tensors, declared once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

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
