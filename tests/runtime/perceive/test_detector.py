"""A scripted graph stands in for the detector: what is tested is threshold, suppression, mapping and order."""

from __future__ import annotations

import numpy as np
import pytest

from edgecap.engines.graph.scripted_session import ScriptedSession
from edgecap.engines.graph.spec import GraphSpec, TensorSpec
from edgecap.engines.packs.specs import DetectorSpec
from edgecap.runtime.data.boxes import iou_matrix
from edgecap.runtime.data.detections import Detections
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.perceive.detector import PackDetector, suppress

GRAPH = GraphSpec(
    file="d.onnx",
    precision="fp32",
    inputs=(TensorSpec("images", "uint8", ("B", 3, "H", "W")),),
    outputs=(
        TensorSpec("boxes_xyxy", "float32", ("B", "N", 4)),
        TensorSpec("scores", "float32", ("B", "N")),
        TensorSpec("class_ids", "int64", ("B", "N")),
        TensorSpec("embedding", "float32", ("B", 2)),
    ),
)
SPEC = DetectorSpec(
    graph=GRAPH, image_side=64, stride=32, pad_value=114, score_threshold=0.3, nms_iou=0.6, labels=("dog", "cat")
)


def detect(
    boxes: list[list[float]], scores: list[float], classes: list[int], size_wh: tuple[int, int] = (128, 64)
) -> tuple[Detections, ScriptedSession]:
    session = ScriptedSession(
        GRAPH,
        [
            {
                "boxes_xyxy": np.array([boxes], np.float32).reshape(1, -1, 4),
                "scores": np.array([scores], np.float32),
                "class_ids": np.array([classes], np.int64),
                "embedding": np.array([[1, 2]], np.float32),
            }
        ],
    )
    image = np.full((size_wh[1], size_wh[0], 3), 7, np.uint8)
    return PackDetector(SPEC, session).detect(Frame(0, 0.0, image)), session


def test_best_first_below_threshold_gone_overlap_suppressed() -> None:
    found, _ = detect(
        [[0, 0, 0.5, 0.5], [0.01, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], [0.6, 0.0, 0.9, 0.2]],
        [0.5, 0.9, 0.7, 0.2],
        [0, 1, 0, 1],
    )
    assert found.scores.tolist() == pytest.approx([0.9, 0.7])
    assert found.class_ids.tolist() == [1, 0]
    assert found.embedding is not None and found.embedding.tolist() == [1, 2]


def test_boxes_are_mapped_out_of_the_padding() -> None:
    """128x48 becomes 64x24 inside 64x32: the lower quarter is padding."""
    found, session = detect([[0.25, 0.0, 0.5, 0.75], [0, 0.8, 1, 0.99]], [0.9, 0.8], [0, 0], size_wh=(128, 48))
    images = session.calls[0]["images"]
    assert images.shape == (1, 3, 32, 64)
    assert set(np.unique(images[0, :, :24])) == {7} and set(np.unique(images[0, :, 24:])) == {114}
    np.testing.assert_allclose(found.boxes_xyxy, [[0.25, 0, 0.5, 1.0]], atol=1e-6)  # the second lies in the padding


def test_a_box_that_reaches_out_of_the_frame_is_cut_at_it() -> None:
    found, _ = detect([[-0.2, -0.1, 0.4, 0.5], [0.7, 0.6, 1.3, 1.2]], [0.9, 0.8], [0, 1])
    np.testing.assert_allclose(found.boxes_xyxy, [[0, 0, 0.4, 0.5], [0.7, 0.6, 1, 1]], atol=1e-6)


def test_no_box() -> None:
    found, _ = detect([], [], [])
    assert len(found) == 0 and found.boxes_xyxy.shape == (0, 4)


def test_iou_matrix_and_suppress() -> None:
    boxes = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 5, 6], [0, 0, 2, 2]], np.float32)
    overlap = iou_matrix(boxes, boxes)
    assert overlap[0, 1] == pytest.approx(1 / 3)
    assert overlap[2, 2] == 0  # an empty box overlaps nothing, not even itself
    assert suppress(boxes, max_iou=0.5).tolist() == [0, 1, 2]
