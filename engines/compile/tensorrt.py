"""An ONNX file becomes a TensorRT or TensorRT-RTX engine.

In: a graph of standard operators with its precision in its types, the `GraphSpec` that says its ranges, a target. Out:
the serialised engine in a file, and what was done. The network is
strongly typed (TensorRT 11 has no other kind): no flag here changes a precision, and TF32 is off unless asked for.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecap.engines.compile.progress import BuildProgress, PhaseTree, make_monitor, run_stoppable
from edgecap.engines.compile.target import BuildTarget
from edgecap.engines.errors import EngineBuildError, EngineError, OutputError
from edgecap.engines.files import write_whole
from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.tensorrt.api import TrtApi, TrtLog
from edgecap.engines.tensorrt.profile import Shapes, check_network, profile_shapes


@dataclass(frozen=True, slots=True)
class TrtOptions:
    """How hard to try. `optimisation_level`: 0 (quick build) to 5, TensorRT's own scale, its default is 3.

    `tf32`: let fp32 products be rounded to TF32 (10 bits of mantissa), which TensorRT does by default.
    `workspace_bytes`: most device memory for one operator's scratch; None = no limit but the device.
    `timing_folder`: kernel timings are kept there between builds; None = not kept.
    """

    optimisation_level: int = 3
    tf32: bool = False
    workspace_bytes: int | None = None
    timing_folder: Path | None = None


@dataclass(frozen=True, slots=True)
class TrtBuild:
    """One build done. `bytes`: of the engine; `timings`: what was done with the timing cache, in words; `tf32`: as in
    `TrtOptions`, read back from the compiler; `warnings`: TensorRT's, each once."""

    path: Path
    seconds: float
    bytes: int
    compiler: str
    target: BuildTarget
    timings: str
    tf32: bool
    warnings: tuple[str, ...]


def build_trt(
    path: str | Path,
    spec: GraphSpec,
    out_path: Path,
    *,
    api: TrtApi,
    target: BuildTarget,
    options: TrtOptions = TrtOptions(),
    on_progress: Callable[[BuildProgress], None] | None = None,
    stop: threading.Event | None = None,
) -> TrtBuild:
    """Compile the ONNX file at `path` for `target` and write the engine to `out_path`, whole or not at all.

    `on_progress` is called from the compiler's threads. Ctrl-C, or setting `stop`, makes TensorRT stop at its next
    step; nothing is left behind, and Ctrl-C then raises KeyboardInterrupt.

    Raises `EngineBuildError` naming the node or operator and TensorRT's reason where the graph is refused, an axis has
    no range, or the build was stopped; `GraphContractError` where the file isn't what `spec` declares; `OutputError`
    where the engine can't be written.
    """
    stopping = stop or threading.Event()
    shapes = profile_shapes(spec)

    def work() -> TrtBuild:
        with api.listening() as log:
            job = _Job(Path(path), spec, api, target, options, log)
            return job.run(shapes, out_path, on_progress=on_progress, stop=stopping)

    return run_stoppable(work, stop=stopping)


@dataclass(slots=True)
class _Job:
    path: Path
    spec: GraphSpec
    api: TrtApi
    target: BuildTarget
    options: TrtOptions
    log: TrtLog

    def run(
        self,
        shapes: dict[str, Shapes],
        out_path: Path,
        *,
        on_progress: Callable[[BuildProgress], None] | None,
        stop: threading.Event,
    ) -> TrtBuild:
        started = time.perf_counter()
        builder = self.api.module.Builder(self.log.logger)
        network = self._parse(builder)
        config = builder.create_builder_config()
        tf32 = self._configure(config)
        self._add_profile(builder, config, shapes)
        timings = _Timings(self.api, self.target, self.options.timing_folder)
        timings.load(config)
        if self.api.has_progress:
            tree = PhaseTree(on_progress or (lambda progress: None))
            config.progress_monitor = monitor = make_monitor(self.api, tree, stop)  # noqa: F841 TensorRT keeps no reference
        blob = builder.build_serialized_network(network, config)
        if stop.is_set():
            raise EngineBuildError(f"{self.spec.file}: the build was stopped; nothing was kept, run it again")
        if blob is None:
            raise self._failure("could not compile it", self.log.errors())
        timings.save(config)
        view = memoryview(blob)
        _write(out_path, view)
        return TrtBuild(
            path=out_path,
            seconds=time.perf_counter() - started,
            bytes=view.nbytes,
            compiler=self.api.name,
            target=self.target,
            timings=timings.words,
            tf32=tf32,
            warnings=self.log.warnings(),
        )

    def _parse(self, builder: Any) -> Any:
        if not self.path.is_file():
            raise EngineError(f"{self.path}: no such graph file; export or reinstall the pack")
        network = builder.create_network(self.api.network_flags)
        parser = self.api.module.OnnxParser(network, self.log.logger)
        if not parser.parse_from_file(str(self.path)):
            errors = [parser.get_error(index) for index in range(parser.num_errors)]
            raise self._failure("refuses it", [_parser_words(error) for error in errors] or self.log.errors())
        check_network(self.spec, network, self.api)
        _allow_decomposed_attention(network, self.api)
        return network

    def _configure(self, config: Any) -> bool:
        """Level, workspace, target, TF32; returns whether TF32 is on."""
        module, options = self.api.module, self.options
        config.builder_optimization_level = options.optimisation_level
        if options.workspace_bytes is not None:
            config.set_memory_pool_limit(module.MemoryPoolType.WORKSPACE, options.workspace_bytes)
        if self.api.targets:
            config.num_compute_capabilities = 1
            sm = f"SM{self.target.compute_capability.replace('.', '')}"
            known = self.target.compute_capability in self.api.targets
            config.set_compute_capability(getattr(module.ComputeCapability, sm if known else "CURRENT"), 0)
        elif self.target.ahead:
            raise EngineBuildError(f"{self.api.name} compiles for the installed GPU only, not for {self.target.name}")
        flag = getattr(module.BuilderFlag, "TF32", None)
        if flag is not None:
            (config.set_flag if options.tf32 else config.clear_flag)(flag)
        return flag is not None and bool(config.get_flag(flag))

    def _add_profile(self, builder: Any, config: Any, shapes: dict[str, Shapes]) -> None:
        profile = builder.create_optimization_profile()
        try:
            for name, (least, usual, most) in shapes.items():
                profile.set_shape(name, least, usual, most)
        except ValueError as error:
            raise EngineBuildError(f"{self.spec.file}: input {name!r}: {error}; correct its ranges") from error
        if config.add_optimization_profile(profile) < 0:
            raise self._failure(f"does not accept the ranges {self.spec.ranges}", self.log.errors())

    def _failure(self, verb: str, words: list[str]) -> EngineBuildError:
        said = " ".join(("; then: ".join(dict.fromkeys(_readable(text) for text in words[:3]))).split())[:700]
        return EngineBuildError(
            f"{self.spec.file}: {self.api.name} {verb} for {self.target.name}: {said or 'no reason given'}; "
            "correct the graph and export it again, or build for ONNX Runtime"
        )


def _allow_decomposed_attention(network: Any, api: TrtApi) -> None:
    """Let Attention decompose into matrix products where no fused kernel exists (fp32 has none: without this a graph
    in fp32 is refused). Fused kernels are still used where they exist.

    Python sees every layer of a parsed network as a plain ILayer; NVIDIA's own samples reach the attributes by
    giving the object its real class.
    """
    kind = getattr(api.module.LayerType, "ATTENTION_INPUT", None)
    layer_class = getattr(api.module, "IAttentionInputLayer", None)
    if kind is None or layer_class is None:
        return
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        if layer.type == kind:
            layer.__class__ = layer_class
            layer.attention.decomposable = True


class _Timings:
    """Kernel timings in the store, one file per compiler and target. `words`: what was done with them."""

    def __init__(self, api: TrtApi, target: BuildTarget, folder: Path | None) -> None:
        self._api = api
        self._path = None if folder is None else folder / f"{api.backend}-{api.version}-{target.name}.cache"
        self._used = False
        self.words = "not kept"

    def load(self, config: Any) -> None:
        if self._path is None:
            return
        if reason := self._api.no_timing_cache(config):
            self.words = f"not kept: {reason}"
            return
        try:
            kept = self._path.read_bytes()
        except FileNotFoundError:
            kept = b""
        except OSError as error:
            raise OutputError(f"{self._path}: can't be read ({error}); check its permissions") from error
        # A damaged or foreign cache counts as empty for TensorRT; timings are never wrong, at worst missing.
        self._used = bool(config.set_timing_cache(config.create_timing_cache(kept), False))
        self.words = f"{'taken from' if kept else 'new in'} {self._path.name}" if self._used else "not kept: refused"

    def save(self, config: Any) -> None:
        if self._path is not None and self._used:
            _write(self._path, memoryview(config.get_timing_cache().serialize()))


def _write(path: Path, content: memoryview) -> None:
    megabytes = content.nbytes / 1e6
    write_whole(path, content, advice=f"{megabytes:.1f} MB are needed; free some disk space or check the folder")


def _parser_words(error: Any) -> str:
    """One ONNX parser error: which node, which operator, why. Its fields are methods in some bindings."""

    def field(name: str) -> Any:
        value = getattr(error, name, "")
        return value() if callable(value) else value

    operator, name = field("node_operator"), field("node_name")
    code = str(field("code")).rpartition(".")[2]
    # A file that is not a model is reported as node -1.
    at = f"node {field('node')}{f' {name!r}' if name else ''}{f' ({operator})' if operator else ''}: "
    words = "" if field("desc") in ("", "false") else f": {field('desc')}"
    return f"{at if field('node') >= 0 else ''}{code}{words}"


def _readable(text: str) -> str:
    """Without the locations in TensorRT's own sources, which don't help a user."""
    text = text.splitlines()[0] if text.strip() else ""
    text = re.sub(r"\s*In \w+ at /\S+:\d+\)?", "", text)
    text = re.sub(r"^I\w+::\w+: |\(?\[\w+\.(?:cpp|h):\d+: \w+\] ", "", text)
    return re.sub(r"\(See https://\S+ [^)]*\)\s*", "", text).rstrip(" .")
