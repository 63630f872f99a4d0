"""A made-up clip with boxes to begin from, for following objects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.world.render.renderer import Renderer
from edgecap.bench.world.scene import make_scene
from edgecap.runtime.data.frame import Frame

CLIP_FRAMES = 60
SEED = 41
SIZE_WH = (640, 360)


def world_clip(frames: int, objects: int) -> tuple[list[Frame], NDArray[np.float32]]:
    """Frames of a moving world scene and `objects` boxes [K, 4] of its first one, relative.

    Boxes are those of the actors to be seen; where the scene has fewer, the same boxes moved by a third of their size:
    what a prompt is on doesn't change what it costs.
    """
    actors = max(objects, 4)
    scene = make_scene(seed=SEED, tier="moving", size_wh=SIZE_WH, duration_seconds=frames / 24.0, num_actors=actors)
    renderer = Renderer(scene)
    rendered = [renderer.render(index) for index in range(scene.num_frames)]
    boxes = rendered[0].boxes_xyxy
    boxes = boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]
    if len(boxes) == 0:
        boxes = np.array([[0.3, 0.3, 0.6, 0.7]], np.float32)
    shift = np.array([1, 1, 1, 1], np.float32) / 3
    while len(boxes) < objects:
        sides = boxes[:, 2:] - boxes[:, :2]
        boxes = np.concatenate([boxes, np.clip(boxes + shift * np.tile(sides, 2), 0, 1)])
        shift = -shift * 1.5
    clip = [Frame(index, index / 24.0, picture.image_rgb) for index, picture in enumerate(rendered)]
    return clip[:frames], boxes[:objects].astype(np.float32)
