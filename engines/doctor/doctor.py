"""What works on this machine, what does not, and what to do about it.

In: nothing. Out: one `Check` row per thing checked.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from pathlib import Path

from edgecap.engines.caches import is_writable
from edgecap.engines.doctor.gpu import gpu_checks
from edgecap.engines.doctor.row import Check, Status, line_of, package_check
from edgecap.engines.errors import EdgecapError, MissingExtraError, PackError
from edgecap.engines.graph.device import probe_device
from edgecap.engines.graph.providers import PROVIDERS, Provider, onnxruntime_wheels, try_provider
from edgecap.engines.packs.pack import Pack, shipped_packs
from edgecap.engines.packs.pulled import STREET, STREET_MEGABYTES, packs_folder, pulled_pack
from edgecap.engines.packs.schema import graphs_of
from edgecap.engines.store.store import STORE_VARIABLE, default_folder


def examine() -> tuple[Check, ...]:
    """Check everything, in a fixed order; takes a second or two. Never raises: a failure is a row."""
    rows: list[Check] = []
    for probe in _PROBES:
        try:
            rows.extend(probe())
        except Exception as error:  # whatever a half-installed package raises on import
            name, required = probe.__name__.strip("_"), probe not in _OPTIONAL
            rows.append(Check(name, "broken", line_of(error), "reinstall edgecap", required=required))
    return tuple(rows)


def _python() -> list[Check]:
    return [Check("python", "ok", f"{platform.python_version()}, {sys.executable}", required=True)]


def _edgecap() -> list[Check]:
    from edgecap import __version__

    return [Check("edgecap", "ok", __version__, required=True)]


def _machine() -> list[Check]:
    return [Check("machine", "ok", probe_device().machine_line())]


def _core_packages() -> list[Check]:
    modules = {"numpy": "numpy", "opencv": "cv2", "av": "av", "numba": "numba", "tokenizers": "tokenizers"}
    return [
        package_check(name, module, fix="pip install --force-reinstall edgecap", required=True)
        for name, module in modules.items()
    ]


def _h264_encoder() -> list[Check]:
    try:
        import av

        av.Codec("libx264", "w")
    except Exception as error:
        return [
            Check(
                "libx264",
                "missing",
                f"PyAV can't encode H.264 ({line_of(error)})",
                "pip install --force-reinstall av (its wheels bring libx264)",
                required=True,
            )
        ]
    return [Check("libx264", "ok", "PyAV can encode H.264", required=True)]


def _onnxruntime() -> list[Check]:
    wheels = onnxruntime_wheels()
    detail = ", ".join(f"{name} {version}" for name, version in wheels.items())
    if len(wheels) > 1:
        return [
            Check(
                "onnxruntime",
                "broken",
                f"two wheels at once: {detail}; they overwrite each other's files",
                "pip uninstall -y onnxruntime onnxruntime-gpu, then pip install 'edgecap[cpu]' or 'edgecap[gpu]'",
                required=True,
            )
        ]
    return [
        package_check(
            "onnxruntime",
            "onnxruntime",
            fix="pip install 'edgecap[cpu]' (or 'edgecap[gpu]')",
            required=True,
            detail=detail,
        )
    ]


def _providers() -> list[Check]:
    return [_provider(provider) for provider in PROVIDERS]


def _provider(provider: Provider) -> Check:
    name, required = f"provider {provider}", provider == "cpu"
    try:
        try_provider(provider)
    except EdgecapError as error:
        detail, _, fix = str(error).partition("; ")
        status: Status = "broken" if required and not isinstance(error, MissingExtraError) else "missing"
        return Check(name, status, detail, fix, required=required)
    except Exception as error:  # a half-installed driver may raise anything; the other providers may still work
        return Check(name, "broken", line_of(error), "reinstall ONNX Runtime and its drivers", required=required)
    return Check(name, "ok", "opens and runs a model", required=required)


def _caches() -> list[Check]:
    from edgecap.engines.compiled import numba_cache

    slower = "each run compiles its array loops again (seconds); set NUMBA_CACHE_DIR to a folder that can be written"
    unsaved = f"edgecap build can't store engines; set {STORE_VARIABLE} to a folder that can be written"
    return [_cache("compiled code", numba_cache(), slower), _cache("engines", default_folder(), unsaved)]


def _cache(purpose: str, folder: Path | None, without: str) -> Check:
    """A row: a cache that can't be written is no fault, only slower or less."""
    if folder is not None and is_writable(folder):
        return Check(f"cache of {purpose}", "ok", f"{folder} can be written")
    where = f"{folder} can't be written" if folder is not None else "no folder can be written"
    return Check(f"cache of {purpose}", "missing", where, without)


def _nvidia() -> list[Check]:
    return gpu_checks()


def _packs() -> list[Check]:
    names = shipped_packs()
    if not names:
        return [Check("packs", "missing", "no pack ships in this installation", "reinstall edgecap", required=True)]
    return [_pack(name) for name in names]


def _street() -> list[Check]:
    try:
        folder = pulled_pack(STREET)
    except PackError as error:
        return [Check(f"pack {STREET}", "broken", str(error), f"edgecap pull {STREET}")]
    if folder is None:
        where = f"not in {packs_folder() / STREET}: footage outside nano's drawn world gets computed captions only"
        return [Check(f"pack {STREET}", "missing", where, f"edgecap pull {STREET} ({STREET_MEGABYTES} MB)")]
    found = _pack(folder)
    detail = f"{folder}: {found.detail}" if found.status == "ok" else found.detail
    again = "" if found.status == "ok" else f"edgecap pull {STREET} --force"
    return [Check(f"pack {STREET}", found.status, detail, again)]


def _pack(name: str | Path) -> Check:
    try:
        pack = Pack.open(name)
        graphs = {graph.file: graph for _, graph in graphs_of(pack.spec)}
        for graph in graphs.values():
            pack.open_session(graph)
    except EdgecapError as error:
        detail, _, fix = str(error).rpartition("; ")
        return Check(f"pack {name}", "broken", detail, fix, required=True)
    size = sum(entry.bytes for entry in pack.spec.files.values())
    detail = f"{pack.spec.version}, {len(pack.spec.files)} files, {size / 1e6:.1f} MB, all SHA-256 agree"
    detail += f", {len(graphs)} {'graph opens' if len(graphs) == 1 else 'graphs open'}"
    return Check(f"pack {name}", "ok", detail, required=True)


_PROBES: tuple[Callable[[], list[Check]], ...] = (
    _python,
    _edgecap,
    _machine,
    _core_packages,
    _h264_encoder,
    _onnxruntime,
    _providers,
    _caches,
    _nvidia,
    _packs,
    _street,
)
_OPTIONAL: frozenset[Callable[[], list[Check]]] = frozenset({_machine, _caches, _nvidia, _street})
"""Probes whose failure does not affect captions on the CPU."""
