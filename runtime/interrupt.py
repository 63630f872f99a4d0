"""Ctrl-C asks a run to stop in good order; a second Ctrl-C stops it at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from edgecap.runtime.queues import StopSignal


@contextmanager
def stop_on_interrupt(stop: StopSignal) -> Iterator[None]:
    """While the block runs, the first SIGINT sets `stop`, the next one raises KeyboardInterrupt as usual.

    Without this a KeyboardInterrupt could land in the middle of a sink's write and leave half a line. Only
    the main thread may own signal handlers, and a host that installed its own (or ignores SIGINT) keeps it:
    then the block runs as it is.
    """
    previous = signal.getsignal(signal.SIGINT)
    if previous is not signal.default_int_handler:
        yield
        return

    def ask(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop.set()

    try:
        signal.signal(signal.SIGINT, ask)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
