"""Moving objects without any model: what moves against the background is an instance of class "object".

Each frame is compared with the last analysed one: dense flow, minus the background's motion, above the noise, cleaned
and divided into objects, sharpened at the picture's edges. An object that stops is kept for a second where it was last
seen. Nothing is found in a shot's first frame, and nothing that never moves is found at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.detections import Detections
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.perceive.camera_step import grey
from edgecap.runtime.perceive.motion.flow import SIDE, FlowEstimator, ResidualFlow, carry, guided_coefficients
from edgecap.runtime.perceive.motion.regions import Region, area, colour_index, find_regions, recoloured
from edgecap.runtime.perceive.track import colour_histogram, histogram_distance

_HOLD_SECONDS = 1.0  # how long an object that stopped is kept
_PART_SECONDS = 2.0  # how long it is kept whole while only a part of it moves
_HOLD_PX = 5.0  # per step of the small picture: what moved faster did not stop, it left
_SAME_OBJECT = 0.5  # distance of colour histograms: what looks different is not the object but what it uncovered
_MEMORY = 0.5  # share of the last frame's motion map that is carried along: single-frame noise stays below 0.5
_GUIDE_RADIUS, _GUIDE_SMOOTHNESS = 4, 4e-4
_MAX_SHARE = 0.6  # of the frame: a larger "object" is the background that the fit missed


@dataclass(frozen=True, slots=True)
class _Held:
    """An object of the last frames: its region (mask in the last small picture), its colours when it was seen whole,
    and when it last moved at all and as a whole."""

    region: Region
    histogram: NDArray[np.float32]
    moved_seconds: float
    whole_seconds: float
    frames: int = 1


class MotionDetector:
    """Stateful: frames must come in order; a cut is seen by the flow (no agreed background) and by `reset`."""

    labels: tuple[str, ...] = ("object",)

    def __init__(self) -> None:
        self._flow = FlowEstimator()
        self._grey: NDArray[np.uint8] | None = None
        self._memory: NDArray[np.float32] | None = None
        self._held: list[_Held] = []

    def reset(self) -> None:
        """Forget the last frame (a cut)."""
        self._grey, self._memory, self._held = None, None, []

    def detect(self, frame: Frame) -> Detections:
        """Objects that move, or moved within the last second, with masks; class_ids are 0, best score first."""
        current = grey(frame, SIDE)
        previous, self._grey = self._grey, current
        if previous is None or previous.shape != current.shape:
            self._memory, self._held = None, []
            return _to_detections([], frame, current)
        flow = self._flow.estimate(previous, current, self._foreground(current.shape))
        if flow is None:
            self._memory, self._held = None, []
            return _to_detections([], frame, current)
        expected = [carry(h.region.mask.astype(np.float32), flow.flow) > 0.5 for h in self._held]
        regions = find_regions(self._remembered(flow), flow, expected)
        regions = [r for r in regions if r.mask.mean() < _MAX_SHARE]
        self._held = self._followed(regions, expected, frame)
        return _to_detections([h.region for h in self._held if h.frames > 1], frame, current)

    def _foreground(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Where instances were: nearly where they still are."""
        taken = np.zeros(shape, bool)
        for held in self._held:
            taken |= held.region.mask
        return taken

    def _remembered(self, flow: ResidualFlow) -> NDArray[np.float32]:
        before = np.zeros_like(flow.strength) if self._memory is None else carry(self._memory, flow.flow)
        strength = np.maximum(flow.strength, (1 - _MEMORY) * flow.strength + _MEMORY * before)
        self._memory = strength
        return strength

    def _followed(self, regions: list[Region], expected: list[NDArray[np.bool_]], frame: Frame) -> list[_Held]:
        """Pair regions with held objects by overlap; keep for a while what has stopped moving, whole or in part."""
        seconds = frame.pts_seconds
        result: list[_Held] = []
        free: list[int] = []
        for i, mask in enumerate(expected):
            parts = [r for r in regions if area(r.mask & mask) > 0.7 * area(r.mask)]
            others = [r for r in regions if not any(r is part for part in parts)]
            intruded = any(area(r.mask & mask) > 0.2 * area(mask) for r in others)
            kept = None if intruded else self._kept(self._held[i], mask, parts, frame)
            if kept is None:
                free.append(i)
                continue
            result.append(kept)
            regions = others
        for region in regions:
            overlaps = [(_iou(expected[i], region.mask), i) for i in free]
            share, best = max(overlaps, default=(0.0, -1))
            frames = 1
            if share > 0.1:
                free.remove(best)
                frames = self._held[best].frames + 1
            result.append(_Held(region, colour_histogram(frame.image_rgb, _box(region.mask)), seconds, seconds, frames))
        return result

    @staticmethod
    def _kept(held: _Held, mask: NDArray[np.bool_], parts: list[Region], frame: Frame) -> _Held | None:
        """The held object where it should be now, when less than half of it moves; None when it moves on or is gone."""
        seconds, size = frame.pts_seconds, area(mask)
        moving = sum(area(part.mask) for part in parts)
        slow = float(np.linalg.norm(held.region.motion_xy)) < _HOLD_PX
        if held.frames <= 2 or not slow or moving > 0.5 * size or size < 0.5 * area(held.region.mask):
            return None
        moved = seconds if parts else held.moved_seconds
        if seconds - moved > _HOLD_SECONDS or seconds - held.whole_seconds > _PART_SECONDS:
            return None
        if histogram_distance(held.histogram, colour_histogram(frame.image_rgb, _box(mask))) > _SAME_OBJECT:
            return None
        for part in parts:
            mask = mask | part.mask
        still = Region(mask, np.zeros(2, np.float32), max(0.45, 0.9 * held.region.score))
        return _Held(still, held.histogram, moved, held.whole_seconds, held.frames + 1)


def _iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return area(a & b) / max(1, area(a | b))


def _box(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Relative box float32 [4] of a mask of the small picture."""
    return Mask.from_full(mask).box_xyxy


def _to_detections(regions: list[Region], frame: Frame, small: NDArray[np.uint8]) -> Detections:
    masks = _sharpened(regions, frame, small)
    kept = [i for i, mask in enumerate(masks) if mask.bits.size]
    kept.sort(key=lambda i: -regions[i].score)
    return Detections(
        boxes_xyxy=np.array([masks[i].box_xyxy for i in kept], np.float32).reshape(-1, 4),
        scores=np.array([regions[i].score for i in kept], np.float32),
        class_ids=np.zeros(len(kept), np.int64),
        masks=tuple(masks[i] for i in kept),
    )


def _sharpened(regions: list[Region], frame: Frame, small: NDArray[np.uint8]) -> list[Mask]:
    """Masks at the frame's size: edges follow the picture's (guided upsampling), the largest value owns a pixel."""
    if not regions:
        return []
    height, width = frame.image_rgb.shape[:2]
    guide = (small / np.float32(255)).astype(np.float32)
    fine = cv2.cvtColor(frame.image_rgb, cv2.COLOR_RGB2GRAY) / np.float32(255)
    colours = colour_index(frame.image_rgb, (small.shape[1], small.shape[0]))
    soft = []
    for region in regions:
        slope, offset = guided_coefficients(
            guide, recoloured(region.mask, colours), radius=_GUIDE_RADIUS, smoothness=_GUIDE_SMOOTHNESS
        )
        soft.append(cv2.resize(slope, (width, height)) * fine + cv2.resize(offset, (width, height)))
    values = np.stack(soft)
    owner = np.where(values.max(0) > 0.5, values.argmax(0), -1)
    return [Mask.from_full(_largest_parts(owner == i)) for i in range(len(regions))]


def _largest_parts(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without specks: parts below a tenth of the largest go."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 2:
        return mask
    areas = stats[1:, cv2.CC_STAT_AREA]
    return np.isin(labels, 1 + np.flatnonzero(areas >= 0.1 * areas.max()))
