"""To and from `supervision.Detections`, against a stand-in with the same constructor and the same checks of shapes."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edgecap.engines.errors import MissingExtraError
from edgecap.runtime.output.interop import from_supervision, to_supervision
from tests.runtime.fake_records import LABELS, SIZE_WH, make_window


@dataclass
class FakeDetections:
    """Fields and shape checks of supervision 0.31's `Detections` (`validators.validate_detections_fields`)."""

    xyxy: Any
    mask: Any = None
    confidence: Any = None
    class_id: Any = None
    tracker_id: Any = None
    data: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.xyxy)
        assert self.xyxy.ndim == 2 and self.xyxy.shape == (n, 4)
        assert self.mask is None or (self.mask.ndim == 3 and len(self.mask) == n)
        for row in (self.confidence, self.class_id, self.tracker_id, *self.data.values()):
            assert row is None or row.shape == (n,)


@pytest.fixture
def supervision(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("supervision")
    module.Detections = FakeDetections  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "supervision", module)


@pytest.mark.usefixtures("supervision")
def test_an_observation_becomes_detections_in_pixels() -> None:
    observation = make_window().observations[2]  # track 7 has moved 8 pixels
    detections = to_supervision(observation, labels=LABELS)
    np.testing.assert_allclose(detections.xyxy, [[18, 20, 42, 40], [100, 50, 124, 70]], atol=1e-4)
    assert detections.xyxy.dtype == np.float32 and detections.mask.dtype == np.bool_
    assert detections.mask.shape == (2, 90, 160) and detections.mask.sum(axis=(1, 2)).tolist() == [480, 480]
    assert detections.mask[0, 20:40, 18:42].all()
    assert detections.tracker_id.tolist() == [7, 9] and detections.class_id.tolist() == [0, 0]
    assert detections.confidence.tolist() == pytest.approx([0.9, 0.9])
    assert detections.data["class_name"].tolist() == ["person", "person"]


@pytest.mark.usefixtures("supervision")
def test_a_frame_without_instances_is_empty_but_well_formed() -> None:
    observation = replace(make_window().observations[0], instances=())
    detections = to_supervision(observation, labels=LABELS)
    assert detections.xyxy.shape == (0, 4) and detections.mask.shape == (0, 90, 160)
    back = from_supervision(detections, size_wh=SIZE_WH)
    assert len(back) == 0 and back.masks == ()


@pytest.mark.usefixtures("supervision")
def test_there_and_back_keeps_boxes_masks_and_scores() -> None:
    observation = make_window().observations[1]
    back = from_supervision(to_supervision(observation, labels=LABELS), size_wh=SIZE_WH)
    assert back.masks is not None
    for k, instance in enumerate(observation.instances):
        np.testing.assert_allclose(back.boxes_xyxy[k], instance.box_xyxy, atol=1e-6)
        assert back.masks[k].iou(instance.mask) == 1.0


def test_boxes_are_cut_to_the_frame_and_sorted_by_score() -> None:
    theirs = FakeDetections(
        xyxy=np.array([[-10, 0, 80, 45], [0, 0, 160, 90], [200, 10, 240, 30]], np.float32),
        confidence=np.array([0.3, 0.8, 0.9]),
        class_id=np.array([2, 1, 0]),
    )
    ours = from_supervision(theirs, size_wh=SIZE_WH)
    np.testing.assert_allclose(ours.boxes_xyxy, [[0, 0, 1, 1], [0, 0, 0.5, 0.5]])
    assert ours.class_ids.tolist() == [1, 2] and ours.masks is None and ours.boxes_xyxy.dtype == np.float32


@pytest.mark.parametrize(
    ("theirs", "match"),
    [
        (FakeDetections(np.zeros((1, 4)), class_id=np.zeros(1)), "expected confidence and class_id"),
        (FakeDetections(np.zeros((1, 4)), confidence=np.zeros(1)), "expected confidence and class_id"),
        (
            FakeDetections(np.zeros((1, 4)), np.zeros((1, 9, 9), bool), np.zeros(1), np.zeros(1)),
            r"masks of another frame: detections.mask.shape = \(1, 9, 9\)",
        ),
    ],
    ids=["no score", "no class", "mask size"],
)
def test_what_is_not_known_is_not_made_up(theirs: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        from_supervision(theirs, size_wh=SIZE_WH)


def test_without_supervision_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingExtraError, match="pip install supervision"):
        to_supervision(make_window().observations[0], labels=LABELS)
