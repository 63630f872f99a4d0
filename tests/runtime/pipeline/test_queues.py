"""Order, bounds, dropping, errors, stopping: everything the chain promises, with stages of one line each."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from edgecap.runtime.pipeline.queues import BoundedQueue, SourceStage, Stage, StopSignal, run_stages
from edgecap.runtime.pipeline.stage_clock import StageClock


def run(items: Iterable[Any], stages: list[Stage], *, overlap: bool, stop: StopSignal | None = None) -> StageClock:
    clock = StageClock()
    run_stages(SourceStage("source", items), stages, clock=clock, stop=stop or StopSignal(), overlap=overlap)
    return clock


def keep(into: list[Any]) -> Any:
    def feed(item: Any) -> Iterator[Any]:
        into.append(item)
        return iter(())

    return feed


@pytest.mark.parametrize("overlap", [False, True], ids=["serial", "threads"])
def test_every_item_arrives_in_order(overlap: bool) -> None:
    got: list[int] = []
    run(
        range(50),
        [
            Stage("double", lambda n: [2 * n, 2 * n + 1]),
            Stage("odd", lambda n: [n] if n % 2 else []),
            Stage("last", keep(got)),
        ],
        overlap=overlap,
    )
    assert got == list(range(1, 100, 2))


@pytest.mark.parametrize("overlap", [False, True], ids=["serial", "threads"])
def test_error_of_a_middle_stage_reaches_the_caller_after_what_came_before(overlap: bool) -> None:
    got: list[int] = []

    def fail_at_three(n: int) -> list[int]:
        if n == 3:
            raise RuntimeError("three")
        return [n]

    with pytest.raises(RuntimeError, match="three"):
        run(range(10), [Stage("middle", fail_at_three), Stage("last", keep(got))], overlap=overlap)
    assert got == [0, 1, 2]


@pytest.mark.parametrize("overlap", [False, True], ids=["serial", "threads"])
def test_error_of_the_source_and_of_the_last_stage(overlap: bool) -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("disk")

    got: list[int] = []
    with pytest.raises(OSError, match="disk"):
        run(broken(), [Stage("middle", lambda n: [n]), Stage("last", keep(got))], overlap=overlap)
    assert got == [1]

    def refuse(item: Any) -> list[Any]:
        raise ValueError("full")

    before = threading.active_count()
    with pytest.raises(ValueError, match="full"):
        run(iter(int, 1), [Stage("middle", lambda n: [n]), Stage("last", refuse)], overlap=overlap)  # endless source
    assert threading.active_count() == before


def test_threads_overlap_and_the_clock_separates_busy_from_wait() -> None:
    def slow(n: int) -> list[int]:
        time.sleep(0.02)
        return [n]

    def source() -> Iterator[int]:
        for n in range(10):
            time.sleep(0.02)
            yield n

    begun = time.perf_counter()
    clock = run(source(), [Stage("slow", slow), Stage("last", keep([]))], overlap=True)
    wall = time.perf_counter() - begun
    times = {t.name: t for t in clock.times()}
    assert wall < 0.35, "two stages of 0.2 s each ran one after the other"
    assert [t for t in times] == ["source", "slow", "last"]
    assert times["slow"].items == 10
    assert 0.19 < times["slow"].busy_seconds < wall
    assert times["last"].busy_seconds < 0.05 < times["last"].wait_seconds


def test_a_full_queue_holds_the_source_back() -> None:
    made: list[int] = []
    gate = threading.Event()
    ahead: list[int] = []

    def source() -> Iterator[int]:
        for n in range(20):
            made.append(n)
            yield n

    def wait_for_gate(n: int) -> Iterator[int]:
        if n == 0:
            time.sleep(0.15)
            ahead.append(len(made))
            gate.set()
        return iter(())

    run(source(), [Stage("last", wait_for_gate, capacity=3)], overlap=True)
    # one in the stage's hands, three waiting, one in the source's hands
    assert ahead[0] <= 5
    assert made == list(range(20))


def test_drop_oldest_forgets_only_what_may_be_dropped() -> None:
    def remains(item: str) -> str | None:
        return item.replace("frame", "dropped") if item.startswith("frame") else None

    queue = BoundedQueue(3, policy="drop-oldest", remains=remains)
    for item in ("start", "frame 1", "frame 2", "frame 3", "frame 4"):
        queue.put(item)
    assert [queue.get() for _ in range(5)] == ["start", "dropped 1", "dropped 2", "frame 3", "frame 4"]


def test_stop_lets_finished_work_through_and_nothing_more() -> None:
    stop = StopSignal()
    got: list[int] = []
    seen: list[int] = []

    def middle(n: int) -> list[int]:
        seen.append(n)
        if n == 2:
            stop.set()
        return [n]

    run(iter(range(10**9)), [Stage("middle", middle), Stage("last", keep(got))], overlap=True, stop=stop)
    assert got == seen == [0, 1, 2], "what the middle stage finished is handled, what waited before it is let go"


def test_stop_serial_finishes_the_item_in_hand() -> None:
    stop = StopSignal()
    got: list[int] = []

    def middle(n: int) -> list[int]:
        if n == 1:
            stop.set()
        return [n]

    run(iter(range(10**9)), [Stage("middle", middle), Stage("last", keep(got))], overlap=False, stop=stop)
    assert got == [0, 1]


def test_messages_that_pass_through_are_not_items() -> None:
    clock = StageClock()
    stage = Stage("last", lambda item: [], counts=lambda item: item != "message")
    run_stages(
        SourceStage("source", ["message", "frame", "frame"], counts=lambda item: item == "frame"),
        [stage],
        clock=clock,
        stop=StopSignal(),
        overlap=False,
    )
    assert [(t.name, t.items) for t in clock.times()] == [("source", 2), ("last", 2)]


def test_a_queue_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Stage("last", lambda item: [], capacity=0)
