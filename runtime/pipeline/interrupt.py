"""Ctrl-C (SIGINT) and SIGTERM ask a run to write what is complete and stop; the second stops it immediately."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from edgecap.runtime.pipeline.queues import StopSignal

_DEFAULTS: dict[signal.Signals, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


@contextmanager
def stop_on_interrupt(stop: StopSignal) -> Iterator[None]:
    """While the block runs, the first SIGINT or SIGTERM sets `stop`, the next one raises KeyboardInterrupt.

    Without this a KeyboardInterrupt could land in the middle of a sink's write and leave half a line. Only
    the main thread may own signal handlers, and a host that installed its own for a signal (or ignores it) keeps
    it: then that signal does what it did.
    """
    ours = [number for number, default in _DEFAULTS.items() if signal.getsignal(number) is default]

    def at_once(signum: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    def ask(signum: int, frame: FrameType | None) -> None:
        for number in ours:
            signal.signal(number, at_once)
        stop.set()

    try:
        for number in ours:
            signal.signal(number, ask)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, _DEFAULTS[number])
