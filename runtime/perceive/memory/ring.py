"""What is remembered of the objects being followed: one block of memory, written in place, read without copying.

Rows are objects, packed at the front, so that `memories[:n]` is exactly what the graphs take. Every frame writes one
slot of all rows; the frame's number alone gives the slot, so rows never need to agree on anything else.

    slot     0          1 + f % 6 holds frame f   (7 slots)
    row a    prompted   f-6 .. f-1
    row b    prompted   -  -  -  f-2 f-1          (added two frames ago: the rest is empty)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EMPTY = -1


class MemoryRing:
    """Memories and pointers of up to `capacity` objects; doubles when full, never shrinks.

    `slots`: memories per object, `pointer_slots`: pointers per object; the first of each holds the prompted frame.
    """

    def __init__(
        self, *, slots: int, tokens: int, channels: int, pointer_slots: int, pointer_channels: int, capacity: int = 4
    ) -> None:
        if slots < 2 or pointer_slots < 2 or capacity < 1:
            raise ValueError(
                f"expected slots >= 2 and capacity >= 1, got {slots = }, {pointer_slots = }, {capacity = }"
            )
        self._count = 0
        self._memories = np.zeros((capacity, slots, tokens, channels), np.float32)
        self._pointers = np.zeros((capacity, pointer_slots, pointer_channels), np.float32)
        self._memory_frames = np.full((capacity, slots), EMPTY, np.int64)
        self._pointer_frames = np.full((capacity, pointer_slots), EMPTY, np.int64)

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return (
            f"MemoryRing({self._count} of {self.capacity} objects, {self._memories.shape = }, {self.bytes >> 20} MiB)"
        )

    @property
    def capacity(self) -> int:
        """Objects that fit without growing."""
        return len(self._memories)

    @property
    def bytes(self) -> int:
        """Memory held."""
        return self._memories.nbytes + self._pointers.nbytes + self._memory_frames.nbytes + self._pointer_frames.nbytes

    @property
    def memories(self) -> NDArray[np.float32]:
        """[n, slots, tokens, channels], a view."""
        return self._memories[: self._count]

    @property
    def pointers(self) -> NDArray[np.float32]:
        """[n, pointer_slots, pointer_channels], a view."""
        return self._pointers[: self._count]

    def memory_ages(self, frame: int) -> NDArray[np.int32]:
        """Ages [n, slots] at frame number `frame`: 0 for the prompted frame whenever it was, -1 where empty."""
        frames = self._memory_frames[: self._count]
        ages = np.where(frames == EMPTY, EMPTY, frame - frames)
        ages[:, 0] = np.where(frames[:, 0] == EMPTY, EMPTY, 0)
        return ages.astype(np.int32)

    def pointer_ages(self, frame: int) -> NDArray[np.int32]:
        """Ages [n, pointer_slots] at frame number `frame`; -1 where empty."""
        frames = self._pointer_frames[: self._count]
        return np.where(frames == EMPTY, EMPTY, frame - frames).astype(np.int32)

    def append(self, memory: NDArray[np.float32], pointer: NDArray[np.float32], *, frame: int) -> None:
        """New objects, prompted at `frame`: memory [k, tokens, channels], pointer [k, pointer_channels]."""
        first, self._count = self._count, self._count + len(memory)
        while self._count > self.capacity:
            self._double()
        rows = slice(first, self._count)
        self._memory_frames[rows], self._pointer_frames[rows] = EMPTY, EMPTY
        self._memories[rows], self._pointers[rows] = 0, 0
        self._store(rows, 0, 0, memory, pointer, frame)

    def write(self, memory: NDArray[np.float32], pointer: NDArray[np.float32], *, frame: int) -> None:
        """What `frame` left of every object, over what was there 6 (memories) and 15 (pointers) frames ago:
        memory [n, tokens, channels], pointer [n, pointer_channels]."""
        slot = 1 + frame % (self._memories.shape[1] - 1)
        pointer_slot = 1 + frame % (self._pointers.shape[1] - 1)
        self._store(slice(0, self._count), slot, pointer_slot, memory, pointer, frame)

    def drop(self, row: int) -> int:
        """Forget an object. The last row takes its place; returns the row that moved (== `row` where none did)."""
        if not 0 <= row < self._count:
            raise IndexError(f"row {row} of {self._count}")
        last = self._count - 1
        if row != last:
            for block in self._blocks():
                block[row] = block[last]
        self._count = last
        return last

    def _store(
        self,
        rows: slice,
        slot: int,
        pointer_slot: int,
        memory: NDArray[np.float32],
        pointer: NDArray[np.float32],
        frame: int,
    ) -> None:
        self._memories[rows, slot], self._memory_frames[rows, slot] = memory, frame
        self._pointers[rows, pointer_slot], self._pointer_frames[rows, pointer_slot] = pointer, frame

    def _double(self) -> None:
        self._memories, self._pointers, self._memory_frames, self._pointer_frames = (
            np.concatenate([block, np.zeros_like(block)]) for block in self._blocks()
        )

    def _blocks(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
        return self._memories, self._pointers, self._memory_frames, self._pointer_frames
