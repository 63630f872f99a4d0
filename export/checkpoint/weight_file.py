"""One safetensors file, read by hand: 8 bytes of length, a JSON header, then the numbers.

In: a path. Out: names, shapes and, one at a time, arrays. No tensor is read before it is asked for, and bfloat16 (which
numpy has not) is decoded by moving its 16 bits to the upper half of a float32. Format:
https://github.com/huggingface/safetensors (little endian, row major; offsets count from the header's end).
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import CheckpointError

_PLAIN = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U8": "|u1",
    "BOOL": "|b1",
}  # fmt: skip
_BFLOAT16 = "BF16"
_MOST_HEADER_BYTES = 100_000_000  # the limit of the reference reader; a longer one is no safetensors file


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """Position of one tensor. `dtype` as safetensors spells it; `start` and `stop` are bytes from the file's begin."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A safetensors file whose header was read and whose size is what the header says."""

    path: Path
    entries: dict[str, StoredTensor]

    def __repr__(self) -> str:
        return f"WeightFile({str(self.path)!r}, {len(self.entries)} tensors)"

    @classmethod
    def open(cls, path: Path) -> WeightFile:
        """Read the header. Raises `CheckpointError` where the file is missing, cut short or no safetensors file."""
        try:
            size = path.stat().st_size
            with path.open("rb") as file:
                head = file.read(8)
                length = struct.unpack("<Q", head)[0] if len(head) == 8 else _MOST_HEADER_BYTES + 1
                if length > _MOST_HEADER_BYTES:
                    raise CheckpointError(
                        f"{path}: {size} bytes that are no safetensors file; fetch the file again "
                        "(a few hundred bytes of text are a Git LFS pointer: run git lfs pull)"
                    )
                text = file.read(length)
        except OSError as error:
            raise CheckpointError(f"{path}: can't be read ({error}); check its permissions") from error
        if len(text) < length:
            raise _cut_short(path, expected=8 + length, got=size)
        entries = _entries(path, text, offset=8 + length)
        end = max((entry.stop for entry in entries.values()), default=8 + length)
        if size != end:
            raise _cut_short(path, expected=end, got=size)
        return cls(path, entries)

    def read(self, name: str) -> NDArray[Any]:
        """One tensor as a new array: float32 out of every float type, whole numbers and booleans as they are.

        Raises `CheckpointError` for a type that numpy has not (float8, packed 4-bit), KeyError for an unknown name.
        """
        entry = self.entries[name]
        stored = "<u2" if entry.dtype == _BFLOAT16 else _PLAIN.get(entry.dtype)
        if stored is None:
            raise CheckpointError(
                f"{self.path}: tensor {name} is stored as {entry.dtype}; give the unquantised checkpoint "
                "(float32, float16 or bfloat16)"
            )
        try:
            count = (entry.stop - entry.start) // np.dtype(stored).itemsize
            raw = np.fromfile(self.path, stored, count=count, offset=entry.start)
        except OSError as error:
            raise CheckpointError(f"{self.path}: tensor {name} can't be read ({error}); fetch it again") from error
        if raw.size < count:
            raise _cut_short(self.path, expected=entry.stop, got=self.path.stat().st_size)
        raw = raw.reshape(entry.shape)
        if entry.dtype == _BFLOAT16:
            return (raw.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return raw.astype(np.float32) if raw.dtype.kind == "f" else raw


def _entries(path: Path, text: bytes, *, offset: int) -> dict[str, StoredTensor]:
    try:
        header = json.loads(text)
        entries = {
            name: StoredTensor(
                str(held["dtype"]),
                tuple(int(side) for side in held["shape"]),
                *(offset + int(byte) for byte in held["data_offsets"]),
            )
            for name, held in header.items()
            if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: its safetensors header can't be read ({error}); fetch it again") from error
    for name, entry in entries.items():
        item = 2 if entry.dtype == _BFLOAT16 else np.dtype(_PLAIN.get(entry.dtype, "|u1")).itemsize
        stated = int(np.prod(entry.shape, dtype=np.int64)) * item
        if (entry.dtype in _PLAIN or entry.dtype == _BFLOAT16) and entry.stop - entry.start != stated:
            raise CheckpointError(
                f"{path}: tensor {name} of shape {list(entry.shape)} in {entry.dtype} needs {stated} bytes, its header "
                f"gives {entry.stop - entry.start}; fetch the file again"
            )
    return entries


def _cut_short(path: Path, *, expected: int, got: int) -> CheckpointError:
    return CheckpointError(f"{path}: expected {expected} bytes as its header says, got {got}; fetch the file again")
