"""Following objects: how often each graph runs, what it is given, and what becomes of masks and ids.

The graphs are scripted; that real ones follow SAM2 is shown in tests/export/sam2/test_sam2.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecap.engines.errors import EngineError, PackError
from edgecap.engines.graph.scripted_session import ScriptedSession
from edgecap.engines.graph.spec import GraphSpec, TensorSpec
from edgecap.engines.packs.specs import MemorySpec, SegmenterSpec
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.perceive.memory.segmenter import MemorySegmenter, MemorySessions

SIDE, GRID, SLOTS, POINTERS, C, M = 32, 2, 7, 16, 4, 3
K = "objects"
Arrays = dict[str, NDArray[Any]]


def tensor(name: str, *axes: int | str, dtype: Any = "float32") -> TensorSpec:
    return TensorSpec(name, dtype, axes)


FEATURES, FINE = tensor("features", 1, C, GRID, GRID), tensor("fine", 1, 1, 8, 8)
MASKS = (tensor("mask_logits", K, 8, 8), tensor("quality", K), tensor("pointer", K, C), tensor("presence", K))
CONDITIONED = tensor("conditioned", K, C, GRID, GRID)
ENCODER = GraphSpec("e.onnx", "fp32", (tensor("images", 1, 3, SIDE, SIDE, dtype="uint8"),), (FEATURES, FINE))
DECODER = GraphSpec("d.onnx", "fp32", (FEATURES, FINE, tensor("boxes_xyxy", K, 4)), MASKS)
ATTENTION = GraphSpec(
    "a.onnx",
    "fp32",
    (
        FEATURES,
        tensor("memories", K, SLOTS, GRID * GRID, M),
        tensor("memory_ages", K, SLOTS, dtype="int32"),
        tensor("pointers", K, POINTERS, C),
        tensor("pointer_ages", K, POINTERS, dtype="int32"),
    ),
    (CONDITIONED,),
)
MEMORY_ENCODER = GraphSpec(
    "me.onnx",
    "fp32",
    (FEATURES, MASKS[0], MASKS[3], tensor("prompted", K, dtype="bool")),
    (tensor("memory", K, GRID * GRID, M),),
)
MEMORY_DECODER = GraphSpec("md.onnx", "fp32", (CONDITIONED, FINE), MASKS)
SPEC = SegmenterSpec(
    encoder=ENCODER,
    decoder=DECODER,
    image_side=SIDE,
    stride=SIDE,
    pad_value=115,
    mask_frame="image",
    box_margin=0.0,
    mask_threshold=0.0,
    memory=MemorySpec(ATTENTION, MEMORY_ENCODER, MEMORY_DECODER, SLOTS, POINTERS),
)


def masks(left: NDArray[Any], presence: float = 1.0) -> Arrays:
    """Objects that cover columns left .. left + 2 of 8, over all rows; the pointer carries `left`."""
    count = len(left)
    logits = np.full((count, 8, 8), -5, np.float32)
    for k, x in enumerate(left.astype(int)):
        logits[k, :, x : x + 2] = 5
    return {
        "mask_logits": logits,
        "quality": np.full(count, 1.5, np.float32),
        "pointer": np.repeat(left.astype(np.float32)[:, None], C, 1),
        "presence": np.full(count, presence, np.float32),
    }


class Scripted:
    """Sessions that carry each object's left edge from prompt to pointer to mask: what is mixed up is seen."""

    def __init__(self) -> None:
        self.presence = 1.0
        zeros = {"features": np.zeros((1, C, GRID, GRID), np.float32), "fine": np.zeros((1, 1, 8, 8), np.float32)}
        self.encoder = ScriptedSession(ENCODER, lambda feeds: zeros)
        self.decoder = ScriptedSession(DECODER, lambda feeds: masks(np.round(feeds["boxes_xyxy"][:, 0] * 8)))
        self.attention = ScriptedSession(ATTENTION, self._attend)
        self.memory_encoder = ScriptedSession(MEMORY_ENCODER, self._remember)
        self.memory_decoder = ScriptedSession(
            MEMORY_DECODER, lambda feeds: masks(feeds["conditioned"][:, 0, 0, 0], self.presence)
        )

    def _attend(self, feeds: Arrays) -> Arrays:
        first = feeds["pointers"][:, 0, 0]  # of the prompted frame
        return {"conditioned": np.broadcast_to(first[:, None, None, None], (len(first), C, GRID, GRID)).copy()}

    def _remember(self, feeds: Arrays) -> Arrays:
        return {"memory": np.ones((len(feeds["presence"]), GRID * GRID, M), np.float32)}

    def sessions(self) -> MemorySessions:
        return MemorySessions(self.encoder, self.decoder, self.attention, self.memory_encoder, self.memory_decoder)

    def counts(self) -> tuple[int, ...]:
        every = (self.encoder, self.decoder, self.attention, self.memory_encoder, self.memory_decoder)
        return tuple(len(session.calls) for session in every)


def frame(index: int, size_wh: tuple[int, int] = (64, 64)) -> Frame:
    return Frame(index, index / 10, np.zeros((size_wh[1], size_wh[0], 3), np.uint8))


def boxes(*lefts: int) -> NDArray[np.float32]:
    return np.array([[x / 8, 0, (x + 2) / 8, 1] for x in lefts], np.float32).reshape(-1, 4)


def columns(mask: Any) -> tuple[int, int]:
    """First and one past the last column of a mask, in eighths of the frame."""
    left, _, right, _ = mask.box_xyxy * 8
    return round(float(left)), round(float(right))


def test_one_call_of_each_graph_per_frame_whatever_the_count() -> None:
    scripted = Scripted()
    segmenter = MemorySegmenter(SPEC, scripted.sessions(), capacity=2)
    segmenter.start(frame(0), boxes(0, 2, 4, 6))
    assert scripted.counts() == (1, 1, 0, 1, 0)
    for index in range(1, 11):
        segmenter.step(frame(index))
    assert scripted.counts() == (11, 1, 10, 11, 10)
    assert scripted.attention.calls[-1]["memories"].shape == (4, SLOTS, GRID * GRID, M)
    assert [call["prompted"].tolist() for call in scripted.memory_encoder.calls[:2]] == [[True] * 4, [False] * 4]


def test_masks_quality_and_ids() -> None:
    segmenter = MemorySegmenter(SPEC, Scripted().sessions())
    first = segmenter.start(frame(0), boxes(1, 5))
    second = segmenter.step(frame(1))
    for found in (first, second):
        assert found.ids == (0, 1)
        assert [columns(mask) for mask in segmenter.masks(found)] == [(1, 3), (5, 7)]
        assert found.quality.tolist() == [1.0, 1.0]  # 1.5 is no IoU


def test_wide_frame_is_mapped_back_from_its_padding() -> None:
    segmenter = MemorySegmenter(SPEC, Scripted().sessions())
    found = segmenter.start(frame(0, size_wh=(64, 32)), boxes(2))
    assert segmenter.masks(found)[0].size_wh == (64, 32)
    assert segmenter.masks(found)[0].full().all(axis=0)[18:30].all()  # columns 2 to 4 of 8, whole height


def test_absent_object_has_an_empty_mask() -> None:
    scripted = Scripted()
    segmenter = MemorySegmenter(SPEC, scripted.sessions())
    segmenter.start(frame(0), boxes(1))
    scripted.presence = -2.0
    found = segmenter.step(frame(1))
    assert segmenter.masks(found)[0].area_pixels == 0 and found.presence.tolist() == [-2.0]


def test_overlapping_objects_share_no_pixel() -> None:
    segmenter = MemorySegmenter(SPEC, Scripted().sessions())
    found = segmenter.start(frame(0), boxes(2, 3))
    assert not (segmenter.masks(found)[0].full() & segmenter.masks(found)[1].full()).any()


def test_added_object_needs_no_second_look_at_the_frame() -> None:
    scripted = Scripted()
    segmenter = MemorySegmenter(SPEC, scripted.sessions())
    segmenter.start(frame(0), boxes(1))
    segmenter.step(frame(1))
    added = segmenter.add(frame(1), boxes(4))
    assert added.ids == (1,) and len(scripted.encoder.calls) == 2
    found = segmenter.step(frame(2))
    assert [columns(mask) for mask in segmenter.masks(found)] == [(1, 3), (4, 6)]
    assert scripted.attention.calls[-1]["memory_ages"][:, :3].tolist() == [[0, -1, 1], [0, -1, -1]]


def test_adding_to_a_frame_not_stepped_is_an_error() -> None:
    segmenter = MemorySegmenter(SPEC, Scripted().sessions())
    segmenter.start(frame(0), boxes(1))
    with pytest.raises(EngineError, match="call step with a frame before adding"):
        segmenter.add(frame(1), boxes(4))


def test_drop_keeps_the_others_apart() -> None:
    segmenter = MemorySegmenter(SPEC, Scripted().sessions())
    segmenter.start(frame(0), boxes(0, 2, 5))
    segmenter.drop([0])
    found = segmenter.step(frame(1))
    assert dict(zip(found.ids, map(columns, segmenter.masks(found)), strict=True)) == {2: (5, 7), 1: (2, 4)}
    with pytest.raises(KeyError, match="object 0 isn't followed"):
        segmenter.drop([0])


def test_nothing_followed_runs_the_encoder_alone() -> None:
    scripted = Scripted()
    segmenter = MemorySegmenter(SPEC, scripted.sessions())
    assert segmenter.start(frame(0), boxes()).ids == ()
    assert segmenter.masks(segmenter.step(frame(1))) == ()
    assert scripted.counts() == (2, 0, 0, 0, 0)
    assert segmenter.add(frame(1), boxes(1)).ids == (0,)


def test_start_forgets_but_ids_are_never_used_twice() -> None:
    scripted = Scripted()
    segmenter = MemorySegmenter(SPEC, scripted.sessions())
    segmenter.start(frame(0), boxes(0, 2))
    assert segmenter.start(frame(9), boxes(4)).ids == (2,)
    segmenter.step(frame(10))
    assert scripted.attention.calls[-1]["memories"].shape[0] == 1


def test_memory_is_flat_over_a_long_stream() -> None:
    segmenter = MemorySegmenter(SPEC, Scripted().sessions())
    segmenter.start(frame(0), boxes(0, 2))
    held = segmenter.memory_bytes
    for index in range(1, 200):
        segmenter.step(frame(index))
    assert segmenter.memory_bytes == held


@pytest.mark.parametrize("change", [{"memory": None}, {"mask_frame": "box"}], ids=["no-memory", "masks-over-boxes"])
def test_segmenter_that_cannot_follow(change: dict[str, Any]) -> None:
    with pytest.raises(PackError, match="edgecap export sam2"):
        MemorySegmenter(replace(SPEC, **change), Scripted().sessions())
