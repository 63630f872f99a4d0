"""A session without an engine: it answers from a script and records its calls.

For tests, and for people who try a stage of theirs without a model. Same protocol, same checks, same errors.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import EngineError
from edgecap.engines.graph.session import Arrays, check_buffers, check_feeds, check_outputs
from edgecap.engines.graph.spec import GraphSpec

Answer = Callable[[dict[str, NDArray[Any]]], Arrays]


class ScriptedSession:
    """Answers each call with `script(feeds)`, or with the next entry of a list of outputs.

    `calls`: copies of the feeds of every call, oldest first. `delay_seconds`: time slept per call, to act a
    slow engine. Raises `EngineError` when a list has no answer left. Outputs are checked against `spec` as a
    graph's would be.
    """

    def __init__(self, spec: GraphSpec, script: Answer | Sequence[Arrays], *, delay_seconds: float = 0.0) -> None:
        self.spec = spec
        self.provider = "scripted"
        self.calls: list[dict[str, NDArray[Any]]] = []
        self._script = script
        self._delay_seconds = delay_seconds
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"ScriptedSession({self.spec.file!r}, {len(self.calls)} calls)"

    def run(self, feeds: Arrays) -> dict[str, NDArray[Any]]:
        """See `Session.run`."""
        check_feeds(self.spec, feeds)
        with self._lock:
            index = len(self.calls)
            self.calls.append({name: array.copy() for name, array in feeds.items()})
        if self._delay_seconds:
            time.sleep(self._delay_seconds)
        outputs = self._answer(index, dict(feeds))
        check_outputs(self.spec, outputs)
        return outputs

    def bind(self, inputs: Arrays, outputs: Arrays) -> ScriptedBinding:
        """See `Session.bind`."""
        check_buffers(self.spec, inputs, outputs)
        return ScriptedBinding(self, dict(inputs), dict(outputs))

    def _answer(self, index: int, feeds: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        if callable(self._script):
            answer = self._script(feeds)
        elif index < len(self._script):
            answer = self._script[index]
        else:
            raise EngineError(
                f"{self.spec.file}: call {index + 1} of a script of {len(self._script)} "
                "answers; give the session more answers or a function"
            )
        return {name: np.array(array, order="C") for name, array in answer.items()}


class ScriptedBinding:
    """Buffers of a `ScriptedSession`: a run answers the current inputs and copies into the outputs."""

    def __init__(self, session: ScriptedSession, inputs: Arrays, outputs: Arrays) -> None:
        self._session, self._inputs, self._outputs = session, inputs, outputs

    def run(self) -> None:
        """See `Binding.run`."""
        for name, array in self._session.run(self._inputs).items():
            np.copyto(self._outputs[name], array, casting="no")
