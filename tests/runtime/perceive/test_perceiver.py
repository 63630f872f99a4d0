"""Perception of the synthetic world with the truth's boxes in place of a detector: order, ids, masks, unconfirmed
tracks, cuts."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest

from edgecap.bench.world import VALIDATION_SEED_START, RenderedFrame, Renderer, make_scene
from edgecap.runtime.data.detections import Detections
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.data.window import Window
from edgecap.runtime.perceive.perceiver import Perceiver
from edgecap.runtime.video.windows import WindowBuilder

SIZE = (320, 180)


class TruthDetector:
    """The world's own boxes and masks, with a false box for a single frame at `flash_index`."""

    labels = ("thing",)

    def __init__(self, *, flash_index: int = -1, masks: bool = True) -> None:
        self.truth: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.flash_index, self.with_masks = flash_index, masks

    def detect(self, frame: Frame) -> Detections:
        boxes, masks = self.truth[frame.index]
        kept = [i for i, m in enumerate(masks) if m.sum() > 60]
        found = [Mask.from_full(masks[i]) for i in kept]
        rows = [boxes[i] for i in kept]
        if frame.index == self.flash_index:
            flash = np.zeros((SIZE[1], SIZE[0]), bool)
            flash[4:20, 4:30] = True
            found.append(Mask.from_full(flash))
            rows.append(found[-1].box_xyxy)
        n = len(rows)
        return Detections(
            np.array(rows, np.float32).reshape(-1, 4),
            np.full(n, 0.9, np.float32),
            np.zeros(n, np.int64),
            tuple(found) if self.with_masks else None,
            embedding=np.ones(2, np.float32),
        )


@cache
def clip() -> list[tuple[Frame, RenderedFrame]]:
    """Every third frame of 2.5 s of the world, drawn once for all tests."""
    scene = make_scene(seed=VALIDATION_SEED_START + 52, tier="moving", size_wh=SIZE, duration_seconds=2.5, num_actors=3)
    renderer = Renderer(scene)
    pictures = ((i, renderer.render(i)) for i in range(0, scene.num_frames, 3))
    return [(Frame(i, i / scene.fps, picture.image_rgb), picture) for i, picture in pictures]


def play(detector: TruthDetector, *, seconds: float = 2.5) -> tuple[Perceiver, Window, list[list[int]]]:
    """One window of the clip's first `seconds`; also the actor ids of every analysed frame."""
    perceiver = Perceiver(detector, None)
    builder, actors = WindowBuilder(5.0, labels=detector.labels), []
    for frame, picture in clip():
        if frame.pts_seconds >= seconds:
            break
        detector.truth[frame.index] = picture.boxes_xyxy, picture.visible_masks
        actors.append([int(a) for a, m in zip(picture.actor_ids, picture.visible_masks, strict=True) if m.sum() > 60])
        builder.add(perceiver.observe(frame), is_cut=False, arrived_seconds=0.0)
    [window] = builder.finish()
    return perceiver, window, actors


def test_every_actor_keeps_one_track_from_its_first_frame() -> None:
    perceiver, window, actors = play(TruthDetector())
    finished = perceiver.drop_unconfirmed(window)
    track_of: dict[int, set[int]] = {}
    for observation, ids in zip(finished.observations, actors, strict=True):
        assert len(observation.instances) == len(ids)  # nothing lost before confirmation
        for instance in observation.instances:
            boxes, _ = perceiver._detector.truth[observation.frame.index]  # type: ignore[attr-defined]
            actor = int(np.abs(boxes - instance.box_xyxy).sum(1).argmin())
            track_of.setdefault(actor, set()).add(instance.track_id)
    assert all(len(tracks) == 1 for tracks in track_of.values())
    assert len(track_of) == len(set().union(*actors))


def test_observation_carries_camera_and_embedding() -> None:
    _, window, _ = play(TruthDetector())
    first, *rest = window.observations
    assert first.camera_step is None and first.camera_inliers == 0.0
    assert all(o.camera_step is not None and o.camera_inliers > 0.5 for o in rest)
    assert first.embedding is not None


def test_flash_is_in_the_raw_window_and_not_in_the_finished_one() -> None:
    perceiver, window, _ = play(TruthDetector(flash_index=9), seconds=2.0)
    corner = [i for o in window.observations for i in o.instances if i.box_xyxy[2] < 0.1 and i.box_xyxy[3] < 0.12]
    assert len(corner) == 1
    finished = perceiver.drop_unconfirmed(window)
    ids = {i.track_id for o in finished.observations for i in o.instances}
    assert corner[0].track_id not in ids
    assert len(finished.observations) == len(window.observations)


def test_a_picture_is_reported_on_one_sure_look() -> None:
    _, window, actors = play(TruthDetector())
    alone = dataclasses.replace(window, observations=window.observations[:1])
    fresh = Perceiver(TruthDetector(), None)
    assert not any(fresh._tracker.is_confirmed(i.track_id) for i in alone.observations[0].instances)
    assert len(fresh.drop_unconfirmed(alone).observations[0].instances) == len(actors[0]) > 0
    doubtful = tuple(dataclasses.replace(i, score=0.4) for i in alone.observations[0].instances)
    alone = dataclasses.replace(alone, observations=(dataclasses.replace(alone.observations[0], instances=doubtful),))
    assert not fresh.drop_unconfirmed(alone).observations[0].instances


def test_cut_ends_tracks_and_ids_go_on() -> None:
    detector = TruthDetector()
    perceiver, window, _ = play(detector)
    before = max(i.track_id for o in window.observations for i in o.instances)
    perceiver.cut()
    again = perceiver.observe(window.observations[-1].frame)
    assert again.camera_step is None
    assert min(i.track_id for i in again.instances) > before


def test_time_is_accounted_for_per_stage() -> None:
    perceiver, _, _ = play(TruthDetector(), seconds=1.0)
    assert set(perceiver.stage_seconds) == {"detect", "camera", "track", "segment"}
    assert perceiver.stage_seconds["camera"] > 0 and perceiver.stage_seconds["track"] > 0


def test_boxes_without_any_mask_maker_are_our_own_bug() -> None:
    with pytest.raises(ValueError, match="needs a segmenter"):
        play(TruthDetector(masks=False), seconds=0.5)
