"""Which files one ONNX graph is made of: its own, and those with its weights.

In: an .onnx file. Out: the names of its external data files. The `onnx` package is not needed: only a few field
numbers of the format matter here (onnx.proto of ONNX 1.x; they never change within a major version); everything else
is skipped by its length.

An engine is keyed to all weights of a graph, not to the graph file alone.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from edgecap.engines.errors import PackError

_LENGTH_DELIMITED = 2

# Message -> field number -> message inside. `tensor` is where external data are named; `entry` is a key and its value.
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}


def external_files(path: Path) -> tuple[str, ...]:
    """Names, relative to the folder of `path`, of every file with weights of the graph; sorted, each once.

    () where all weights are inside. Raises `PackError` where the file can't be read or is not an ONNX model.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return tuple(sorted(set(_locations(data, 0, len(data), "model"))))
    except (OSError, ValueError, IndexError, UnicodeDecodeError) as error:
        raise PackError(f"{path}: can't be read as an ONNX model ({error}); export the pack again") from error


def _locations(data: mmap.mmap, start: int, end: int, message: str) -> Iterator[str]:
    """Values of the key "location" in everything under `message`, which spans [start, end)."""
    if message == "entry":
        texts = {field: data[a:b] for field, a, b in _fields(data, start, end)}
        if texts.get(1) == b"location":
            yield texts.get(2, b"").decode("utf-8")
        return
    children = _CHILDREN[message]
    for field, first, last in _fields(data, start, end):
        if field in children:
            yield from _locations(data, first, last, children[field])


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(field number, start, end) of every length-delimited field of the message that spans [start, end)."""
    at = start
    while at < end:
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == _LENGTH_DELIMITED:
            size, at = _varint(data, at)
            if at + size > end:
                raise ValueError(f"a field at byte {at} is longer than the message around it")
            yield tag >> 3, at, at + size
            at += size
        elif kind == 0:
            _, at = _varint(data, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(f"byte {at} is not the start of a field")
    if at != end:
        raise ValueError(f"the last field before byte {end} is cut short")


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    """The number at `at` and where it ends."""
    value = shift = 0
    while shift < 64:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError(f"a number before byte {at} has no end")
