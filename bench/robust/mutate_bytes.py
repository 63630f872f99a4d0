"""Bytes in, broken bytes out: flips, cuts, odd numbers, and the boxes of MP4 by their structure.

Every mutation takes a `random.Random`, so that a seed names it, and says in a few words what it did.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator

Mutated = tuple[bytes, str]
_ODD_32 = (0, 1, 2, 7, 8, 0x7F, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_NESTED = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"moof", b"traf", b"mvex", b"udta"}


def mutate_bytes(data: bytes, rng: random.Random) -> Mutated:
    """One to three mutations one after another."""
    words = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data, done = rng.choice(_BYTE_MUTATIONS)(data, rng)
        words.append(done)
    return data, ", ".join(words)


def mutate_boxes(data: bytes, rng: random.Random) -> Mutated:
    """Change one box of an MP4 (its size, type, content or place); bytes of another kind are mutated as bytes."""
    boxes = list(_boxes(data, 0, len(data)))
    if not boxes:
        return mutate_bytes(data, rng)
    start, end, kind = rng.choice(boxes)
    name = kind.decode("latin-1")
    match rng.choice(("size", "type", "drop", "twice", "content", "content", "content", "cut")):
        case "size":
            size = rng.choice((*_ODD_32, end - start - 8, end - start + 8, end - start - 1))
            return data[:start] + struct.pack(">I", size) + data[start + 4 :], f"box {name} says {size} bytes"
        case "type":
            other = rng.choice(boxes)[2]
            return data[: start + 4] + other + data[start + 8 :], f"box {name} is called {other.decode('latin-1')}"
        case "drop":
            return data[:start] + data[end:], f"box {name} is left out"
        case "twice":
            return data[:end] + data[start:end] + data[end:], f"box {name} comes twice"
        case "cut":
            return data[: rng.randint(start, end)], f"cut inside box {name}"
        case _:
            at = rng.randrange(start + 8, max(start + 9, min(end, start + 120)))
            odd = rng.choice(_ODD_32)
            return _overwritten(data, at, struct.pack(">I", odd)), f"box {name} holds {odd} at {at - start}"


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, bytes]]:
    """(start, end, type) of every box, those inside others too."""
    while start + 8 <= end:
        size, kind = struct.unpack(">I4s", data[start : start + 8])
        if size < 8 or start + size > end or not kind.isalnum():
            return
        yield start, start + size, kind
        if kind in _NESTED:
            yield from _boxes(data, start + 8, start + size)
        start += size


def _flip(data: bytes, rng: random.Random) -> Mutated:
    out = bytearray(data)
    count = rng.choice((1, 2, 4, 16, 64, 256))
    for _ in range(count if out else 0):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out), f"{count} bits flipped"


def _flip_ends(data: bytes, rng: random.Random) -> Mutated:
    """Where headers are: at the beginning of most containers, at the end of an MP4."""
    out = bytearray(data)
    count, near, at_end = rng.choice((1, 3, 10)), min(len(out), 1024), rng.random() < 0.4
    for _ in range(count if out else 0):
        at = rng.randrange(near)
        out[len(out) - 1 - at if at_end else at] = rng.randrange(256)
    return bytes(out), f"{count} bytes of the {'end' if at_end else 'beginning'} replaced"


def _truncate(data: bytes, rng: random.Random) -> Mutated:
    at = rng.randrange(len(data) + 1)
    return data[:at], f"cut after {at} of {len(data)} bytes"


def _cut_out(data: bytes, rng: random.Random) -> Mutated:
    start = rng.randrange(len(data) + 1)
    size = rng.choice((1, 4, 16, 188, 1000, 5000))
    return data[:start] + data[start + size :], f"{size} bytes left out at {start}"


def _repeat(data: bytes, rng: random.Random) -> Mutated:
    start, size = rng.randrange(len(data) + 1), rng.choice((1, 4, 188, 1000, 5000))
    return data[: start + size] + data[start : start + size] + data[start + size :], f"{size} bytes twice at {start}"


def _fill(data: bytes, rng: random.Random) -> Mutated:
    start, size = rng.randrange(len(data) + 1), rng.choice((4, 16, 188, 1000, 5000))
    size = min(size, len(data) - start)
    filling = rng.choice((bytes(size), b"\xff" * size, rng.randbytes(size)))
    return _overwritten(data, start, filling), f"{size} bytes at {start} overwritten"


def _number(data: bytes, rng: random.Random) -> Mutated:
    odd, order = rng.choice(_ODD_32), rng.choice("<>")
    at = rng.randrange(min(len(data), rng.choice((64, 512, len(data) or 1))) or 1)
    return _overwritten(data, at, struct.pack(f"{order}I", odd)), f"number {odd} at {at}"


def _swap(data: bytes, rng: random.Random) -> Mutated:
    size = rng.choice((4, 188, 1000))
    a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    b = max(b, a + size)
    swapped = data[:a] + data[b : b + size] + data[a + size : b] + data[a : a + size] + data[b + size :]
    return swapped, f"{size} bytes at {a} and {b} swapped"


def _overwritten(data: bytes, at: int, part: bytes) -> bytes:
    return (data[:at] + part + data[at + len(part) :])[: len(data)]


_BYTE_MUTATIONS: tuple[Callable[[bytes, random.Random], Mutated], ...] = (
    _flip,
    _flip_ends,
    _flip_ends,
    _truncate,
    _cut_out,
    _repeat,
    _fill,
    _number,
    _number,
    _swap,
)
