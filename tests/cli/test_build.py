"""`edgecap build` as a user meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgecap.engines import DetectorSpec, GraphSpec, Pack, PackSpec, TensorSpec, write_pack
from edgecap.engines.store.store import EngineStore
from tests.cli.command import run

pytestmark = pytest.mark.slow  # whole commands; what they are made of is tested below, quickly


def write_tiny(folder: Path, *, layers: int = 1) -> Path:
    """A pack with a convolutional "detector" of standard operators, which TensorRT takes as it is."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    spec = GraphSpec(
        "detector.onnx",
        "fp32",
        (TensorSpec("images", "uint8", ("B", 3, "H", "W")),),
        (TensorSpec("features", "float32", ("B", 8, "H", "W")),),
        {"B": (1, 1, 2), "H": (32, 64, 64), "W": (32, 64, 64)},
    )
    nodes, weights = [helper.make_node("Cast", ["images"], ["x0"], to=TensorProto.FLOAT)], []
    for i in range(layers):
        weight = (rng.standard_normal((8, 8 if i else 3, 3, 3)) / 8).astype(np.float32)
        weights.append(numpy_helper.from_array(weight, f"w{i}"))
        nodes.append(helper.make_node("Conv", [f"x{i}", f"w{i}"], [f"c{i}"], pads=[1] * 4))
        nodes.append(
            helper.make_node("Sin" if i % 2 else "Relu", [f"c{i}"], ["features" if i == layers - 1 else f"x{i + 1}"])
        )
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["B", 3, "H", "W"])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["B", 8, "H", "W"])
    graph = helper.make_graph(nodes, "tiny", [images], [features], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), folder / spec.file)
    detector = DetectorSpec(spec, 64, 32, 114, 0.4, 0.6, ("person",))
    write_pack(folder, PackSpec("tiny", "1", "Apache-2.0", {}, {}, detector, None, None, None))
    return folder


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EngineStore:
    monkeypatch.setenv("EDGECAP_ENGINES", str(tmp_path / "store"))
    return EngineStore()


def test_nano_for_this_cpu_and_once_more(store: EngineStore, capfd: pytest.CaptureFixture[str]):
    code, out, err = run(capfd, "build", "nano")
    assert code == 0 and out.count(" built ") == 5 and "bit for bit" in out and str(store.folder) in out
    assert [line for line in err.splitlines()] == [
        f"edgecap: building {place}"
        for place in (
            "detector.graph",
            "segmenter.encoder",
            "segmenter.decoder",
            "captioner.vision",
            "captioner.decoder",
        )
    ]
    code, out, err = run(capfd, "build", "nano", "--graph", "detector.graph", "--json")
    (engine,) = json.loads(out)["engines"]
    assert code == 0 and err == "" and engine["status"] == "already built"
    assert (Path(engine["folder"]) / "model.onnx").is_file() and engine["parity"]["scores.max_abs"] == 0.0


def test_ahead_of_time_for_a_gpu_that_is_not_here(
    store: EngineStore, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    pack = write_tiny(tmp_path / "tiny")
    code, out, err = run(capfd, "build", pack, "--backend", "tensorrt-rtx", "--target", "sm_89", "--level", "1")
    assert code == 0 and "sm_89" in out and "kernel timings not kept" in out and "MB" in out
    assert err == "edgecap: building detector.graph\n"
    code, out, _ = run(capfd, "build", pack, "--backend", "tensorrt-rtx", "--target", "89", "--level", "1", "--json")
    about = json.loads(out)
    assert about["target"] == "sm_89" and about["engines"][0]["status"] == "already built"


def test_a_refused_graph_does_not_keep_the_others_from_being_built(
    store: EngineStore, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    code, out, err = run(capfd, "build", "nano", "--backend", "tensorrt-rtx", "--target", "sm_86", "--json")
    results = json.loads(out)["engines"]
    refused = [result for result in results if result["status"] == "refused"]
    assert all(result["place"] and result["reason"] for result in refused)
    if refused:  # nano has no twins for these
        assert code == 6 and f"{len(refused)} of {len(results)} graphs not built" in err
    assert len(results) == 5


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("absent",), 5, "no pack 'absent'"),
        (("nano", "--graph", "detector.head"), 2, "has no graph 'detector.head'; it has detector.graph"),
        (("nano", "--target", "sm_89"), 2, "leave --target out"),
        (("nano", "--backend", "tensorrt-rtx", "--target", "sm_90"), 2, "can't compile for sm_90; it can for sm_75"),
        (("nano", "--backend", "tensorrt-rtx", "--target", "ampere"), 2, "is not a GPU generation"),
        (("nano", "--backend", "openvino"), 2, "'openvino' is not one of"),
        (("nano", "--level", "9"), 2, "9 is not in the range"),
    ],
)
def test_one_line_and_a_code(
    store: EngineStore, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, words: str
):
    got, out, err = run(capfd, "build", *arguments)
    assert got == code and words in err and err.count("\n") == 1 and out == "" and not store.folder.exists()


def test_an_engine_that_another_process_builds(store: EngineStore, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    from edgecap.engines.compile.compile import order_engines
    from edgecap.engines.store.key import pack_key

    pack = write_tiny(tmp_path / "tiny")
    order = order_engines("onnxruntime-cpu")
    with store.building(pack_key(Pack.open(pack), "detector.graph", order.target)):
        code, _, err = run(capfd, "build", pack)
    assert code == 6 and f"being built by pid {os.getpid()}" in err and "--wait waits for it" in err
    assert run(capfd, "build", pack)[0] == 0


def test_ctrl_c_leaves_the_store_in_order(tmp_path: Path):
    """A long build in a process of its own, interrupted as by a terminal; the next build then succeeds."""
    pack, store = write_tiny(tmp_path / "tiny", layers=400), tmp_path / "store"
    command = [
        sys.executable,
        "-m",
        "edgecap.cli",
        "build",
        str(pack),
        "--backend",
        "tensorrt-rtx",
        "--target",
        "sm_86",
    ]
    command += ["--store", str(store)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "edgecap: building detector.graph\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err.strip() == "edgecap: interrupted"
    assert not list((store / "building").iterdir()) and not list(store.glob("*/manifest.json"))
    done = subprocess.run([*command, "--level", "0", "--json"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and json.loads(done.stdout)["engines"][0]["status"] == "built"
