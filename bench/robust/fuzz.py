"""Thousands of broken inputs, each in a process with a limit of seconds and memory: is every fault one clear error?

In: a seed. Out: `FuzzReport`, counts by kind and result, and every fault with the line that runs it again.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from edgecap.bench.robust.attempt import Attempt, CommandLine, Outcome, as_json, attempt_of
from edgecap.bench.robust.process_state import check_process_files, cpu_seconds, rss_mb
from edgecap.bench.robust.samples import Samples, make_samples
from edgecap.bench.robust.worker import READY, work
from edgecap.engines.errors import EngineError
from edgecap.engines.graph.device import probe_device

_LOOK_SECONDS = 0.1
_START_SECONDS = 300.0
_PATIENCE = 4.0
_TRIES_PER_WORKER = 1000
"""A process is replaced after so many tries: what one try leaves behind should not be blamed on another."""


@dataclass(frozen=True, slots=True)
class FuzzLimits:
    """Of one try."""

    seconds: float = 30.0
    """Of CPU time; or `_PATIENCE` times as long on the clock, for what waits and never ends."""
    memory_mb: float = 2048.0
    """Resident, of the whole process with its models."""


@dataclass(frozen=True, slots=True)
class FuzzReport:
    """`counts`: kind -> result -> tries. `errors`: class of the exception -> tries. `faults`: each with "rerun"."""

    machine: str
    seed: int
    tries: int
    wall_seconds: float
    counts: dict[str, dict[str, int]]
    errors: dict[str, int]
    slowest_seconds: float
    faults: tuple[dict[str, Any], ...]


def measure_fuzz(
    numbers: Iterator[int] | range,
    folder: Path,
    *,
    seed: int,
    kind: str | None,
    workers: int,
    limits: FuzzLimits,
    keep: Path | None,
    command: CommandLine | None = None,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> FuzzReport:
    """Run the tries of `numbers`. `folder`: for samples and what the tries write. `keep`: gets a folder per fault.

    Raises UsageError where the system has no /proc, EngineError where a worker doesn't start.
    """
    check_process_files()
    begun = time.perf_counter()
    samples = make_samples(folder / "samples")
    counts: dict[str, Counter[str]] = {}
    errors: Counter[str] = Counter()
    faults, slowest, tries = [], 0.0, 0
    pool = _Pool(samples, command, folder, limits=limits, keep=keep)
    with suppress(KeyboardInterrupt):  # what was tried is reported; `tries` says how much that is
        for outcome in pool.run((attempt_of(n, seed=seed, kind=kind) for n in numbers), workers):
            tries += 1
            counts.setdefault(outcome.attempt.kind, Counter())[outcome.result] += 1
            errors[outcome.error] += bool(outcome.error)
            slowest = max(slowest, outcome.seconds)
            if outcome.is_fault:
                faults.append(as_json(outcome) | {"rerun": rerun_line(outcome.attempt)})
            on_outcome(outcome)
    return FuzzReport(
        machine=probe_device().machine_line(),
        seed=seed,
        tries=tries,
        wall_seconds=round(time.perf_counter() - begun, 1),
        counts={name: dict(counter.most_common()) for name, counter in sorted(counts.items())},
        errors={name: count for name, count in errors.most_common() if count},
        slowest_seconds=slowest,
        faults=tuple(faults),
    )


def rerun_line(attempt: Attempt) -> str:
    """The command that runs one try again."""
    return f"edgecap bench fuzz --kind {attempt.kind} --seed {attempt.seed} --only {attempt.number}"


@dataclass(slots=True)
class _Worker:
    """A process and the try it is at (None: free). `since`: `time.monotonic()` of its last message, or of
    the beginning of its try; `cpu_before`: CPU seconds of the process then."""

    process: SpawnProcess
    connection: Connection
    folder: Path
    since: float
    cpu_before: float = 0.0
    ready: bool = False
    attempt: Attempt | None = None
    tries: int = 0


class _Pool:
    """Gives tries to workers, ends those that overrun a limit, replaces those that died."""

    def __init__(
        self, samples: Samples, command: CommandLine | None, folder: Path, *, limits: FuzzLimits, keep: Path | None
    ) -> None:
        self._samples, self._command, self._folder = samples, command, folder
        self._limits, self._keep = limits, keep
        self._workers: list[_Worker] = []

    def run(self, attempts: Iterator[Attempt], count: int) -> Iterator[Outcome]:
        """Outcomes as they come."""
        self._workers = [self._start(k) for k in range(count)]
        waiting = next(attempts, None)
        try:
            while waiting is not None or any(worker.attempt for worker in self._workers):
                for k, worker in enumerate(self._workers):
                    if waiting is not None and worker.ready and worker.attempt is None:
                        if worker.tries >= _TRIES_PER_WORKER:
                            self._end(worker)
                            self._workers[k] = self._start(k)
                            continue
                        self._give(worker, waiting)
                        waiting = next(attempts, None)
                wait([worker.connection for worker in self._workers], timeout=_LOOK_SECONDS)
                for k, worker in enumerate(self._workers):
                    outcome = self._look(worker)
                    if outcome is not None:
                        self._keep_fault(worker, outcome)
                        yield outcome
                    if not worker.process.is_alive():
                        worker.connection.close()
                        self._workers[k] = self._start(k)
        finally:
            for worker in self._workers:
                self._end(worker)

    def _start(self, number: int) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        folder = self._folder / f"worker-{number}"
        process = context.Process(target=work, args=(theirs, self._samples, self._command, folder), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours, folder, time.monotonic())

    @staticmethod
    def _give(worker: _Worker, attempt: Attempt) -> None:
        worker.attempt, worker.since = attempt, time.monotonic()
        worker.cpu_before = cpu_seconds(worker.process.pid or 0)
        with suppress(ConnectionError):  # it died: `_look` sees that
            worker.connection.send(attempt)

    def _look(self, worker: _Worker) -> Outcome | None:
        """The outcome of a worker's try if there is one by now."""
        try:
            if worker.connection.poll():
                message = worker.connection.recv()
                worker.since = time.monotonic()
                if message == READY:
                    worker.ready = True
                    return None
                worker.attempt, worker.tries = None, worker.tries + 1
                assert isinstance(message, Outcome)
                return message
        except (EOFError, ConnectionError):
            return self._died(worker)
        seconds = time.monotonic() - worker.since
        if worker.attempt is None:
            if not worker.ready and seconds > _START_SECONDS:
                raise EngineError(f"a worker of the fuzz was not ready after {_START_SECONDS:.0f} s; free the machine")
            return None
        memory = rss_mb(worker.process.pid or 0)  # first: a try that fills memory is slow because of that
        if memory > self._limits.memory_mb:
            return self._stop(worker, "memory", f"{memory:.0f} MiB, {self._limits.memory_mb:g} are allowed")
        busy = cpu_seconds(worker.process.pid or 0) - worker.cpu_before
        if busy > self._limits.seconds or seconds > _PATIENCE * self._limits.seconds:
            return self._stop(worker, "hang", f"no end after {busy:.0f} s of CPU time in {seconds:.0f} s")
        return None

    def _stop(self, worker: _Worker, result: str, words: str) -> Outcome:
        """End a worker; it writes the stacks of its threads into its log first."""
        if worker.process.pid is not None and worker.process.is_alive():
            os.kill(worker.process.pid, signal.SIGABRT)
        worker.process.join(5)
        return self._lost(worker, result, words)

    def _died(self, worker: _Worker) -> Outcome:
        worker.process.join(5)
        if worker.attempt is None:
            raise EngineError(
                f"a worker of the fuzz ended with {worker.process.exitcode} before its first try: "
                f"{_tail(worker.folder / 'log')}"
            )
        code = worker.process.exitcode
        name = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
        return self._lost(worker, "crash", f"the process ended by {name}")

    def _lost(self, worker: _Worker, result: str, words: str) -> Outcome:
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        attempt, worker.attempt = worker.attempt, None
        assert attempt is not None
        log, done = _tail(worker.folder / "log"), _tail(worker.folder / "done")
        ours = next((line.strip() for line in log.splitlines() if "/runtime/" in line or "/engines/" in line), "")
        return Outcome(attempt, result, "", f"{words}\n{log}", ours, done, time.monotonic() - worker.since)

    def _keep_fault(self, worker: _Worker, outcome: Outcome) -> None:
        """Its input and a note with the line that runs it again."""
        if self._keep is None or not outcome.is_fault:
            return
        target = self._keep / f"{outcome.attempt.kind}-{outcome.attempt.number}"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        if (worker.folder / "try" / "in").exists():
            shutil.copytree(worker.folder / "try" / "in", target / "in")
        note = f"{rerun_line(outcome.attempt)}\n{outcome.result} {outcome.error} {outcome.where}\n{outcome.message}\n"
        (target / "note.txt").write_text(note + outcome.done + "\n", encoding="utf-8", errors="replace")

    @staticmethod
    def _end(worker: _Worker) -> None:
        with suppress(OSError):
            worker.connection.send(None)
        worker.process.join(5)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.connection.close()


def _tail(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:4000]
    except OSError:
        return ""
