"""The one interface to a compiled graph: named arrays in, named arrays out.

In: arrays that follow a `GraphSpec`. Out: arrays that follow it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import EngineError, GraphContractError
from edgecap.engines.graph.spec import GraphSpec, TensorSpec

Arrays = Mapping[str, NDArray[Any]]


class Binding(Protocol):
    """Buffers bound to one session. Write into the input arrays, `run()`, read the output arrays."""

    def run(self) -> None:
        """Run the graph once over the bound memory. Raises `EngineError` when the engine fails."""
        ...


class Session(Protocol):
    """A graph that is open and ready.

    `run` and `Binding.run` may be called from several threads, each with its own arrays or binding.
    """

    @property
    def spec(self) -> GraphSpec:
        """What the graph takes and gives; the names and dtypes are those of the file (checked on opening)."""
        ...

    @property
    def provider(self) -> str:
        """What actually executes it: "cpu", "cuda", "tensorrt", "tensorrt-rtx", or "scripted"."""
        ...

    def run(self, feeds: Arrays) -> dict[str, NDArray[Any]]:
        """All inputs by name -> all outputs by name, in new arrays.

        Raises `EngineError` on a wrong name, dtype or axis, and when the engine fails.
        """
        ...

    def bind(self, inputs: Arrays, outputs: Arrays) -> Binding:
        """Bind C-contiguous arrays to every input and every output, for calls without allocation.

        Array shapes are fixed by this call. An input and an output may be the same memory (past and present
        of a KV cache) where the graph's operator allows it. The binding keeps the arrays alive. Raises
        `EngineError` on a wrong name, dtype or axis, on an array that is not C-contiguous, and on an output
        that is read-only.
        """
        ...


def check_feeds(spec: GraphSpec, feeds: Arrays) -> None:
    """Raise `EngineError` unless `feeds` are exactly the inputs of `spec`: names, dtypes, axes."""
    _check(spec, spec.inputs, feeds, kind="input", sizes={})


def check_outputs(spec: GraphSpec, outputs: Arrays) -> None:
    """Raise `GraphContractError` unless `outputs` are what `spec` promises: names, dtypes, axes."""
    try:
        _check(spec, spec.outputs, outputs, kind="output", sizes={})
    except EngineError as error:
        raise GraphContractError(f"{error}; the graph doesn't give what its pack declares: export it again") from None


def check_buffers(spec: GraphSpec, inputs: Arrays, outputs: Arrays) -> None:
    """As `check_feeds`, for both sides of a binding; memory must be C-contiguous, and outputs writeable."""
    sizes: dict[str, int] = {}
    _check(spec, spec.inputs, inputs, kind="input", sizes=sizes)
    _check(spec, spec.outputs, outputs, kind="output", sizes=sizes)
    for kind, arrays in (("input", inputs), ("output", outputs)):
        for name, array in arrays.items():
            if not array.flags.c_contiguous:
                raise EngineError(
                    f"{spec.file}: {kind} {name!r} is not C-contiguous (strides "
                    f"{array.strides}); bind np.ascontiguousarray(...) or a leading slice"
                )
    for name, array in outputs.items():
        if not array.flags.writeable:
            raise EngineError(f"{spec.file}: output {name!r} is read-only memory; bind a writeable array")


def _check(
    spec: GraphSpec, tensors: tuple[TensorSpec, ...], arrays: Arrays, *, kind: str, sizes: dict[str, int]
) -> None:
    if len(arrays) != len(tensors) or any(tensor.name not in arrays for tensor in tensors):
        want, got = sorted(tensor.name for tensor in tensors), sorted(arrays)
        raise EngineError(f"{spec.file}: wrong {kind} names: want {want}, got {got}; give each {kind} exactly once")
    for tensor in tensors:
        array = arrays[tensor.name]
        if array.dtype != np.dtype(tensor.dtype):
            raise EngineError(
                f"{spec.file}: {kind} {tensor.name!r} expected {tensor.dtype}, got {array.dtype}; "
                "convert it with .astype"
            )
        if not _fits(array.shape, tensor.axes, sizes):
            known = {axis: sizes[axis] for axis in tensor.axes if isinstance(axis, str) and axis in sizes}
            raise EngineError(
                f"{spec.file}: {kind} {tensor.name!r} expected axes {list(tensor.axes)}"
                f"{f' with {known}' if known else ''}, got shape {list(array.shape)}; "
                "an axis name has one size in a call"
            )


def _fits(shape: tuple[int, ...], axes: tuple[int | str, ...], sizes: dict[str, int]) -> bool:
    """Whether fixed axes are equal, and named axes wherever the name occurs; `sizes` collects the names' sizes."""
    if len(shape) != len(axes):
        return False
    return all(
        size == (axis if isinstance(axis, int) else sizes.setdefault(axis, size))
        for size, axis in zip(shape, axes, strict=True)
    )
