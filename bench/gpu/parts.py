"""The parts of `bench/gpu/check.py`: each measures one thing on this GPU and returns plain data.

In: a `PartContext`. Out: a dict for the JSON. A part raises where what it measures is missing; the check records why.
"""

from __future__ import annotations

import dataclasses
import importlib
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import EdgecapError, EngineError
from edgecap.engines.graph.device import probe_device
from edgecap.engines.graph.spec import GraphSpec
from edgecap.runtime.config import ProviderChoice

Part = Callable[["PartContext"], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class PartContext:
    """`pack`: name or folder. `provider`: "cuda", or "cpu" to try the check itself without a GPU. `clip_seconds`:
    length of the clip of the overlap part. `calls`: timed calls per figure."""

    pack: str = "nano"
    provider: ProviderChoice = "cuda"
    clip_seconds: float = 60.0
    calls: int = 50


def device_part(context: PartContext) -> dict[str, Any]:
    """The machine, its GPUs, what is installed, and what the doctor says."""
    from edgecap.engines.doctor.doctor import examine

    report = probe_device()
    return {
        "machine": report.machine_line(),
        **dataclasses.asdict(report),
        "pytorch": _pytorch(),
        "doctor": [dataclasses.asdict(check) for check in examine()],
    }


def sessions_part(context: PartContext) -> dict[str, Any]:
    """Every graph of the pack in an ONNX Runtime session on the GPU, against the CPU."""
    from edgecap.engines.compile.check import drift, engine_figures
    from edgecap.engines.graph.onnx_session import open_onnx_session

    def measure(path: Path, graph: GraphSpec) -> dict[str, Any]:
        started = time.perf_counter()
        session = open_onnx_session(path, graph, provider=_provider(context))
        opened = time.perf_counter() - started
        figures = engine_figures(open_onnx_session(path, graph), session)
        return {"open_seconds": opened, "parity": figures, "drift": drift(figures, precision=graph.precision)}

    return _per_graph(context, measure)


def latency_part(context: PartContext) -> dict[str, Any]:
    """Milliseconds per call of every graph: plain run, IO binding to host arrays, to device arrays, CUDA graph."""
    from edgecap.engines.compile.check import trial_feeds
    from edgecap.engines.graph.onnx_session import open_onnx_session

    def measure(path: Path, graph: GraphSpec) -> dict[str, Any]:
        feeds = trial_feeds(graph)
        session = open_onnx_session(path, graph, provider=_provider(context))
        outputs = session.run(feeds)
        bound = session.bind(feeds, outputs)
        return {
            "sizes": {name: list(array.shape) for name, array in feeds.items()},
            "run_ms": _timed(lambda: session.run(feeds), context.calls),
            "host_binding_ms": _timed(bound.run, context.calls),
            "device_binding_ms": _device_bound(path, feeds, outputs, context, cuda_graph=False),
            "cuda_graph_ms": _tried(lambda: _device_bound(path, feeds, outputs, context, cuda_graph=True)),
        }

    return _per_graph(context, measure)


def tensorrt_part(context: PartContext) -> dict[str, Any]:
    """TensorRT and TensorRT-RTX, where installed: build, parity, latency with and without CUDA graphs."""
    found = {backend: _tried(partial(_compiled, context, backend)) for backend in ("tensorrt", "tensorrt-rtx")}
    errors = [about["error"] for about in found.values() if "error" in about]
    if len(errors) == len(found):
        raise EngineError("; ".join(errors))
    return found


def overlap_part(context: PartContext) -> dict[str, Any]:
    """The whole pipeline on a clip of the synthetic world, serial against overlapped, models on the GPU."""
    from edgecap.bench.speed.throughput import measure_throughput
    from edgecap.bench.world.cached_clips import cached_clip, clip_cache
    from edgecap.runtime.config import make_config
    from edgecap.runtime.pipeline.pipeline import Pipeline

    pipeline = Pipeline(make_config(pack=context.pack, provider=context.provider))  # fails before a clip is drawn
    folder, seed = clip_cache(), 7
    warm_up = cached_clip(folder, tier="clean", seed=seed, duration_seconds=2.5, num_actors=2).video
    video = cached_clip(folder, tier="moving", seed=seed, duration_seconds=context.clip_seconds, num_actors=4).video
    return dataclasses.asdict(measure_throughput(pipeline, video, warm_up=warm_up, repeats=1))


def _per_graph(context: PartContext, measure: Callable[[Path, GraphSpec], dict[str, Any]]) -> dict[str, Any]:
    """`measure` each graph: its GPU twin where the pack has one. A graph that fails has an "error" instead."""
    from edgecap.engines.packs.pack import Pack
    from edgecap.engines.store.key import graph_paths

    pack = Pack.open(context.pack)
    found: dict[str, Any] = {}
    for place, primary in graph_paths(pack).items():
        graph = pack.spec.twins.get(place, primary)
        about = {"file": graph.file, "precision": graph.precision, "twin": place in pack.spec.twins}
        found[place] = about | _tried(partial(measure, pack.path(graph.file), graph))
    errors = [about["error"] for about in found.values() if "error" in about]
    if found and len(errors) == len(found):
        raise EngineError(f"none of {len(found)} graphs: {errors[0]}")
    return found


def _compiled(context: PartContext, backend: Any) -> dict[str, Any]:
    from edgecap.engines.compile.compile import make_engine, order_engines
    from edgecap.engines.packs.pack import Pack
    from edgecap.engines.store.key import compiled_graph, graph_paths
    from edgecap.engines.store.store import EngineStore

    pack, order = Pack.open(context.pack), order_engines(backend)

    def measure(place: str, store: EngineStore) -> dict[str, Any]:
        graph = compiled_graph(pack, place, backend)
        made = make_engine(pack, place, order, store=store)
        again = order.api is not None and _rebuilt_seconds(pack.path(graph.file), graph, order, store)
        return {
            "build_seconds": made.seconds,
            "second_build_seconds": again,
            "timings": made.timings,
            "engine_bytes": made.engine_bytes,
            "parity": made.parity,
            **_engine_latency(made.folder / "model.engine", graph, backend, context.calls),
        }

    with tempfile.TemporaryDirectory(prefix="edgecap-gpu-check-") as folder:
        store = EngineStore(folder)
        found = {place: _tried(partial(measure, place, store)) for place in graph_paths(pack)}
    return {"compiler": order.compiler, "target": order.target.target, "graphs": found}


def _rebuilt_seconds(path: Path, graph: GraphSpec, order: Any, store: Any) -> float:
    """The same build once more, with the timing cache that the first one left."""
    from edgecap.engines.compile.tensorrt import TrtOptions, build_trt

    with tempfile.TemporaryDirectory(prefix="edgecap-gpu-check-") as folder:
        options = TrtOptions(timing_folder=store.timing_folder)
        return build_trt(path, graph, Path(folder) / "x", api=order.api, target=order.gpu, options=options).seconds


def _engine_latency(path: Path, graph: GraphSpec, backend: Any, calls: int) -> dict[str, Any]:
    from edgecap.engines.compile.check import trial_feeds
    from edgecap.engines.tensorrt.session import open_trt_session

    found: dict[str, Any] = {}
    for name, cuda_graphs in (("", False), ("cuda_graph_", True)):
        started = time.perf_counter()
        session = open_trt_session(path, graph, backend=backend, cuda_graphs=cuda_graphs)
        found[f"{name}open_seconds"] = time.perf_counter() - started
        feeds = trial_feeds(graph)
        outputs = session.run(feeds)
        expected = {key: array.copy() for key, array in outputs.items()}
        bound = session.bind(feeds, outputs)
        if not cuda_graphs:
            found["run_ms"] = _timed(partial(session.run, feeds), calls)
        found[f"{name}host_binding_ms"] = _timed(bound.run, calls)
        found[f"{name}binding_gap"] = max(
            float(np.abs(outputs[key].astype(np.float64) - expected[key].astype(np.float64)).max(initial=0.0))
            for key in expected
        )
    return found


def _device_bound(
    path: Path,
    feeds: dict[str, NDArray[Any]],
    outputs: dict[str, NDArray[Any]],
    context: PartContext,
    *,
    cuda_graph: bool,
) -> dict[str, float]:
    """Inputs and outputs stay on the device: the floor, since our sessions copy both."""
    from edgecap.engines.graph.providers import import_onnxruntime, session_options

    ort, device = import_onnxruntime(), "cuda" if context.provider == "cuda" else "cpu"
    if cuda_graph and device != "cuda":
        raise EngineError(f"provider {context.provider} has no CUDA graphs")
    provider: Any = "CPUExecutionProvider"
    if device == "cuda":
        ort.preload_dlls()
        provider = ("CUDAExecutionProvider", {"enable_cuda_graph": "1"} if cuda_graph else {})
    session = ort.InferenceSession(str(path), session_options(intra_threads=1), providers=[provider])
    if session.get_providers()[0] != (provider if isinstance(provider, str) else provider[0]):
        raise EngineError(f"{path.name}: expected provider {context.provider}, got {session.get_providers()[0]}")
    io = session.io_binding()
    values = [(name, ort.OrtValue.ortvalue_from_numpy(array, device, 0)) for name, array in feeds.items()]
    for name, value in values:
        io.bind_ortvalue_input(name, value)
    for name, array in outputs.items():
        io.bind_ortvalue_output(
            name, ort.OrtValue.ortvalue_from_shape_and_type(list(array.shape), array.dtype, device, 0)
        )

    def once() -> None:
        session.run_with_iobinding(io)
        io.synchronize_outputs()

    return _timed(once, context.calls)


def _timed(call: Callable[[], Any], calls: int) -> dict[str, float]:
    """Milliseconds of `calls` calls after a warm-up of a fifth as many."""
    for _ in range(max(calls // 5, 3)):  # 3: a CUDA graph is captured in the second call
        call()
    times = []
    for _ in range(calls):
        started = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - started))
    ordered = sorted(times)
    return {"p50": statistics.median(times), "p95": ordered[int(0.95 * (len(ordered) - 1))], "least": ordered[0]}


def _tried(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return work()
    except Exception as error:  # the reason is the result
        return {"error": reason_of(error)}


def reason_of(error: BaseException) -> str:
    """One line: our own errors in their words, others with their class."""
    words = " ".join(str(error).split())[:400]
    return words if isinstance(error, EdgecapError) and words else f"{type(error).__name__}: {words}"


def _pytorch() -> dict[str, Any]:
    """What PyTorch says of the GPU, where it is installed; only its name is needed here, never its arrays."""

    def measure() -> dict[str, Any]:
        torch = importlib.import_module("torch")
        words = {"version": torch.__version__, "cuda": torch.version.cuda, "available": torch.cuda.is_available()}
        return words | ({"name": torch.cuda.get_device_name(0)} if words["available"] else {})

    return _tried(measure)


def _provider(context: PartContext) -> Any:
    return context.provider


PARTS: dict[str, tuple[Part, float]] = {
    "device": (device_part, 60.0),
    "sessions": (sessions_part, 90.0),
    "latency": (latency_part, 90.0),
    "tensorrt": (tensorrt_part, 150.0),
    "overlap": (overlap_part, 200.0),
}
"""Name -> (what it does, most seconds it may take)."""
