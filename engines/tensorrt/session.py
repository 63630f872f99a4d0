"""A compiled TensorRT or TensorRT-RTX engine, run on the GPU that it was compiled for.

In: an engine file, the `GraphSpec` it was compiled from. Out: a `Session`. Host arrays go
in and out: each call copies inputs to the GPU and outputs back. Only the calls that TensorRT 10 and 11 share are used:
named tensors, `set_input_shape`, `set_tensor_address`, `execute_async_v3`.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import EngineError, OutputError
from edgecap.engines.files import write_whole
from edgecap.engines.graph.session import Arrays, check_buffers, check_feeds, check_outputs
from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.tensorrt.api import TrtApi, TrtBackend, find_trt
from edgecap.engines.tensorrt.cuda_memory import Cuda, DeviceBuffers, find_cuda
from edgecap.engines.tensorrt.engine import open_engine


def open_trt_session(
    path: str | Path,
    spec: GraphSpec,
    *,
    backend: TrtBackend,
    runtime_cache: Path | None = None,
    cuda_graphs: bool = False,
    cuda: Cuda | None = None,
) -> TrtSession:
    """Open the engine at `path` and check it against `spec`.

    `runtime_cache`: file for the kernels that TensorRT-RTX compiles on opening; read where it fits this GPU and driver,
    written after the first run; TensorRT has no such cache and ignores it. `cuda_graphs`: from a binding's second
    run on, replay the kernels as one captured graph. Raises `MissingExtraError`, `EngineMismatchError` (another device,
    version or profile), `GraphContractError`, `EngineError` (no such file, no GPU).
    """
    path = Path(path)
    if not path.is_file():
        raise EngineError(f"{path}: no such engine file; make it with edgecap build")
    api, cuda = find_trt(backend), cuda or find_cuda()
    engine = open_engine(path, spec, api)
    return TrtSession(spec, engine, api=api, cuda=cuda, runtime_cache=runtime_cache, cuda_graphs=cuda_graphs)


class TrtSession:
    """See `Session`. Made by `open_trt_session`.

    `run` uses one execution context, one call at a time; every binding has its own context, stream and buffers, so
    bindings run in parallel.
    """

    def __init__(
        self, spec: GraphSpec, engine: Any, *, api: TrtApi, cuda: Cuda, runtime_cache: Path | None, cuda_graphs: bool
    ) -> None:
        self.spec = spec
        self.provider: str = api.backend
        self.cuda_graphs = cuda_graphs
        self._engine, self._api, self._cuda = engine, api, cuda
        self._lock = threading.Lock()
        self._lane: _Lane | None = None
        self._config, self._cache = _runtime_config(engine, api, runtime_cache, cuda_graphs=cuda_graphs)
        self._cache_path = runtime_cache

    def __repr__(self) -> str:
        return f"TrtSession({self.spec.file!r}, {self.spec.precision}, {self._api.name})"

    def run(self, feeds: Arrays) -> dict[str, NDArray[Any]]:
        """See `Session.run`."""
        check_feeds(self.spec, feeds)
        inputs = {name: np.ascontiguousarray(array) for name, array in feeds.items()}
        with self._lock:
            if self._lane is None:
                self._lane = _Lane(self)
            shapes = self._lane.prepare({name: array.shape for name, array in inputs.items()})
            outputs = {t.name: np.empty(shapes[t.name], np.dtype(t.dtype)) for t in self.spec.outputs}
            self._lane.run(inputs, outputs, self._lane.execute)
        self._keep_kernels()
        check_outputs(self.spec, outputs)
        return outputs

    def bind(self, inputs: Arrays, outputs: Arrays) -> TrtBinding:
        """See `Session.bind`. The arrays are host memory: each run copies in and out."""
        check_buffers(self.spec, inputs, outputs)
        lane = _Lane(self)
        shapes = lane.prepare({name: array.shape for name, array in inputs.items()})
        for name, array in outputs.items():
            if tuple(array.shape) != shapes[name]:
                raise EngineError(
                    f"{self.spec.file}: output {name!r} will be {list(shapes[name])} for these inputs, the bound array "
                    f"is {list(array.shape)}; bind one of that shape"
                )
        # TensorRT-RTX captures on its own where its runtime config asks for it.
        captures = self.cuda_graphs and self._config is None
        return TrtBinding(self, lane, dict(inputs), dict(outputs), captures=captures)

    def make_context(self) -> Any:
        """A new execution context. Raises `EngineError` where the device's memory is too small."""
        made = self._engine.create_execution_context(*(() if self._config is None else (self._config,)))
        if made is None:
            raise self.failure("could not create an execution context (is the GPU's memory full?)")
        return made

    def failure(self, words: str) -> EngineError:
        """An error with what TensorRT logged last."""
        said = self._api.last_errors()
        return EngineError(f"{self.spec.file}: {self._api.name} {words}{f': {said[-1][:300]}' if said else ''}")

    def _keep_kernels(self) -> None:
        """Write what TensorRT-RTX compiled, once. A cache that can't be written only costs time on the next opening."""
        with self._lock:
            cache, self._cache = self._cache, None
        if cache is None or self._cache_path is None:
            return
        with contextlib.suppress(OutputError):
            write_whole(self._cache_path, memoryview(cache.serialize()))


class TrtBinding:
    """Host arrays with their device copies. Made by `TrtSession.bind`."""

    def __init__(self, session: TrtSession, lane: _Lane, inputs: Arrays, outputs: Arrays, *, captures: bool) -> None:
        self._session, self._lane, self._inputs, self._outputs = session, lane, inputs, outputs
        self._captures, self._runs, self._graph = captures, 0, None
        self._cuda = session._cuda

    def run(self) -> None:
        """See `Binding.run`. Not thread-safe."""
        # TensorRT fixes its buffers for a shape in the first run; what is captured before that may not be replayed.
        if self._captures and self._runs == 1:
            self._graph = self._cuda.capture(self._lane.stream, self._lane.execute)
            weakref.finalize(self, self._cuda.destroy_graph, self._graph)
        self._lane.run(self._inputs, self._outputs, self._lane.execute if self._graph is None else self._replay)
        self._runs += 1
        if self._runs == 1:
            self._session._keep_kernels()

    def _replay(self) -> None:
        self._cuda.launch(self._graph, self._lane.stream)


class _Lane:
    """One execution context with its stream and buffers; for one thread at a time."""

    def __init__(self, session: TrtSession) -> None:
        self._session, self._spec, self._cuda = session, session.spec, session._cuda
        self._context = session.make_context()
        self._buffers = DeviceBuffers(self._cuda)
        self._addresses: dict[str, int] = {}
        self._ready_for: dict[str, tuple[int, ...]] = {}
        self._output_shapes: dict[str, tuple[int, ...]] = {}
        self.stream = self._cuda.stream()
        weakref.finalize(self, self._cuda.destroy_stream, self.stream)

    def prepare(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        """Set input shapes, allocate device memory, pass its addresses to TensorRT. Returns the outputs' shapes."""
        if dict(shapes) == self._ready_for:
            return self._output_shapes
        self._check_ranges(shapes)
        self._ready_for = {}
        for name, shape in shapes.items():
            if not self._context.set_input_shape(name, shape):
                raise self._session.failure(f"does not accept shape {list(shape)} for input {name!r}")
        if missing := self._context.infer_shapes():
            raise self._session.failure(f"can't infer the shapes of {', '.join(missing)}")
        self._output_shapes = {t.name: tuple(self._context.get_tensor_shape(t.name)) for t in self._spec.outputs}
        sizes = {**shapes, **self._output_shapes}
        aliases = {t.name: _aliased_input(self._session._engine, t.name) for t in self._spec.outputs}
        for tensor in (*self._spec.inputs, *self._spec.outputs):
            if any(size < 0 for size in sizes[tensor.name]):
                raise self._session.failure(f"leaves the size of {tensor.name!r} open: {list(sizes[tensor.name])}")
            # An operator that updates a KV cache in place needs past and present at one address.
            owner = aliases.get(tensor.name) or tensor.name
            size = int(np.prod(sizes[tensor.name], dtype=np.int64)) * np.dtype(tensor.dtype).itemsize
            self._addresses[tensor.name] = address = self._buffers.ensure(owner, size)
            if not self._context.set_tensor_address(tensor.name, address):
                raise self._session.failure(f"does not accept an address for {tensor.name!r}")
        self._ready_for = dict(shapes)
        return self._output_shapes

    def execute(self) -> None:
        """Queue the engine's kernels."""
        if not self._context.execute_async_v3(self.stream):
            raise self._session.failure("failed to run")

    def run(self, inputs: Arrays, outputs: Arrays, kernels: Any) -> None:
        """Copy in, queue `kernels`, copy out, wait."""
        for name, array in inputs.items():
            self._cuda.upload(self._addresses[name], array, self.stream)
        kernels()
        for name, array in outputs.items():
            self._cuda.download(array, self._addresses[name], self.stream)
        self._cuda.synchronise(self.stream)

    def _check_ranges(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        for tensor in self._spec.inputs:
            for axis, size in zip(tensor.axes, shapes[tensor.name], strict=True):
                least, _, most = self._spec.ranges[axis] if isinstance(axis, str) else (axis, axis, axis)
                if not least <= size <= most:
                    raise EngineError(
                        f"{self._spec.file}: axis {axis!r} of input {tensor.name!r} is {size}, the engine was compiled "
                        f"for {least} to {most}; use a size in that range, or widen it in pack.json and build again"
                    )


def _runtime_config(engine: Any, api: TrtApi, path: Path | None, *, cuda_graphs: bool) -> tuple[Any, Any]:
    """TensorRT-RTX's settings of an engine and its kernel cache; (None, None) for TensorRT, which has neither."""
    if not api.has_runtime_cache:
        return None, None
    config = engine.create_runtime_config()
    if cuda_graphs:
        config.cuda_graph_strategy = api.module.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
    if path is None:
        return config, None
    cache = config.create_runtime_cache()
    with contextlib.suppress(OSError):  # no file yet
        cache.deserialize(path.read_bytes())  # False where it is another GPU's or driver's: recompiled
    config.set_runtime_cache(cache)
    return config, cache


def _aliased_input(engine: Any, output: str) -> str:
    """The input whose memory an output must share; "" for none, and where TensorRT is too old for this."""
    ask = getattr(engine, "get_aliased_input_tensor", None)
    return (ask(output) if ask else "") or ""
