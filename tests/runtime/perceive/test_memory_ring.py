"""The ring of memories: what is kept, for how long, and in how much memory."""

from __future__ import annotations

import numpy as np
import pytest

from edgecap.runtime.perceive.memory.ring import MemoryRing

SLOTS, POINTERS = 4, 6


def ring(capacity: int = 4) -> MemoryRing:
    return MemoryRing(slots=SLOTS, tokens=2, channels=3, pointer_slots=POINTERS, pointer_channels=5, capacity=capacity)


def left_by(frame: int, objects: int) -> tuple[np.ndarray, np.ndarray]:
    """What a frame leaves: its number everywhere, plus a hundredth of the object's."""
    values = frame + np.arange(objects, dtype=np.float32) / 100
    return (
        np.broadcast_to(values[:, None, None], (objects, 2, 3)).copy(),
        np.broadcast_to(values[:, None], (objects, 5)).copy(),
    )


def run(held: MemoryRing, frames: range) -> None:
    for frame in frames:
        held.write(*left_by(frame, len(held)), frame=frame)


def test_new_object_knows_its_prompted_frame_alone() -> None:
    held = ring()
    held.append(*left_by(7, 2), frame=7)
    assert held.memory_ages(8).tolist() == [[0, -1, -1, -1]] * 2
    assert held.pointer_ages(8).tolist() == [[1, -1, -1, -1, -1, -1]] * 2


def test_prompted_frame_and_the_last_ones_are_kept() -> None:
    held = ring()
    held.append(*left_by(0, 1), frame=0)
    run(held, range(1, 50))
    ages = held.memory_ages(50)[0]
    assert ages[0] == 0 and sorted(ages[1:].tolist()) == [1, 2, 3]
    assert held.memories[0, 0, 0, 0] == 0  # the prompted frame's own
    for slot in range(1, SLOTS):
        assert held.memories[0, slot, 0, 0] == 50 - ages[slot]
    pointer_ages = held.pointer_ages(50)[0]
    assert pointer_ages[0] == 50 and sorted(pointer_ages[1:].tolist()) == [1, 2, 3, 4, 5]
    assert all(held.pointers[0, slot, 0] == 50 - pointer_ages[slot] for slot in range(1, POINTERS))


def test_ages_are_what_the_graphs_take() -> None:
    held = ring()
    held.append(*left_by(0, 2), frame=0)
    assert held.memory_ages(1).dtype == held.pointer_ages(1).dtype == np.int32
    assert held.memories.flags.c_contiguous and held.pointers.flags.c_contiguous


def test_late_object_shares_the_slot_but_not_the_past() -> None:
    held = ring()
    held.append(*left_by(0, 1), frame=0)
    run(held, range(1, 6))
    held.append(*left_by(5, 1), frame=5)
    run(held, range(6, 8))
    early, late = held.memory_ages(8)
    assert sorted(early[1:].tolist()) == [1, 2, 3]
    assert sorted(late[1:].tolist()) == [-1, 1, 2]


def test_a_row_used_before_is_clean() -> None:
    held = ring()
    held.append(*left_by(0, 2), frame=0)
    run(held, range(1, 9))
    held.drop(1)
    held.append(*left_by(8, 1), frame=8)
    assert held.memory_ages(9)[1].tolist() == [0, -1, -1, -1]
    assert np.count_nonzero(held.memories[1, 1:]) == 0
    assert held.pointer_ages(9)[1, 1:].tolist() == [-1] * (POINTERS - 1)


@pytest.mark.parametrize(("row", "left"), [(0, [2, 1]), (1, [0, 2]), (2, [0, 1])], ids=["first", "middle", "last"])
def test_drop_moves_the_last_row(row: int, left: list[int]) -> None:
    held = ring()
    held.append(*left_by(0, 3), frame=0)
    assert held.drop(row) == 2
    assert np.round(held.memories[:, 0, 0, 0] * 100).astype(int).tolist() == left
    assert np.round(held.pointers[:, 0, 0] * 100).astype(int).tolist() == left


def test_growth_keeps_what_is_held_and_doubles() -> None:
    held = ring(capacity=1)
    held.append(*left_by(3, 1), frame=3)
    run(held, range(4, 6))
    before = held.memories.copy()
    held.append(*left_by(5, 4), frame=5)
    assert held.capacity == 8 and len(held) == 5
    assert np.array_equal(held.memories[:1], before)
    assert held.memory_ages(6)[0].tolist() == [0, -1, 2, 1]


def test_a_long_stream_takes_no_further_memory() -> None:
    held = ring()
    held.append(*left_by(0, 3), frame=0)
    size, address = held.bytes, held.memories.ctypes.data
    run(held, range(1, 1000))
    assert (held.bytes, held.memories.ctypes.data) == (size, address)


@pytest.mark.parametrize("row", [-1, 2])
def test_unknown_row(row: int) -> None:
    held = ring()
    held.append(*left_by(0, 2), frame=0)
    with pytest.raises(IndexError, match="of 2"):
        held.drop(row)


def test_sizes_that_hold_nothing() -> None:
    with pytest.raises(ValueError, match="slots >= 2"):
        MemoryRing(slots=1, tokens=2, channels=3, pointer_slots=4, pointer_channels=5)
