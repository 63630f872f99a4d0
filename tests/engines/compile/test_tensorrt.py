"""TensorRT-RTX compiles here, without a GPU: the real compiler on small graphs, and what it says to bad ones."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest

from edgecap.engines import GraphSpec, TensorSpec, probe_device
from edgecap.engines.compile.check import engine_figures
from edgecap.engines.compile.progress import BuildProgress, PhaseTree
from edgecap.engines.compile.target import BuildTarget, choose_target
from edgecap.engines.compile.tensorrt import TrtOptions, build_trt
from edgecap.engines.errors import EngineBuildError, EngineError, GraphContractError, OutputError, UsageError
from edgecap.engines.graph.device import GpuReport
from edgecap.engines.graph.onnx_session import open_onnx_session
from edgecap.engines.tensorrt.api import TrtApi, find_trt
from edgecap.engines.tensorrt.session import open_trt_session
from tests.engines.compile.trt_graphs import contrib, convolution, scatter_decoder

SM_86 = BuildTarget("8.6")


@pytest.fixture(scope="module")
def api() -> TrtApi:
    return find_trt("tensorrt-rtx")


@pytest.mark.parametrize("target", ["sm_86", "sm_89", "sm_120"])
@pytest.mark.parametrize("graph", [convolution, scatter_decoder])
def test_compiles_ahead_for_gpus_that_are_not_here(api: TrtApi, tmp_path: Path, graph, target: str):
    path, spec = graph(tmp_path)
    seen: list[BuildProgress] = []
    done = build_trt(
        path,
        spec,
        tmp_path / "out" / "x.engine",
        api=api,
        target=choose_target(target, api, no_gpu()),
        options=TrtOptions(workspace_bytes=1 << 28, timing_folder=tmp_path / "timing"),
        on_progress=seen.append,
    )
    assert done.bytes == done.path.stat().st_size > 10_000 and done.target.name == target and done.seconds > 0
    assert not done.tf32 and done.compiler == api.name
    assert "timing cache methods do nothing" in done.timings  # said, not hidden
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions) and 0.5 < fractions[-1] <= 1.0
    assert "Building engine" in {progress.phase for progress in seen}
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["x.engine"]


def test_engines_of_two_targets_differ(api: TrtApi, tmp_path: Path):
    path, spec = convolution(tmp_path)
    for sm in ("8.6", "12.0"):
        build_trt(path, spec, tmp_path / sm, api=api, target=BuildTarget(sm))
    assert (tmp_path / "8.6").read_bytes() != (tmp_path / "12.0").read_bytes()


def refusal(api: TrtApi, path: Path, spec: GraphSpec, *, target: BuildTarget = SM_86, kind=EngineBuildError) -> str:
    """The one line that a refused build ends with; nothing may be left."""
    out = path.parent / "refused" / "x.engine"
    with pytest.raises(kind) as caught:
        build_trt(path, spec, out, api=api, target=target)
    assert not out.exists() and not list(out.parent.glob(".*")) and "\n" not in str(caught.value)
    return str(caught.value)


def test_an_axis_without_a_range_is_refused_by_name(api: TrtApi, tmp_path: Path):
    path, spec = convolution(tmp_path)
    words = refusal(api, path, dataclasses.replace(spec, ranges={"B": (1, 2, 4), "W": (32, 32, 32)}))
    assert "axis 'H' of input 'images' has no range (ranges are given for: B, W)" in words


def test_an_operator_of_another_house_is_refused_by_node_and_name(api: TrtApi, tmp_path: Path):
    words = refusal(api, *contrib(tmp_path))
    assert "contrib.onnx" in words and "node 0 'my_gelu' (QuickGelu)" in words and "Plugin not found" in words


def test_what_a_target_can_not_do_names_the_node(api: TrtApi, tmp_path: Path):
    """Turing has no fp32 matrix products in TensorRT-RTX 1.7; the compiler, not the parser, finds out."""
    words = refusal(api, *scatter_decoder(tmp_path), target=BuildTarget("7.5"))
    assert "for sm_75" in words and "FP32 GEMM is not supported" in words and "Cannot compile operation '" in words


def test_a_file_that_is_no_model(api: TrtApi, tmp_path: Path):
    path, spec = convolution(tmp_path)
    path.write_bytes(b"no model " * 40)
    assert "Failed to parse the ONNX model" in refusal(api, path, spec)
    path.unlink()
    assert "no such graph file" in refusal(api, path, spec, kind=EngineError)


def test_a_graph_that_is_not_what_the_pack_declares(api: TrtApi, tmp_path: Path):
    path, spec = convolution(tmp_path)
    (images,) = spec.inputs
    renamed = dataclasses.replace(spec, inputs=(dataclasses.replace(images, name="pictures"),))
    words = refusal(api, path, renamed, kind=GraphContractError)
    assert "the pack declares ['pictures'], the graph has ['images']" in words
    retyped = dataclasses.replace(spec, inputs=(dataclasses.replace(images, dtype="float32"),))
    assert "the pack declares float32" in refusal(api, path, retyped, kind=GraphContractError)
    resized = dataclasses.replace(spec, inputs=(dataclasses.replace(images, axes=("B", 4, "H", "W")),))
    assert "the graph has [-1, 3, -1, -1]" in refusal(api, path, resized, kind=GraphContractError)


def test_an_engine_that_can_not_be_written(api: TrtApi, tmp_path: Path):
    path, spec = convolution(tmp_path)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"can't be written .* MB are needed"):
        build_trt(path, spec, tmp_path / "file" / "x.engine", api=api, target=SM_86)


def test_a_build_that_is_stopped_leaves_nothing(api: TrtApi, tmp_path: Path):
    path, spec = convolution(tmp_path)
    stop = threading.Event()
    out = tmp_path / "stopped" / "x.engine"
    with pytest.raises(EngineBuildError, match="the build was stopped; nothing was kept"):
        build_trt(path, spec, out, api=api, target=SM_86, on_progress=lambda progress: stop.set(), stop=stop)
    assert not out.parent.exists()
    build_trt(path, spec, out, api=api, target=SM_86)  # the compiler is in order afterwards
    assert out.is_file()


def test_ctrl_c_stops_the_compiler(api: TrtApi, tmp_path: Path):
    """The signal comes while the compiler is inside its own code; its monitor is what ends it."""
    path, spec = convolution(tmp_path, layers=12)
    sent: list[float] = []

    def press(progress: BuildProgress) -> None:
        if not sent:
            sent.append(progress.fraction)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        build_trt(path, spec, tmp_path / "x.engine", api=api, target=SM_86, on_progress=press)
    assert sent and not (tmp_path / "x.engine").exists()
    # Raised after the compiler had given up, not while it was at it.
    assert any("canceled" in words for words in api.last_errors())


def test_phases_inside_phases_fill_one_step_of_the_outer_one():
    seen: list[BuildProgress] = []
    tree = PhaseTree(seen.append)
    tree.start("outer", None, 2)
    tree.step("outer", 0)
    tree.start("inner", "outer", 4)
    tree.step("inner", 1)
    assert seen[-1] == BuildProgress("inner", 0.75)
    tree.finish("inner")
    tree.step("outer", 1)
    tree.start("late", "outer", 1)  # one that begins when the outer one is full must not fall back, nor pass 1
    assert [progress.fraction for progress in seen] == [0.0, 0.5, 0.5, 0.75, 1.0, 1.0]


def no_gpu():
    return dataclasses.replace(probe_device(), gpus=(), no_gpu_reason="no NVIDIA driver answers")


def with_gpu(capability: str):
    return dataclasses.replace(probe_device(), gpus=(GpuReport(0, "Some GPU", capability, 8 << 30),), no_gpu_reason="")


def test_targets(api: TrtApi):
    assert {"8.0", "8.6", "8.9", "12.0"} <= set(api.targets)
    for text in ("sm_89", "SM89", "8.9", "89"):
        assert choose_target(text, api, no_gpu()) == BuildTarget("8.9")
    assert BuildTarget("8.9").ahead
    here = choose_target(None, api, with_gpu("8.9"))
    assert here == BuildTarget("8.9", "Some GPU") == choose_target("sm_89", api, with_gpu("8.9")) and not here.ahead
    assert choose_target("sm_86", api, with_gpu("8.9")).ahead
    with pytest.raises(UsageError, match=r"no NVIDIA driver answers; name one with --target \(sm_75, sm_80"):
        choose_target(None, api, no_gpu())
    with pytest.raises(UsageError, match="can't compile for sm_90; it can for sm_75"):
        choose_target("sm_90", api, no_gpu())
    with pytest.raises(UsageError, match="'volta' is not a GPU generation"):
        choose_target("volta", api, no_gpu())


@pytest.mark.gpu
@pytest.mark.parametrize("graph", [convolution, scatter_decoder])
@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt-rtx"])
def test_an_engine_for_this_gpu_runs_and_agrees(tmp_path: Path, graph, backend):
    """A GPU machine is expected to have both installed."""
    api, (path, spec) = find_trt(backend), graph(tmp_path)
    build_trt(path, spec, tmp_path / "x", api=api, target=choose_target(None, api, probe_device()))
    session = open_trt_session(tmp_path / "x", spec, backend=backend, cuda_graphs=True)
    figures = engine_figures(open_onnx_session(path, spec), session)
    assert min(value for name, value in figures.items() if name.endswith("cosine")) > 0.9999


def test_what_decides_sizes_by_value_is_refused(api: TrtApi, tmp_path: Path):
    from onnx import helper

    from tests.engines.compile.trt_graphs import save

    spec = GraphSpec(
        "shaped.onnx",
        "fp32",
        (TensorSpec("x", "float32", ("B",)), TensorSpec("shape", "int64", (2,))),
        (TensorSpec("y", "float32", ("r", "c")),),
        {"B": (4, 4, 4)},
    )
    path = save(tmp_path / spec.file, [helper.make_node("Reshape", ["x", "shape"], ["y"])], spec, {"k": np.zeros(1)})
    assert "the values of input 'shape' decide sizes" in refusal(api, path, spec)
