"""NanoDet's decoding inside the graph against the same arithmetic by hand; agreement of detectors; the recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edgecap.engines.errors import CheckpointError, ParityError, UsageError
from edgecap.engines.packs.pack import Pack
from edgecap.export.onnx.graph import open_graph
from edgecap.export.publish.publish import ExportOptions, publish
from edgecap.export.recipes import load_recipe, open_checkpoint
from edgecap.export.specimens.tfjs import TfjsWriter, save_nanodet
from edgecap.export.tfjs.model import TfjsModel
from edgecap.export.tfjs.replay import replay
from edgecap.export.tfjs.roles.agreement import average_precision, compare_detectors, reported
from edgecap.export.tfjs.roles.nanodet import MEAN_BGR, STD_BGR, ScoreScale, detector_graph
from edgecap.export.tfjs.roles.recipe import kind_of

SIDE = 96
Array = NDArray[Any]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TfjsModel:
    return TfjsModel.open(save_nanodet(tmp_path_factory.mktemp("nanodet"), side=SIDE, seed=1))


def by_hand(model: TfjsModel, picture_rgb: Array) -> tuple[Array, Array, Array]:
    """Boxes in pixels, scores and classes of every cell, cell by cell."""
    scaled = (picture_rgb[..., ::-1].astype(np.float32) - np.float32(MEAN_BGR)) / np.float32(STD_BGR)
    found = replay(model, {"input": np.ascontiguousarray(scaled.transpose(2, 0, 1)[None], np.float32)})
    boxes, scores, classes = [], [], []
    for stride in (8, 16, 32):
        columns = SIDE // stride
        for cell, (values, bins) in enumerate(
            zip(found[f"classes{stride}"][0], found[f"distances{stride}"][0].reshape(-1, 4, 11), strict=True)
        ):
            raised = np.exp(bins - bins.max(1, keepdims=True))
            left, top, right, bottom = (raised / raised.sum(1, keepdims=True)) @ np.arange(11) * stride
            x, y = (cell % columns + 0.5) * stride, (cell // columns + 0.5) * stride
            boxes.append((x - left, y - top, x + right, y + bottom))
            scores.append(values.max())
            classes.append(values.argmax())
    return np.array(boxes), np.array(scores), np.array(classes)


def run(graph: onnx.ModelProto, path: Path, images: Array) -> dict[str, Array]:
    onnx.save(graph, str(path))
    session = open_graph(path)
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, {"images": images}), strict=True))


def test_boxes_scores_and_classes_are_those_by_hand(model: TfjsModel, tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
    graph = detector_graph(model, scale=ScoreScale())
    got = run(graph, tmp_path / "d.onnx", np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))
    assert got["boxes_xyxy"].shape == (2, 100, 4) and got["class_ids"].dtype == np.int64
    for row, picture in enumerate(pictures):
        boxes, scores, classes = by_hand(model, picture)
        best = np.argsort(-scores, kind="stable")[:100]
        np.testing.assert_allclose(got["scores"][row], scores[best], atol=1e-4)
        top = best[:20]
        np.testing.assert_allclose(got["boxes_xyxy"][row, :20] * SIDE, boxes[top], atol=0.05)
        assert (got["class_ids"][row, :20] == classes[top]).mean() > 0.9


def test_scores_become_probabilities_and_keep_their_order(model: TfjsModel, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (1, 3, SIDE, SIDE), np.uint8)
    plain = run(detector_graph(model, scale=ScoreScale()), tmp_path / "a.onnx", images)
    scaled = run(detector_graph(model, scale=ScoreScale(2.0, 0.5)), tmp_path / "b.onnx", images)
    odds = np.log(plain["scores"] / (1 - plain["scores"]))
    np.testing.assert_allclose(scaled["scores"], 1 / (1 + np.exp(-(2.0 * odds + 0.5))), atol=1e-4)
    assert (scaled["boxes_xyxy"] == plain["boxes_xyxy"]).all()


def test_another_network_is_no_nanodet(tmp_path: Path) -> None:
    writer = TfjsWriter()
    writer.placeholder("x", (1, 3, 64, 64))
    for i in range(6):
        writer.node("Neg", f"y{i}", ["x"])
    model = TfjsModel.open(writer.save(tmp_path / "m.json", [f"y{i}" for i in range(6)]))
    assert kind_of(model) == "NanoDet", "six outputs of a picture with channels first"
    with pytest.raises(CheckpointError, match="is not a NanoDet: expected classes and 44 distances per cell"):
        detector_graph(model, scale=ScoreScale())


def outputs(scores: list[float], *, moved: float = 0.0) -> dict[str, Array]:
    boxes = np.array([[0.1 * i + moved, 0.1, 0.1 * i + 0.08 + moved, 0.4] for i in range(len(scores))], np.float32)
    return {
        "boxes_xyxy": boxes[None],
        "scores": np.array([scores], np.float32),
        "class_ids": np.arange(len(scores))[None],
    }


def test_agreement_counts_what_is_lost_and_what_is_invented() -> None:
    reference = [outputs([0.9, 0.8, 0.6, 0.1])]

    def figures(got: list[dict[str, Array]]) -> dict[str, float]:
        settings: dict[str, Any] = {"threshold": 0.5, "nms_iou": 0.6, "limits": {}}
        return compare_detectors("got", "reference", reference, got, **settings).parity.figures

    same = figures(reference)
    assert same == {"boxes": 3.0, "recall": 1.0, "precision": 1.0, "average_precision": 1.0}
    lost = figures([outputs([0.9, 0.1, 0.6, 0.1])])
    assert lost["recall"] == pytest.approx(2 / 3) and lost["precision"] == 1.0
    invented = figures([outputs([0.9, 0.8, 0.6, 0.95])])
    assert invented["recall"] == 1.0 and invented["precision"] == 0.75
    assert invented["average_precision"] == pytest.approx(0.75), "the invented box is the surest"
    assert figures([outputs([0.9, 0.8, 0.6, 0.1], moved=0.06)])["recall"] == 0.0


def test_average_precision_of_a_ranking() -> None:
    hits = np.array([True, False, True])
    assert average_precision(hits, np.array([0.9, 0.8, 0.7], np.float32), 2) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.zeros(0, np.bool_), np.zeros(0, np.float32), 0) == 1.0


def test_reported_boxes_are_the_runtimes() -> None:
    one = outputs([0.9, 0.8, 0.3])
    one["boxes_xyxy"][0, 1] = one["boxes_xyxy"][0, 0]
    kept = reported(one, threshold=0.5, nms_iou=0.6)
    assert kept.scores.tolist() == pytest.approx([0.9]), "the second overlaps the first, the third is unsure"


def test_the_recipe_makes_a_detector_that_passes_its_gate(model: TfjsModel, tmp_path: Path) -> None:
    recipe = load_recipe("tfjs")
    checkpoint = open_checkpoint(recipe, model.path.parent)
    assert checkpoint.architecture == "NanoDet"
    options = ExportOptions(precision="fp32", options={"image_side": "160", "score_threshold": "0.2"}, with_twins=False)
    made = publish(recipe, checkpoint, tmp_path / "pack", options, say=lambda line: None)
    spec = Pack.open(tmp_path / "pack").spec.detector
    assert spec is not None and spec.image_side == 160 and spec.labels[0] == "person" and len(spec.labels) == 80
    assert made.judged[0]["reference"] == "TensorFlow.js graph in NumPy"
    assert max(tensor["relative_l2"] for tensor in made.judged[0]["tensors"]) < 1e-4
    report = json.loads((tmp_path / "pack" / "parity.detector.json").read_text())
    assert report["passed"] and report["comparisons"][0]["limits"] == {"relative_l2": {"max": 1e-3}}


def test_forms_are_judged_by_boxes_above_the_judged_score(model: TfjsModel, tmp_path: Path) -> None:
    from edgecap.export.job import ExportJob
    from edgecap.export.tfjs.roles.detector import DetectorPlan, export_detector

    pictures = [np.random.default_rng(seed).integers(0, 256, (96, 96, 3), np.uint8) for seed in range(4)]
    checkpoint = open_checkpoint(load_recipe("tfjs"), model.path)
    job = ExportJob(checkpoint, tmp_path, "fp16", lambda: iter(pictures), with_twins=False)
    labels = tuple(f"thing {i}" for i in range(80))

    def boxes(judged: float | None) -> float:
        plan = DetectorPlan(model, labels, ScoreScale(), 0.05, 160, "a note", judged_score=judged)
        return export_detector(job, plan).comparisons[1].parity.figures["boxes"]

    assert boxes(None) > boxes(0.3) >= boxes(0.99) == 0.0


def test_options_are_checked(model: TfjsModel, tmp_path: Path) -> None:
    recipe = load_recipe("tfjs")
    checkpoint = open_checkpoint(recipe, model.path)
    for options, words in (({"twin": "int8"}, "fp16 twins only"), ({"size": "3"}, "no option 'size'")):
        with pytest.raises(UsageError, match=words):
            publish(recipe, checkpoint, tmp_path / "p", ExportOptions(options=options), say=lambda line: None)
    with pytest.raises(UsageError, match="no 4-bit form"):
        publish(recipe, checkpoint, tmp_path / "p", ExportOptions(precision="int4"), say=lambda line: None)
    assert not (tmp_path / "p").exists()


def test_a_network_that_int8_breaks_is_not_published(
    model: TfjsModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit that nothing reaches stands for a broken one: the gate reads the detector's own figures."""
    from edgecap.export.tfjs.roles import detector

    monkeypatch.setattr(detector, "INT8_BOXES", {"average_precision": ("min", 1.01)})
    recipe = load_recipe("tfjs")
    options = ExportOptions(options={"image_side": "160"}, with_twins=False)
    with pytest.raises(ParityError, match=r"detector\.int8\.onnx against fp32: average_precision is"):
        publish(recipe, open_checkpoint(recipe, model.path), tmp_path / "p", options, say=lambda line: None)


@pytest.mark.parametrize(
    ("names", "words"),
    [pytest.param([], "found none", id="none"), pytest.param(["a", "b"], r"found a\.json, b\.json", id="two")],
)
def test_a_folder_must_contain_one_model(names: list[str], words: str, tmp_path: Path) -> None:
    for name in names:
        save_nanodet(tmp_path, side=64).rename(tmp_path / f"{name}.json")
    with pytest.raises(CheckpointError, match=words):
        open_checkpoint(load_recipe("tfjs"), tmp_path)
