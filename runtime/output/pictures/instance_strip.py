"""A few square crops of one instance over its life, side by side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.window import Window
from edgecap.runtime.describe.views import instance_view
from edgecap.runtime.measure.best_view import Moment, moments, view_weight
from edgecap.runtime.output.pictures.drawing import INK, PAPER, strip
from edgecap.runtime.output.pictures.lettering import chip

_SIDE, _COUNT, _MARGIN = 132, 4, 1.3


def instance_strip(window: Window, track_id: int) -> NDArray[np.uint8] | None:
    """Isolated views in time order, the best of each quarter of its life: uint8 [132, W, 3]; None without a
    mask."""
    seen = [m for m in moments(window, track_id) if m.instance.mask.area_pixels]
    if not seen:
        return None
    quarters = np.array_split(np.arange(len(seen)), _COUNT)
    picks = [max(quarter, key=lambda i: view_weight(seen[i].instance.mask)) for quarter in quarters if len(quarter)]
    return strip([_view(seen[i]) for i in picks])


def _view(moment: Moment) -> NDArray[np.uint8]:
    view = instance_view(
        moment.observation.frame.image_rgb,
        moment.instance.mask,
        box_xyxy=moment.instance.box_xyxy,
        side=_SIDE,
        margin=_MARGIN,
    )
    chip(
        view,
        f"{moment.observation.frame.pts_seconds:.1f} s",
        x=4,
        y=_SIDE,
        size=11,
        fill=INK,
        colour=PAPER,
        opacity=0.6,
    )
    return view
