"""Which moment of a window shows an instance best, and which shows the window best."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from edgecap.runtime.data.boxes import box_areas, shared_areas
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.data.window import Observation, TrackedInstance, Window

BORDER_WEIGHT = 0.35
"""What the area of an instance counts where the frame's border cuts it: a smaller whole view shows more
than a large part."""

CROWDED_WEIGHT = 0.2
"""What is left of a view whose box is wholly on another instance's: the neighbour's colours leak through the seam of
the two masks (seen: a white giraffe in front of a purple ball was given purple spots)."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One instance in one analysed frame."""

    observation: Observation
    instance: TrackedInstance


def moments(window: Window, track_id: int) -> tuple[Moment, ...]:
    """Every moment at which the track was seen with a mask that is not empty, in time order."""
    return tuple(
        Moment(observation, instance)
        for observation in window.observations
        for instance in observation.instances
        if instance.track_id == track_id and instance.mask.bits.size
    )


def best_moment(window: Window, track_id: int) -> Moment | None:
    """Where the track is seen best (see `view_weight`), the first of equals; None for a track without a
    mask."""
    return max(moments(window, track_id), key=lambda m: view_weight(m.instance.mask), default=None)


def key_observation(window: Window, track_ids: Collection[int]) -> Observation:
    """The frame that shows most of the tracks, and of those the one where they are seen best. Expects a frame
    at least."""

    def shown(observation: Observation) -> tuple[int, float]:
        masks = [i.mask for i in observation.instances if i.track_id in track_ids]
        return len(masks), sum(view_weight(mask) for mask in masks)

    middle = len(window.observations) // 2
    # Without instances every frame is as good; the middle one is least likely to be half a fade.
    order = sorted(range(len(window.observations)), key=lambda i: abs(i - middle))
    return window.observations[max(order, key=lambda i: shown(window.observations[i]))]


def view_weight(mask: Mask) -> float:
    """How good a view a mask promises: its share of the frame, discounted where the frame's border cuts
    it."""
    (x, y), (h, w), (width, height) = mask.origin_xy, mask.bits.shape, mask.size_wh
    cut = x <= 0 or y <= 0 or x + w >= width or y + h >= height
    return mask.area_pixels / (width * height) * (BORDER_WEIGHT if cut else 1.0)


def moment_weight(moment: Moment) -> float:
    """`view_weight` of the moment, discounted by how much of the instance's box another instance's box covers."""
    box = moment.instance.box_xyxy
    others = (i.box_xyxy for i in moment.observation.instances if i.track_id != moment.instance.track_id)
    covered = max((float(shared_areas(box, other)) for other in others), default=0.0) / max(float(box_areas(box)), 1e-9)
    return view_weight(moment.instance.mask) * (1.0 - (1.0 - CROWDED_WEIGHT) * min(1.0, covered))
