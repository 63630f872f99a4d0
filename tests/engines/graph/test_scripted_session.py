"""The fake has the engine's manners: same checks, same binding, and it remembers."""

from __future__ import annotations

import time

import numpy as np
import pytest

from edgecap.engines import EngineError, GraphContractError, ScriptedSession, Session
from tests.engines.graphs import SCALE


def double(feeds):
    return {"y": 2 * feeds["x"]}


def ask(session: Session, value: float) -> np.ndarray:
    return session.run({"x": np.full((1, 3), value, np.float32)})["y"]


def test_a_function_answers_and_calls_are_recorded():
    session = ScriptedSession(SCALE, double)
    x = np.ones((1, 3), np.float32)
    assert session.run({"x": x})["y"].tolist() == [[2.0, 2.0, 2.0]]
    x[:] = 9
    assert session.calls[0]["x"].tolist() == [[1.0, 1.0, 1.0]]  # a copy: later writes don't change the record
    assert session.provider == "scripted" and len(session.calls) == 1


def test_a_list_answers_in_order_and_then_says_it_is_over():
    session = ScriptedSession(SCALE, [{"y": np.full((1, 3), i, np.float32)} for i in (3, 4)])
    assert [ask(session, 0)[0, 0] for _ in range(2)] == [3.0, 4.0]
    with pytest.raises(EngineError, match="call 3 of a script of 2 answers"):
        ask(session, 0)


def test_feeds_and_answers_are_checked():
    with pytest.raises(EngineError, match="expected float32, got float64"):
        ScriptedSession(SCALE, double).run({"x": np.ones((1, 3))})
    with pytest.raises(GraphContractError, match="output 'y'"):
        ask(ScriptedSession(SCALE, lambda feeds: {"y": np.ones((1, 2), np.float32)}), 0)


def test_binding_runs_in_place():
    memory = np.ones((1, 3), np.float32)
    binding = ScriptedSession(SCALE, double).bind({"x": memory}, {"y": memory})
    for _ in range(3):
        binding.run()
    assert memory.tolist() == [[8.0, 8.0, 8.0]]


def test_delay_is_slept_per_call():
    session = ScriptedSession(SCALE, double, delay_seconds=0.02)
    start = time.perf_counter()
    ask(session, 0), ask(session, 0)
    assert time.perf_counter() - start >= 0.04
