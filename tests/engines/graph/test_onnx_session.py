"""Sessions over tiny graphs with known answers: values, contract, bindings, threads, providers."""

from __future__ import annotations

import dataclasses
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from onnx import helper

from edgecap.engines import (
    EngineError,
    GraphContractError,
    GraphSpec,
    MissingExtraError,
    ProviderError,
    TensorSpec,
    open_onnx_session,
)
from edgecap.engines.graph.onnx_session import OnnxBinding
from tests.engines.graphs import SCALE, CopyingDevice, save_graph


def rows(count: int) -> np.ndarray:
    return np.arange(3 * count, dtype=np.float32).reshape(count, 3)


def test_run_gives_new_arrays_by_name(scale_path: Path):
    session = open_onnx_session(scale_path, SCALE)
    for count in (1, 4, 0):
        outputs = session.run({"x": rows(count)})
        assert list(outputs) == ["y"]
        np.testing.assert_array_equal(outputs["y"], 2 * rows(count) + 1)
    assert session.provider == "cpu" and session.spec is SCALE


@pytest.mark.parametrize(
    ("feeds", "words"),
    [
        pytest.param({}, "want ['x'], got []", id="missing input"),
        pytest.param({"x": rows(1), "z": rows(1)}, "got ['x', 'z']", id="unknown input"),
        pytest.param({"x": rows(1).astype(np.float64)}, "expected float32, got float64", id="wrong dtype"),
        pytest.param({"x": np.zeros((1, 4), np.float32)}, "got shape [1, 4]", id="wrong fixed axis"),
        pytest.param({"x": np.zeros(3, np.float32)}, "got shape [3]", id="wrong rank"),
    ],
)
def test_wrong_feeds_are_named(scale_path: Path, feeds: dict[str, np.ndarray], words: str):
    session = open_onnx_session(scale_path, SCALE)
    with pytest.raises(EngineError) as caught:
        session.run(feeds)
    assert words in str(caught.value) and SCALE.file in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_axis_name_has_one_size_per_call(tmp_path: Path):
    spec = GraphSpec(
        "sum.onnx",
        "fp32",
        (TensorSpec("a", "float32", ("B",)), TensorSpec("b", "float32", ("B",))),
        (TensorSpec("y", "float32", ("B",)),),
    )
    path = save_graph(tmp_path / spec.file, [helper.make_node("Add", ["a", "b"], ["y"])], spec)
    session = open_onnx_session(path, spec)
    # The graph itself would broadcast [1] over [2] and say nothing.
    with pytest.raises(EngineError, match=r"input 'b' expected axes \['B'\] with \{'B': 2\}, got shape \[1\]"):
        session.run({"a": np.zeros(2, np.float32), "b": np.zeros(1, np.float32)})


def _other(**changes: object) -> GraphSpec:
    return dataclasses.replace(SCALE, **changes)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param(
            _other(inputs=(TensorSpec("pixels", "float32", ("B", 3)),)),
            "input names differ: the pack declares ['pixels'], the graph has ['x']",
            id="input name",
        ),
        pytest.param(
            _other(outputs=(*SCALE.outputs, TensorSpec("embedding", "float32", ("B", 8)))),
            "output names differ",
            id="declared output is not there",
        ),
        pytest.param(
            _other(inputs=(TensorSpec("x", "uint8", ("B", 3)),)),
            "input 'x': the pack declares uint8, the graph has float32",
            id="dtype",
        ),
        pytest.param(_other(inputs=(TensorSpec("x", "float32", ("B", 4)),)), "the graph has ['B', 3]", id="fixed axis"),
        pytest.param(
            _other(inputs=(TensorSpec("x", "float32", ("B", "C")),)),
            "the graph has ['B', 3]",
            id="free axis that the graph fixes",
        ),
        pytest.param(_other(outputs=(TensorSpec("y", "float32", ("B", 3, 1)),)), "output 'y'", id="rank"),
    ],
)
def test_graph_that_breaks_its_contract_is_refused(scale_path: Path, spec: GraphSpec, words: str):
    with pytest.raises(GraphContractError) as caught:
        open_onnx_session(scale_path, spec)
    assert words in str(caught.value)


def test_size_fixed_by_the_pack_alone_is_checked_on_each_call(scale_path: Path):
    one_row = _other(inputs=(TensorSpec("x", "float32", (1, 3)),), outputs=(TensorSpec("y", "float32", (1, 3)),))
    session = open_onnx_session(scale_path, one_row)
    assert session.run({"x": rows(1)})["y"].shape == (1, 3)
    with pytest.raises(EngineError, match=r"got shape \[2, 3\]"):
        session.run({"x": rows(2)})


def test_output_that_breaks_the_promise_is_the_graphs_fault(scale_path: Path):
    two_rows = _other(outputs=(TensorSpec("y", "float32", (2, 3)),))
    with pytest.raises(GraphContractError, match="export it again"):
        open_onnx_session(scale_path, two_rows).run({"x": rows(1)})


def test_binding_reuses_the_callers_memory(scale_path: Path):
    x, y = rows(2), np.zeros((2, 3), np.float32)
    binding = open_onnx_session(scale_path, SCALE).bind({"x": x}, {"y": y})
    for step in range(3):
        x[:] = rows(2) + step
        binding.run()
        np.testing.assert_array_equal(y, 2 * (rows(2) + step) + 1)


def test_binding_keeps_arrays_alive_and_takes_a_leading_slice(scale_path: Path):
    pool = np.zeros((8, 3), np.float32)
    binding = open_onnx_session(scale_path, SCALE).bind({"x": rows(2).copy()}, {"y": pool[4:6]})
    binding.run()
    np.testing.assert_array_equal(pool[4:6], 2 * rows(2) + 1)
    assert not pool[:4].any() and not pool[6:].any()


def test_input_and_output_may_be_the_same_memory(scale_path: Path):
    memory = np.array([[0.0, 1.0, 2.0]], np.float32)
    binding = open_onnx_session(scale_path, SCALE).bind({"x": memory}, {"y": memory})
    for _ in range(3):
        binding.run()
    np.testing.assert_array_equal(memory, [[7.0, 15.0, 23.0]])  # x -> 2x + 1, three times


def test_binding_that_copies_inputs_sees_new_values():
    """The way taken on a GPU, where a bound input is a copy made at binding time."""
    x, y, device = rows(1), np.zeros((1, 3), np.float32), CopyingDevice()
    binding = OnnxBinding(SCALE.file, device, {"x": x}, {"y": y}, copies_inputs=True)
    for value in (1.0, 5.0):
        x[:] = value
        binding.run()
        assert y.tolist() == [[2 * value + 1] * 3] and device.synchronized[-1] == "outputs"


@pytest.mark.parametrize(
    ("inputs", "outputs", "words"),
    [
        pytest.param(
            {"x": np.zeros((3, 2), np.float32).T},
            {"y": np.zeros((2, 3), np.float32)},
            "C-contiguous",
            id="not contiguous",
        ),
        pytest.param({"x": rows(2)}, {"y": np.zeros((1, 3), np.float32)}, "with {'B': 2}", id="batches differ"),
        pytest.param(
            {"x": rows(1)},
            {"y": np.broadcast_to(np.zeros((1, 3), np.float32), (1, 3))},
            "read-only",
            id="read-only output",
        ),
        pytest.param({"x": rows(1)}, {}, "wrong output names", id="output missing"),
    ],
)
def test_wrong_buffers_are_named(scale_path: Path, inputs: dict, outputs: dict, words: str):
    session = open_onnx_session(scale_path, SCALE)
    with pytest.raises(EngineError) as caught:
        session.bind(inputs, outputs)
    assert words in str(caught.value)


def test_engine_failure_is_one_line(tmp_path: Path):
    spec = GraphSpec(
        "reshape.onnx",
        "fp32",
        (TensorSpec("x", "float32", ("N",)), TensorSpec("shape", "int64", (2,))),
        (TensorSpec("y", "float32", ("A", "B")),),
    )
    path = save_graph(tmp_path / spec.file, [helper.make_node("Reshape", ["x", "shape"], ["y"])], spec)
    session = open_onnx_session(path, spec)
    with pytest.raises(EngineError, match=r"reshape\.onnx: the engine failed") as caught:
        session.run({"x": np.zeros(5, np.float32), "shape": np.array([2, 2])})
    assert "\n" not in str(caught.value)


def test_threads_and_spinning_reach_the_engine(scale_path: Path):
    options = open_onnx_session(
        scale_path, SCALE, intra_threads=2, config={"session.x": "y"}
    )._raw.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (2, 1)
    assert options.get_session_config_entry("session.force_spinning_stop") == "1"
    assert options.get_session_config_entry("session.x") == "y"
    with pytest.raises(EngineError, match="intra_threads = 0"):
        open_onnx_session(scale_path, SCALE, intra_threads=0)


def test_one_session_serves_several_threads(scale_path: Path):
    session, wrong = open_onnx_session(scale_path, SCALE), []

    def work(value: float) -> None:
        for _ in range(50):
            y = session.run({"x": np.full((2, 3), value, np.float32)})["y"]
            if not (y == 2 * value + 1).all():
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(float(i),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_missing_and_broken_files(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    with pytest.raises(EngineError, match="no such graph file"):
        open_onnx_session(tmp_path / "absent.onnx", SCALE)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(EngineError, match="can't open it on cpu"):
        open_onnx_session(broken, SCALE)
    assert capfd.readouterr() == ("", "")


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
