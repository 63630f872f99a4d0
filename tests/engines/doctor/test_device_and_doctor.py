"""The probe and the doctor on this machine, and on machines acted out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
import types

import pytest

from edgecap.engines import Check, examine, probe_device
from edgecap.engines.doctor import doctor as doctor_module
from edgecap.engines.doctor import gpu as doctor_gpu_module
from edgecap.engines.doctor import row as check_module
from edgecap.engines.graph import device as device_module


class FakeNvml(types.ModuleType):
    """pynvml as it looks on a machine with one H100."""

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.shut_down = False

    def nvmlInit(self) -> None: ...

    def nvmlShutdown(self) -> None:
        self.shut_down = True

    def nvmlSystemGetDriverVersion(self) -> str:
        return "580.65.06"

    def nvmlSystemGetCudaDriverVersion(self) -> int:
        return 13020

    def nvmlDeviceGetCount(self) -> int:
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetCudaComputeCapability(self, handle: int) -> tuple[int, int]:
        return (9, 0)

    def nvmlDeviceGetName(self, handle: int) -> str:
        return "NVIDIA H100 80GB HBM3"

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> types.SimpleNamespace:
        return types.SimpleNamespace(total=80 * 2**30)


def test_probe_says_gpu_or_why_not():
    report = probe_device()
    assert bool(report.gpus) == (report.no_gpu_reason == "") == (report.driver_version is not None)
    assert 1 <= report.cpu.usable_cores <= report.cpu.logical_cores
    assert report.python == ".".join(str(part) for part in sys.version_info[:3])
    assert report.cpu.model in report.machine_line() and "\n" not in report.machine_line()


def test_probe_with_a_gpu(monkeypatch: pytest.MonkeyPatch):
    nvml = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    report = probe_device()
    assert dataclasses.astuple(report.gpus[0]) == (0, "NVIDIA H100 80GB HBM3", "9.0", 80 * 2**30)
    assert (report.driver_version, report.cuda_driver_version) == ("580.65.06", "13.2")
    assert "NVIDIA H100 80GB HBM3 (SM 9.0, 80 GiB), driver 580.65.06, CUDA 13.2" in report.machine_line()
    assert nvml.shut_down


def test_probe_without_a_driver(monkeypatch: pytest.MonkeyPatch):
    nvml = FakeNvml()

    def no_library() -> None:
        raise RuntimeError("NVML Shared Library Not Found")

    monkeypatch.setattr(nvml, "nvmlInit", no_library)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    report = probe_device()
    assert report.gpus == () and report.driver_version is None
    assert report.no_gpu_reason == "no NVIDIA driver answers (NVML Shared Library Not Found)"
    assert "no GPU" in report.machine_line()


def test_probe_without_pynvml(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert "nvidia-ml-py is not installed" in probe_device().no_gpu_reason


def test_cpu_facts_come_from_cpuinfo(monkeypatch: pytest.MonkeyPatch):
    block = (
        "processor: {0}\nmodel name : Some CPU @ 3 GHz\nphysical id : 0\ncore id : {1}\nflags : fpu avx2 avx512_vnni\n"
    )
    text = "\n".join(block.format(i, i // 2) for i in range(4))  # 2 cores, 2 threads each
    monkeypatch.setattr(device_module.Path, "read_text", lambda self, **rest: text)
    cpu = probe_device().cpu
    assert (cpu.model, cpu.physical_cores, cpu.flags) == ("Some CPU @ 3 GHz", 2, ("avx2", "avx512_vnni"))


def rows() -> dict[str, Check]:
    return {check.name: check for check in examine()}


def test_doctor_on_this_machine(capfd: pytest.CaptureFixture[str]):
    found = rows()
    for name in (
        "python",
        "edgecap",
        "numpy",
        "opencv",
        "av",
        "numba",
        "tokenizers",
        "libx264",
        "onnxruntime",
    ):
        assert found[name].status == "ok" and found[name].required, found[name]
    assert found["provider cpu"] == Check("provider cpu", "ok", "opens and runs a model", required=True)
    assert {
        "provider cuda",
        "provider tensorrt",
        "nvml",
        "tensorrt",
        "tensorrt_rtx",
        "pynvvideocodec",
    } <= set(found)
    for check in found.values():
        assert check.status in ("ok", "missing", "broken") and check.detail and "\n" not in check.detail
        assert (check.fix == "") == (check.status == "ok"), check
    assert capfd.readouterr() == ("", "")


def test_doctor_without_onnxruntime(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    found = rows()
    assert found["provider cpu"].status == "missing" and "edgecap[cpu]" in found["provider cpu"].fix
    assert found["onnxruntime"].status == "missing"


def test_doctor_sees_both_wheels(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        doctor_module, "onnxruntime_wheels", lambda: {"onnxruntime": "1.31.1", "onnxruntime-gpu": "1.31.1"}
    )
    check = rows()["onnxruntime"]
    assert check.status == "broken" and "two wheels at once" in check.detail and "pip uninstall" in check.fix


def test_doctor_survives_a_package_that_fails_on_import(monkeypatch: pytest.MonkeyPatch):
    """PyNvVideoCodec raises RuntimeError, not ImportError, where there is no driver."""

    def explode(name: str):
        raise RuntimeError("libnvidia-encode.so.1 not found\nsecond line")

    monkeypatch.setattr(check_module.importlib, "import_module", explode)
    check = check_module.package_check("pynvvideocodec", "PyNvVideoCodec", fix="install the driver")
    assert check == Check(
        "pynvvideocodec", "broken", "RuntimeError: libnvidia-encode.so.1 not found", "install the driver"
    )


def test_doctor_survives_a_probe_that_fails(monkeypatch: pytest.MonkeyPatch):
    def _weird() -> list[Check]:
        raise OSError("disk on fire")

    monkeypatch.setattr(doctor_module, "_PROBES", (_weird,))
    (check,) = examine()
    assert (check.name, check.status, check.detail) == ("weird", "broken", "OSError: disk on fire")


def test_doctor_reports_a_tampered_pack(make_pack, tmp_path, monkeypatch: pytest.MonkeyPatch):
    from edgecap.engines.packs import pack as pack_module

    folder = make_pack()
    monkeypatch.setattr(pack_module, "SHIPPED_FOLDER", tmp_path)
    assert rows()["pack tiny"].status == "ok"
    (folder / "scale.onnx").write_bytes(b"other")
    check = rows()["pack tiny"]
    assert check.status == "broken" and "expected" in check.detail and "reinstall" in check.fix


@pytest.mark.parametrize("probe", ["_nvidia", "_machine"])
def test_a_crash_beside_the_cpu_path_does_not_make_the_machine_unready(monkeypatch: pytest.MonkeyPatch, probe: str):
    def crash() -> object:
        raise OSError("libnvidia-ml.so is damaged")

    monkeypatch.setattr(doctor_module, "probe_device", crash)
    monkeypatch.setattr(doctor_gpu_module, "probe_device", crash)
    check = rows()[probe.strip("_")]
    assert (check.status, check.required) == ("broken", False) and "damaged" in check.detail


def test_a_provider_that_crashes_is_its_own_row(monkeypatch: pytest.MonkeyPatch):
    real = doctor_module.try_provider

    def crash(provider: str) -> None:
        if provider != "cpu":
            raise RuntimeError("driver exploded")
        real(provider)

    monkeypatch.setattr(doctor_module, "try_provider", crash)
    found = rows()
    assert found["provider cpu"].status == "ok"
    assert (found["provider cuda"].status, found["provider cuda"].required) == ("broken", False)


def test_doctor_opens_the_graphs_of_a_pack(make_pack, tmp_path, monkeypatch: pytest.MonkeyPatch):
    """Whole by its digests and still no graph: only opening it tells."""
    from edgecap.engines.packs import pack as pack_module

    folder = make_pack()
    monkeypatch.setattr(pack_module, "SHIPPED_FOLDER", tmp_path)
    assert "1 graph opens" in rows()["pack tiny"].detail
    (folder / "scale.onnx").write_bytes(b"no graph at all")
    data = json.loads((folder / "pack.json").read_text())
    digest = hashlib.sha256(b"no graph at all").hexdigest()
    data["files"]["scale.onnx"] = {"sha256": digest, "bytes": 15}
    (folder / "pack.json").write_text(json.dumps(data))
    check = rows()["pack tiny"]
    assert check.status == "broken" and "scale.onnx" in check.detail
