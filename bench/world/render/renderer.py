"""Renderer: a scene and a frame number in, a picture with exact masks out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.bench.world.actors import Actor, Prop
from edgecap.bench.world.backgrounds.brush import Brush
from edgecap.bench.world.colours import inks_of
from edgecap.bench.world.render.paint import Patch, blend, cast_shadow, paint
from edgecap.bench.world.scene import Scene
from edgecap.bench.world.seeds import generator
from edgecap.bench.world.sprites import rest_extent, shapes_of
from edgecap.bench.world.sprites.pose import Pose

_NOT_AN_ACTOR = 255
"""Value of scenery in the id buffer."""
_BANK_SIZE = 1024


@dataclass(frozen=True, slots=True)
class RenderedFrame:
    """One picture and its truth. N alive actors, sorted by id."""

    image_rgb: NDArray[np.uint8]
    """[H, W, 3]."""
    actor_ids: NDArray[np.int64]
    """[N]."""
    visible_masks: NDArray[np.bool_]
    """[N, H, W] after occlusion and clipping by the frame."""
    boxes_xyxy: NDArray[np.float32]
    """[N, 4] tight around the visible mask, relative to the frame, 0-1; zeros when invisible."""
    visible_fractions: NDArray[np.float64]
    """[N] visible area / whole area in an unbounded frame."""
    camera: NDArray[np.float64]
    """[3, 3] world -> image pixels."""

    def __post_init__(self) -> None:
        n, (height, width) = len(self.actor_ids), self.image_rgb.shape[:2]
        if self.visible_masks.shape != (n, height, width) or self.boxes_xyxy.shape != (n, 4):
            raise ValueError(
                f"expected {n} masks of {height}x{width}, got {self.visible_masks.shape = }, {self.boxes_xyxy.shape = }"
            )

    def __repr__(self) -> str:
        return f"RenderedFrame(image_rgb={self.image_rgb.shape}, actor_ids={self.actor_ids.tolist()})"


class Renderer:
    """Draws the frames of one scene, in any order."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._items: list[Actor | Prop] = sorted([*scene.actors, *scene.props], key=lambda i: i.z_order)
        self._inks = [
            inks_of(i.primary_rgb, i.secondary_rgb, skin=getattr(i, "skin", 0), hair=getattr(i, "hair", 0))
            for i in self._items
        ]
        self._brush = self._paint_background()
        self._still: NDArray[np.uint8] | None = None
        if scene.camera_path.kind == "static":
            self._still = self._background(scene.camera_path.matrices[0])

    def render(self, frame_index: int) -> RenderedFrame:
        """Frame `frame_index` (0-based, < scene.num_frames)."""
        scene = self.scene
        if not 0 <= frame_index < scene.num_frames:
            raise IndexError(f"frame {frame_index} of {scene.num_frames}")
        seconds = frame_index / scene.fps
        camera = scene.camera_path.matrices[frame_index]
        image = self._background(camera) if self._still is None else self._still.copy()
        owners = np.zeros(image.shape[:2], np.uint8)
        areas: dict[int, int] = {}
        for item, inks in zip(self._items, self._inks, strict=True):
            if isinstance(item, Actor) and not item.alive(seconds):
                continue
            patch = self._draw(image, item, inks, camera, seconds)
            if patch is None:
                continue
            where = blend(image, patch)
            body = patch.opaque()
            if isinstance(item, Actor):
                areas[item.id] = int(np.count_nonzero(body))
            if where is not None:
                owner = item.id + 1 if isinstance(item, Actor) else _NOT_AN_ACTOR
                owners[where[0], where[1]][body[where[2], where[3]]] = owner
        return _collect(scene, seconds, _degraded(image, scene, frame_index), owners, areas, camera)

    def _draw(
        self,
        image: NDArray[np.uint8],
        item: Actor | Prop,
        inks: dict[str, tuple[int, int, int]],
        camera: NDArray[np.float64],
        seconds: float,
    ) -> Patch | None:
        """Shadow (in place) and patch of one item; None when it is far outside the frame."""
        if isinstance(item, Actor):
            centre, size = item.path.at(seconds)
            name, facing, pose = item.class_name, item.facing_at(seconds), item.pose_at(seconds)
            habitat = item.spec.habitat
        else:
            centre, size = np.array(item.centre), np.array(item.size)
            name, facing, pose, habitat = item.sprite, item.facing, Pose(), "ground"
        middle = camera[:2, :2] @ centre + camera[:2, 2]
        zoom = float(np.sqrt(abs(np.linalg.det(camera[:2, :2]))))
        reach = float(size) * zoom  # gestures reach beyond the rest pose, never beyond its size again
        height, width = image.shape[:2]
        if not (-reach < middle[0] < width + reach and -reach < middle[1] < height + reach):
            return None
        extent = np.array(rest_extent(name)) * float(size)
        cast_shadow(image, camera, centre=centre, extent=extent, habitat=habitat)
        shapes, origin, unit = shapes_of(name, pose)
        local = np.array([[facing * unit * size, 0.0], [0.0, unit * size]])
        linear = camera[:2, :2] @ local
        affine = np.concatenate([linear, (middle - linear @ origin)[:, None]], axis=1)
        outline_px = float(np.clip(reach / 75.0, 0.8, 1.9 * max(1.0, height / 720)))
        return paint(shapes, affine, inks, outline_px=outline_px)

    def _paint_background(self) -> Brush:
        """Canvas that covers all the camera sees, with a small margin."""
        scene = self.scene
        width, height = scene.size_wh
        corners = np.array([(0, 0, 1), (width, 0, 1), (width, height, 1), (0, height, 1)], dtype=np.float64)
        seen = np.einsum("tij,kj->tki", np.linalg.inv(scene.camera_path.matrices), corners)[..., :2]
        low, high = seen.min(axis=(0, 1)) - 2, seen.max(axis=(0, 1)) + 2
        rect = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
        zooms = np.sqrt(np.abs(np.linalg.det(scene.camera_path.matrices[:, :2, :2])))
        # Between the average and the largest zoom: sharp enough, and the canvas stays moderate.
        scale = float(np.sqrt(zooms.mean() * zooms.max()))
        brush = Brush.blank(
            rect, scale=scale, horizon=scene.horizon, rng=generator(scene.seed, scene.tier, "background")
        )
        scene.background.paint(brush)
        return brush

    def _background(self, camera: NDArray[np.float64]) -> NDArray[np.uint8]:
        brush = self._brush
        to_world = np.array(
            [[1 / brush.scale, 0, brush.world_rect[0]], [0, 1 / brush.scale, brush.world_rect[1]], [0, 0, 1]]
        )
        return np.asarray(
            cv2.warpAffine(
                brush.canvas,
                (camera @ to_world)[:2],
                self.scene.size_wh,
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            ),
            np.uint8,
        )


def _collect(
    scene: Scene,
    seconds: float,
    image: NDArray[np.uint8],
    owners: NDArray[np.uint8],
    areas: dict[int, int],
    camera: NDArray[np.float64],
) -> RenderedFrame:
    """Masks, boxes and fractions from the id buffer."""
    ids = [a.id for a in scene.actors if a.alive(seconds)]
    height, width = owners.shape
    masks = np.zeros((len(ids), height, width), dtype=bool)
    boxes = np.zeros((len(ids), 4), np.float32)
    fractions = np.zeros(len(ids))
    for row, actor_id in enumerate(ids):
        np.equal(owners, actor_id + 1, out=masks[row])
        left, top, w, h = cv2.boundingRect(masks[row].view(np.uint8))
        if w and h:
            boxes[row] = (left / width, top / height, (left + w) / width, (top + h) / height)
            fractions[row] = np.count_nonzero(masks[row]) / max(areas[actor_id], 1)
    return RenderedFrame(image, np.array(ids, dtype=np.int64), masks, boxes, fractions, camera.copy())


def _degraded(image: NDArray[np.uint8], scene: Scene, frame_index: int) -> NDArray[np.uint8]:
    """`image` [H, W, 3] with blur, low light and noise, in the order a camera adds them."""
    how = scene.degradation
    if how.blur_sigma_px > 0:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), how.blur_sigma_px * image.shape[0] / 360.0), np.uint8)
    if how.gain < 1.0:
        image = np.asarray(cv2.convertScaleAbs(image, alpha=how.gain), np.uint8)
    if how.noise_sigma > 0:
        image = _noisy(image, how.noise_sigma, generator(scene.seed, scene.tier, "noise", frame_index))
    return image


def _noisy(image: NDArray[np.uint8], sigma: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Gaussian noise cut from a fixed bank at a random place: fresh normals would cost more than the whole frame."""
    height, width = image.shape[:2]
    bank = _noise_bank()
    rows = (np.arange(height) + int(rng.integers(_BANK_SIZE))) % _BANK_SIZE
    start = int(rng.integers(_BANK_SIZE))
    wide = np.take(bank, rows, axis=0)
    columns = (np.arange(width) + start) % _BANK_SIZE
    cut = np.take(wide, columns, axis=1)
    lighter = cv2.convertScaleAbs(np.maximum(cut, 0), alpha=sigma / 32.0)
    darker = cv2.convertScaleAbs(np.minimum(cut, 0), alpha=sigma / 32.0)
    return np.asarray(cv2.subtract(cv2.add(image, lighter), darker), np.uint8)


@cache
def _noise_bank() -> NDArray[np.int16]:
    """[1024, 1024, 3] normals times 32."""
    rng = np.random.default_rng(7)
    return np.clip(rng.standard_normal((_BANK_SIZE, _BANK_SIZE, 3), dtype=np.float32) * 32, -120, 120).astype(np.int16)
