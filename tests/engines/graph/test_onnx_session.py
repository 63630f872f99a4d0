"""Sessions over tiny graphs with known answers: values, contract, threads, broken files."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from edgecap.engines import (
    EngineError,
    GraphContractError,
    GraphSpec,
    TensorSpec,
    open_onnx_session,
)
from tests.engines.graphs import SCALE, rows, save_graph


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
