"""The session's own logic, on a TensorRT and a CUDA that are acted out (tests/engines/tensorrt/fake_trt.py)."""

from __future__ import annotations

import dataclasses
import gc
import json
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from edgecap.engines import TensorSpec
from edgecap.engines.errors import EngineError, EngineMismatchError, GraphContractError, MissingExtraError
from edgecap.engines.tensorrt.cuda_memory import Cuda, DeviceBuffers, find_cuda
from edgecap.engines.tensorrt.session import open_trt_session
from tests.engines.tensorrt.fake_trt import SPEC, FakeCudart, FakeTrt

GOOD = {"ranges": {"B": [1, 2, 4]}}


@pytest.fixture
def cudart(monkeypatch: pytest.MonkeyPatch) -> FakeCudart:
    runtime = FakeCudart()
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", runtime)
    monkeypatch.setitem(sys.modules, "tensorrt", FakeTrt(runtime))
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", FakeTrt(runtime, rtx=True))
    return runtime


def opened(folder: Path, about: dict[str, object] = GOOD, *, spec=SPEC, backend="tensorrt", **options):
    path = folder / "x.engine"
    path.write_text(json.dumps(about))
    return open_trt_session(path, spec, backend=backend, **options)


def feeds(rows: int, start: float = 0.0) -> dict[str, np.ndarray]:
    x = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3) + np.float32(start)
    return {"x": x, "past": np.full((rows, 2), start, np.float32)}


def test_run_gives_new_arrays_for_any_size_of_the_profile(cudart: FakeCudart, tmp_path: Path):
    session = opened(tmp_path)
    assert session.provider == "tensorrt" and "TensorRT 11.4.0.106" in repr(session)
    for rows in (2, 4, 1, 1):
        fed = feeds(rows, start=rows)
        got = session.run(fed)
        np.testing.assert_array_equal(got["y"], 2 * fed["x"] + 1)
        np.testing.assert_array_equal(got["present"], fed["past"] + 1)
        assert fed["past"][0, 0] == rows  # the caller's memory is not written
    strided = {"x": np.arange(12, dtype=np.float32).reshape(2, 6)[:, ::2], "past": np.zeros((2, 2), np.float32)}
    np.testing.assert_array_equal(session.run(strided)["y"], 2 * strided["x"] + 1)


def test_sizes_outside_the_profile_are_refused_by_axis(cudart: FakeCudart, tmp_path: Path):
    session = opened(tmp_path)
    with pytest.raises(EngineError, match=r"axis 'B' of input 'x' is 5, the engine was compiled for 1 to 4"):
        session.run(feeds(5))
    assert session.run(feeds(2))["y"].shape == (2, 3)  # and it still works
    with pytest.raises(EngineError, match="wrong input names"):
        session.run({"x": feeds(1)["x"]})


def test_binding_updates_a_cache_in_place(cudart: FakeCudart, tmp_path: Path):
    """past and present are one host array, as the captioner binds its cache."""
    session, x = opened(tmp_path), np.zeros((2, 3), np.float32)
    cache, y = np.zeros((2, 2), np.float32), np.empty((2, 3), np.float32)
    binding = session.bind({"x": x, "past": cache}, {"y": y, "present": cache})
    for step in range(1, 4):
        x[:] = step
        binding.run()
        assert (y == 2 * step + 1).all() and (cache == step).all()
    cache[1] = 40  # the host's words count
    binding.run()
    assert cache.tolist() == [[4, 4], [41, 41]]


def test_binding_checks_memory_and_shapes(cudart: FakeCudart, tmp_path: Path):
    session, fed = opened(tmp_path), feeds(2)
    with pytest.raises(EngineError, match="not C-contiguous"):
        outputs = {"y": np.empty((3, 2), np.float32).T, "present": np.empty((2, 2), np.float32)}
        session.bind(fed, outputs)
    loose = dataclasses.replace(SPEC, outputs=(TensorSpec("y", "float32", ("C", 3)), SPEC.outputs[1]))
    session = opened(tmp_path, spec=loose)
    with pytest.raises(EngineError, match=r"output 'y' will be \[2, 3\] for these inputs, the bound array is \[1, 3\]"):
        session.bind(fed, {"y": np.empty((1, 3), np.float32), "present": np.empty((2, 2), np.float32)})


def test_cuda_graph_is_captured_in_the_second_run_and_then_replayed(cudart: FakeCudart, tmp_path: Path):
    session, fed = opened(tmp_path, cuda_graphs=True), feeds(2)
    outputs = {"y": np.empty((2, 3), np.float32), "present": np.empty((2, 2), np.float32)}
    binding = session.bind(fed, outputs)
    launches = []
    for step in range(3):
        fed["x"][:] = step
        binding.run()
        assert (outputs["y"] == 2 * step + 1).all()
        launches.append(cudart.log.count("launch"))
    assert launches == [0, 1, 2] and cudart.graphs == 1
    del binding
    gc.collect()
    assert cudart.graphs == 0


def test_bindings_and_runs_in_threads_do_not_mix(cudart: FakeCudart, tmp_path: Path):
    session, wrong = opened(tmp_path), []

    def work(start: float) -> None:
        fed = feeds(2, start)
        outputs = {"y": np.empty((2, 3), np.float32), "present": np.empty((2, 2), np.float32)}
        binding = session.bind(fed, outputs)
        for _ in range(50):
            binding.run()
            if not (outputs["y"] == 2 * fed["x"] + 1).all() or not (session.run(fed)["present"] == start + 1).all():
                wrong.append(start)

    threads = [threading.Thread(target=work, args=(float(start),)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_everything_on_the_device_is_given_back(cudart: FakeCudart, tmp_path: Path):
    session = opened(tmp_path)
    session.run(feeds(4))
    assert cudart.live and cudart.streams
    del session
    gc.collect()
    assert not cudart.live and not cudart.streams


def test_a_full_device_is_an_error_of_ours(cudart: FakeCudart, tmp_path: Path):
    session = opened(tmp_path)
    cudart.limit_bytes = 40
    with pytest.raises(EngineError, match="cudaMalloc failed: out of memory"):
        session.run(feeds(4))
    cudart.limit_bytes = 1 << 20
    assert session.run(feeds(4))["y"].shape == (4, 3)


def test_an_engine_that_fails_to_run_says_so(cudart: FakeCudart, tmp_path: Path):
    with pytest.raises(EngineError, match=r"twice.onnx: TensorRT 11.4.0.106 failed to run"):
        opened(tmp_path, GOOD | {"fail": True}).run(feeds(1))


def test_engines_that_are_something_else(cudart: FakeCudart, tmp_path: Path):
    path = tmp_path / "x.engine"
    with pytest.raises(EngineError, match="no such engine file"):
        open_trt_session(path, SPEC, backend="tensorrt")
    path.write_bytes(b"")
    with pytest.raises(EngineMismatchError, match="is empty"):
        open_trt_session(path, SPEC, backend="tensorrt")
    path.write_bytes(b"cut sho")
    with pytest.raises(EngineMismatchError, match=r"does not open its engine here: plan header is damaged"):
        open_trt_session(path, SPEC, backend="tensorrt")
    with pytest.raises(EngineMismatchError, match=r"compiled for shapes \(\(1, 3\), \(2, 3\), \(8, 3\)\)"):
        opened(tmp_path, {"ranges": {"B": [1, 2, 8]}})
    with pytest.raises(GraphContractError, match="'x': the pack declares float32, the engine has float16"):
        opened(tmp_path, GOOD | {"dtype": "f16"})
    with pytest.raises(GraphContractError, match="output names differ"):
        opened(tmp_path, spec=dataclasses.replace(SPEC, outputs=SPEC.outputs[:1]))


def test_runtime_cache_and_graphs_of_rtx(cudart: FakeCudart, tmp_path: Path):
    """TensorRT-RTX compiles kernels on opening: they are kept after the first run, and it captures graphs itself."""
    cache = tmp_path / "kernels.cache"
    session = opened(tmp_path, backend="tensorrt-rtx", runtime_cache=cache, cuda_graphs=True)
    assert session.provider == "tensorrt-rtx" and not cache.exists()
    outputs = {"y": np.empty((2, 3), np.float32), "present": np.empty((2, 2), np.float32)}
    binding = session.bind(feeds(2), outputs)
    for _ in range(3):
        binding.run()
    assert cache.read_bytes() == b"compiled kernels" and cudart.graphs == 0
    assert binding._lane._context.config.cuda_graph_strategy == "whole"
    again = opened(tmp_path, backend="tensorrt-rtx", runtime_cache=cache)
    assert again._cache.loaded == b"compiled kernels"


def test_cuda_bindings_that_are_not_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'edgecap\[gpu\]'"):
        find_cuda()


def test_buffers_grow_and_keep_their_place():
    runtime = FakeCudart()
    buffers = DeviceBuffers(Cuda(runtime))
    small = buffers.ensure("x", 16)
    assert buffers.ensure("x", 8) == small and buffers.bytes == 16
    grown = buffers.ensure("x", 64)
    assert set(runtime.live) == {grown} and buffers.bytes == 64
    buffers.ensure("nothing", 0)
    del buffers
    gc.collect()
    assert not runtime.live
