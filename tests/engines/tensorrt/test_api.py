"""One face for TensorRT 10, 11 and RTX, told apart by what their modules have."""

from __future__ import annotations

import sys
import types
import warnings
from pathlib import Path

import pytest

from edgecap.engines.compile.target import BuildTarget, choose_target
from edgecap.engines.compile.tensorrt import _Timings
from edgecap.engines.errors import EngineError, MissingExtraError, OutputError, UsageError
from edgecap.engines.graph.device import probe_device
from edgecap.engines.tensorrt.api import TrtApi, find_trt
from tests.engines.tensorrt.fake_trt import FakeCudart, FakeTrt


class FakeConfig:
    """A builder config that keeps timings, as TensorRT's does."""

    def __init__(self, *, takes: bool = True) -> None:
        self.takes, self.cache = takes, b""

    def create_timing_cache(self, blob: bytes) -> bytes:
        return blob

    def set_timing_cache(self, cache: bytes, ignore_mismatch: bool) -> bool:
        self.cache = cache
        return self.takes

    def get_timing_cache(self) -> types.SimpleNamespace:
        return types.SimpleNamespace(serialize=lambda: self.cache + b"+1")


def fake_api() -> TrtApi:
    return TrtApi("tensorrt", FakeTrt(FakeCudart()), "11.4.0.106")


def test_rtx_as_installed():
    api = find_trt("tensorrt-rtx")
    assert api.name == f"TensorRT-RTX {api.module.__version__}" and api.has_progress and api.has_validity
    assert api.has_runtime_cache and api.network_flags and api.dtype("float16") == api.module.DataType.HALF
    assert api.dtype_name(api.module.DataType.INT64) == "int64" and api.dtype_name(api.module.DataType.FP8) == "FP8"


def test_tensorrt_11_has_lost_names_and_10_has_them():
    api = fake_api()
    assert api.network_flags == 1 << 1  # no EXPLICIT_BATCH to ask for
    api.module.NetworkDefinitionCreationFlag = types.SimpleNamespace(EXPLICIT_BATCH=0, STRONGLY_TYPED=3)
    assert api.network_flags == 0b1001
    assert api.targets == () and not api.has_validity and not api.has_runtime_cache
    with pytest.raises(UsageError, match="build on the machine that will run the engine"):
        choose_target(None, api, with_no_gpu())
    with pytest.raises(UsageError, match="nothing here: it needs that GPU"):
        choose_target("sm_89", api, with_no_gpu())


def with_no_gpu():
    import dataclasses

    return dataclasses.replace(probe_device(), gpus=(), no_gpu_reason="no driver")


def test_what_is_missing_or_too_old(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(MissingExtraError, match=r"tensorrt is not installed .*pip install tensorrt-cu13"):
        find_trt("tensorrt")
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'edgecap\[rtx\]'"):
        find_trt("tensorrt-rtx")
    old = FakeTrt(FakeCudart())
    old.NetworkDefinitionCreationFlag = types.SimpleNamespace(EXPLICIT_BATCH=0)
    monkeypatch.setitem(sys.modules, "tensorrt", old)
    with pytest.raises(EngineError, match="lacks strongly typed networks; edgecap needs TensorRT 10"):
        find_trt("tensorrt")
    with pytest.raises(UsageError, match="no compiler 'openvino'"):
        find_trt("openvino")  # type: ignore[arg-type]


def test_a_library_that_does_not_load_is_told_from_one_that_is_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "tensorrt.py").write_text("raise ImportError('libnvinfer.so.11: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    with pytest.raises(MissingExtraError, match=r"tensorrt does not load .*libnvinfer\.so\.11"):
        find_trt("tensorrt")


def test_the_log_keeps_errors_once_and_without_what_no_driver_always_says():
    api = fake_api()
    level = api.module.ILogger.Severity
    with api.listening() as log:
        for severity, words in (
            (level.INFO, "hello"),
            (level.WARNING, "mind\nthe gap"),
            (level.WARNING, "mind\nthe gap"),
            (level.ERROR, "CUDA driver version is insufficient for CUDA runtime version"),
            (level.ERROR, "node 3 is bad"),
            (level.ERROR, "node 3 is bad"),
        ):
            log.logger.log(severity, words)
        assert log.errors() == ["node 3 is bad"] and log.warnings() == ("mind the gap",)
        for _ in range(2000):
            log.logger.log(level.ERROR, "again")
        assert len(log.lines) <= 500  # a process that runs for weeks does not fill up
    with api.listening() as log:
        assert log.errors() == []


def test_timings_are_kept_between_builds(tmp_path: Path):
    for round_number, words in enumerate(("new in", "taken from")):
        timings = _Timings(fake_api(), BuildTarget("8.9"), tmp_path / "timing")
        config = FakeConfig()
        timings.load(config)
        assert timings.words == f"{words} tensorrt-11.4.0.106-sm_89.cache"
        assert config.cache == b"+1" * round_number
        timings.save(config)
    assert [path.name for path in (tmp_path / "timing").iterdir()] == ["tensorrt-11.4.0.106-sm_89.cache"]


def test_timings_that_are_not_kept_say_why(tmp_path: Path):
    target = BuildTarget("8.9")
    silent = _Timings(fake_api(), target, None)
    silent.load(FakeConfig())
    assert silent.words == "not kept"
    refused = _Timings(fake_api(), target, tmp_path)
    refused.load(config := FakeConfig(takes=False))
    refused.save(config)
    assert refused.words == "not kept: refused" and not list(tmp_path.iterdir())
    absent = _Timings(fake_api(), target, tmp_path)
    absent.load(object())
    assert absent.words == "not kept: TensorRT 11.4.0.106 has none"
    (tmp_path / "tensorrt-11.4.0.106-sm_89.cache").mkdir()
    with pytest.raises(OutputError, match="can't be read"):
        _Timings(fake_api(), target, tmp_path).load(FakeConfig())


def test_a_deprecated_timing_cache_is_found_out_by_its_warning():
    class Deprecated(FakeConfig):
        def set_timing_cache(self, cache: bytes, ignore_mismatch: bool) -> bool:
            warnings.warn("Timing cache operations are no-ops in TensorRT-RTX.", DeprecationWarning, stacklevel=2)
            return True

    assert "do nothing" in fake_api().no_timing_cache(Deprecated())
    assert fake_api().no_timing_cache(FakeConfig()) == ""
