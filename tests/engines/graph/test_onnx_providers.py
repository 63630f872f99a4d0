"""The provider that was asked for runs, or an error says why not."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgecap.engines import MissingExtraError, ProviderError, open_onnx_session
from tests.engines.graphs import SCALE, rows


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_gpu_provider_without_a_gpu_says_what_it_needs(
    scale_path: Path, provider: str, capfd: pytest.CaptureFixture[str]
):
    from edgecap.engines import probe_device

    if probe_device().gpus:
        pytest.skip("this machine has a GPU")
    with pytest.raises(ProviderError) as caught:
        open_onnx_session(scale_path, SCALE, provider=provider)
    message = str(caught.value)
    assert f"provider {provider} asked" in message
    assert "edgecap[gpu]" in message and "CUDA 13" in message and "\n" not in message
    assert ("libnvinfer.so.10" in message) == (provider == "tensorrt")
    assert capfd.readouterr() == ("", "")


@pytest.mark.gpu
def test_cuda_gives_the_same_numbers_and_says_so(scale_path: Path):
    session = open_onnx_session(scale_path, SCALE, provider="cuda")
    assert session.provider == "cuda" and session._raw.get_providers()[0] == "CUDAExecutionProvider"
    np.testing.assert_array_equal(session.run({"x": rows(4)})["y"], 2 * rows(4) + 1)
    x, y = rows(1), np.zeros((1, 3), np.float32)
    binding = session.bind({"x": x}, {"y": y})
    for value in (1.0, 5.0):
        x[:] = value
        binding.run()
        assert y.tolist() == [[2 * value + 1] * 3]


def test_another_provider_than_asked_is_refused(scale_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What the GPU wheel does without a driver: it lists CUDA, opens, and runs on the CPU."""
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("Failed to load libcublasLt.so.13: not found"))
    asked = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime,
        "InferenceSession",
        lambda model, options, providers, **rest: asked(model, providers=["CPUExecutionProvider"]),
    )
    with pytest.raises(ProviderError, match=r"cuda asked, got CPUExecutionProvider \(Failed to load libcublasLt"):
        open_onnx_session(scale_path, SCALE, provider="cuda")


def test_unknown_provider_and_missing_package(scale_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ProviderError, match="choose one of cpu, cuda, tensorrt"):
        open_onnx_session(scale_path, SCALE, provider="npu")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'edgecap\[cpu\]'"):
        open_onnx_session(scale_path, SCALE)


class GpuSession:
    """A session of the CPU wheel that calls itself a GPU's, and says that the nodes in `on_cpu` are on the CPU."""

    def __init__(self, real: Any, provider: str, on_cpu: tuple[str, ...]) -> None:
        self._real, self._provider, self._on_cpu = real, provider, on_cpu

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def get_providers(self) -> list[str]:
        return [self._provider, "CPUExecutionProvider"]

    def get_provider_graph_assignment_info(self) -> list[Any]:
        [part, *_] = self._real.get_provider_graph_assignment_info()  # raises unless recording was asked for
        assert part.ep_name == "CPUExecutionProvider" and {n.op_type for n in part.get_nodes()} <= {"Mul", "Add"}
        nodes = [SimpleNamespace(op_type=name) for name in self._on_cpu]
        rest = SimpleNamespace(ep_name=self._provider, get_nodes=lambda: [SimpleNamespace(op_type="Conv")])
        return [rest, SimpleNamespace(ep_name="CPUExecutionProvider", get_nodes=lambda: nodes)]


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
@pytest.mark.parametrize(
    ("on_cpu", "named"),
    [((), ""), (("Shape", "Gather", "Range"), ""), (("Shape", "MatMulNBits", "DynamicQuantizeLinear"), "DynamicQ")],
)
def test_a_gpu_session_that_leaves_work_to_the_cpu_is_refused(
    scale_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str, on_cpu: tuple[str, ...], named: str
):
    import onnxruntime

    name = {"cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}[provider]
    real = onnxruntime.InferenceSession

    def open_session(model: str, options: Any, **rest: Any) -> GpuSession:
        return GpuSession(real(model, options, providers=["CPUExecutionProvider"]), name, on_cpu)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [name])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    monkeypatch.setattr(onnxruntime, "InferenceSession", open_session)
    if not named:
        assert open_onnx_session(scale_path, SCALE, provider=provider).provider == provider
        return
    with pytest.raises(ProviderError, match=r"kernel for DynamicQuantizeLinear, MatMulNBits, .*ask for provider cpu"):
        open_onnx_session(scale_path, SCALE, provider=provider)
