"""The distances that every parity report is made of, on numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgecap.export.onnx.parity import GraphParity, box_iou, boxes_matched, compare_outputs, compare_tensors, mask_iou


def test_equal_outputs_have_no_distance() -> None:
    outputs = [np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((1, 4), np.float32)]
    parity = compare_tensors("x", outputs, outputs)
    assert (parity.max_abs, parity.relative_l2) == (0.0, 0.0)
    assert parity.cosine == pytest.approx(1.0)


def test_distances_by_hand() -> None:
    parity = compare_tensors("x", [np.array([3.0, 0.0]), np.array([0.0])], [np.array([0.0, 0.0]), np.array([4.0])])
    assert parity.max_abs == 4.0
    assert parity.relative_l2 == pytest.approx(5.0 / 3.0)
    assert parity.cosine == 0.0


@pytest.mark.parametrize(
    ("reference", "got", "complaint"),
    [
        pytest.param([], [], "at least one", id="nothing"),
        pytest.param([np.zeros(2)], [np.zeros(3)], "expected shape", id="shapes"),
        pytest.param([np.zeros(2)], [np.array([0.0, np.nan])], "not finite", id="nan"),
        pytest.param([np.zeros(2)], [np.zeros(2), np.zeros(2)], "as many outputs", id="lengths"),
    ],
)
def test_what_cannot_be_compared_is_an_error(
    reference: list[np.ndarray], got: list[np.ndarray], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        compare_tensors("x", reference, got)


def test_outputs_are_compared_by_name() -> None:
    reference = [{"a": np.ones(2), "b": np.zeros(1)}]
    parities = compare_outputs(reference, [{"b": np.ones(1), "a": np.ones(2)}])
    assert [p.name for p in parities] == ["a", "b"]
    assert parities[0].max_abs == 0.0
    assert parities[1].relative_l2 == float("inf")


def test_box_iou_by_hand() -> None:
    boxes = np.array([[0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0]])
    others = np.array([[1.0, 1.0, 3.0, 3.0], [0.0, 0.0, 2.0, 2.0], [5.0, 5.0, 6.0, 6.0]])
    assert box_iou(boxes, others) == pytest.approx(np.array([[1 / 7, 1.0, 0.0], [0.0, 0.0, 0.0]]))


def test_a_box_is_matched_once_and_only_by_its_class() -> None:
    one = np.array([[0.0, 0.0, 1.0, 1.0]])
    twice = np.concatenate([one, one])
    assert boxes_matched(twice, np.array([1, 1]), one, np.array([1])) == 1
    assert boxes_matched(one, np.array([1]), one, np.array([2])) == 0
    assert boxes_matched(one, np.array([1]), np.zeros((0, 4)), np.zeros(0)) == 0
    assert boxes_matched(twice, np.array([1, 2]), twice, np.array([2, 1])) == 2


def test_mask_iou_by_hand() -> None:
    first, second = np.zeros((3, 2, 2), bool), np.zeros((3, 2, 2), bool)
    first[0, 0], second[0, :, 0] = True, True
    first[1, 0, 0] = True
    assert mask_iou(first, second) == pytest.approx(np.array([1 / 3, 0.0, 1.0]))


def test_report_is_plain_data() -> None:
    report = GraphParity("g.onnx", "pytorch", 1, (compare_tensors("x", [np.ones(1)], [np.ones(1)]),), {"boxes": 1.0})
    assert report.as_dict()["tensors"][0]["name"] == "x"
    assert report.as_dict()["figures"] == {"boxes": 1.0}
