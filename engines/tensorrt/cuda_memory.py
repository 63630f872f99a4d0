"""Device memory, streams and captured graphs through NVIDIA's cuda-bindings, with errors as `EngineError`.

In: sizes and host arrays. Out: addresses on the GPU. The first device is used, in the primary
context that ONNX Runtime uses too.
"""

from __future__ import annotations

import importlib
import weakref
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from edgecap.engines.errors import EngineError, MissingExtraError


class Cuda:
    """The few calls of the CUDA runtime that a session needs. `runtime`: the module `cuda.bindings.runtime`."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime

    def stream(self) -> int:
        """A new non-blocking stream, as the number that TensorRT takes."""
        stream = self._call("cudaStreamCreateWithFlags", self._runtime.cudaStreamNonBlocking)
        return int(stream)

    def synchronise(self, stream: int) -> None:
        """Wait until everything queued on `stream` is done. Raises `EngineError` where any of it failed."""
        self._call("cudaStreamSynchronize", stream)

    def upload(self, address: int, array: NDArray[Any], stream: int) -> None:
        """Queue a copy of a C-contiguous host array to `address`; the array must stay alive until it is done."""
        self._copy(address, array.ctypes.data, array.nbytes, "cudaMemcpyHostToDevice", stream)

    def download(self, array: NDArray[Any], address: int, stream: int) -> None:
        """Queue a copy from `address` into a C-contiguous host array."""
        self._copy(array.ctypes.data, address, array.nbytes, "cudaMemcpyDeviceToHost", stream)

    def capture(self, stream: int, work: Callable[[], None]) -> Any:
        """Record what `work` queues on `stream` as an executable CUDA graph, without running it."""
        mode = self._runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("cudaStreamBeginCapture", stream, mode)
        try:
            work()
        finally:
            graph = self._call("cudaStreamEndCapture", stream)
        try:
            return self._call("cudaGraphInstantiate", graph, 0)
        finally:
            self._call("cudaGraphDestroy", graph)

    def launch(self, graph: Any, stream: int) -> None:
        """Queue a captured graph."""
        self._call("cudaGraphLaunch", graph, stream)

    def allocate(self, size: int) -> int:
        """`size` bytes on the device. Raises `EngineError` where the memory is full."""
        return int(self._call("cudaMalloc", max(size, 1)))

    def free(self, address: int) -> None:
        """Free what `allocate` returned."""
        self._call("cudaFree", address)

    def destroy_stream(self, stream: int) -> None:
        """Destroy what `stream` returned."""
        self._call("cudaStreamDestroy", stream)

    def destroy_graph(self, graph: Any) -> None:
        """Destroy what `capture` returned."""
        self._call("cudaGraphExecDestroy", graph)

    def _copy(self, to: int, source: int, size: int, kind: str, stream: int) -> None:
        if size:
            self._call("cudaMemcpyAsync", to, source, size, getattr(self._runtime.cudaMemcpyKind, kind), stream)

    def _call(self, name: str, *arguments: Any) -> Any:
        """Every call returns (error, results...); the first result, or None."""
        error, *results = getattr(self._runtime, name)(*arguments)
        if int(error) != 0:
            _, words = self._runtime.cudaGetErrorString(error)
            text = words.decode() if isinstance(words, bytes) else str(words)
            raise EngineError(f"CUDA: {name} failed: {text}; see edgecap doctor")
        return results[0] if results else None


class DeviceBuffers:
    """Named device buffers that grow; freed with the object. Not thread-safe."""

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        self._buffers: dict[str, tuple[int, int]] = {}
        weakref.finalize(self, _free_all, cuda, self._buffers)

    def ensure(self, name: str, size: int) -> int:
        """Address of at least `size` bytes under `name`; its content is lost when it grows."""
        address, have = self._buffers.get(name, (0, -1))
        if have < size:
            if have >= 0:
                del self._buffers[name]
                self._cuda.free(address)
            address = self._cuda.allocate(size)
            self._buffers[name] = (address, size)
        return address

    @property
    def bytes(self) -> int:
        """Bytes allocated now."""
        return sum(size for _, size in self._buffers.values())


def find_cuda() -> Cuda:
    """The installed cuda-bindings. Raises `MissingExtraError` where they are not installed or do not load."""
    try:
        return Cuda(importlib.import_module("cuda.bindings.runtime"))
    except Exception as error:  # without a driver it may raise anything
        raise MissingExtraError(
            f"cuda-bindings can't be imported ({' '.join(str(error).split())[:200]}); pip install 'edgecap[gpu]'"
        ) from error


def _free_all(cuda: Cuda, buffers: dict[str, tuple[int, int]]) -> None:
    while buffers:
        _, (address, _) = buffers.popitem()
        cuda.free(address)
