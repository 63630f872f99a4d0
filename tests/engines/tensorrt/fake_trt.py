"""TensorRT 11 and the CUDA runtime acted out in host memory: one engine, y = 2 x + 1, present = past + 1.

`FakeTrt` is the module `tensorrt` (what `find_trt` imports), `FakeCudart` the module `cuda.bindings.runtime`. The
engine of `FakeTrt` keeps the rules a real one would punish: shapes inside the profile, an address for every tensor,
nothing runs while a stream is captured.
"""

from __future__ import annotations

import ctypes
import enum
import itertools
import json
import types
from typing import Any

import numpy as np

from edgecap.engines import GraphSpec, TensorSpec

SPEC = GraphSpec(
    "twice.onnx",
    "fp32",
    (TensorSpec("x", "float32", ("B", 3)), TensorSpec("past", "float32", ("B", 2))),
    (TensorSpec("y", "float32", ("B", 3)), TensorSpec("present", "float32", ("B", 2))),
    {"B": (1, 2, 4)},
)


class Error(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorMemoryAllocation = 2


class FakeCudart(types.ModuleType):
    """Device memory is host memory; `live` addresses; `log` of the calls; `limit_bytes` before it is full."""

    cudaStreamNonBlocking = 1
    cudaStreamCaptureMode = types.SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)
    cudaMemcpyKind = types.SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)

    def __init__(self) -> None:
        super().__init__("cuda.bindings.runtime")
        self.live: dict[int, Any] = {}
        self.streams: set[int] = set()
        self.numbers = itertools.count(7)
        self.graphs = 0
        self.log: list[str] = []
        self.recording: list[Any] | None = None
        self.limit_bytes = 1 << 30

    def cudaMalloc(self, size: int):
        if size + sum(len(b) for b in self.live.values()) > self.limit_bytes:
            return Error.cudaErrorMemoryAllocation, 0
        buffer = (ctypes.c_char * size)()
        self.live[ctypes.addressof(buffer)] = buffer
        return Error.cudaSuccess, ctypes.addressof(buffer)

    def cudaFree(self, address: int):
        del self.live[address]
        return (Error.cudaSuccess,)

    def cudaStreamCreateWithFlags(self, flags: int):
        stream = next(self.numbers)
        self.streams.add(stream)
        return Error.cudaSuccess, stream

    def cudaStreamDestroy(self, stream: int):
        self.streams.discard(stream)
        return (Error.cudaSuccess,)

    def cudaStreamSynchronize(self, stream: int):
        self.log.append("synchronise")
        return (Error.cudaSuccess,)

    def cudaMemcpyAsync(self, to: int, source: int, size: int, kind: int, stream: int):
        assert stream in self.streams and self.recording is None
        self.log.append("upload" if kind == 1 else "download")
        ctypes.memmove(to, source, size)
        return (Error.cudaSuccess,)

    def cudaStreamBeginCapture(self, stream: int, mode: int):
        self.recording = []
        return (Error.cudaSuccess,)

    def cudaStreamEndCapture(self, stream: int):
        graph, self.recording = self.recording, None
        return Error.cudaSuccess, graph

    def cudaGraphInstantiate(self, graph: Any, flags: int):
        self.graphs += 1
        return Error.cudaSuccess, list(graph)

    def cudaGraphDestroy(self, graph: Any):
        return (Error.cudaSuccess,)

    def cudaGraphExecDestroy(self, graph: Any):
        self.graphs -= 1
        return (Error.cudaSuccess,)

    def cudaGraphLaunch(self, graph: Any, stream: int):
        self.log.append("launch")
        for kernel in graph:
            kernel()
        return (Error.cudaSuccess,)

    def cudaGetErrorString(self, error: Any):
        return Error.cudaSuccess, b"out of memory"


class FakeTrt(types.ModuleType):
    """`present` features are those of TensorRT 11; `rtx` adds what TensorRT-RTX alone has."""

    __version__ = "11.4.0.106"
    NetworkDefinitionCreationFlag = types.SimpleNamespace(STRONGLY_TYPED=1)
    OnnxParser = Builder = object
    TensorIOMode = types.SimpleNamespace(INPUT="in", OUTPUT="out")
    DataType = types.SimpleNamespace(FLOAT="f32", HALF="f16", INT8="i8", UINT8="u8", INT32="i32", INT64="i64", BOOL="b")
    IBuilderConfig = object
    IProgressMonitor = object
    CudaGraphStrategy = types.SimpleNamespace(WHOLE_GRAPH_CAPTURE="whole")

    class ILogger:
        class Severity(enum.IntEnum):
            INTERNAL_ERROR, ERROR, WARNING, INFO = range(4)

        def __init__(self) -> None: ...

    def __init__(self, cudart: FakeCudart, *, rtx: bool = False) -> None:
        super().__init__("tensorrt")
        self.cudart, self.caches = cudart, []
        fake = self
        if rtx:
            self.IRuntimeConfig = FakeRuntimeConfig

        class Runtime:
            def __init__(self, logger: Any) -> None:
                self.logger = logger

            def deserialize_cuda_engine(self, blob: Any) -> Any:
                try:
                    about = json.loads(bytes(blob))
                except ValueError:
                    self.logger.log(fake.ILogger.Severity.ERROR, "plan header is damaged")
                    return None
                return FakeEngine(fake, about)

        self.Runtime = Runtime


class FakeRuntimeConfig:
    cuda_graph_strategy: Any = None

    def create_runtime_cache(self) -> FakeRuntimeCache:
        return FakeRuntimeCache()

    def set_runtime_cache(self, cache: FakeRuntimeCache) -> None:
        self.cache = cache


class FakeRuntimeCache:
    def __init__(self) -> None:
        self.loaded = b""

    def deserialize(self, blob: bytes) -> bool:
        self.loaded = blob
        return True

    def serialize(self) -> bytes:
        return b"compiled kernels"


class FakeEngine:
    """An engine file is JSON: {"ranges": {axis: [least, usual, most]}, "dtype": ..., "fail": bool}."""

    num_io_tensors = 4

    def __init__(self, trt: FakeTrt, about: dict[str, Any]) -> None:
        self.trt, self.about = trt, about
        self.tensors = {t.name: t for t in (*SPEC.inputs, *SPEC.outputs)}

    def get_tensor_name(self, index: int) -> str:
        return list(self.tensors)[index]

    def get_tensor_mode(self, name: str) -> str:
        return "in" if self.tensors[name] in SPEC.inputs else "out"

    def get_tensor_dtype(self, name: str) -> str:
        return str(self.about.get("dtype", "f32"))

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        sizes = self.about["ranges"]["B"]
        return [(size, self.tensors[name].axes[1]) for size in sizes]

    def get_aliased_input_tensor(self, name: str) -> str | None:
        return "past" if name == "present" else None

    def create_runtime_config(self) -> FakeRuntimeConfig:
        return FakeRuntimeConfig()

    def create_execution_context(self, config: FakeRuntimeConfig | None = None) -> FakeContext:
        assert (config is not None) == hasattr(self.trt, "IRuntimeConfig")
        return FakeContext(self, config)


class FakeContext:
    def __init__(self, engine: FakeEngine, config: FakeRuntimeConfig | None) -> None:
        self.engine, self.config = engine, config
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        least, _, most = self.engine.about["ranges"]["B"]
        self.shapes[name] = tuple(shape)
        return bool(least <= shape[0] <= most)

    def infer_shapes(self) -> list[str]:
        return [t.name for t in SPEC.inputs if t.name not in self.shapes]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (self.shapes["x"][0], self.engine.tensors[name].axes[1])

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        cudart = self.engine.trt.cudart
        assert stream in cudart.streams and set(self.addresses) == set(self.engine.tensors)
        assert self.addresses["past"] == self.addresses["present"]
        if cudart.recording is None:
            self._kernel()
        else:
            cudart.recording.append(self._kernel)
        return not self.engine.about.get("fail")

    def _kernel(self) -> None:
        self._at("y")[:] = 2 * self._at("x") + 1
        self._at("present")[:] += 1

    def _at(self, name: str) -> np.ndarray:
        shape = self.shapes.get(name) or self.get_tensor_shape(name)
        count = int(np.prod(shape))
        assert self.addresses[name] in self.engine.trt.cudart.live
        return np.ctypeslib.as_array((ctypes.c_float * count).from_address(self.addresses[name])).reshape(shape)
