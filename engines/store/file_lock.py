"""One process at a time: a lock on a file that is released when its process ends.

In: a path. Out: a held lock, or `StoreBusyError` that says who holds it. The kernel keeps the lock (flock(2)), not the
file: however the holder ends, it is released, and a lock file that is left behind locks nothing. The file is never
removed: a waiting process would then lock a file that no other process can open.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import itertools
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edgecap.engines.errors import OutputError, StoreBusyError

_POLL_SECONDS = 0.1


@contextlib.contextmanager
def locked(
    path: Path, *, label: str, wait_seconds: float, say: Callable[[str], None] = lambda line: None
) -> Iterator[None]:
    """Hold the lock of `path` inside the with block; its folder must exist.

    `label` names what is locked, in messages. `wait_seconds`: how long to wait for another holder (0: not at all);
    `say` gets one line when the wait begins. Raises `StoreBusyError` with the holder's pid, host and time, and
    `OutputError` where the file can't be opened. Two threads of one process exclude each other as two processes do. A
    child made by fork without exec inside the block shares the lock until it ends.
    """
    with _opened(path) as descriptor:
        _acquire(descriptor, path, label=label, wait_seconds=wait_seconds, say=say)
        try:
            _sign(descriptor)
            yield
        finally:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def holder_of(path: Path) -> str:
    """Who holds, or last held, the lock: "pid 12 on host since 2026-01-01T00:00:00Z"; a phrase where unknown."""
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"pid {holder['pid']} on {holder['host']} since {holder['since_utc']}"
    except (OSError, ValueError, TypeError, KeyError):
        return "an unknown process"


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OutputError(
            f"{path}: the lock can't be opened ({error.strerror}); check permissions and free space"
        ) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, *, label: str, wait_seconds: float, say: Callable[[str], None]) -> None:
    deadline = time.monotonic() + wait_seconds
    for attempt in itertools.count():
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise OutputError(
                    f"{path}: this file system does not support locks ({error.strerror}); keep the store on a local "
                    "disk"
                ) from error
        if time.monotonic() >= deadline:
            raise StoreBusyError(
                f"{label}: being built by {holder_of(path)}"
                f"{f', waited {wait_seconds:g} s' if wait_seconds else ''}; wait for it, or stop that process"
            )
        if attempt == 1:  # by the second attempt the holder has written its name
            say(f"{label}: waiting for {holder_of(path)}")
        time.sleep(_POLL_SECONDS)


def _sign(descriptor: int) -> None:
    """Write who holds it, for a process that has to wait. A full disk must not prevent locking."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since_utc": now})
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode("utf-8"), 0)
