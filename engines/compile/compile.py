"""One graph of a pack becomes one engine of the store.

In: a pack, the path of a graph, an `EngineOrder` (compiler, target, options). Out: `MadeEngine`. Builds under the
store's lock, measures the engine's parity with its graph where it can run, publishes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edgecap.engines.compile.check import drift, engine_figures
from edgecap.engines.compile.onnxruntime import build_ort
from edgecap.engines.compile.progress import BuildProgress
from edgecap.engines.compile.target import BuildTarget, choose_target
from edgecap.engines.compile.tensorrt import TrtBuild, TrtOptions, build_trt
from edgecap.engines.errors import EngineBuildError, EngineError, MissingExtraError, UsageError
from edgecap.engines.graph.device import probe_device
from edgecap.engines.graph.onnx_session import open_onnx_session
from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.packs.onnx_files import external_files
from edgecap.engines.packs.pack import Pack
from edgecap.engines.store.key import (
    DEFAULT_FLAGS,
    Backend,
    EngineTarget,
    backend_version,
    compiled_graph,
    pack_key,
    this_device,
)
from edgecap.engines.store.manifest import describe
from edgecap.engines.store.store import Build, EngineStore, StoredEngine
from edgecap.engines.tensorrt.api import TrtApi, find_trt

_ENGINE_FILES: dict[Backend, str] = {
    "onnxruntime-cpu": "model.onnx",
    "tensorrt": "model.engine",
    "tensorrt-rtx": "model.engine",
}


@dataclass(frozen=True, slots=True)
class EngineOrder:
    """What to compile with and for. Made by `order_engines`.

    `api`, `gpu`: None for ONNX Runtime. `allow_drift`: publish an engine that misses its parity limits, recorded in
    the manifest. `intra_threads`: of the sessions that compare.
    """

    target: EngineTarget
    api: TrtApi | None
    gpu: BuildTarget | None
    options: TrtOptions = field(default_factory=TrtOptions)
    allow_drift: bool = False
    intra_threads: int = 1

    @property
    def flags(self) -> Mapping[str, str | int | bool]:
        """The builder flags of the key."""
        if self.api is None:
            return DEFAULT_FLAGS["onnxruntime-cpu"]
        return {"optimisation_level": self.options.optimisation_level, "tf32": self.options.tf32}

    @property
    def compiler(self) -> str:
        """Product name and version of the compiler."""
        return f"ONNX Runtime {self.target.backend_version}" if self.api is None else self.api.name


@dataclass(frozen=True, slots=True)
class MadeEngine:
    """An engine in the store. `seconds`: of its build, now or earlier. `timings`: of the timing cache, "" where
    nothing was built. `parity`, `parity_note`: as in the manifest. `warnings`: the compiler's."""

    graph_path: str
    file: str
    status: Literal["built", "already built"]
    digest: str
    folder: Path
    seconds: float
    onnx_bytes: int
    engine_bytes: int
    parity: dict[str, float]
    parity_note: str
    timings: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Made:
    """What a compiler left in the build folder."""

    seconds: float
    parity: dict[str, float]
    parity_note: str
    drifted: bool = False
    timings: str = ""
    warnings: tuple[str, ...] = ()


def order_engines(
    backend: Backend,
    *,
    target: str | None = None,
    options: TrtOptions | None = None,
    allow_drift: bool = False,
    intra_threads: int = 1,
) -> EngineOrder:
    """Resolve a compiler and a target ("sm_89"; None = this machine).

    Raises `MissingExtraError` where the compiler is not installed, `UsageError` where it can't build for that target.
    """
    if backend == "onnxruntime-cpu":
        if target is not None:
            raise UsageError(
                f"--target {target}: ONNX Runtime optimises for the CPU of this machine alone; leave --target out, or "
                "use --backend tensorrt-rtx"
            )
        return EngineOrder(this_device(backend), None, None, allow_drift=allow_drift, intra_threads=intra_threads)
    api = find_trt(backend)
    gpu = choose_target(target, api, probe_device())
    device = (
        this_device(backend)
        if backend == "tensorrt" and not gpu.ahead
        else EngineTarget(backend, backend_version(backend), gpu.name)
    )
    return EngineOrder(device, api, gpu, options or TrtOptions(), allow_drift=allow_drift, intra_threads=intra_threads)


def make_engine(
    pack: Pack,
    graph_path: str,
    order: EngineOrder,
    *,
    store: EngineStore,
    wait_seconds: float = 0.0,
    on_progress: Callable[[BuildProgress], None] | None = None,
    say: Callable[[str], None] = lambda line: None,
    stop: threading.Event | None = None,
) -> MadeEngine:
    """Build the engine of one graph, or find that the store has it.

    `say` gets a line when a build begins or has to wait. Raises what `EngineStore.building`, `build_ort` and
    `build_trt` raise; `EngineBuildError` also where the engine misses its parity limits. Whatever happens, the store
    contains whole engines only; Ctrl-C ends in KeyboardInterrupt.
    """
    graph = compiled_graph(pack, graph_path, order.target.backend)
    key = pack_key(pack, graph_path, order.target, flags=order.flags)
    source = pack.path(graph.file)
    onnx_bytes = sum((source.parent / name).stat().st_size for name in (source.name, *external_files(source)))
    with store.building(key, wait_seconds=wait_seconds, needs_bytes=2 * onnx_bytes, say=say) as build:
        if build.existing is not None:
            return _made_engine(build.existing, graph_path, graph, "already built")
        say(f"building {graph_path}")
        made = _compile(pack, graph_path, graph, order, build, store, on_progress, stop)
        manifest = describe(
            build.folder,
            key=key,
            pack=pack,
            graph=graph_path,
            engine_file=_ENGINE_FILES[order.target.backend],
            build_seconds=made.seconds,
            onnx_bytes=onnx_bytes,
            parity=made.parity,
            parity_note=made.parity_note,
            drift_allowed=made.drifted,
        )
        engine = build.publish(manifest)
    return _made_engine(engine, graph_path, graph, "built", timings=made.timings, warnings=made.warnings)


def _compile(
    pack: Pack,
    graph_path: str,
    graph: GraphSpec,
    order: EngineOrder,
    build: Build,
    store: EngineStore,
    on_progress: Callable[[BuildProgress], None] | None,
    stop: threading.Event | None,
) -> _Made:
    source, out = pack.path(graph.file), build.folder / _ENGINE_FILES[order.target.backend]
    if order.api is None or order.gpu is None:
        started = time.perf_counter()
        build_ort(source, graph, out, intra_threads=order.intra_threads)
        zeros = {f"{tensor.name}.max_abs": 0.0 for tensor in graph.outputs}
        return _Made(time.perf_counter() - started, zeros, "bit for bit as the pack's graph on trial inputs")
    options = TrtOptions(
        optimisation_level=order.options.optimisation_level,
        tf32=order.options.tf32,
        workspace_bytes=order.options.workspace_bytes,
        timing_folder=store.timing_folder,
    )
    try:
        done = build_trt(
            source,
            graph,
            out,
            api=order.api,
            target=order.gpu,
            options=options,
            on_progress=on_progress,
            stop=stop,
        )
    except EngineBuildError as error:
        if graph_path in pack.spec.twins:
            raise
        raise EngineBuildError(
            f"{graph_path} has no TensorRT twin in pack {pack.spec.name!r}, and its own graph is not for TensorRT: "
            f"{error}"
        ) from error
    return _judge(source, graph, order, out, done)


def _judge(source: Path, graph: GraphSpec, order: EngineOrder, out: Path, done: TrtBuild) -> _Made:
    """Compare with ONNX Runtime's CPU on the same graph, where this machine can run the engine."""
    from edgecap.engines.tensorrt.session import open_trt_session

    assert order.api is not None and order.gpu is not None
    figures: dict[str, float] = {}
    if order.gpu.ahead:
        note = f"not measured: compiled ahead for {order.gpu.name}, which is not a GPU of this machine"
    else:
        note = ""
        try:
            engine = open_trt_session(out, graph, backend=order.api.backend)
            reference = open_onnx_session(source, graph, intra_threads=order.intra_threads)
            figures = engine_figures(reference, engine)
        except MissingExtraError as error:
            note = f"not measured: {error}"
        except EngineError as error:
            raise EngineBuildError(f"{graph.file}: the engine was compiled but does not run: {error}") from error
    words = drift(figures, precision=graph.precision)
    if words and not order.allow_drift:
        raise EngineBuildError(
            f"{graph.file}: the engine's output exceeds the parity limits: {words}; nothing was published; "
            "re-export at a higher precision, or pass --allow-drift"
        )
    return _Made(done.seconds, figures, note, bool(words), done.timings, done.warnings)


def _made_engine(
    engine: StoredEngine,
    graph_path: str,
    graph: GraphSpec,
    status: Literal["built", "already built"],
    *,
    timings: str = "",
    warnings: tuple[str, ...] = (),
) -> MadeEngine:
    manifest = engine.manifest
    return MadeEngine(
        graph_path=graph_path,
        file=graph.file,
        status=status,
        digest=manifest.key.digest,
        folder=engine.folder,
        seconds=manifest.build_seconds,
        onnx_bytes=manifest.onnx_bytes,
        engine_bytes=manifest.engine_bytes,
        parity=manifest.parity,
        parity_note=manifest.parity_note,
        timings=timings,
        warnings=warnings,
    )
