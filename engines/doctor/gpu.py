"""The GPU rows of the doctor: driver, compilers, and whether they compile and run a small graph.

In: nothing. Out: `Check` rows. On a machine without a GPU, a row that needs one is "missing" and says
what to do: captions on the CPU need none of this.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from edgecap.engines.compile.target import BuildTarget
from edgecap.engines.compile.tensorrt import build_trt
from edgecap.engines.doctor.row import Check, line_of, package_check
from edgecap.engines.errors import EdgecapError, MissingExtraError
from edgecap.engines.graph.device import DeviceReport, probe_device
from edgecap.engines.graph.providers import DOUBLING_MODEL
from edgecap.engines.graph.spec import GraphSpec, TensorSpec
from edgecap.engines.tensorrt.api import TrtApi, TrtBackend, find_trt
from edgecap.engines.tensorrt.cuda_memory import find_cuda
from edgecap.engines.tensorrt.session import open_trt_session

_AHEAD = "8.9"
_DOUBLING = GraphSpec("test model", "fp32", (TensorSpec("x", "float32", (1,)),), (TensorSpec("y", "float32", (1,)),))


def gpu_checks() -> list[Check]:
    """Driver, CUDA, each GPU, cuda-bindings, both TensorRTs, hardware decoding."""
    report = probe_device()
    return [
        *_driver(report),
        _cuda_bindings(report),
        _compiler("tensorrt", report),
        _compiler("tensorrt-rtx", report),
        package_check(
            "pynvvideocodec", "PyNvVideoCodec", fix="pip install pynvvideocodec, on a machine with an NVIDIA driver"
        ),
    ]


def _driver(report: DeviceReport) -> list[Check]:
    if not report.gpus:
        return [
            Check("nvml", "missing", report.no_gpu_reason, "install an NVIDIA driver to use a GPU; the CPU needs none")
        ]
    rows = [Check("nvml", "ok", f"driver {report.driver_version}, CUDA {report.cuda_driver_version}")]
    for gpu in report.gpus:
        sm = BuildTarget(gpu.compute_capability).name
        rows.append(Check(f"gpu {gpu.index}", "ok", f"{gpu.name}, {sm}, {gpu.memory_bytes / 2**30:.0f} GiB"))
    return rows


def _cuda_bindings(report: DeviceReport) -> Check:
    try:
        cuda = find_cuda()
        if not report.gpus:
            return Check("cuda-bindings", "missing", "installed, but no GPU to use them on", "see nvml")
        cuda.destroy_stream(cuda.stream())
    except EdgecapError as error:
        detail, _, fix = str(error).rpartition("; ")
        return Check("cuda-bindings", "missing" if isinstance(error, MissingExtraError) else "broken", detail, fix)
    except Exception as error:  # a half-installed driver may raise anything
        return Check("cuda-bindings", "broken", line_of(error), "reinstall the NVIDIA driver and 'edgecap[gpu]'")
    return Check("cuda-bindings", "ok", "opens a stream on the GPU")


def _compiler(backend: TrtBackend, report: DeviceReport) -> Check:
    name = backend.replace("-", "_")
    try:
        api = find_trt(backend)
        return Check(name, "ok", _tried(api, report))
    except _NothingToTry as error:
        return Check(name, "missing", str(error), "use it on a machine with an NVIDIA GPU")
    except MissingExtraError as error:
        detail, _, fix = str(error).partition("; ")
        # Not installed is a choice; installed but not loading is a fault.
        return Check(name, "missing" if "is not installed" in detail else "broken", detail, fix)
    except EdgecapError as error:
        detail, _, fix = str(error).rpartition("; ")
        return Check(name, "broken", detail, fix)
    except Exception as error:
        return Check(name, "broken", line_of(error), f"reinstall {backend}")


class _NothingToTry(Exception):
    """The compiler is installed, but can't compile anything here."""


def _tried(api: TrtApi, report: DeviceReport) -> str:
    """Compile one addition, run it where there is a GPU, and return a description."""
    if report.gpus and (not api.targets or report.gpus[0].compute_capability in api.targets):
        target = BuildTarget(report.gpus[0].compute_capability, report.gpus[0].name)
    elif api.targets:
        target = BuildTarget(_AHEAD if _AHEAD in api.targets else api.targets[-1])
    else:
        raise _NothingToTry(f"{api.version} is installed, but compiles for the installed GPU only, and there is none")
    with tempfile.TemporaryDirectory(prefix="edgecap-doctor-") as folder:
        source, engine = Path(folder) / "double.onnx", Path(folder) / "double.engine"
        source.write_bytes(DOUBLING_MODEL)
        build_trt(source, _DOUBLING, engine, api=api, target=target)
        words = f"{api.version}, compiles for {target.name}"
        if not target.ahead:
            session = open_trt_session(engine, _DOUBLING, backend=api.backend)
            answer = session.run({"x": np.array([1.5], np.float32)})["y"].tolist()
            if answer != [3.0]:
                raise ValueError(f"1.5 + 1.5 gave {answer}")
            words += " and runs there"
    ahead = ", ".join(BuildTarget(known).name for known in api.targets)
    return f"{words}; ahead of time for {ahead}" if ahead else words
