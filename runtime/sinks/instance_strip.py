"""A few square crops of one instance over its life, side by side. Called by the report."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.keyframe import Moment, moments
from edgecap.runtime.observation import Window
from edgecap.runtime.sinks.drawing import INK, PAPER, strip
from edgecap.runtime.sinks.lettering import chip
from edgecap.runtime.views import instance_view

_SIDE, _COUNT, _MARGIN = 132, 4, 1.3


def instance_strip(window: Window, track_id: int) -> NDArray[np.uint8] | None:
    """Up to four isolated views in time order, from the first to the last clear moment: uint8 [132, W, 3]; None without a mask."""
    seen = [m for m in moments(window, track_id) if m.instance.mask.area_pixels]
    if not seen:
        return None
    picks = sorted({round(i) for i in np.linspace(0, len(seen) - 1, _COUNT)})
    return strip([_view(seen[i]) for i in picks])


def _view(moment: Moment) -> NDArray[np.uint8]:
    view = instance_view(moment.observation.frame.image_rgb, moment.instance.mask, box_xyxy=moment.instance.box_xyxy,
                         side=_SIDE, margin=_MARGIN)
    chip(view, f"{moment.observation.frame.pts_seconds:.1f} s", x=4, y=_SIDE, size=11, fill=INK, colour=PAPER, opacity=0.6)
    return view
