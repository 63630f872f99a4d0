"""Textured objects pasted over a textured background by formula: masks are known to the pixel."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edgecap.runtime.data.detections import Detections
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.perceive.motion.detector import MotionDetector
from edgecap.runtime.perceive.motion.regions import recoloured
from edgecap.runtime.perceive.perceiver import Perceiver

W, H = 480, 270


def texture(seed: int, width: int, height: int, tint: tuple[int, int, int]) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 2.5)
    return np.clip(np.array(tint) + 260 * noise[..., None] * (0.6, 1.0, 0.8), 0, 255).astype(np.uint8)


GROUND = texture(1, W + 400, H + 100, (120, 140, 100))
OBJECTS = [texture(2, 90, 70, (190, 60, 60)), texture(3, 70, 80, (60, 60, 190))]


def scene(
    centres: Sequence[tuple[float, float]], *, camera_x: float = 0.0
) -> tuple[NDArray[np.uint8], list[NDArray[np.bool_]]]:
    """Picture and masks; `centres` in view pixels, the view's left edge is `camera_x` into the ground."""
    shift = np.array([[1, 0, -camera_x - 20], [0, 1, -20]], np.float64)
    image = cv2.warpAffine(GROUND, shift, (W, H), flags=cv2.INTER_LINEAR)
    masks = []
    for (x, y), look in zip(centres, OBJECTS, strict=False):
        h, w = look.shape[:2]
        place = np.array([[1, 0, x - w / 2], [0, 1, y - h / 2]], np.float64)
        oval = cv2.ellipse(np.zeros((h, w), np.uint8), (w // 2, h // 2), (w // 2 - 1, h // 2 - 1), 0, 0, 360, 255, -1)
        alpha = cv2.warpAffine(oval, place, (W, H)) > 127
        image = np.where(alpha[..., None], cv2.warpAffine(look, place, (W, H)), image)
        masks.append(alpha)
    return image.astype(np.uint8), masks


def watch(
    paths: Sequence[Sequence[tuple[float, float]]], *, camera: Sequence[float] | None = None, noise: float = 1.5
) -> list[tuple[Detections, list[NDArray[np.bool_]]]]:
    """One entry per frame at 8 fps; `paths[t]` are the centres at frame t."""
    detector, rng = MotionDetector(), np.random.default_rng(9)
    seen = []
    for t, centres in enumerate(paths):
        image, masks = scene(centres, camera_x=camera[t] if camera else 0.0)
        noisy = np.clip(image + rng.normal(0, noise, image.shape), 0, 255).astype(np.uint8)
        seen.append((detector.detect(Frame(t, t / 8, noisy)), masks))
    return seen


def overlap(found: Detections, mask: NDArray[np.bool_]) -> float:
    """IoU of the best of the found masks."""
    assert found.masks is not None
    return max(
        (np.count_nonzero(m.full() & mask) / np.count_nonzero(m.full() | mask) for m in found.masks), default=0.0
    )


@pytest.mark.parametrize(
    "camera_step", [pytest.param(0.0, id="static"), pytest.param(4.0, id="panning"), pytest.param(-9.0, id="fast-pan")]
)
def test_a_moving_object_is_found_alone_with_its_mask(camera_step: float) -> None:
    """Moves 7 px right per frame over the ground; the camera's own motion is taken out."""
    step = 7.0 if camera_step >= 0 else -7.0
    paths = [[(240 + (step - camera_step) * (t - 4), 140.0)] for t in range(9)]
    seen = watch(paths, camera=[180 + camera_step * t for t in range(9)])
    for found, masks in seen[3:]:
        assert len(found) == 1
        assert overlap(found, masks[0]) > 0.75
        assert found.scores[0] > 0.6 and found.class_ids.tolist() == [0]


def test_nothing_moves_nothing_found() -> None:
    still = watch([[(240.0, 140.0)]] * 8, noise=3.0)
    panned = watch([[(240.0 - 3 * t, 140.0)] for t in range(8)], camera=[100 + 3.0 * t for t in range(8)], noise=3.0)
    assert [len(found) for found, _ in still + panned] == [0] * 16


def test_two_that_part_are_two() -> None:
    seen = watch([[(220 - 6.0 * t, 140.0), (290 + 6.0 * t, 140.0)] for t in range(9)])
    for found, masks in seen[3:]:
        assert len(found) == 2
        assert min(overlap(found, m) for m in masks) > 0.7


def test_an_object_that_stops_is_kept_for_a_second() -> None:
    path = [(160 + 4.0 * min(t, 8), 140.0) for t in range(24)]
    seen = watch([[p] for p in path])
    kept = [len(found) == 1 and overlap(found, masks[0]) > 0.6 for found, masks in seen]
    assert all(kept[3:14])  # 5 frames after the stop
    assert not any(len(found) for found, _ in seen[20:])


def test_an_object_that_leaves_leaves_no_ghost() -> None:
    seen = watch([[(380 + 22.0 * t, 140.0)] for t in range(12)])
    assert any(len(found) for found, _ in seen[2:5])
    assert not any(len(found) for found, _ in seen[9:])


def test_first_frame_and_first_after_reset_have_nothing_to_compare() -> None:
    detector = MotionDetector()
    pictures = [scene([(200 + 8.0 * t, 140.0)])[0] for t in range(6)]
    counts = [len(detector.detect(Frame(t, t / 8, p))) for t, p in enumerate(pictures)]
    assert counts[0] == 0 and counts[-1] == 1
    detector.reset()
    assert len(detector.detect(Frame(6, 0.75, pictures[-1]))) == 0


def test_perceiver_tells_it_of_cuts() -> None:
    detector = MotionDetector()
    perceiver = Perceiver(detector, None)
    pictures = [scene([(200 + 8.0 * t, 140.0)])[0] for t in range(6)]
    last = [perceiver.observe(Frame(t, t / 8, p)) for t, p in enumerate(pictures)][-1]
    assert len(last.instances) == 1 and last.instances[0].mask.area_pixels > 1000
    perceiver.cut()
    assert perceiver.observe(Frame(6, 0.75, pictures[0])).instances == ()


def test_same_frames_same_masks() -> None:
    runs = [watch([[(200 + 8.0 * t, 140.0)] for t in range(5)]) for _ in range(2)]
    for (a, _), (b, _) in zip(*runs, strict=True):
        np.testing.assert_array_equal(a.boxes_xyxy, b.boxes_xyxy)


def test_colour_takes_uncovered_background_away_and_keeps_what_looks_alike() -> None:
    """Mask 40 wide: 30 of the object (bin 5), 10 of ground (bin 7). Where all is one colour the mask stands."""
    mask = np.zeros((60, 100), bool)
    mask[15:45, 30:70] = True
    colours = np.full((60, 100), 7, np.int32)
    colours[15:45, 40:70] = 5
    kept = recoloured(mask, colours) > 0.5
    assert np.count_nonzero(kept[18:42, 31:38]) == 0
    assert kept[18:42, 43:68].all()
    same = recoloured(mask, np.full((60, 100), 7, np.int32)) > 0.5
    assert np.count_nonzero(same & mask) > 0.9 * np.count_nonzero(mask)
