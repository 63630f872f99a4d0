"""The GPU check on a machine without a GPU: every part is there, with its result or its reason."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgecap.bench.gpu import check as check_module
from edgecap.bench.gpu.check import check_gpu, main
from edgecap.bench.gpu.parts import PARTS, PartContext, device_part, latency_part, reason_of, sessions_part
from edgecap.engines import probe_device
from edgecap.engines.errors import ProviderError

pytestmark = pytest.mark.slow


def test_parts_on_the_cpu():
    """The very code that a GPU machine runs, with the provider changed."""
    context = PartContext(provider="cpu", calls=3)
    sessions = sessions_part(context)
    assert len(sessions) == 5 and all(about["drift"] == "" and about["open_seconds"] > 0 for about in sessions.values())
    assert all(
        value == 0 for about in sessions.values() for name, value in about["parity"].items() if "max_abs" in name
    )
    latency = latency_part(context)
    for place, about in latency.items():
        for figure in ("run_ms", "host_binding_ms", "device_binding_ms"):
            assert 0 < about[figure]["least"] <= about[figure]["p50"] <= about[figure]["p95"], place
        assert about["cuda_graph_ms"] == {"error": "provider cpu has no CUDA graphs"}


def test_device_part_names_the_machine():
    found = device_part(PartContext())
    assert found["machine"] == probe_device().machine_line()
    assert {"onnxruntime", "tensorrt_rtx", "cuda-bindings", "nvml"} <= {row["name"] for row in found["doctor"]}
    assert "version" in found["pytorch"] or "error" in found["pytorch"]


@pytest.mark.skipif(bool(probe_device().gpus), reason="says what happens without a GPU")
def test_the_command_without_a_gpu(tmp_path: Path):
    out = tmp_path / "deep" / "gpu.json"
    command = [sys.executable, "-m", "edgecap.bench.gpu.check", "--out", str(out)]
    command += ["--only", "sessions", "--only", "tensorrt"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    report = json.loads(out.read_text())
    assert done.returncode == 1 and list(report["parts"]) == ["sessions", "tensorrt"]
    assert report["parts"]["sessions"]["status"] == "failed"
    assert "none of 5 graphs" in report["parts"]["sessions"]["reason"]
    assert "no NVIDIA driver" in report["parts"]["tensorrt"]["reason"]
    assert f"written to {out}" in done.stdout and "sessions   failed" in done.stdout


def test_a_part_that_crashes_or_hangs_costs_itself_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The parts run as processes: one is killed by a signal, one never ends, one is left out for want of time."""
    answers = {
        "device": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "sessions": "import time; time.sleep(60)",
        "latency": "import sys; sys.exit('no such module')",
    }
    real = subprocess.run

    def run(command: list[str], **options: object) -> object:
        return real([sys.executable, "-c", answers[command[command.index("--part") + 1]]], **options)

    monkeypatch.setattr(check_module.subprocess, "run", run)
    monkeypatch.setattr(check_module, "_LEAST_SECONDS", 0.5)
    monkeypatch.setitem(check_module.PARTS, "sessions", (PARTS["sessions"][0], 1.0))
    report = check_gpu(tmp_path / "x.json", context=PartContext(), parts=("device", "sessions", "latency"))
    parts = report["parts"]
    assert json.loads((tmp_path / "x.json").read_text()) == report
    assert parts["device"]["reason"].startswith("killed by SIGSEGV")
    assert parts["sessions"]["reason"] == "stopped after 1 s" and parts["sessions"]["seconds"] >= 1.0
    assert parts["latency"]["reason"] == "ended with code 1: no such module"
    report = check_gpu(tmp_path / "x.json", context=PartContext(), parts=("device",), budget_seconds=0.1)
    assert report["parts"]["device"]["status"] == "skipped" and "no time left" in report["parts"]["device"]["reason"]


def test_parts_together_stay_below_eight_minutes():
    assert check_module.BUDGET_SECONDS < 8 * 60 and set(PARTS) == {
        "device",
        "sessions",
        "latency",
        "tensorrt",
        "overlap",
    }


def test_a_file_that_can_not_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "file").write_text("")
    assert main(["--out", str(tmp_path / "file" / "x.json")]) == 4
    assert "can't be written" in capsys.readouterr().err


def test_reasons_are_one_line():
    assert reason_of(ProviderError("no\nCUDA")) == "no CUDA"
    assert reason_of(ValueError("a\nb")) == "ValueError: a b"


@pytest.mark.gpu
def test_everything_on_a_gpu_machine(tmp_path: Path):
    assert main(["--out", str(tmp_path / "gpu.json"), "--clip-seconds", "10"]) in (0, 1)
    parts = json.loads((tmp_path / "gpu.json").read_text())["parts"]
    assert parts["device"]["status"] == "ok" and parts["device"]["data"]["gpus"]
    assert parts["sessions"]["status"] == "ok", parts["sessions"]["reason"]
