"""ONNX Runtime's optimised graph as a file: the same bits, or no file. And the made-up inputs that show it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgecap.engines import GraphSpec, Pack, TensorSpec
from edgecap.engines.compile import onnxruntime as ort_builder_module
from edgecap.engines.compile.check import drift, engine_figures, trial_feeds, trial_sizes
from edgecap.engines.compile.onnxruntime import build_ort
from edgecap.engines.errors import EngineBuildError, EngineError, PackError
from edgecap.engines.graph.onnx_session import open_onnx_session
from edgecap.engines.graph.scripted_session import ScriptedSession
from edgecap.engines.store.key import graph_paths
from tests.engines.compile.trt_graphs import scatter_decoder
from tests.engines.graphs import SCALE


@pytest.mark.parametrize("graph_path", ["detector.graph", "segmenter.decoder", "captioner.decoder"])
def test_nano_answers_with_the_same_bits(tmp_path: Path, graph_path: str):
    pack = Pack.open("nano")
    spec = graph_paths(pack)[graph_path]
    built = build_ort(pack.path(spec.file), spec, tmp_path / "new" / "model.onnx", intra_threads=1)
    original = onnx.load(pack.path(spec.file))
    optimised = onnx.load(built)
    assert [n.op_type for n in optimised.graph.node] != [n.op_type for n in original.graph.node]  # something was done
    session = open_onnx_session(built, spec, optimised=True)
    feeds = trial_feeds(spec, seed=11)
    want = open_onnx_session(pack.path(spec.file), spec).run(feeds)
    for name, got in session.run(feeds).items():
        assert got.tobytes() == want[name].tobytes(), name


def test_an_optimised_graph_that_answers_otherwise_is_not_kept(
    scale_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def miscompile(path: Path, spec: GraphSpec, out_path: Path, intra_threads: int) -> None:
        model = onnx.load(path)
        for initialiser in model.graph.initializer:
            if initialiser.name == "one":
                initialiser.CopyFrom(onnx.numpy_helper.from_array(np.array(1 + 2**-20, np.float32), "one"))
        onnx.save(model, out_path)

    monkeypatch.setattr(ort_builder_module, "_write", miscompile)
    with pytest.raises(EngineBuildError, match=r"scale.onnx: .* differs in output 'y' \(off by up to [\d.e-]+, sizes"):
        build_ort(scale_path, SCALE, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_what_can_not_be_opened(scale_path: Path, tmp_path: Path):
    with pytest.raises(EngineError, match="no such graph file"):
        build_ort(tmp_path / "absent.onnx", SCALE, tmp_path / "out.onnx")
    scale_path.write_bytes(scale_path.read_bytes()[:-20])
    with pytest.raises(PackError, match=r"scale.onnx: can't be read as an ONNX model"):
        build_ort(scale_path, SCALE, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_large_weights_go_beside_the_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What happens above 1.5 GB, at a size that a test can hold."""
    monkeypatch.setattr(ort_builder_module, "_MOST_INSIDE_BYTES", 100)
    path, spec = scatter_decoder(tmp_path)
    built = build_ort(path, spec, tmp_path / "out" / "model.onnx")
    assert sorted(p.name for p in built.parent.iterdir()) == ["model.onnx", "model.onnx.data"]
    moved = tmp_path / "moved"
    built.parent.rename(moved)  # as publishing in the store does
    feeds = trial_feeds(spec, seed=3)
    want = open_onnx_session(path, spec).run(feeds)
    got = open_onnx_session(moved / "model.onnx", spec, optimised=True).run(feeds)
    assert all(got[name].tobytes() == want[name].tobytes() for name in want)


def test_trial_feeds_follow_the_decoder_contracts(tmp_path: Path):
    _, spec = scatter_decoder(tmp_path)
    one = trial_feeds(spec, sizes={"B": 3, "S": 1})
    assert (one["write_indices"] < 32).all() and (one["position_ids"][:, 0] == one["write_indices"]).all()
    for row, at in enumerate(one["write_indices"]):
        allowed = one["attention_bias"][row, 0, 0] == 0
        assert allowed.sum() == at + 1 and allowed[: at + 1].all()
    several = trial_feeds(spec, sizes={"B": 2, "S": 5})
    assert (several["write_indices"] == 0).all() and (several["last_index"] == 4).all()
    assert (several["attention_bias"][0, 0, :, :5] == 0).sum() == 15  # causal
    assert all(
        np.array_equal(a, b)
        for a, b in zip(one.values(), trial_feeds(spec, sizes={"B": 3, "S": 1}).values(), strict=True)
    )


def test_trial_sizes_and_odd_inputs():
    spec = GraphSpec(
        "decoder_model_merged.onnx",
        "fp32",
        (
            TensorSpec("inputs_embeds", "float32", ("B", "S", 8)),
            TensorSpec("attention_mask", "int64", ("B", "P+S")),
            TensorSpec("past_key_values.0.key", "float32", ("B", 2, "P", 4)),
            TensorSpec("boxes_xyxy", "float32", ("K", 4)),
            TensorSpec("class_ids", "int64", ("K",)),
            TensorSpec("memory_ages", "int32", ("K", 4)),
            TensorSpec("rope_cos", "float16", ("B", "S", 4)),
            TensorSpec("prompted", "bool", ("K",)),
        ),
        (),
        {"B": (1, 3, 9), "P": (0, 6, 20), "K": (1, 50, 80)},
    )
    assert trial_sizes(spec) == {"B": 3, "S": 4, "P": 6, "P+S": 10, "K": 50}
    assert trial_sizes(spec, which="least")["P+S"] == 4
    feeds = trial_feeds(spec)
    assert feeds["attention_mask"].shape == (3, 10) and feeds["attention_mask"].all()
    boxes = feeds["boxes_xyxy"]
    assert (boxes[:, :2] <= boxes[:, 2:]).all() and boxes.min() >= 0 and boxes.max() <= 1
    assert feeds["memory_ages"][0].tolist() == [0, 1, 2, -1] and np.abs(feeds["rope_cos"]).max() <= 1
    assert 0 < feeds["prompted"].sum() < 50
    assert set(feeds["class_ids"].tolist()) == {0, 1}
    strange = dataclasses.replace(spec, inputs=(TensorSpec("token_ids", "int64", ("B",)),))
    with pytest.raises(EngineError, match="can't make a trial input for 'token_ids'"):
        trial_feeds(strange)


def test_figures_and_limits():
    spec = dataclasses.replace(SCALE, ranges={"B": (1, 4, 8)})
    truth = ScriptedSession(spec, lambda feeds: {"y": feeds["x"]})
    near = ScriptedSession(spec, lambda feeds: {"y": feeds["x"] * np.float32(1.001)})
    far = ScriptedSession(spec, lambda feeds: {"y": feeds["x"][:, ::-1] + np.float32(0.1)})
    broken = ScriptedSession(spec, lambda feeds: {"y": feeds["x"] * np.float32(np.nan)})
    assert engine_figures(truth, truth) == {"y.cosine": 1.0, "y.max_abs": 0.0}
    figures = engine_figures(truth, near)
    assert 0.9999 < figures["y.cosine"] <= 1.0 and 0 < figures["y.max_abs"] < 0.01
    assert drift(figures, precision="fp32") == ""
    assert "y.cosine" in drift(engine_figures(truth, far), precision="int8-static")
    assert engine_figures(truth, broken)["y.cosine"] == -1.0
    close = {"scores.cosine": 0.9985, "boxes_xyxy.cosine": 0.4, "scores.max_abs": 0.1}  # boxes: rows swap at near-ties
    assert drift(close, precision="fp32") == "scores.cosine 0.99850 (at least 0.9999)"
    assert drift(close, precision="fp16") != "" and drift(close, precision="int8-static") == ""


def test_a_detector_that_loses_its_boxes_or_classes_misses_its_limits():
    rows = 40
    outputs = (
        TensorSpec("boxes_xyxy", "float32", ("B", rows, 4)),
        TensorSpec("scores", "float32", ("B", rows)),
        TensorSpec("class_ids", "int64", ("B", rows)),
    )
    spec = dataclasses.replace(SCALE, outputs=outputs, ranges={"B": (1, 2, 8)})
    corners = np.linspace(0, 0.9, rows, dtype=np.float32)
    boxes = np.stack([corners, corners, corners + 0.02, corners + 0.02], 1)

    def detector(order: np.ndarray, *, boxes: np.ndarray = boxes, class_step: int = 1):
        def run(feeds):
            batch = len(feeds["x"])
            ids = np.arange(rows) * class_step
            values = {"boxes_xyxy": boxes[order], "scores": np.linspace(1, 0, rows), "class_ids": ids[order]}
            return {t.name: np.stack([values[t.name]] * batch).astype(t.dtype) for t in outputs}

        return ScriptedSession(spec, run)

    straight, swapped = np.arange(rows), np.arange(rows).reshape(-1, 2)[:, ::-1].ravel()
    truth = detector(straight)
    figures = engine_figures(truth, detector(swapped))  # near-ties the other way round are no drift
    assert figures["boxes_xyxy.found_again"] == 1.0 and drift(figures, precision="fp32") == ""
    for broken in (detector(straight, boxes=boxes * 0), detector(straight, class_step=0)):
        assert drift(engine_figures(truth, broken), precision="int8-static").startswith("boxes_xyxy.found_again 0")
