"""The one seam to ONNX Runtime: import it, open a model on one provider, and refuse any other.

In: a model (path or bytes), the provider's short name, session options. Out: an
`onnxruntime.InferenceSession` whose first provider is the requested one. Only this module imports the package.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

import numpy as np

from edgecap.engines.errors import EdgecapError, EngineError, MissingExtraError, ProviderError

Provider = Literal["cpu", "cuda", "tensorrt"]
PROVIDERS: tuple[Provider, ...] = get_args(Provider)

_CHAINS: dict[Provider, list[str]] = {
    "cpu": ["CPUExecutionProvider"],
    "cuda": ["CUDAExecutionProvider"],
    # Nodes that TensorRT can't run go to CUDA rather than to the CPU.
    "tensorrt": ["TensorrtExecutionProvider", "CUDAExecutionProvider"],
}
_FIXES: dict[Provider, str] = {
    "cpu": "reinstall it: pip install --force-reinstall 'edgecap[cpu]'",
    "cuda": "it needs pip install 'edgecap[gpu]' (not beside [cpu]), an NVIDIA driver, CUDA 13 and cuDNN 9; "
    "or ask for provider cpu",
    "tensorrt": "it needs pip install 'edgecap[gpu]', an NVIDIA driver, CUDA 13, cuDNN 9 and TensorRT 10 "
    "(libnvinfer.so.10; TensorRT 11 does not serve); or ask for provider cpu",
}

# y = x + x for float32 [1], the smallest model that shows whether a provider works. Made with onnx.helper:
#   nodes = [make_node("Add", ["x", "x"], ["y"])]
#   x, y = (make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
#   make_model(make_graph(nodes, "g", [x], [y]), opset_imports=[make_opsetid("", 13)], ir_version=8)
DOUBLING_MODEL = bytes.fromhex(
    "08083a350a0e0a01780a017812017922034164641201675a0f0a0178120a0a08080112040a0208016"
    "20f0a0179120a0a08080112040a02080142040a00100d"
)

_QUIET, _DEFAULT_SEVERITY = 4, 2
_RECORD_ASSIGNMENT = "session.record_ep_graph_assignment_info"
# What ONNX Runtime keeps on the CPU on purpose: arithmetic on a few sizes, for which waiting for a GPU does not pay.
# Every GPU provider has kernels for these, so they are never on the CPU because a kernel is missing.
_SIZE_ARITHMETIC = frozenset(
    """Shape Size Gather Concat Slice Split Squeeze Unsqueeze Reshape Expand Range Cast Constant ConstantOfShape
    Identity Add Sub Mul Div Mod Min Max Neg Abs Floor Ceil Equal Greater Less Not And Or Where ReduceProd ReduceMax
    ReduceMin ReduceSum""".split()  # noqa: SIM905 a paragraph reads best
)
_NEWER_OPSET = re.compile(r"Opset (\d+) is under development.*till opset (\d+)", re.DOTALL)
_SOURCE_PLACE = re.compile(r"/\S+\.(?:cc|cpp|h):\d+ [^(\n]*\([^)\n]*\)(?: const)? ?")


def import_onnxruntime() -> Any:
    """The `onnxruntime` module. Raises `MissingExtraError` where it is not installed or can't be loaded."""
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise MissingExtraError(
            f"ONNX Runtime can't be imported ({_one_line(error)}); pip install "
            "'edgecap[cpu]', or 'edgecap[gpu]' with an NVIDIA GPU"
        ) from error


def onnxruntime_wheels() -> dict[str, str]:
    """Installed ONNX Runtime wheels, name -> version. Two at once overwrite each other's files."""
    found = {}
    for name in ("onnxruntime", "onnxruntime-gpu"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def session_options(
    *, intra_threads: int, inter_threads: int = 1, config: Mapping[str, str] | None = None, optimise: bool = True
) -> Any:
    """`onnxruntime.SessionOptions` with the settings of every session here; `config` adds session config entries.

    `optimise`: let ONNX Runtime rewrite the graph; off for one that it has rewritten already.
    """
    if intra_threads < 1 or inter_threads < 1:
        raise EngineError(f"a session needs at least one thread, got {intra_threads = }, {inter_threads = }")
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = intra_threads
    options.inter_op_num_threads = inter_threads
    levels = ort.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimise else levels.ORT_DISABLE_ALL
    options.log_severity_level = _QUIET
    # A pool that spins on after its call steals the core from the next session: where two sessions alternate,
    # stopping it took a prefill from 77 to 42 ms (measured).
    options.add_session_config_entry("session.force_spinning_stop", "1")
    for key, value in (config or {}).items():
        options.add_session_config_entry(key, value)
    return options


def open_model(model: str | bytes, *, label: str, provider: Provider, options: Any) -> Any:
    """Open `model` (a path, or the file's bytes) on `provider`; `label` names it in errors.

    Raises `ProviderError` when the provider is not the one in use afterwards, or a GPU provider leaves work (more than
    reckoning with sizes) to the CPU; `EngineError` when the model can't be opened.
    """
    ort = import_onnxruntime()
    if provider not in _CHAINS:
        raise ProviderError(f"no provider {provider!r}; choose one of {', '.join(PROVIDERS)}")
    wanted = _CHAINS[provider]
    # Names compiled into the wheel. A listed one may still not work (no driver); an unlisted one never does.
    if wanted[0] not in ort.get_available_providers():
        wheels = ", ".join(f"{name} {version}" for name, version in onnxruntime_wheels().items())
        raise ProviderError(
            f"{label}: provider {provider} asked, but {wheels or 'this ONNX Runtime'} "
            f"has no {wanted[0]}; {_FIXES[provider]}"
        )
    if provider != "cpu":
        options.add_session_config_entry(_RECORD_ASSIGNMENT, "1")
    notes = io.StringIO()
    try:
        with _quiet(ort, provider, notes):
            # enable_fallback=0: otherwise a failing TensorRT prints a banner and continues without it.
            session = ort.InferenceSession(model, options, providers=wanted, enable_fallback=0)
    except Exception as error:
        if provider == "tensorrt" and "Please install TensorRT" in str(error):
            raise ProviderError(
                f"{label}: provider tensorrt asked, but TensorRT's libraries don't load; {_FIXES[provider]}"
            ) from error
        if newer := _NEWER_OPSET.search(str(error)):
            raise EngineError(
                f"{label}: needs operator set (opset) {newer[1]}, ONNX Runtime {ort.__version__} knows them up to "
                f"{newer[2]}; install a newer ONNX Runtime, or export the pack again"
            ) from error
        raise EngineError(
            f"{label}: ONNX Runtime can't open it on {provider}: {_one_line(error)}; "
            "the file may be broken or need a newer ONNX Runtime"
        ) from error
    got = session.get_providers()[0]
    if got != wanted[0]:
        hint = f" ({_one_line(notes.getvalue())})" if notes.getvalue().strip() else ""
        raise ProviderError(f"{label}: provider {provider} asked, got {got}{hint}; {_FIXES[provider]}")
    if provider != "cpu":
        _refuse_cpu_work(session, label=label, provider=provider)
    return session


def _refuse_cpu_work(session: Any, *, label: str, provider: Provider) -> None:
    """ONNX Runtime silently runs on the CPU every node that the provider has no kernel for, and pictures then cross
    the bus in the middle of a graph. (Its own switch, session.disable_cpu_ep_fallback, asks too much: it refuses a
    graph for the reckoning with sizes too.)
    """
    on_cpu = {
        node.op_type
        for part in session.get_provider_graph_assignment_info()
        if part.ep_name == "CPUExecutionProvider"
        for node in part.get_nodes()
    }
    if work := sorted(on_cpu - _SIZE_ARITHMETIC):
        raise ProviderError(
            f"{label}: provider {provider} asked, but it has no kernel for {', '.join(work)}, which would run on the "
            "CPU; use a pack exported for GPUs (fp32 or fp16), or ask for provider cpu"
        )


def try_provider(provider: Provider) -> None:
    """Open and run a one-node model on `provider`. Raises `EngineError` or a subclass where that fails."""
    label = f"test model on {provider}"
    options = session_options(intra_threads=1)
    session = open_model(DOUBLING_MODEL, label=label, provider=provider, options=options)
    with translated(label):
        (result,) = session.run(None, {"x": np.array([1.5], np.float32)})
    if result.tolist() != [3.0]:
        raise EngineError(f"{label}: 1.5 + 1.5 gave {result.tolist()}; {_FIXES[provider]}")


@contextlib.contextmanager
def translated(label: str) -> Iterator[None]:
    """Turn any exception of ONNX Runtime inside the with block into a one-line `EngineError` that names the graph."""
    try:
        yield
    except EdgecapError:
        raise
    except Exception as error:
        raise EngineError(
            f"{label}: the engine failed: {_one_line(error)}; check the shapes fed against the pack"
        ) from error


@contextlib.contextmanager
def _quiet(ort: Any, provider: Provider, notes: io.StringIO) -> Iterator[None]:
    """For a GPU provider: load NVIDIA's pip libraries, silence the default logger; prints go to `notes`."""
    if provider == "cpu":
        yield
        return
    ort.set_default_logger_severity(_QUIET)
    try:
        with contextlib.redirect_stdout(notes):
            ort.preload_dlls()
            yield
    finally:
        ort.set_default_logger_severity(_DEFAULT_SEVERITY)


def _one_line(error: object) -> str:
    """The first line with content, without ONNX Runtime's source locations; at most 300 characters."""
    lines = [line.strip() for line in _SOURCE_PLACE.sub("", str(error)).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
