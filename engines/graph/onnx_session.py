"""A compiled graph run by ONNX Runtime, on the CPU or an NVIDIA GPU.

In: an .onnx file, the `GraphSpec` it must follow, a provider. Out: a `Session`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgecap.engines.errors import EngineError
from edgecap.engines.graph.providers import Provider, open_model, session_options, translated
from edgecap.engines.graph.session import Arrays, check_buffers, check_feeds, check_outputs
from edgecap.engines.graph.spec import GraphSpec, Side, contract_error, pair_tensors

_DTYPES = {
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(float16)": "float16",
    "tensor(float)": "float32",
    "tensor(bool)": "bool",
}


def open_onnx_session(
    path: str | Path,
    spec: GraphSpec,
    *,
    provider: Provider = "cpu",
    intra_threads: int = 1,
    inter_threads: int = 1,
    config: Mapping[str, str] | None = None,
    optimised: bool = False,
) -> OnnxSession:
    """Open the graph at `path` and check it against `spec`.

    `intra_threads`: threads inside one operator, per session; measure before raising it: beside a busy core
    two threads were slower than one. `config`: further ONNX Runtime session config entries. `optimised`: the
    file is ONNX Runtime's own rewriting for this device (a stored engine) and is not optimised again. Raises
    `MissingExtraError` (no ONNX Runtime), `ProviderError` (another provider than requested would run),
    `GraphContractError` (names, dtypes or axes differ from `spec`), `EngineError` (no such file, not a
    model).
    """
    path = Path(path)
    if not path.is_file():
        raise EngineError(f"{path}: no such graph file; export or reinstall the pack")
    options = session_options(
        intra_threads=intra_threads, inter_threads=inter_threads, config=config, optimise=not optimised
    )
    raw = open_model(str(path), label=spec.file, provider=provider, options=options)
    _check_side(spec, raw.get_inputs(), side="input")
    _check_side(spec, raw.get_outputs(), side="output")
    return OnnxSession(spec, raw, provider=provider, intra_threads=intra_threads)


class OnnxSession:
    """See `Session`. Made by `open_onnx_session`; `intra_threads` is what it was opened with."""

    def __init__(self, spec: GraphSpec, raw: Any, *, provider: Provider, intra_threads: int) -> None:
        self.spec = spec
        self.provider: str = provider
        self.intra_threads = intra_threads
        self._raw = raw
        self._output_names = [tensor.name for tensor in spec.outputs]

    def __repr__(self) -> str:
        return f"OnnxSession({self.spec.file!r}, {self.spec.precision}, {self.provider}, {self.intra_threads} threads)"

    def run(self, feeds: Arrays) -> dict[str, NDArray[Any]]:
        """See `Session.run`."""
        check_feeds(self.spec, feeds)
        with translated(self.spec.file):
            values = self._raw.run(self._output_names, dict(feeds))
        outputs = dict(zip(self._output_names, values, strict=True))
        check_outputs(self.spec, outputs)
        return outputs

    def bind(self, inputs: Arrays, outputs: Arrays) -> OnnxBinding:
        """See `Session.bind`. The arrays are host memory: on a GPU each run copies in and out."""
        check_buffers(self.spec, inputs, outputs)
        return OnnxBinding(self.spec.file, self._raw, dict(inputs), dict(outputs), copies_inputs=self.provider != "cpu")


class OnnxBinding:
    """Host arrays bound by address. Made by `OnnxSession.bind`.

    `copies_inputs`: ONNX Runtime copies a host input to the device when it is *bound*, so on a GPU inputs are
    rebound before every run; on the CPU it reads the caller's memory in place, once bound.
    """

    def __init__(self, label: str, raw: Any, inputs: Arrays, outputs: Arrays, *, copies_inputs: bool) -> None:
        self._label, self._raw, self._copies_inputs = label, raw, copies_inputs
        self._inputs, self._outputs = inputs, outputs  # the addresses below live as long as these arrays
        with translated(label):
            self._io = raw.io_binding()
            self._bind_inputs()
            for name, array in outputs.items():
                self._io.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)

    def run(self) -> None:
        """See `Binding.run`. Raises `EngineError` also when the graph gives another shape than was bound."""
        with translated(self._label):
            if self._copies_inputs:
                self._bind_inputs()
                self._io.synchronize_inputs()
            self._raw.run_with_iobinding(self._io)
            if self._copies_inputs:
                self._io.synchronize_outputs()

    def _bind_inputs(self) -> None:
        for name, array in self._inputs.items():
            self._io.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)


def _check_side(spec: GraphSpec, found: Any, *, side: Side) -> None:
    """Raise `GraphContractError` unless the file's tensors are the declared ones.

    A size that the pack fixes may be free in the file (exporters lose sizes; calls are checked against the
    pack). A size that the pack leaves free must be free in the file.
    """
    for tensor, node in pair_tensors(spec, found, side=side):
        dtype, axes = _DTYPES.get(node.type, node.type), list(node.shape)
        if dtype != tensor.dtype:
            raise contract_error(spec, tensor, side=side, declared=tensor.dtype, got=f"the graph has {dtype}")
        same = len(axes) == len(tensor.axes) and all(
            not isinstance(got, int) or got == want for want, got in zip(tensor.axes, axes, strict=True)
        )
        if not same:
            declared = f"axes {list(tensor.axes)}"
            raise contract_error(spec, tensor, side=side, declared=declared, got=f"the graph has {axes}")
