"""The only file with threads: a chain of stages, run in one thread or with one thread and one bounded queue
per stage.

In: a source (any iterable) and `Stage`s, each a function from one item to zero or more items. Out: nothing;
the last stage keeps or writes what it gets. Items, errors and the end of the stream travel through the queues
in order.

    source --[queue]--> stage 0 --[queue]--> stage 1 --[queue]--> last stage (the caller's thread: it sees Ctrl-C)

Stopping (`StopSignal.set`): the source makes nothing more, every stage finishes its current item and
passes on the result, the last stage handles everything that reached its queue. So a record that is
complete is written; work in between is discarded. A KeyboardInterrupt in the caller's thread (the second
Ctrl-C) ends the run at once: threads that are inside a long call (they are daemons) are not waited for.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edgecap.runtime.pipeline.stage_clock import StageClock

Policy = Literal["block", "drop-oldest"]
_POLL_SECONDS = 0.05  # how soon a blocked put or get sees the stop signal


class StopSignal:
    """Set once, read by every thread. A plain flag without a lock, so that a signal handler may set it at any
    point.
    """

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Ask every stage to stop."""
        self._is_set = True

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._is_set


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the chain.

    `feed(item)` yields what one item produces (often nothing); it is called from one thread only. `capacity`:
    items that may wait before this stage. `policy`: what a full queue does: make the stage before it wait, or
    drop the oldest item that may be dropped. `remains(item)`: what takes a dropped item's place in the queue (it
    needs no room there), None for an item that may not be dropped. `counts(item)`: whether the item is work for
    the clock's items and percentiles, or a message that passes through.
    """

    name: str
    feed: Callable[[Any], Iterable[Any]]
    capacity: int = 4
    policy: Policy = "block"
    remains: Callable[[Any], Any | None] = lambda item: None
    counts: Callable[[Any], bool] = lambda item: True

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise ValueError(f"a queue has room for at least one item: {self.capacity = }")


class _Stopped(Exception):
    """The stop signal is set, or the reader of this queue has stopped."""


class _End:
    """End of the stream."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """An exception on its way to the caller."""

    cause: BaseException


@dataclass(frozen=True, slots=True)
class _Remains:
    """What is left of a dropped item."""

    item: Any


class BoundedQueue:
    """First in, first out, at most `capacity` items and what remains of dropped ones; see `Stage` for a full queue."""

    def __init__(
        self,
        capacity: int,
        *,
        policy: Policy = "block",
        remains: Callable[[Any], Any | None] = lambda item: None,
    ) -> None:
        self._items: deque[Any] = deque()
        self._capacity = capacity
        self._policy, self._remains = policy, remains
        self._changed = threading.Condition()
        self._abandoned = False

    def put(self, item: Any) -> None:
        """Append; waits for room (or makes room). Raises `_Stopped` when the reader has stopped."""
        with self._changed:
            while self._is_full() and not self._abandoned:
                if self._policy == "drop-oldest" and self._drop_oldest():
                    break
                self._changed.wait(_POLL_SECONDS)
            if self._abandoned:
                raise _Stopped
            self._items.append(item)
            self._changed.notify_all()

    def get(self, stop: StopSignal | None = None) -> Any:
        """The oldest item; waits for one. With `stop`: raises `_Stopped` as soon as that is set, items or
        not.
        """
        with self._changed:
            while True:
                if stop is not None and stop.is_set():
                    raise _Stopped
                if self._items:
                    item = self._items.popleft()
                    self._changed.notify_all()
                    return item.item if isinstance(item, _Remains) else item
                self._changed.wait(_POLL_SECONDS)

    def abandon(self) -> None:
        """The reader stops: discard what waits and release every writer."""
        with self._changed:
            self._abandoned = True
            self._items.clear()
            self._changed.notify_all()

    def _is_full(self) -> bool:
        return sum(not isinstance(item, _Remains) for item in self._items) >= self._capacity

    def _drop_oldest(self) -> bool:
        for position, item in enumerate(self._items):
            if isinstance(item, _End | _Failure | _Remains):
                continue
            remains = self._remains(item)
            if remains is not None:
                self._items[position] = _Remains(remains)
                return True
        return False


@dataclass(frozen=True, slots=True)
class SourceStage:
    """The head of the chain: an iterable under a name; `counts` as in `Stage`."""

    name: str
    items: Iterable[Any]
    counts: Callable[[Any], bool] = lambda item: True


def run_stages(
    source: SourceStage, stages: Sequence[Stage], *, clock: StageClock, stop: StopSignal, overlap: bool
) -> None:
    """Drive every item of `source` through `stages`; returns when the stream has ended or stopped.

    `overlap`: one thread per stage (the last one in the calling thread), else everything in the calling
    thread, item by item: the same stages in the same order, which is the serial baseline of the throughput
    bench. An exception of the source or of a stage ends the run and is raised here after what was made before
    it has been handled; an exception of the last stage ends it immediately.
    """
    clock.declare([source.name, *(stage.name for stage in stages)])
    if not overlap:
        for item in clock.timed_source(source.name, source.items, counts=source.counts):
            _push(item, stages, clock)
            if stop.is_set():
                return
        return
    queues = [BoundedQueue(s.capacity, policy=s.policy, remains=s.remains) for s in stages]
    threads = [
        threading.Thread(
            target=_run_source, name=f"edgecap-{source.name}", daemon=True, args=(source, queues[0], clock, stop)
        )
    ]
    threads += [
        threading.Thread(
            target=_run_stage, name=f"edgecap-{stage.name}", daemon=True, args=(stage, inbox, outbox, clock, stop)
        )
        for stage, inbox, outbox in zip(stages, queues, queues[1:], strict=False)
    ]
    for thread in threads:
        thread.start()
    wait = True
    try:
        _run_last(stages[-1], queues[-1], clock)
    except BaseException as error:
        stop.set()
        wait = not isinstance(error, KeyboardInterrupt)
        raise
    finally:
        for queue in queues:
            queue.abandon()
        for thread in threads if wait else ():
            thread.join()


def _outputs(stage: Stage, item: Any, clock: StageClock) -> Iterator[Any]:
    return clock.timed_outputs(stage.name, lambda: stage.feed(item), is_item=stage.counts(item))


def _push(item: Any, stages: Sequence[Stage], clock: StageClock) -> None:
    if stages:
        for made in _outputs(stages[0], item, clock):
            _push(made, stages[1:], clock)


def _run_source(source: SourceStage, outbox: BoundedQueue, clock: StageClock, stop: StopSignal) -> None:
    last: Any = _End()
    try:
        for item in clock.timed_source(source.name, source.items, counts=source.counts):
            with clock.waiting(source.name):
                outbox.put(item)
            if stop.is_set():
                break
    except _Stopped:
        return
    except BaseException as error:  # every error belongs to the caller's thread
        last = _Failure(error)
    _put_last(outbox, last)


def _run_stage(stage: Stage, inbox: BoundedQueue, outbox: BoundedQueue, clock: StageClock, stop: StopSignal) -> None:
    last: Any = _End()
    try:
        while True:
            with clock.waiting(stage.name):
                item = inbox.get(stop)
            if isinstance(item, _End | _Failure):
                last = item
                break
            for made in _outputs(stage, item, clock):
                with clock.waiting(stage.name):
                    outbox.put(made)
    except _Stopped:
        pass
    except BaseException as error:  # every error belongs to the caller's thread
        last = _Failure(error)
    finally:
        inbox.abandon()
    _put_last(outbox, last)


def _put_last(outbox: BoundedQueue, last: Any) -> None:
    try:
        outbox.put(last)
    except _Stopped:
        return


def _run_last(stage: Stage, inbox: BoundedQueue, clock: StageClock) -> None:
    while True:
        with clock.waiting(stage.name):
            item = inbox.get()
        if isinstance(item, _End):
            return
        if isinstance(item, _Failure):
            raise item.cause
        for made in _outputs(stage, item, clock):
            raise AssertionError(f"the last stage {stage.name!r} must make nothing, but made {made!r}")
