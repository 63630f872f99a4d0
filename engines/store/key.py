"""Everything that a compiled engine depends on, in one value: equal keys may share an engine, different ones never.

In: a pack, the path of one of its graphs, what it is compiled by and for. Out: `EngineKey`, the same for a
build and for a session.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.util
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from edgecap.engines.errors import EngineError, MissingExtraError, PackError, UsageError
from edgecap.engines.graph.device import DeviceReport, probe_device
from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.packs.onnx_files import external_files
from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.schema import graphs_of

Backend = Literal["onnxruntime-cpu", "tensorrt", "tensorrt-rtx"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)

# Default flags of each backend's compiler. `edgecap caption` looks for engines built with these.
DEFAULT_FLAGS: dict[Backend, dict[str, str | int | bool]] = {
    "onnxruntime-cpu": {"optimisation": "all"},
    "tensorrt": {"optimisation_level": 3, "tf32": False},
    "tensorrt-rtx": {"optimisation_level": 3, "tf32": False},
}

_MODULES: dict[Backend, tuple[str, str]] = {
    "onnxruntime-cpu": ("onnxruntime", "pip install 'edgecap[cpu]'"),
    "tensorrt": ("tensorrt", "pip install tensorrt-cu13 from NVIDIA's own index"),
    "tensorrt-rtx": ("tensorrt_rtx", "pip install 'edgecap[rtx]'"),
}
_WORDS = {
    "onnx_sha256": "ONNX file and weights (SHA-256)",
    "precision": "precision",
    "profile": "shape profile",
    "builder_flags": "builder flags",
    "backend": "backend",
    "backend_version": "backend version",
    "target": "compute capability",
    "cuda_version": "CUDA version",
    "driver_major": "driver",
}
_SHOWN_HASH = 12


@dataclass(frozen=True, slots=True)
class EngineKey:
    """What an engine was, or must be, made from and for. All fields are canonical text: equal text means equal.

    `onnx_sha256`: of the graph that is compiled (the twin, where TensorRT has one) with all its weights, see
    `graph_sha256`. `precision`: as `GraphSpec.precision`. `profile`: see `profile_text`. `builder_flags`: see
    `flags_text`. `backend_version`: in full, e.g. "11.4.0.106". `target`: "sm_89", or for a CPU its architecture and
    instruction sets. `cuda_version`, `driver_major`: "" where the engine does not depend on them.
    """

    onnx_sha256: str
    precision: str
    profile: str
    builder_flags: str
    backend: str
    backend_version: str
    target: str
    cuda_version: str
    driver_major: str

    @property
    def digest(self) -> str:
        """32 hex digits (128 bits of a SHA-256): the name of the engine's folder."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8")).hexdigest()[:32]

    def differences(self, wanted: EngineKey) -> tuple[str, ...]:
        """How this engine differs from what is `wanted`, one clause a field, in the fields' order; () where equal."""
        found = []
        for name, words in _WORDS.items():
            have, want = getattr(self, name), getattr(wanted, name)
            if have == want:
                continue
            if name == "target" and not have.startswith("sm_"):
                words = "processor" if not want.startswith("sm_") else "device"
            if name == "onnx_sha256":
                have, want = f"{have[:_SHOWN_HASH]}...", f"{want[:_SHOWN_HASH]}..."
            found.append(f"{words}: engine {have or 'none'}, wanted {want or 'none'}")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class EngineTarget:
    """What an engine is compiled by and for: the last five fields of `EngineKey`."""

    backend: Backend
    backend_version: str
    target: str
    cuda_version: str = ""
    driver_major: str = ""


def this_device(backend: Backend) -> EngineTarget:
    """The target that engines must have to run here.

    Raises `MissingExtraError` where the backend is not installed, `EngineError` where it needs a GPU and there is none.
    """
    version, report = backend_version(backend), probe_device()
    if backend == "onnxruntime-cpu":
        return EngineTarget(backend, version, cpu_target(report))
    if not report.gpus:
        raise EngineError(
            f"backend {backend} runs on an NVIDIA GPU, but here {report.no_gpu_reason}; "
            "use provider cpu, or build for a GPU by name with edgecap build --backend tensorrt-rtx --target sm_89"
        )
    sm = f"sm_{report.gpus[0].compute_capability.replace('.', '')}"
    if backend == "tensorrt-rtx":  # compiled ahead of time, finished by the driver when it is opened
        return EngineTarget(backend, version, sm)
    major = (report.driver_version or "").partition(".")[0]
    return EngineTarget(backend, version, sm, report.cuda_driver_version or "", major)


def backend_version(backend: Backend) -> str:
    """The full version of the installed package. Raises `MissingExtraError` where it can't be imported."""
    name, fix = _MODULES[backend]
    try:
        return str(importlib.import_module(name).__version__)
    except ImportError as error:
        raise MissingExtraError(f"backend {backend}: {name} can't be imported ({error}); {fix}") from error


def is_installed(backend: Backend) -> bool:
    """Whether the backend's package is installed (it may still fail to load)."""
    return importlib.util.find_spec(_MODULES[backend][0]) is not None


def cpu_target(report: DeviceReport) -> str:
    """Architecture and the instruction sets that ONNX Runtime's optimiser and kernels choose by, sorted."""
    return " ".join([platform.machine(), *sorted(report.cpu.flags)])


def pack_key(
    pack: Pack, graph_path: str, target: EngineTarget, *, flags: Mapping[str, str | int | bool] | None = None
) -> EngineKey:
    """The key of one graph of a pack for `target`; `graph_path` as in `PackSpec.twins` ("detector.graph").

    `flags`: of the builder; None = `DEFAULT_FLAGS`. Raises `UsageError` for a graph that the pack lacks, `PackError`
    where the graph can't be read or needs a file that the pack doesn't list.
    """
    graph = compiled_graph(pack, graph_path, target.backend)
    return EngineKey(
        onnx_sha256=graph_sha256(pack, graph),
        precision=graph.precision,
        profile=profile_text(graph),
        builder_flags=flags_text(DEFAULT_FLAGS[target.backend] if flags is None else flags),
        **dataclasses.asdict(target),
    )


def graph_paths(pack: Pack) -> dict[str, GraphSpec]:
    """Graph path -> primary graph, for every graph of the pack, in the order of the roles."""
    return {at.removeprefix("$."): graph for at, graph in graphs_of(pack.spec)}


def compiled_graph(pack: Pack, graph_path: str, backend: Backend) -> GraphSpec:
    """The graph that `backend` compiles: the twin for TensorRT where there is one, else the primary one."""
    paths = graph_paths(pack)
    if graph_path not in paths:
        raise UsageError(f"pack {pack.spec.name!r} has no graph {graph_path!r}; it has {', '.join(paths) or 'none'}")
    return paths[graph_path] if backend == "onnxruntime-cpu" else pack.spec.twins.get(graph_path, paths[graph_path])


def graph_sha256(pack: Pack, graph: GraphSpec) -> str:
    """SHA-256 over the graph file and every external weight file that it names, in the order of their names.

    The hashes are taken from pack.json; `Pack.open` has compared them with the files, so gigabytes are read only once.
    """
    folder = graph.file.rpartition("/")[0]
    names = [f"{folder}/{name}" if folder else name for name in external_files(pack.path(graph.file))]
    for name in names:
        if name not in pack.spec.files:
            raise PackError(
                f"{pack.folder}: {graph.file} keeps weights in {name}, which is not listed; export it again"
            )
    total = hashlib.sha256()
    for name in (graph.file, *names):
        total.update(bytes.fromhex(pack.spec.files[name].sha256))
    return total.hexdigest()


def profile_text(graph: GraphSpec) -> str:
    """Inputs with their sizes, e.g. "images uint8 [B=1..4..16, 3, 320, 320]"; "?" where a free axis has no range."""

    def size(axis: int | str) -> str:
        if isinstance(axis, int):
            return str(axis)
        return f"{axis}={'..'.join(str(n) for n in graph.ranges[axis]) if axis in graph.ranges else '?'}"

    return "; ".join(
        f"{tensor.name} {tensor.dtype} [{', '.join(size(axis) for axis in tensor.axes)}]"
        for tensor in sorted(graph.inputs, key=lambda tensor: tensor.name)
    )


def flags_text(flags: Mapping[str, str | int | bool]) -> str:
    """Builder flags in one order: "optimisation_level=3, tf32=false"."""
    return ", ".join(f"{name}={json.dumps(flags[name]).strip(chr(34))}" for name in sorted(flags))
