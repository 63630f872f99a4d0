"""Files and folders that are replaced whole or not at all.

In: a path and its new content. Out: the new content under that path, on the disk, or an `OutputError` and the path as
it was. A reader, in this process or another, sees the old content or the new one, never a part.

    write_whole(path, data)        one file from bytes, text or pieces of text
    replacing(path)                one file by a writer that needs a path (a picture, a video, an array)
    replace_folder(fresh, target)  a whole folder; `recover_folder` undoes a swap that a crash cut off
    writing(path)                  any other write: an OSError becomes an `OutputError`
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgecap.engines.errors import OutputError

WRITE_ADVICE = "free some disk space, or check that the folder can be written"
"""What to do about a failed write, where the caller knows nothing better."""
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h
_CANNOT_EXCHANGE = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}


@contextmanager
def writing(path: Path, *, advice: str = WRITE_ADVICE) -> Iterator[None]:
    """Turn an OSError inside the with block into an `OutputError`: "PATH: can't be written (REASON); ADVICE"."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: can't be written ({error.strerror or error}); {advice}") from error


def write_whole(path: Path, data: bytes | memoryview | str | Iterable[str], *, advice: str = WRITE_ADVICE) -> None:
    """Replace the file at `path` by `data`. Text is written as UTF-8 with the line ends it has; pieces of text are
    written one after another, so that a large file need not be in memory.

    Missing folders are made. Raises `OutputError`, ending in `advice`; whatever an iterable raises passes through. In
    both cases an older file is left as it was and no other file is left behind.
    """
    with replacing(path, advice=advice) as temporary, temporary.open("wb") as file:
        if isinstance(data, bytes | memoryview):
            file.write(data)
        else:
            file.writelines(piece.encode("utf-8") for piece in ([data] if isinstance(data, str) else data))


@contextmanager
def replacing(path: Path, *, advice: str = WRITE_ADVICE) -> Iterator[Path]:
    """Give a hidden path beside `path`, with the same suffix, to write the new content to; it gets the name `path`
    when the with block ends, after an fsync. Where the block raises, it is removed and `path` is left as it was.

    Missing folders are made. An OSError, the block's too, becomes an `OutputError` that ends in `advice`. The renaming
    itself may be lost in a power cut: then the old content is there, whole.
    """
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    with writing(path, advice=advice):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            _sync(temporary)
            temporary.replace(path)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def replace_folder(fresh: Path, target: Path, *, aside: Path | None = None) -> None:
    """Put the folder `fresh` in the place of the folder `target`; both on one disk. What was at `target`, if anything,
    is removed. Everything is on the disk before it has its name.

    Where the kernel can exchange two names, a reader finds the old folder or the new one at any moment. Elsewhere the
    old one is first renamed to `aside` (default: beside `target`, hidden): for a moment there is none, never a part of
    one, and `recover_folder` repairs it after a crash at that moment.

    Raises OSError with `target` as it was; the caller knows what to advise.
    """
    for path in (*fresh.rglob("*"), fresh):
        if not path.is_symlink():
            _sync(path)
    if not target.exists():
        fresh.rename(target)
    elif exchange(fresh, target):
        shutil.rmtree(fresh, ignore_errors=True)  # the old folder, under the fresh one's name
    else:
        _replace_in_two_steps(fresh, target, aside or _aside(target))
    _sync(target.parent)


def recover_folder(target: Path) -> bool:
    """Undo a `replace_folder` (without `aside`) that was cut off between its two renames; True where there was
    something to undo. Raises OSError."""
    aside = _aside(target)
    if not aside.exists():
        return False
    if target.exists():  # the second rename was done: the old folder is only litter
        shutil.rmtree(aside, ignore_errors=True)
        return False
    aside.rename(target)
    return True


def exchange(first: Path, second: Path) -> bool:
    """Swap two names in one system call; False where the kernel or the file system can't. Raises OSError."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), str(second))


def _replace_in_two_steps(fresh: Path, target: Path, aside: Path) -> None:
    shutil.rmtree(aside, ignore_errors=True)
    target.rename(aside)
    try:
        fresh.rename(target)
    except OSError:
        aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.set-aside")


def _sync(path: Path) -> None:
    """What was written to a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
