"""Training targets: what the losses ask for must be what the decoding gives back."""

from __future__ import annotations

import zlib

import cv2
import numpy as np
import pytest
import torch

from edgecap.bench.world.seeds import generator
from edgecap.export.nano.vision.cache import CachedFrame
from edgecap.export.nano.vision.detector import PEAKS, STRIDE, DenseMaps, decode_peaks
from edgecap.export.nano.vision.samples import IMAGE_SIDE, View, random_view
from edgecap.export.nano.vision.segmenter import BOX_MARGIN, MASK_SIDE, crop
from edgecap.export.nano.vision.targets import dense_target, mask_targets, seen_instances

CLASSES = 3


def cached(boxes_px: list[tuple[int, int, int, int]], class_ids: list[int], fractions: list[float]) -> CachedFrame:
    """A 640x360 grey frame with white rectangles."""
    image, labels = np.full((360, 640, 3), 90, np.uint8), np.zeros((360, 640), np.uint8)
    for i, (x1, y1, x2, y2) in enumerate(boxes_px):
        image[y1:y2, x1:x2], labels[y1:y2, x1:x2] = 250, i + 1
    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    boxes = np.array(boxes_px, np.float32).reshape(-1, 4) / np.array([640, 360, 640, 360], np.float32)
    areas = np.bincount(labels.ravel(), minlength=len(boxes_px) + 1)[1:]
    return CachedFrame(
        jpeg,
        zlib.compress(labels.tobytes()),
        (640, 360),
        np.array(class_ids, np.int64),
        boxes,
        np.array(fractions, np.float32),
        areas,
    )


def whole_view(frame: CachedFrame) -> View:
    """The frame as the runtime sees it: 384x216 on a 384x224 canvas, nothing random."""
    canvas = np.full((3, 224, 384), 114, np.uint8)
    canvas[:, :216] = cv2.resize(frame.image(), (384, 216), interpolation=cv2.INTER_AREA).transpose(2, 0, 1)
    boxes = frame.boxes_xyxy * np.array([384, 216, 384, 216], np.float32)
    return View(
        canvas,
        frame.labels(),
        boxes,
        frame.class_ids,
        frame.visible_fractions,
        frame.visible_areas,
        IMAGE_SIDE / 640,
        (0, 0),
        (384, 216),
    )


BOXES = [(40, 60, 140, 200), (300, 100, 460, 180), (500, 20, 560, 60)]


def test_perfect_maps_decode_to_the_true_boxes() -> None:
    view = whole_view(cached(BOXES, [0, 2, 1], [1.0, 1.0, 0.9]))
    target = dense_target(view, classes=CLASSES)
    logits = torch.logit(torch.from_numpy(target.heat).clamp(1e-4, 1 - 1e-4))
    maps = DenseMaps(logits[None], torch.from_numpy(target.distances)[None], torch.zeros(1, 1, 1, 1))
    boxes, scores, class_ids = decode_peaks(maps)
    assert boxes.shape == (1, PEAKS, 4)
    found = scores[0] > 0.9
    assert int(found.sum()) == 3
    pixels = boxes[0, found].numpy() * np.array([384, 224, 384, 224])
    order = np.argsort(pixels[:, 0])
    assert pixels[order] == pytest.approx(view.boxes_xyxy, abs=1e-3)
    assert class_ids[0, found].numpy()[order].tolist() == [0, 2, 1]


def test_box_weights_sum_to_one_per_object() -> None:
    target = dense_target(whole_view(cached(BOXES, [0, 2, 1], [1.0] * 3)), classes=CLASSES)
    assert float(target.box_weight.sum()) == pytest.approx(3.0, rel=1e-5)
    assert (target.distances[:, target.box_weight > 0] > 0).all()


@pytest.mark.parametrize(
    ("box", "fraction"),
    [
        pytest.param((40, 60, 140, 200), 0.2, id="nearly hidden"),
        pytest.param((40, 60, 47, 68), 1.0, id="56 pixels"),
    ],
)
def test_what_can_hardly_be_seen_is_forgiven(box: tuple[int, int, int, int], fraction: float) -> None:
    target = dense_target(whole_view(cached([box], [1], [fraction])), classes=CLASSES)
    assert target.heat.max() == 0.0
    assert target.box_weight.max() == 0.0
    row, column = (int((box[k] + box[k + 2]) / 2 * 0.6 / STRIDE) for k in (1, 0))
    assert target.heat_weight[0, row, column] == 0.0
    assert target.heat_weight[0, -1, -1] == 1.0


def test_a_visible_object_is_asked_inside_a_forgiven_one() -> None:
    frame = cached([(40, 60, 240, 260), (120, 140, 160, 180)], [1, 0], [0.2, 1.0])
    target = dense_target(whole_view(frame), classes=CLASSES)
    row, column = int(160 * 0.6 / STRIDE), int(140 * 0.6 / STRIDE)
    assert target.heat[0, row, column] == 1.0
    assert target.heat_weight[0, row, column] == 1.0


def test_boxes_cut_by_the_window_are_measured_anew() -> None:
    frame = cached([(100, 100, 200, 200)], [0], [1.0])
    view = View(
        np.zeros((3, 64, 64), np.uint8),
        frame.labels(),
        np.array([[-20.0, 10, 80, 110]], np.float32),
        frame.class_ids,
        frame.visible_fractions,
        frame.visible_areas,
        1.0,
        (120, 90),
        (64, 64),
    )
    seen = seen_instances(view)
    assert seen.boxes_xyxy.tolist() == [[0.0, 10.0, 64.0, 64.0]]
    assert seen.asked.tolist() == [True]


def test_random_views_are_a_function_of_the_generator() -> None:
    frame = cached(BOXES, [0, 2, 1], [1.0] * 3)
    first, again = (random_view(frame, generator(5, "t"), size_wh=(320, 192)) for _ in range(2))
    other = random_view(frame, generator(6, "t"), size_wh=(320, 192))
    assert np.array_equal(first.image, again.image)
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_mask_targets_lie_where_the_graph_crops(seed: int) -> None:
    """Sampling the bright rectangles through the graph's own crop must give the coverage that is asked for."""
    rng = generator(seed, "crop")
    view = random_view(cached(BOXES, [0, 2, 1], [1.0] * 3), rng, size_wh=(320, 192))
    boxes, coverage = mask_targets(view, rng, jitter=0.05, most=3)
    instance = np.zeros((192, 320), np.float32)
    w, h = view.content_wh
    window = view.labels[view.origin_xy[1] :, view.origin_xy[0] :][: round(h / view.scale), : round(w / view.scale)]
    instance[:h, :w] = cv2.resize((window > 0).astype(np.float32), (w, h), interpolation=cv2.INTER_AREA)
    sampled = crop(torch.from_numpy(instance)[None, None], torch.from_numpy(boxes), side=MASK_SIDE)[:, 0].numpy()
    assert coverage.shape == (len(boxes), MASK_SIDE, MASK_SIDE)
    assert len(boxes) > 0
    # rectangles stand far apart, so every bright cell of a crop belongs to its own instance; edges differ by
    # interpolation
    assert np.abs(sampled - coverage).mean() < 0.02


def test_coverage_of_an_exact_prompt_is_the_box_without_its_margin() -> None:
    view = whole_view(cached([(100, 100, 200, 200)], [0], [1.0]))
    boxes, coverage = mask_targets(view, generator(1), jitter=0.0, most=4)
    assert boxes[0] * np.array([384, 224, 384, 224]) == pytest.approx(np.array([60, 60, 120, 120]), abs=1e-3)
    inside = (1 / (1 + 2 * BOX_MARGIN)) ** 2
    assert float(coverage.mean()) == pytest.approx(inside, rel=0.02)
    edge = int(MASK_SIDE * BOX_MARGIN / (1 + 2 * BOX_MARGIN))
    assert coverage[0, : edge - 1].max() == 0.0
    assert coverage[0, edge + 2 : -edge - 2, edge + 2 : -edge - 2].min() == 1.0
