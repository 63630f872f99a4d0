"""Which file is this: an identity from its content, and whether edgecap itself has drawn it.

In: a path. Out: `FileIdentity`, the same for every copy of the file, whatever its name and its times are.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from edgecap.runtime.data.frame import FileIdentity

DRAWN_TAG = "edgecap annotated video"
"""The container's comment of every video that edgecap draws."""
_BLOCK, _BLOCKS = 1 << 16, 32  # of a larger file 2 MiB are read: head, tail and 30 places between them
_HEAD = 1 << 16


def identify(path: Path) -> FileIdentity | None:
    """The identity of a regular file; None for what is not one (a pipe is not read) and what can't be read.

    Blocks between head and tail are part of it: a download that has its full size from the start differs from the
    finished file there.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest = hashlib.sha256(str(size).encode())
            for start in _starts(size):
                file.seek(start)
                digest.update(file.read(_BLOCK))
    except (OSError, ValueError):
        return None
    return FileIdentity(size_bytes=size, digest=digest.hexdigest())


def is_drawn_by_edgecap(path: Path) -> bool:
    """Whether the file is an annotated video of ours: by the comment in its first bytes, never by its name."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            return DRAWN_TAG.encode() in file.read(_HEAD)
    except (OSError, ValueError):
        return False


def _starts(size: int) -> list[int]:
    if size <= _BLOCK * _BLOCKS:
        return list(range(0, size, _BLOCK))
    last = size - _BLOCK
    return [last * k // (_BLOCKS - 1) for k in range(_BLOCKS)]
