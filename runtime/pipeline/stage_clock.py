"""How long each stage worked and how long it waited: the figures behind `edgecap bench caption`.

In: spans measured by `queues.run_stages` (one writer thread per stage name). Out: `StageTimes` per stage. A
stage is busy while its own code runs; waiting for input or for room in the next queue is wait time and never
busy time.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

T = TypeVar("T")
_KEPT_SAMPLES = 8192  # an hour at 8 analysed frames per second is 28,800 items: percentiles read the newest of them


@dataclass(frozen=True, slots=True)
class StageTimes:
    """What one stage did over a run.

    `items`: inputs handled (the source: outputs made). `busy_seconds`, `wait_seconds`: totals.
    `p50_ms`, `p95_ms`: busy milliseconds per item, over the newest 8,192 items; 0 when there was none.
    """

    name: str
    items: int
    busy_seconds: float
    wait_seconds: float
    p50_ms: float
    p95_ms: float


class StageClock:
    """Collects busy and wait seconds by stage name, in the order in which names first appear."""

    def __init__(self) -> None:
        self._busy: dict[str, float] = {}
        self._wait: dict[str, float] = {}
        self._items: dict[str, int] = {}
        self._samples: dict[str, deque[float]] = {}

    def declare(self, names: Iterable[str]) -> None:
        """Fix the order of the names, before threads start; a stage that never gets an item is listed with
        zeros.
        """
        for name in names:
            self._busy.setdefault(name, 0.0)
            self._wait.setdefault(name, 0.0)
            self._items.setdefault(name, 0)
            self._samples.setdefault(name, deque(maxlen=_KEPT_SAMPLES))

    def add(self, name: str, busy_seconds: float, *, is_item: bool = True) -> None:
        """Stage `name` was busy for `busy_seconds`; `is_item`: with one item (else with a message that merely
        passed).
        """
        self.declare((name,))
        self._busy[name] += busy_seconds
        if is_item:
            self._items[name] += 1
            self._samples[name].append(busy_seconds)

    @contextmanager
    def waiting(self, name: str) -> Iterator[None]:
        """Count the block as wait time of stage `name`."""
        self.declare((name,))
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._wait[name] += time.perf_counter() - begun

    def timed_source(self, name: str, items: Iterable[T], *, counts: Callable[[T], bool]) -> Iterator[T]:
        """Pass `items` on; the time spent making each one for which `counts` is true is one item of stage
        `name`.
        """
        iterator = iter(items)
        while True:
            begun = time.perf_counter()
            try:
                item = next(iterator)
            except StopIteration:
                self.add(name, time.perf_counter() - begun, is_item=False)
                return
            self.add(name, time.perf_counter() - begun, is_item=counts(item))
            yield item

    def timed_outputs(self, name: str, make: Callable[[], Iterable[T]], *, is_item: bool) -> Iterator[T]:
        """Pass on what a stage makes of *one* input; the time spent inside the stage is one item, however
        many come out.

        `make()` is called here and timed too: a stage may work before it returns its iterator (a plain
        function does all of it then).
        """
        begun, total = time.perf_counter(), 0.0
        try:
            try:
                iterator = iter(make())
            finally:
                total = time.perf_counter() - begun
            while True:
                begun = time.perf_counter()
                try:
                    item = next(iterator)
                except StopIteration:
                    return
                finally:
                    total += time.perf_counter() - begun
                yield item
        finally:
            self.add(name, total, is_item=is_item)

    def times(self) -> tuple[StageTimes, ...]:
        """Totals and percentiles of every stage so far."""
        return tuple(self._times_of(name) for name in self._busy)

    def _times_of(self, name: str) -> StageTimes:
        samples = np.array(self._samples[name], np.float64) * 1000.0
        p50, p95 = (float(np.percentile(samples, q)) if len(samples) else 0.0 for q in (50, 95))
        return StageTimes(name, self._items[name], self._busy[name], self._wait[name], p50, p95)
