"""Truth: everything a pipeline may be scored on, as one JSON-able dict per clip; its reader is `clip_truth.ClipTruth`.

In: a scene and its rendered frames, one by one, so that a long clip is never in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.world.actors import Actor
from edgecap.bench.world.ground_truth import sentences
from edgecap.bench.world.ground_truth.caption import instance_caption
from edgecap.bench.world.ground_truth.events import Event, path_events, visibility_events
from edgecap.bench.world.ground_truth.motion import (
    VISIBLE_FRACTION,
    angle_degrees,
    compass_word,
    image_displacement,
    position_cell,
    visible_pixels,
    world_displacement,
)
from edgecap.bench.world.render.renderer import RenderedFrame, Renderer
from edgecap.bench.world.scene import Scene
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.output.rle import decode_counts, encode_counts

SCHEMA = "edgecap.world.truth/1"
LEAST_SEEN_SECONDS = 0.5
"""Actors visible for less are not expected in captions (`captioned` false)."""


def truth(scene: Scene, frames: Iterable[RenderedFrame] | Renderer | None = None) -> dict[str, Any]:
    """Truth of a clip. `frames`: all its frames in order, or a renderer of `scene` (default: a new one)."""
    if frames is None:
        frames = Renderer(scene)
    if isinstance(frames, Renderer):
        renderer = frames
        frames = (renderer.render(k) for k in range(scene.num_frames))
    recorder = TruthRecorder(scene)
    for frame in frames:
        recorder.add(frame)
    return recorder.finish()


class Rle(TypedDict):
    """JSON form of a mask: run lengths down the columns, zeros first."""

    size: list[int]
    """[height, width]."""
    counts: list[int]


def encode_mask(mask: NDArray[np.bool_]) -> Rle:
    """Run lengths of a [H, W] mask."""
    return {"size": list(mask.shape), "counts": encode_counts(Mask.from_full(mask)).tolist()}


def decode_mask(rle: Rle) -> NDArray[np.bool_]:
    """[H, W] mask of its run lengths. ValueError where they do not fill the picture."""
    height, width = rle["size"]
    return decode_counts(np.array(rle["counts"], np.int64), size_wh=(width, height)).full()


@dataclass(slots=True)
class _Trace:
    """What was seen of one actor, one entry per frame."""

    masks: list[Rle | None] = field(default_factory=list)
    boxes: list[list[float]] = field(default_factory=list)
    fractions: list[float] = field(default_factory=list)
    centroids: list[list[float] | None] = field(default_factory=list)
    areas: list[int] = field(default_factory=list)
    inside: list[float] = field(default_factory=list)


class TruthRecorder:
    """Collects frames in order; `finish` gives the truth."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._traces = {a.id: _Trace() for a in scene.actors}
        self._count = 0

    def add(self, frame: RenderedFrame) -> None:
        """The next frame."""
        rows = {int(i): k for k, i in enumerate(frame.actor_ids)}
        height, width = frame.image_rgb.shape[:2]
        seconds = self._count / self.scene.fps
        for actor in self.scene.actors:
            trace, row = self._traces[actor.id], rows.get(actor.id)
            mask = None if row is None else frame.visible_masks[row]
            area = 0 if mask is None else int(np.count_nonzero(mask))
            trace.areas.append(area)
            trace.inside.append(_share_inside(actor, seconds, frame.camera, (width, height)))
            trace.masks.append(encode_mask(mask) if mask is not None and area else None)
            trace.boxes.append([round(float(v), 5) for v in frame.boxes_xyxy[row]] if row is not None else [0.0] * 4)
            trace.fractions.append(round(float(frame.visible_fractions[row]), 4) if row is not None else 0.0)
            trace.centroids.append(_centroid(mask) if mask is not None and area else None)
        self._count += 1

    def finish(self) -> dict[str, Any]:
        """The truth of the whole clip."""
        scene = self.scene
        if self._count != scene.num_frames:
            raise ValueError(f"expected {scene.num_frames} frames, got {self._count}")
        actors = [self._actor(a) for a in scene.actors]
        events: list[Event] = [e for a in actors for e in a.pop("events")]
        events.sort(key=lambda e: (e["seconds"], e["actor_id"]))
        seen = [a for a in actors if a["captioned"]]
        return {
            "schema": SCHEMA,
            "clip": scene.name,
            "seed": scene.seed,
            "tier": scene.tier,
            "size_wh": list(scene.size_wh),
            "fps": scene.fps,
            "num_frames": scene.num_frames,
            "background": {"name": scene.background.name, "sentence": scene.background.sentence},
            "global_sentence": sentences.global_sentence([a["class"] for a in seen], scene.background.name),
            "camera": {
                "kind": scene.camera_path.kind,
                "labels": list(scene.camera_path.labels),
                "world_to_image_px": scene.camera_path.matrices.round(6).reshape(-1, 9).tolist(),
            },
            "degradation": {
                "noise_sigma": scene.degradation.noise_sigma,
                "blur_sigma_px": scene.degradation.blur_sigma_px,
                "gain": scene.degradation.gain,
            },
            "actors": actors,
            "events": events,
            "caption": instance_caption(scene, seen),
        }

    def _actor(self, actor: Actor) -> dict[str, Any]:
        scene, trace = self.scene, self._traces[actor.id]
        fractions, areas = np.array(trace.fractions), np.array(trace.areas)
        visible = (fractions >= VISIBLE_FRACTION) & (areas >= visible_pixels(scene.size_wh))
        frames = np.flatnonzero(visible)
        span = (int(frames[0]), int(frames[-1])) if len(frames) else None
        events = visibility_events(actor.id, visible, fractions, np.array(trace.inside), scene.fps)
        return {
            "id": actor.id,
            "class": actor.class_name,
            "primary_colour": actor.primary_colour,
            "secondary_colour": actor.secondary_colour,
            "gesture": actor.gesture,
            "captioned": bool(visible.sum() / scene.fps >= min(LEAST_SEEN_SECONDS, 0.5 * scene.duration_seconds)),
            "first_visible_frame": span[0] if span else None,
            "last_visible_frame": span[1] if span else None,
            "born_after_start": bool(span and span[0] > 0),
            "out_of_frame_at_end": bool(areas[-1] < visible_pixels(scene.size_wh)),
            **_motion(actor, scene, span),
            "start_cell": _cell(trace, span[0]) if span else None,
            "end_cell": _cell(trace, span[1]) if span else None,
            "frames": {
                "visible": visible.tolist(),
                "boxes_xyxy": trace.boxes,
                "visible_fractions": trace.fractions,
                "centroids_xy": trace.centroids,
                "masks": trace.masks,
            },
            "events": events + path_events(actor.id, actor.path, scene.duration_seconds),
        }


def _motion(actor: Actor, scene: Scene, span: tuple[int, int] | None) -> dict[str, Any]:
    """Directions and speeds over the visible span; see `motion` for the definitions."""
    if span is None:
        return {"moving": False, "direction_image": "static", "direction_world": "static"}
    times = np.array(span) / scene.fps
    centres, sizes = actor.path.at(times)
    matrices = scene.camera_path.matrices
    image = image_displacement(centres, matrices[list(span)])
    world = world_displacement(centres, matrices[scene.num_frames // 2])
    track = actor.path.at(np.arange(span[0], span[1] + 1) / scene.fps)[0]
    way = float(np.linalg.norm(np.diff(track, axis=0), axis=1).sum())
    diagonal = float(np.hypot(*scene.size_wh))
    return {
        "moving": bool(way * scene.size_wh[1] / 360.0 > 0.02 * diagonal),
        "direction_image": compass_word(image, scene.size_wh),
        "direction_world": compass_word(world, scene.size_wh),
        "angle_image_degrees": round(angle_degrees(image), 2),
        "angle_world_degrees": round(angle_degrees(world), 2),
        "displacement_image_diagonals": round(float(np.hypot(*image)) / diagonal, 5),
        "displacement_world_diagonals": round(float(np.hypot(*world)) / diagonal, 5),
        "size_ratio": round(float(sizes[1] / sizes[0]), 4),
    }


def _cell(trace: _Trace, frame: int) -> str:
    centroid = trace.centroids[frame]
    assert centroid is not None, "a visible frame has a mask"
    return position_cell(centroid[0], centroid[1])


def _centroid(mask: NDArray[np.bool_]) -> list[float]:
    """Relative (x, y) of the mean mask pixel, at pixel centres."""
    rows, columns = np.nonzero(mask)
    height, width = mask.shape
    return [round(float(columns.mean() + 0.5) / width, 5), round(float(rows.mean() + 0.5) / height, 5)]


def _share_inside(actor: Actor, seconds: float, camera: NDArray[np.float64], size_wh: tuple[int, int]) -> float:
    """Share of the rest box that is in the frame."""
    middle, half = actor.rest_box(seconds, camera)
    shared = np.minimum(middle + half, size_wh) - np.maximum(middle - half, 0)
    return float(np.prod(np.clip(shared, 0, None)) / np.prod(2 * half))
