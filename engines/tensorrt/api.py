"""TensorRT 10, TensorRT 11 and TensorRT-RTX behind one interface, distinguished by what their modules offer.

In: the name of a backend. Out: `TrtApi`: the module, its version, what it can do, and a logger that keeps
messages. Version numbers are never compared: names came and went between releases (EXPLICIT_BATCH,
IAlgorithmSelector, IStreamReader), so each is looked up.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import importlib
import re
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from edgecap.engines.errors import EngineError, MissingExtraError, UsageError

TrtBackend = Literal["tensorrt", "tensorrt-rtx"]
TRT_BACKENDS: tuple[TrtBackend, ...] = get_args(TrtBackend)

_MODULES: dict[TrtBackend, str] = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
_FIXES: dict[TrtBackend, str] = {
    "tensorrt": "pip install tensorrt-cu13 from NVIDIA's own package index (https://pypi.nvidia.com)",
    "tensorrt-rtx": "pip install 'edgecap[rtx]'",
}
_KEPT_LINES = 500
_SM = re.compile(r"SM(\d+)")
_ENGINE_DTYPES = {"float32": "FLOAT", "float16": "HALF", "int8": "INT8", "uint8": "UINT8", "int32": "INT32"}
_ENGINE_DTYPES |= {"int64": "INT64", "bool": "BOOL"}
# What TensorRT-RTX logs, repeatedly, on a machine without a driver; a build ahead of time works without one.
_NO_DRIVER = ("CUDA driver version is insufficient", "no CUDA-capable device", "Error reading CUDA GPU properties")


@dataclass(frozen=True, slots=True)
class TrtApi:
    """One TensorRT. `module`: the imported package; `version`: its full version, part of every engine's key."""

    backend: TrtBackend
    module: Any
    version: str

    @property
    def name(self) -> str:
        """Product name and version."""
        return f"{'TensorRT-RTX' if self.backend == 'tensorrt-rtx' else 'TensorRT'} {self.version}"

    @property
    def network_flags(self) -> int:
        """Bit set for `create_network`: strongly typed always, explicit batch where that flag still exists."""
        flags = self.module.NetworkDefinitionCreationFlag
        wanted = (getattr(flags, name, None) for name in ("STRONGLY_TYPED", "EXPLICIT_BATCH"))
        return sum(1 << int(flag) for flag in wanted if flag is not None)

    @property
    def targets(self) -> tuple[str, ...]:
        """SMs that can be compiled for without such a device ("8.6", ...), oldest first; () = only this device."""
        if not hasattr(self.module.IBuilderConfig, "set_compute_capability"):
            return ()
        numbers = sorted(int(found[1]) for name in dir(self.module.ComputeCapability) if (found := _SM.fullmatch(name)))
        return tuple(f"{number // 10}.{number % 10}" for number in numbers)

    @property
    def has_progress(self) -> bool:
        """Whether a build reports progress and can be stopped."""
        return hasattr(self.module, "IProgressMonitor")

    @property
    def has_validity(self) -> bool:
        """Whether a serialised engine can be checked, unopened, for whether it runs here (TensorRT-RTX alone)."""
        return hasattr(self.module.Runtime, "get_engine_validity")

    @property
    def has_runtime_cache(self) -> bool:
        """Whether kernels are compiled on opening and kept in a separate cache (TensorRT-RTX alone)."""
        return hasattr(self.module, "IRuntimeConfig") and hasattr(self.module.IRuntimeConfig, "create_runtime_cache")

    def no_timing_cache(self, config: Any) -> str:
        """Why a builder config keeps no timings, "" where it does; an empty cache is set on it to find out.

        TensorRT-RTX still has the methods, but they do nothing; only a DeprecationWarning reports it.
        """
        if not hasattr(config, "create_timing_cache"):
            return f"{self.name} has none"
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            config.set_timing_cache(config.create_timing_cache(b""), False)
        if any("no-op" in str(warning.message) for warning in said):
            return f"{self.name} has none (its timing cache methods do nothing)"
        return ""

    def dtype(self, name: str) -> Any:
        """TensorRT's DataType of a numpy dtype name; None where it has no such type."""
        return getattr(self.module.DataType, _ENGINE_DTYPES.get(name, ""), None)

    def dtype_name(self, dtype: Any) -> str:
        """numpy's name of a TensorRT DataType, or TensorRT's own where numpy has none."""
        return next((name for name in _ENGINE_DTYPES if self.dtype(name) == dtype), str(dtype).rpartition(".")[2])

    @contextlib.contextmanager
    def listening(self) -> Iterator[TrtLog]:
        """What TensorRT logs inside the with block; one listener at a time, since there is one logger per process."""
        log: TrtLog = _logger(self.module)
        with log.lock:
            log.lines.clear()
            yield log

    def last_errors(self) -> list[str]:
        """The errors logged since the last `listening` began, oldest first."""
        log: TrtLog = _logger(self.module)
        return log.errors()


class TrtLog:
    """What TensorRT logged: (severity, text), oldest first, the last few hundred. `logger`: what TensorRT calls."""

    def __init__(self, module: Any) -> None:
        self.lines: collections.deque[tuple[str, str]] = collections.deque(maxlen=_KEPT_LINES)
        self.lock = threading.RLock()
        severity, lines = module.ILogger.Severity, self.lines

        class Logger(module.ILogger):  # type: ignore[misc]
            def __init__(self) -> None:
                module.ILogger.__init__(self)

            def log(self, level: Any, words: str) -> None:
                if level <= severity.WARNING:
                    lines.append((level.name, words))

        self.logger: Any = Logger()

    def errors(self) -> list[str]:
        """Errors in order, each once, without those that every machine without a driver logs."""
        words = dict.fromkeys(text for level, text in self.lines if level in ("ERROR", "INTERNAL_ERROR"))
        return [text for text in words if not any(noise in text for noise in _NO_DRIVER)] or list(words)

    def warnings(self) -> tuple[str, ...]:
        """Warnings in order, each once, each in one line."""
        return tuple(dict.fromkeys(" ".join(words.split()) for level, words in self.lines if level == "WARNING"))


def find_trt(backend: TrtBackend) -> TrtApi:
    """The installed TensorRT of that name. Raises `MissingExtraError` with the fix where none can be loaded."""
    if backend not in _MODULES:
        raise UsageError(f"no compiler {backend!r}; choose one of {', '.join(TRT_BACKENDS)}")
    try:
        module = importlib.import_module(_MODULES[backend])
    except Exception as error:  # a missing .so is an ImportError, a version clash anything
        what = "is not installed" if isinstance(error, ModuleNotFoundError) else "does not load"
        raise MissingExtraError(
            f"{backend} {what} ({' '.join(str(error).split())[:200] or type(error).__name__}); {_FIXES[backend]}"
        ) from error
    version = str(getattr(module, "__version__", "unknown"))
    missing = [name for name in ("Builder", "OnnxParser", "Runtime", "IBuilderConfig") if not hasattr(module, name)]
    if missing or not hasattr(getattr(module, "NetworkDefinitionCreationFlag", None), "STRONGLY_TYPED"):
        raise EngineError(
            f"{backend} {version} lacks {', '.join(missing) or 'strongly typed networks'}; edgecap needs TensorRT 10 "
            f"or newer with its ONNX parser: {_FIXES[backend]}"
        )
    return TrtApi(backend=backend, module=module, version=version)


@functools.cache
def _logger(module: Any) -> TrtLog:
    """One per process: TensorRT keeps the first logger it gets, and warns about any other."""
    return TrtLog(module)
