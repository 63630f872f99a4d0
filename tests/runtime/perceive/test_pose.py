"""Poses of people: which boxes of which frames, in COCO's order, in the perceiver, and without a pose graph."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecap.engines.graph.spec import GraphSpec, TensorSpec
from edgecap.engines.packs.specs import PoseSpec
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.data.pose import KEYPOINTS, Pose
from edgecap.runtime.data.window import TrackedInstance
from edgecap.runtime.perceive.perceiver import Perceiver
from edgecap.runtime.perceive.pose import LEAST_HEIGHT_PIXELS, MOST_PEOPLE, POSES_PER_SECOND, PosedPeople, PoseEstimator
from tests.runtime.perceive.test_perceiver import TruthDetector, clip

LABELS = ("person", "dog", "police officer")
SIZE = (320, 180)


class Counter:
    """A pose session that puts keypoint j of every box at its left edge, j hundredths below its top."""

    def __init__(self, names: int = len(KEYPOINTS)) -> None:
        self.boxes: list[int] = []
        self.names = names

    def run(self, feeds):
        boxes = feeds["boxes_xyxy"]
        self.boxes.append(len(boxes))
        ys = boxes[:, 1:2] + 0.01 * np.arange(self.names)
        points = np.stack([np.repeat(boxes[:, :1], self.names, 1), ys], -1)
        return {"keypoints_xy": points.astype(np.float32), "scores": np.full((len(boxes), self.names), 0.7, np.float32)}


def estimator(session, names=KEYPOINTS):
    tensor = TensorSpec("images", "uint8", (1, 3, "height", "width"))
    graph = GraphSpec("pose.onnx", "fp32", (tensor,), (tensor,), {})
    return PoseEstimator(PoseSpec(graph, 320, 32, 114, tuple(names), "person", 0.3), session)


def instance(track_id, *, class_id=0, height=100, left=10):
    mask = Mask((left, 10), np.ones((height, 20), bool), SIZE)
    return TrackedInstance(track_id, mask.box_xyxy, 0.9, class_id, mask)


def frame(seconds):
    return Frame(0, seconds, np.zeros((SIZE[1], SIZE[0], 3), np.uint8))


def added(people, seconds, *instances, stands=lambda i: True):
    return [one.pose is not None for one in people.added(frame(seconds), instances, stands=stands)]


def test_people_of_any_name_are_posed_and_nothing_else():
    people = PosedPeople(estimator(Counter()), LABELS)
    assert added(people, 0.0, instance(1), instance(2, class_id=1), instance(3, class_id=2)) == [True, False, True]


def test_a_track_is_looked_at_so_often_and_no_oftener():
    session = Counter()
    people = PosedPeople(estimator(session), LABELS)
    looks = [added(people, k / 16, instance(1))[0] for k in range(32)]
    assert sum(looks) == 2 * POSES_PER_SECOND and looks[0] and not any(looks[1:4])
    assert added(people, 2.0, instance(2)) == [True]  # each track for itself
    assert len(session.boxes) == sum(looks) + 1  # frames without a look cost no run


def test_small_and_unconfirmed_people_are_not_posed():
    people = PosedPeople(estimator(Counter()), LABELS)
    assert added(people, 0.0, instance(1, height=LEAST_HEIGHT_PIXELS - 1), instance(2, height=LEAST_HEIGHT_PIXELS)) == [
        False,
        True,
    ]
    assert added(people, 0.0, instance(3), stands=lambda i: i.track_id != 3) == [False]


def test_of_a_crowd_the_largest_are_posed():
    people = PosedPeople(estimator(Counter()), LABELS)
    crowd = [instance(k, height=70 + k) for k in range(MOST_PEOPLE + 3)]
    posed = added(people, 0.0, *crowd)
    assert posed == [False] * 3 + [True] * MOST_PEOPLE
    assert added(people, 0.05, *crowd)[:3] == [True] * 3  # the others are due at once


def test_keypoints_come_in_coco_s_order_whatever_the_pack_s():
    names = ("right ankle", "tail", "nose")
    people = PosedPeople(estimator(Counter(len(names)), names), LABELS)
    [one] = people.added(frame(0.0), [instance(1)], stands=lambda i: True)
    seen = [KEYPOINTS[k] for k in np.flatnonzero(one.pose.seen)]
    assert seen == ["nose", "right ankle"]
    top = float(instance(1).box_xyxy[1])
    assert one.pose.points_xy[0, 1] == pytest.approx(top + 0.02 * 192 / 180, abs=1e-5)
    assert one.pose.points_xy[16, 1] == pytest.approx(top, abs=1e-5)


def test_a_pose_has_all_keypoints():
    with pytest.raises(ValueError, match="expected"):
        Pose(np.zeros((3, 2), np.float32), np.zeros(3, np.float32), np.zeros(3, bool))


class People(TruthDetector):
    labels = ("person",)


def test_the_perceiver_carries_poses_and_times_them():
    def play(pose):
        detector = People()
        perceiver = Perceiver(detector, None, pose=pose)
        observations = []
        for shown, picture in clip():
            detector.truth[shown.index] = picture.boxes_xyxy, picture.visible_masks
            observations.append(perceiver.observe(shown))
        return perceiver, observations

    with_pose, posed = play(estimator(Counter()))
    without, plain = play(None)
    assert any(i.pose is not None for o in posed for i in o.instances)
    assert with_pose.stage_seconds["pose"] > 0 and "pose" not in without.stage_seconds
    for a, b in zip(posed, plain, strict=True):  # everything else is as without
        assert [replace(i, pose=None).track_id for i in a.instances] == [i.track_id for i in b.instances]
        assert all(i.pose is None for i in b.instances)
