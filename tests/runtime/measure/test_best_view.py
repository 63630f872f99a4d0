"""Which moments show an instance well."""

from __future__ import annotations

import numpy as np
import pytest

from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.data.window import Observation, TrackedInstance
from edgecap.runtime.measure.best_view import CROWDED_WEIGHT, Moment, moment_weight, view_weight

WIDTH, HEIGHT = 100, 50


def instance(track_id: int, x1: int, y1: int, x2: int, y2: int) -> TrackedInstance:
    bits = np.zeros((HEIGHT, WIDTH), bool)
    bits[y1:y2, x1:x2] = True
    box = np.array([x1 / WIDTH, y1 / HEIGHT, x2 / WIDTH, y2 / HEIGHT], np.float32)
    return TrackedInstance(track_id=track_id, box_xyxy=box, score=0.9, class_id=0, mask=Mask.from_full(bits))


def moment(*others: TrackedInstance) -> Moment:
    mine = instance(1, 40, 10, 60, 30)
    frame = Frame(0, 0.0, np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    return Moment(Observation(frame, (mine, *others), None, 0.0), mine)


def test_a_moment_alone_counts_in_full() -> None:
    alone = moment()
    assert moment_weight(alone) == view_weight(alone.instance.mask) == pytest.approx(400 / 5000)
    assert moment_weight(moment(instance(2, 0, 0, 20, 10))) == moment_weight(alone)


def test_a_neighbour_on_it_discounts_by_the_share_it_covers() -> None:
    whole = moment_weight(moment())
    half = moment_weight(moment(instance(2, 50, 10, 70, 30)))
    covered = moment_weight(moment(instance(2, 30, 5, 70, 40)))
    assert half == pytest.approx(whole * (1 - (1 - CROWDED_WEIGHT) / 2), rel=1e-5)
    assert covered == pytest.approx(whole * CROWDED_WEIGHT, rel=1e-5)


def test_the_border_discounts_a_view() -> None:
    assert view_weight(instance(1, 0, 10, 20, 30).mask) < view_weight(instance(1, 1, 10, 20, 30).mask)
