"""View sets: what the captioner will be shown at run time, made from rendered scenes with the truth attached.

In: a seed of the world. Out: `ViewSet`s of its instances and of the whole picture. The views are cut by
`runtime.views`, from frames and masks as flawed as H.264, our detector and our segmenter make them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.world import RenderedFrame, Renderer, Scene, make_scene
from edgecap.export.nano.caption.flaws import coded, flawed_box, flawed_mask
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.describe.views import frame_view, instance_view

VIEWS = 4
VIEW_GAP_SECONDS = 0.375
VIEW_MARGIN = 1.15
_FRAMES = 8  # two runs of VIEWS per scene: the background is painted once for both
_TIER_SHARES = {"clean": 0.45, "moving": 0.42, "stress": 0.13}
_GAP_FRAMES = {9: 0.7, 8: 0.1, 10: 0.1, 6: 0.05, 12: 0.05}  # at 24 fps; 9 frames = 0.375 s
_SEEN = 0.35  # visible share from which the runtime would show the instance
_LEAST_PIXELS = 60
_REPEATED_SHARE = 0.03  # short lives repeat a view


@dataclass(frozen=True, slots=True)
class ViewSet:
    """`frames_rgb` uint8 [F, S, S, 3] and its truth.

    `label` of an instance: kind "instance", class, primary, secondary (None: one colour), gesture (None: none), moving.
    `label` of a picture: kind "picture", background, classes (of the instances to be seen in it).
    """

    frames_rgb: NDArray[np.uint8]
    label: dict[str, Any]


def view_sets(seed: int, *, side: int) -> Iterator[ViewSet]:
    """All view sets of one scene: up to two per instance, one or two of the whole picture. Deterministic per seed."""
    rng = np.random.default_rng([seed, 77])
    tier = str(rng.choice(list(_TIER_SHARES), p=list(_TIER_SHARES.values())))
    scene = make_scene(seed=seed, tier=tier)
    gap = int(rng.choice(list(_GAP_FRAMES), p=list(_GAP_FRAMES.values())))
    first = int(rng.integers(max(1, scene.num_frames - gap * (_FRAMES - 1))))
    numbers = [min(scene.num_frames - 1, first + gap * k) for k in range(_FRAMES)]
    renderer = Renderer(scene)
    frames = [renderer.render(n) for n in numbers]
    quality = int(rng.integers(60, 96))
    images = [coded(f.image_rgb, quality=quality) for f in frames]
    for half in (slice(0, VIEWS), slice(VIEWS, _FRAMES)):
        yield from _instance_sets(scene, numbers[half], frames[half], images[half], side=side, rng=rng)
    spreads = [(0, 2, 5, 7), (0, 1, 2, 3), (1, 3, 5, 7), (4, 5, 6, 7)]
    picks = spreads[int(rng.integers(len(spreads)))]
    yield _picture_set(scene, [frames[i] for i in picks], [images[i] for i in picks], side=side)


def _picture_set(scene: Scene, frames: list[RenderedFrame], images: list[NDArray[np.uint8]], *, side: int) -> ViewSet:
    seen = {int(i) for f in frames for i, share in zip(f.actor_ids, f.visible_fractions, strict=True) if share >= _SEEN}
    label = {
        "kind": "picture",
        "background": scene.background.name,
        "classes": [a.class_name for a in scene.actors if a.id in seen],
    }
    return ViewSet(np.stack([frame_view(im, side=side) for im in images]), label)


def _instance_sets(
    scene: Scene,
    numbers: list[int],
    frames: list[RenderedFrame],
    images: list[NDArray[np.uint8]],
    *,
    side: int,
    rng: np.random.Generator,
) -> Iterator[ViewSet]:
    for actor in scene.actors:
        seen = [i for i, f in enumerate(frames) if _row_if_seen(f, actor.id) is not None]
        if len(seen) < VIEWS - 1:
            continue
        if rng.random() < _REPEATED_SHARE:
            seen = seen[:2]
        picks = [min(seen, key=lambda s, i=i: abs(s - i)) for i in range(VIEWS)]  # type: ignore[misc]
        views = [_isolated(frames[i], images[i], actor.id, side=side, rng=rng) for i in picks]
        times = np.arange(numbers[0] / scene.fps - 0.5, numbers[-1] / scene.fps + 0.5, 0.1)
        label = {
            "kind": "instance",
            "class": actor.class_name,
            "primary": actor.primary_colour,
            "secondary": actor.secondary_colour,
            "gesture": actor.gesture,
            "moving": any(bool(np.any(actor.path.velocity(float(t)))) for t in times),
        }
        yield ViewSet(np.stack(views), label)


def _row_if_seen(frame: RenderedFrame, actor_id: int) -> int | None:
    rows = np.flatnonzero(frame.actor_ids == actor_id)
    if len(rows) == 0:
        return None
    row = int(rows[0])
    big = np.count_nonzero(frame.visible_masks[row]) >= _LEAST_PIXELS
    return row if big and frame.visible_fractions[row] >= _SEEN else None


def _isolated(
    frame: RenderedFrame, image: NDArray[np.uint8], actor_id: int, *, side: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """One view with the flaws of detection and segmentation; falls back to the true mask if nothing of it is left."""
    row = _row_if_seen(frame, actor_id)
    assert row is not None, "picks hold seen frames only"
    box = flawed_box(frame.boxes_xyxy[row], rng=rng)
    others = np.asarray(np.delete(frame.visible_masks, row, axis=0).any(0))
    bits = flawed_mask(frame.visible_masks[row], box_xyxy=box, others=others, rng=rng)
    if np.count_nonzero(bits) < _LEAST_PIXELS // 3:
        bits = frame.visible_masks[row]
    return instance_view(image, Mask.from_full(bits), box_xyxy=box, side=side, margin=VIEW_MARGIN)
