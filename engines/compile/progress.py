"""Progress of a running TensorRT build, and how to stop it.

In: what TensorRT reports to its progress monitor. Out: `BuildProgress` to a callback; Ctrl-C through the monitor.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from edgecap.engines.tensorrt.api import TrtApi

_T = TypeVar("_T")
_BEGIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """`phase`: TensorRT's own name of it; `fraction`: 0 to 1, never falling, estimated from counted steps."""

    phase: str
    fraction: float


@dataclass(slots=True)
class _Phase:
    parent: str | None
    steps: int
    done: int = 0


class PhaseTree:
    """The nested phases of one build, as steps come in; calls `on_change` with each change. Thread-safe.

    TensorRT nests phases ("Building engine" > "Computing profile costs" > "Timing tactics"), and several may run
    in parallel; the length of a step is not reported, so equal steps are assumed.
    """

    def __init__(self, on_change: Callable[[BuildProgress], None]) -> None:
        self._on_change = on_change
        self._phases: dict[str, _Phase] = {}
        self._best = 0.0
        self._lock = threading.Lock()

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase of `steps` steps begins inside `parent` (None: outermost)."""
        with self._lock:
            self._phases[name] = _Phase(parent if parent in self._phases else None, max(steps, 1))
            self._report(name)

    def step(self, name: str, index: int) -> None:
        """Step `index` (from 0) of a phase is done."""
        with self._lock:
            if phase := self._phases.get(name):
                phase.done = max(phase.done, min(index + 1, phase.steps))
                self._report(name)

    def finish(self, name: str) -> None:
        """A phase is over, whether or not all its steps were reported."""
        with self._lock:
            self._phases.pop(name, None)

    def _report(self, name: str) -> None:
        share, at, fraction = 1.0, name, 0.0
        chain: list[_Phase] = []
        while (phase := self._phases.get(at)) is not None:
            chain.append(phase)
            if phase.parent is None:
                break
            at = phase.parent
        for phase in reversed(chain):  # outermost first: each inner phase fills one step of the one around it
            fraction += share * phase.done / phase.steps
            share /= phase.steps
        self._best = max(self._best, min(fraction, 1.0))
        self._on_change(BuildProgress(name, self._best))


def make_monitor(api: TrtApi, tree: PhaseTree, stop: threading.Event) -> Any:
    """An `IProgressMonitor` that feeds `tree` and makes TensorRT stop once `stop` is set."""
    base = api.module.IProgressMonitor

    class Monitor(base):  # type: ignore[misc,valid-type]
        def __init__(self) -> None:
            base.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            tree.start(phase_name, parent_phase, num_steps)

        def phase_finish(self, phase_name: str) -> None:
            tree.finish(phase_name)

        def step_complete(self, phase_name: str, step: int) -> bool:
            tree.step(phase_name, step)
            return not stop.is_set()

    return Monitor()


def run_stoppable(work: Callable[[], _T], *, stop: threading.Event) -> _T:
    """`work()` in a thread of its own, so that Ctrl-C reaches Python while the compiler holds its thread.

    On Ctrl-C: sets `stop`, waits until `work` has ended and cleaned up, and raises KeyboardInterrupt. A second
    Ctrl-C does not wait. Raises what `work` raises.
    """
    results: list[_T] = []
    errors: list[BaseException] = []
    begun, done = threading.Event(), threading.Event()

    def body() -> None:
        begun.set()
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=body, name="edgecap-build", daemon=True)
    try:
        thread.start()
        # Not thread.join: in Python 3.11 after an interrupted join the thread counts as ended.
        while not done.wait(0.1):
            pass
    except KeyboardInterrupt:
        stop.set()
        if begun.wait(_BEGIN_SECONDS):  # Ctrl-C may come before the thread does anything at all
            done.wait()
        raise
    if errors:
        raise errors[0]
    return results[0]
