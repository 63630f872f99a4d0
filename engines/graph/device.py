"""This machine: the GPUs that NVIDIA's driver lists, the CPU, memory, system. Works without a driver.

In: nothing. Out: `DeviceReport`.
"""

from __future__ import annotations

import contextlib
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Instruction sets that ONNX Runtime's CPU kernels depend on.
_FLAGS = (
    "avx2",
    "fma",
    "f16c",
    "avx512f",
    "avx512bw",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
    "asimddp",
    "i8mm",
    "bf16",
    "sve",
)


@dataclass(frozen=True, slots=True)
class GpuReport:
    """One GPU as NVML reports it. `compute_capability` as "8.9"; `memory_bytes` in total, not free."""

    index: int
    name: str
    compute_capability: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class CpuReport:
    """The processor. `usable_cores`: logical cores this process may run on; `physical_cores` None where
    unknown.

    `flags`: those instruction sets of interest that the processor has; empty where the system doesn't say.
    """

    model: str
    logical_cores: int
    physical_cores: int | None
    usable_cores: int
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """The machine. `no_gpu_reason`: why `gpus` is empty, "" when it is not.

    `driver_version` and `cuda_driver_version` (newest CUDA that the driver serves, as "13.0") are None
    without a driver. `memory_bytes`: main memory, None where unknown.
    """

    gpus: tuple[GpuReport, ...]
    no_gpu_reason: str
    driver_version: str | None
    cuda_driver_version: str | None
    cpu: CpuReport
    memory_bytes: int | None
    system: str
    python: str

    def machine_line(self) -> str:
        """One line that names the machine, for the head of a table or a JSON file of figures."""
        memory = f", {self.memory_bytes / 2**30:.0f} GiB" if self.memory_bytes else ""
        vector = next(
            (
                flag
                for flag in ("amx_int8", "avx512_vnni", "avx_vnni", "avx512f", "avx2", "i8mm")
                if flag in self.cpu.flags
            ),
            None,
        )
        gpus = "; ".join(
            f"{gpu.name} (SM {gpu.compute_capability}, {gpu.memory_bytes / 2**30:.0f} GiB)" for gpu in self.gpus
        )
        if gpus:
            gpus += f", driver {self.driver_version}, CUDA {self.cuda_driver_version}"
        return (
            f"{self.cpu.model}, {self.cpu.usable_cores} of {self.cpu.logical_cores} cores"
            f"{f', {vector}' if vector else ''}{memory}; {gpus or 'no GPU'}; {self.system}; "
            f"Python {self.python}"
        )


def probe_device() -> DeviceReport:
    """Look at this machine. Never raises: what can't be known is None, empty or a reason."""
    gpus, reason, driver, cuda = _probe_gpus()
    return DeviceReport(
        gpus=gpus,
        no_gpu_reason=reason,
        driver_version=driver,
        cuda_driver_version=cuda,
        cpu=_probe_cpu(),
        memory_bytes=_memory_bytes(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
    )


def _probe_gpus() -> tuple[tuple[GpuReport, ...], str, str | None, str | None]:
    """GPUs, why none, driver version, CUDA version of the driver."""
    try:
        import pynvml
    except ImportError:
        return (), "the package nvidia-ml-py is not installed (pip install nvidia-ml-py)", None, None
    try:
        pynvml.nvmlInit()
    except Exception as error:  # pynvml creates its error classes at run time
        return (), f"no NVIDIA driver answers ({error})", None, None
    try:
        driver = str(pynvml.nvmlSystemGetDriverVersion())
        version = int(pynvml.nvmlSystemGetCudaDriverVersion())  # 13020 = 13.2
        gpus = tuple(_probe_gpu(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount()))
        reason = "" if gpus else "the NVIDIA driver shows no GPU"
        return gpus, reason, driver, f"{version // 1000}.{version % 1000 // 10}"
    except Exception as error:
        return (), f"the NVIDIA driver answers, but a query failed ({error})", None, None
    finally:
        with contextlib.suppress(Exception):
            pynvml.nvmlShutdown()


def _probe_gpu(pynvml: Any, index: int) -> GpuReport:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    return GpuReport(
        index=index,
        name=str(pynvml.nvmlDeviceGetName(handle)),
        compute_capability=f"{major}.{minor}",
        memory_bytes=int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
    )


def _probe_cpu() -> CpuReport:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    cores = [_key_values(block) for block in text.split("\n\n") if block.strip()]
    first = cores[0] if cores else {}
    physical = {(core["physical id"], core["core id"]) for core in cores if {"physical id", "core id"} <= core.keys()}
    present = set(first.get("flags", first.get("Features", "")).split())
    logical = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical
    return CpuReport(
        model=first.get("model name") or platform.processor() or platform.machine(),
        logical_cores=logical,
        physical_cores=len(physical) or None,
        usable_cores=usable,
        flags=tuple(flag for flag in _FLAGS if flag in present),
    )


def _key_values(block: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
