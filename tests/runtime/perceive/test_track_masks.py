"""Masks of tracks: when boxes are given to the segmenter, and when memory carries on.

The graphs are those of `test_memory_segmenter`: an object is a pair of columns of 8, where its box was when prompted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecap.engines.graph.scripted_session import ScriptedSession
from edgecap.runtime.data.detections import Detections
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.perceive.memory.segmenter import MemorySegmenter
from edgecap.runtime.perceive.memory.track_masks import TrackMasks
from edgecap.runtime.perceive.perceiver import Perceiver
from tests.runtime.perceive.test_memory_segmenter import SPEC, Scripted, boxes, columns, frame


def made(scripted: Scripted, refresh: int = 4) -> TrackMasks:
    return TrackMasks(MemorySegmenter(SPEC, scripted.sessions()), refresh=refresh)


def prompts(scripted: Scripted) -> list[int]:
    """Boxes of each call of the decoder."""
    return [len(call["boxes_xyxy"]) for call in scripted.decoder.calls]


def test_boxes_at_the_birth_and_every_few_frames() -> None:
    scripted = Scripted()
    tracks = made(scripted, refresh=4)
    for index in range(9):
        (mask,) = tracks.masks(frame(index), boxes(3), [7])
        assert columns(mask) == (3, 5)
    assert prompts(scripted) == [1, 1, 1]  # frames 0, 4 and 8
    assert len(scripted.attention.calls) == 6 and len(scripted.encoder.calls) == 9


def test_a_birth_is_prompted_beside_what_memory_carries() -> None:
    scripted = Scripted()
    tracks = made(scripted)
    tracks.masks(frame(0), boxes(0), [1])
    found = tracks.masks(frame(1), boxes(5, 0), [2, 1])  # in the order asked for, not of birth
    assert [columns(mask) for mask in found] == [(5, 7), (0, 2)]
    assert prompts(scripted) == [1, 1] and len(scripted.encoder.calls) == 2
    tracks.masks(frame(2), boxes(5, 0), [2, 1])
    assert prompts(scripted) == [1, 1] and scripted.attention.calls[-1]["memories"].shape[0] == 2


def test_a_track_that_leaves_is_forgotten_and_comes_back_from_its_box() -> None:
    scripted = Scripted()
    tracks = made(scripted, refresh=50)
    tracks.masks(frame(0), boxes(0, 5), [1, 2])
    assert columns(tracks.masks(frame(1), boxes(5), [2])[0]) == (5, 7)
    assert scripted.attention.calls[-1]["memories"].shape[0] == 1
    back = tracks.masks(frame(2), boxes(3, 5), [1, 2])  # elsewhere than it left
    assert [columns(mask) for mask in back] == [(3, 5), (5, 7)]
    assert prompts(scripted) == [2, 1]


def test_all_tracks_change_at_once() -> None:
    scripted = Scripted()
    tracks = made(scripted, refresh=50)
    tracks.masks(frame(0), boxes(0, 5), [1, 2])
    assert columns(tracks.masks(frame(1), boxes(2), [3])[0]) == (2, 4)
    assert prompts(scripted) == [2, 1] and not scripted.attention.calls  # nothing of before is looked at


def test_memory_that_stayed_behind_is_prompted_again() -> None:
    scripted = Scripted()
    tracks = made(scripted, refresh=50)
    tracks.masks(frame(0), boxes(0, 5), [1, 2])
    moved = tracks.masks(frame(1), boxes(3, 5), [1, 2])  # memory still says columns 0-2 for track 1
    assert [columns(mask) for mask in moved] == [(3, 5), (5, 7)]
    assert prompts(scripted) == [2, 1]
    tracks.masks(frame(2), boxes(3, 5), [1, 2])
    assert prompts(scripted) == [2, 1]  # and is followed from there


def test_an_object_that_memory_calls_absent_is_prompted_again() -> None:
    scripted = Scripted()
    tracks = made(scripted, refresh=50)
    tracks.masks(frame(0), boxes(4), [1])
    scripted.presence = -1.0
    assert columns(tracks.masks(frame(1), boxes(4), [1])[0]) == (4, 6)
    assert prompts(scripted) == [1, 1]


def test_an_object_that_its_own_box_does_not_show_has_an_empty_mask() -> None:
    scripted = Scripted()
    scripted.presence = -1.0
    scripted.decoder = replaced(scripted.decoder, presence=-1.0)
    tracks = made(scripted)
    for index in range(2):
        assert tracks.masks(frame(index), boxes(4), [1])[0].area_pixels == 0


def test_merged_tracks_share_no_pixel_and_both_go_on() -> None:
    scripted = Scripted()
    tracks = made(scripted, refresh=50)
    tracks.masks(frame(0), boxes(2, 4), [1, 2])
    for index in range(1, 4):
        first, second = tracks.masks(frame(index), boxes(3, 3), [1, 2])  # the detector gives both the same box
        assert not (first.full() & second.full()).any() and (first.full() | second.full()).any()
    apart = tracks.masks(frame(4), boxes(0, 6), [1, 2])
    assert [columns(mask) for mask in apart] == [(0, 2), (6, 8)]


def test_a_mask_stays_inside_its_box() -> None:
    scripted = Scripted()
    tracks = made(scripted)
    narrow = np.array([[3 / 8, 0.25, 5 / 8, 0.75]], np.float32)
    for index in range(2):
        (mask,) = tracks.masks(frame(index), narrow, [1])
        assert mask.box_xyxy.tolist() == narrow[0].tolist()


def test_no_track_runs_no_graph() -> None:
    scripted = Scripted()
    tracks = made(scripted)
    assert tracks.masks(frame(0), boxes(), []) == ()
    tracks.masks(frame(1), boxes(2), [1])
    assert tracks.masks(frame(2), boxes(), []) == () and scripted.counts() == (1, 1, 0, 1, 0)
    tracks.masks(frame(3), boxes(2), [1])
    assert prompts(scripted) == [1, 1] and not scripted.attention.calls


def test_more_objects_than_a_graph_takes_go_in_parts() -> None:
    scripted = Scripted()
    for name in ("decoder", "attention", "memory_encoder", "memory_decoder"):
        setattr(scripted, name, limited(getattr(scripted, name), most=3))
    tracks = made(scripted)
    for index in range(2):
        found = tracks.masks(frame(index), boxes(0, 2, 4, 6), [1, 2, 3, 4])
        assert [columns(mask)[0] for mask in found] == [0, 2, 4, 6]
    sizes = [len(call["memories"]) for call in scripted.attention.calls]
    assert sizes == [3, 1] and prompts(scripted) == [3, 1]
    assert [len(call["mask_logits"]) for call in scripted.memory_encoder.calls] == [3, 1] * 2


def test_a_cut_resets_through_the_perceiver() -> None:
    scripted = Scripted()

    class Still:
        labels = ("thing",)

        def detect(self, frame: Frame) -> Detections:
            return Detections(boxes(3), np.array([0.9], np.float32), np.array([0], np.int64), None, None)

    perceiver = Perceiver(Still(), made(scripted, refresh=50))
    for index in range(3):
        (seen,) = perceiver.observe(frame(index)).instances
        assert columns(seen.mask) == (3, 5)
    perceiver.cut()
    perceiver.observe(frame(3))
    assert prompts(scripted) == [1, 1] and len(scripted.attention.calls) == 2


def test_refresh_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="expected refresh >= 2, got 1"):
        made(Scripted(), refresh=1)


def replaced(session: ScriptedSession, *, presence: float) -> ScriptedSession:
    """The same graph, with another presence."""

    def run(feeds: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        found = dict(session.run(feeds))
        return found | {"presence": np.full_like(found["presence"], presence)}

    return ScriptedSession(session.spec, run)


def limited(session: ScriptedSession, *, most: int) -> ScriptedSession:
    """The same graph, for at most so many objects."""
    return ScriptedSession(replace(session.spec, ranges={"objects": (1, 1, most)}), session.run)
