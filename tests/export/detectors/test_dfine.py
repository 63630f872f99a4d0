"""D-FINE from a checkpoint folder (random weights, true shapes, two decoder layers) to boxes in the runtime."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgecap.bench.world.seeds import EVALUATION_SEED_END
from edgecap.bench.world.training import training_frames
from edgecap.engines.errors import CheckpointError, ExportError, UsageError
from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.specs import PackSpec
from edgecap.engines.packs.writer import write_pack
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.checkpoint.labels import COCO_LABELS
from edgecap.export.detectors.dfine import DFINE
from edgecap.export.job import ExportJob, RoleExport
from edgecap.export.onnx.graph import run_graph
from edgecap.export.publish.gate import failures
from edgecap.export.specimens.detectors import save_dfine
from edgecap.runtime.data.boxes import iou_matrix
from edgecap.runtime.data.detections import Detections
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.perceive.detector import PackDetector

pytestmark = pytest.mark.slow

SIDE = 256


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    """Four frames of the world, uint8 [144, 256, 3]."""
    return [
        sample.image_rgb
        for seed in (EVALUATION_SEED_END + 1, EVALUATION_SEED_END + 2)
        for sample in training_frames(seed, count=2, gap_seconds=0.5, size_wh=(256, 144)).frames
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    torch.set_num_threads(1)
    where = tmp_path_factory.mktemp("checkpoint")
    return where, save_dfine(where, side=SIDE)


@pytest.fixture(scope="module")
def exported(
    folder: tuple[Path, Any], frames: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> tuple[RoleExport, Path]:
    out = tmp_path_factory.mktemp("pack")
    job = ExportJob(Checkpoint.open(folder[0]), out, "fp32", lambda: iter(frames), options={"image_side": str(SIDE)})
    return DFINE(job), out


def test_every_form_is_as_good_as_its_limits_ask(exported: tuple[RoleExport, Path]) -> None:
    role, out = exported
    assert [(row.parity.reference, row.parity.graph) for row in role.comparisons] == [
        ("pytorch", "detector.fp32.onnx"),
        ("fp32", "detector.fp16.onnx"),
    ]
    assert [failure for row in role.comparisons for failure in failures(row)] == []
    assert role.comparisons[0].parity.figures["boxes"] >= 20
    assert sorted(path.name for path in out.iterdir()) == ["detector.fp16.onnx", "detector.fp32.onnx"]
    assert role.twins["detector.graph"].precision == "fp16"
    assert role.licence == "apache-2.0" and "padded right and bottom" in role.source


def test_scores_tell_pictures_and_boxes_apart(exported: tuple[RoleExport, Path], frames: list[np.ndarray]) -> None:
    """Without this the parity above would be that of constants."""
    scores = [_padded_run(exported, frame)["scores"][0] for frame in (frames[0], frames[3])]
    assert scores[0][0] - scores[0][50] > 0.05
    assert np.abs(scores[0] - scores[1]).max() > 0.01


def test_batch_is_free(exported: tuple[RoleExport, Path]) -> None:
    role, out = exported
    images = np.random.default_rng(0).integers(0, 256, (3, 3, SIDE, SIDE), dtype=np.uint8)
    together = run_graph(out / role.spec.graph.file, {"images": images})
    assert together["boxes_xyxy"].shape == (3, 300, 4)
    for i in range(3):
        alone = run_graph(out / role.spec.graph.file, {"images": images[i : i + 1]})
        np.testing.assert_allclose(together["scores"][i], alone["scores"][0], atol=1e-4)


def test_the_runtime_finds_what_transformers_finds(
    exported: tuple[RoleExport, Path], folder: tuple[Path, Any], frames: list[np.ndarray], tmp_path: Path
) -> None:
    """The pack's boxes on a frame of the world = transformers' own post-processing of the padded picture."""
    found = _detect(exported, frames[0], tmp_path)
    expected = _transformers_boxes(folder[1], frames[0])
    assert len(found) >= 5
    assert np.abs(found.scores[:, None] - expected["scores"][None]).min(1).max() < 1e-4
    overlap = iou_matrix(found.boxes_xyxy, expected["boxes"]) * (found.class_ids[:, None] == expected["labels"][None])
    # A box cut at the frame's edge is the same after cutting, so all have to be there.
    assert overlap.max(1).min() > 0.99


def _detect(exported: tuple[RoleExport, Path], image_rgb: np.ndarray, tmp_path: Path) -> Detections:
    role, out = exported
    pack = tmp_path / "pack"
    pack.mkdir()
    for path in out.iterdir():
        (pack / path.name).write_bytes(path.read_bytes())
    write_pack(
        pack,
        PackSpec(
            "random",
            "1",
            role.licence,
            {"detector": role.source},
            {},
            role.spec,  # type: ignore[arg-type]
            None,
            None,
            None,
            role.twins,
        ),
    )
    opened = Pack.open(pack)
    assert opened.spec.detector is not None
    detector = PackDetector(opened.spec.detector, opened.open_session(opened.spec.detector.graph))
    assert detector.labels == COCO_LABELS
    return detector.detect(Frame(0, 0.0, image_rgb))


def _padded_run(exported: tuple[RoleExport, Path], image_rgb: np.ndarray) -> dict[str, np.ndarray]:
    role, out = exported
    return run_graph(out / role.spec.graph.file, {"images": _padded(image_rgb)})


def _padded(image_rgb: np.ndarray) -> np.ndarray:
    """The frame in the upper left of a black square, as the runtime feeds it."""
    square = np.zeros((1, 3, SIDE, SIDE), np.uint8)
    square[0, :, : image_rgb.shape[0]] = image_rgb.transpose(2, 0, 1)
    return square


def _transformers_boxes(model: Any, image_rgb: np.ndarray) -> dict[str, np.ndarray]:
    """Boxes relative to the frame, cut at its edges."""
    from transformers.models.rt_detr.image_processing_pil_rt_detr import RTDetrImageProcessorPil

    with torch.no_grad():
        outputs = model(pixel_values=torch.from_numpy(_padded(image_rgb)).float() / 255)
    result = RTDetrImageProcessorPil().post_process_object_detection(outputs, threshold=0.0)[0]
    boxes = result["boxes"].numpy() * SIDE / np.array([256, 144, 256, 144], np.float32)
    return {
        "boxes": boxes.clip(0, 1).astype(np.float32),
        "scores": result["scores"].numpy(),
        "labels": result["labels"].numpy(),
    }


@pytest.mark.parametrize(
    ("change", "options", "precision", "error", "words"),
    [
        ({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, {}, "fp32", CheckpointError, "have no names .*labels=FILE"),
        ({"id2label": {"0": "person", "2": "cat"}}, {}, "fp32", CheckpointError, "names 2 classes, not 0 to 1"),
        ({"use_focal_loss": False}, {}, "fp32", CheckpointError, "aren't sigmoids"),
        ({}, {"labels": "two.txt"}, "fp32", UsageError, "2 class names for a head of 80"),
        ({}, {"labels": "nowhere.txt"}, "fp32", UsageError, "can't be read"),
        ({"architectures": ["Sam2VideoModel"]}, {}, "fp32", CheckpointError, "use edgecap export sam2"),
        ({"anchor_image_size": [320, 320]}, {"image_side": "256"}, "fp32", UsageError, "fixed for 320"),
        ({"anchor_image_size": [320, 640]}, {}, "fp32", CheckpointError, "needs a square"),
        ({}, {"sides": "3"}, "fp32", UsageError, "no option 'sides'; it takes image_side, labels"),
        ({}, {"image_side": "250"}, "fp32", UsageError, "multiple of 32"),
        ({}, {"score_threshold": "2"}, "fp32", UsageError, "between 0 and 1"),
        ({}, {"twin": "fp8"}, "fp32", UsageError, "fp16 or int8"),
        ({}, {}, "int4", UsageError, "no 4-bit form"),
        ({}, {}, "fp32", ExportError, "no pictures"),
    ],
    ids=[
        "placeholders", "gap", "focal", "labels", "no-labels", "architecture", "anchors", "not-square", "option",
        "side", "threshold", "twin", "int4", "no-pictures",
    ],
)  # fmt: skip
def test_what_cannot_be_exported_says_why(
    folder: tuple[Path, Any],
    tmp_path: Path,
    change: dict[str, Any],
    options: dict[str, str],
    precision: Any,
    error: type[Exception],
    words: str,
) -> None:
    copy = tmp_path / "changed"
    copy.mkdir()
    (copy / "model.safetensors").symlink_to(folder[0] / "model.safetensors")
    config = json.loads((folder[0] / "config.json").read_text()) | change
    (copy / "config.json").write_text(json.dumps(config))
    (tmp_path / "two.txt").write_text("person\ncat\n")
    if "labels" in options:
        options = {"labels": str(tmp_path / options["labels"])}
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(error, match=words) as caught:
        DFINE(ExportJob(Checkpoint.open(copy), out, precision, lambda: iter(()), options=options))
    assert "\n" not in str(caught.value)
    assert list(out.iterdir()) == []
