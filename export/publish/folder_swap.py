"""One folder in the place of another, so that a reader sees the old one or the new one."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h
_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time inside the with block; others wait. The folder itself is locked (flock(2)): whatever kills
    the holder frees it, and no file is left behind. Raises OSError where it can't be opened or locked."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def swap_in(fresh: Path, place: Path) -> None:
    """Put folder `fresh` where `place` is; what was there is removed. Raises OSError with `place` as it was."""
    _sync(fresh)
    if not place.exists():
        fresh.rename(place)
    elif exchange(fresh, place):
        shutil.rmtree(fresh, ignore_errors=True)  # the old folder, under the fresh one's name
    else:
        _in_two_steps(fresh, place)
    _sync_folder(place.parent)


def exchange(first: Path, second: Path) -> bool:
    """Swap two names in one system call; False where kernel or file system can't."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(second))


def recover(place: Path) -> bool:
    """Undo a swap in two steps that was cut off between them; True where there was something to undo."""
    aside = _aside(place)
    if not aside.exists():
        return False
    if place.exists():  # the second step was reached: the old folder is only litter
        shutil.rmtree(aside, ignore_errors=True)
        return False
    aside.rename(place)
    return True


def _in_two_steps(fresh: Path, place: Path) -> None:
    aside = _aside(place)
    shutil.rmtree(aside, ignore_errors=True)
    place.rename(aside)
    try:
        fresh.rename(place)
    except OSError:
        aside.rename(place)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _aside(place: Path) -> Path:
    return place.with_name(f".{place.name}.set-aside")


def _sync(folder: Path) -> None:
    """Everything under `folder` on the disk before its name is: a power cut must not leave a pack of empty files."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
