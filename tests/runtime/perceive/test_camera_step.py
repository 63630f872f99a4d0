"""Background motion against the synthetic world's exact camera; instance masks are the truth's."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edgecap.bench.world import VALIDATION_SEED_START, Renderer, Scene, make_scene
from edgecap.bench.world.camera import make_camera
from edgecap.bench.world.scene import with_camera
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.perceive.camera_step import CameraEstimator

SIZE = (640, 360)
TO_RELATIVE = np.diag([1 / SIZE[0], 1 / SIZE[1], 1.0])


def world_step(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """Truth as `Observation.camera_step`, from two world -> pixel matrices."""
    return TO_RELATIVE @ after @ np.linalg.inv(before) @ np.linalg.inv(TO_RELATIVE)


@cache
def world() -> Scene:
    """Three seconds, laid out once for all cameras."""
    return make_scene(seed=VALIDATION_SEED_START + 40, tier="moving", duration_seconds=3.0, num_actors=3)


def integrate(kind: str, *, every: int = 3) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Product of all steps, measured and true, over one clip of the world analysed at 8 fps."""
    scene = world()
    camera = make_camera(kind, rng=np.random.default_rng(7), num_frames=scene.num_frames, fps=scene.fps, size_wh=SIZE)
    renderer, estimator = Renderer(with_camera(scene, camera)), CameraEstimator()
    measured, last = np.eye(3), None
    for i in range(0, scene.num_frames, every):
        picture = renderer.render(i)
        frame = Frame(i, i / scene.fps, picture.image_rgb)
        if last is not None:
            step = estimator.step(last[0], frame, last[1])
            assert step.matrix is not None and step.inliers > 0.8
            measured = step.matrix @ measured
        last = frame, [Mask.from_full(m) for m in picture.visible_masks]
    return measured, world_step(camera.matrices[0], camera.matrices[(scene.num_frames - 1) // every * every])


def parts(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], float, float]:
    """Where the frame's middle goes (frame widths), zoom, roll in degrees."""
    square = np.diag([1, SIZE[1] / SIZE[0], 1.0])
    m = square @ matrix @ np.linalg.inv(square)
    middle = np.array([0.5, 0.5 * SIZE[1] / SIZE[0], 1.0])
    return (
        (m @ middle - middle)[:2],
        float(np.sqrt(np.linalg.det(m[:2, :2]))),
        float(np.degrees(np.arctan2(m[1, 0], m[0, 0]))),
    )


@pytest.mark.parametrize(
    "kind", ["static", "pan_right", "tilt_up", "zoom_in", "roll_left", "shake", "pan_left+zoom_in"]
)
def test_camera_path_integrates_to_the_truth(kind: str) -> None:
    """Bars: 0.3 % of the width and 2 % of the way; zoom 0.5 %; roll 0.2 degrees."""
    measured, true = integrate(kind)
    (shift, zoom, roll), (true_shift, true_zoom, true_roll) = parts(measured), parts(true)
    assert np.linalg.norm(shift - true_shift) < 0.003 + 0.02 * np.linalg.norm(true_shift)
    assert zoom == pytest.approx(true_zoom, rel=0.005)
    assert roll == pytest.approx(true_roll, abs=0.2)


def textured(seed: int, size_wh: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return cv2.GaussianBlur(rng.integers(0, 255, (size_wh[1], size_wh[0], 3), np.uint8), (0, 0), 3).astype(np.uint8)


def moved(image: NDArray[np.uint8], dx: float, dy: float) -> NDArray[np.uint8]:
    return cv2.warpAffine(
        image, np.array([[1, 0, dx], [0, 1, dy]], np.float64), SIZE, borderMode=cv2.BORDER_REFLECT
    ).astype(np.uint8)


def test_large_moving_foreground_is_left_out_by_its_mask() -> None:
    """Three fifths of the picture move right by 9 px, the background left by 4: with the mask, only the background
    counts."""
    back, front = textured(1), textured(2)
    area = np.zeros((SIZE[1], SIZE[0]), bool)
    area[:, 100:484] = True
    shifted_area = np.roll(area, 9, 1)
    before, after = (
        np.where(area[..., None], front, back),
        np.where(shifted_area[..., None], moved(front, 9, 0), moved(back, -4, 0)),
    )
    frames = Frame(0, 0.0, before), Frame(1, 0.1, after.astype(np.uint8))
    step = CameraEstimator().step(*frames, [Mask.from_full(area)])
    assert step.matrix is not None
    assert step.matrix[0, 2] == pytest.approx(-4 / SIZE[0], abs=1e-4)


def _shift(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Measured shift of the picture's middle in pixels, and the share that agrees."""
    step = CameraEstimator().step(Frame(0, 0.0, before), Frame(1, 0.1, after), [])
    assert step.matrix is not None
    middle = step.matrix @ [0.5, 0.5, 1.0]
    return float(middle[0] - 0.5) * SIZE[0], float(middle[1] - 0.5) * SIZE[1], step.inliers


@pytest.mark.parametrize(("dx", "dy"), [(-120, 0), (130, -20), (0, 70)])
def test_a_shift_of_a_fifth_of_the_frame_in_one_step_is_measured(dx: int, dy: int) -> None:
    wide = textured(11, (960, 540))
    before, after = (wide[90 + y : 450 + y, 160 + x : 800 + x] for x, y in ((0, 0), (-dx, -dy)))
    x, y, share = _shift(np.ascontiguousarray(before), np.ascontiguousarray(after))
    assert x == pytest.approx(dx, abs=0.3) and y == pytest.approx(dy, abs=0.3) and share > 0.8


def test_parallax_of_a_tenth_agrees_and_of_a_third_does_not() -> None:
    near, far = textured(12), textured(13)
    for factor, least, most in ((1.08, 0.85, 1.0), (1.35, 0.3, 0.75)):
        before, after = near.copy(), moved(near, -30 * factor, 0)
        before[:200], after[:200] = far[:200], moved(far, -30, 0)[:200]
        x, _, share = _shift(before, after)
        assert -30 * factor - 0.5 < x < -29.5
        assert least < share <= most


def test_motion_blur_of_a_twentieth_of_the_width_is_measured() -> None:
    wide = textured(14, (960, 540))

    def blurred(x: int) -> NDArray[np.uint8]:
        views = [wide[90:450, 160 + x + k : 800 + x + k].astype(float) for k in range(0, 33, 2)]
        return np.mean(views, axis=0).astype(np.uint8)

    x, y, _ = _shift(blurred(0), blurred(64))
    assert x == pytest.approx(-64, abs=1.0) and y == pytest.approx(0, abs=1.0)


def test_noise_on_a_still_picture_is_no_motion() -> None:
    still, rng = textured(3), np.random.default_rng(4)
    noisy = [np.clip(still + rng.normal(0, 2, still.shape), 0, 255).astype(np.uint8) for _ in range(2)]
    step = CameraEstimator().step(Frame(0, 0.0, noisy[0]), Frame(1, 0.1, noisy[1]), [])
    assert step.matrix is not None
    np.testing.assert_array_equal(step.matrix, np.eye(3))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(np.full((90, 160, 3), 90, np.uint8), np.full((90, 160, 3), 90, np.uint8), id="no-texture"),
        pytest.param(textured(5), textured(6), id="nothing-in-common"),
    ],
)
def test_unknown_motion_is_said(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> None:
    step = CameraEstimator().step(Frame(0, 0.0, before), Frame(1, 0.1, after), [])
    assert step.matrix is None
    assert step.inliers == 0.0


def test_same_frames_same_answer() -> None:
    frames = Frame(0, 0.0, textured(8)), Frame(1, 0.1, moved(textured(8), 5, 2))
    first, second = (CameraEstimator().step(*frames, []) for _ in range(2))
    assert first.matrix is not None and second.matrix is not None
    np.testing.assert_array_equal(first.matrix, second.matrix)
