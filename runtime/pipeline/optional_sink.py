"""A sink whose error is its own: the captions and the other sinks go on without it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import PurePath
from types import TracebackType
from typing import Self

from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.english import printable
from edgecap.runtime.pipeline.summary import SinkFailure, error_line
from edgecap.runtime.pipeline.write import Sink


class OptionalSink:
    """Wraps a sink. Its first error on a video becomes a `SinkFailure`, in `sink_failures` and for `on_failure`.

    `name`: as a user calls it. `per_video`: it has a file per video, so the next video tries again; another sink gets
    no record any more. What opening it raises passes through: nothing has been captioned by then.
    """

    def __init__(
        self,
        sink: AbstractContextManager[Sink],
        *,
        name: str,
        per_video: bool = False,
        on_failure: Callable[[SinkFailure], None] = lambda failure: None,
    ) -> None:
        self._opening, self._name, self._per_video, self._on_failure = sink, name, per_video, on_failure
        self._sink: Sink | None = None
        self._given_up: str | None = None
        self.sink_failures: list[SinkFailure] = []

    def __enter__(self) -> Self:
        """Open the sink inside."""
        self._sink = self._opening.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._guard("", lambda: self._opening.__exit__(kind, error, trace))

    def write(self, record: Record) -> None:
        """One window, if the sink still works for its video."""
        sink = self._sink
        if sink is not None and self._works_for(record.video.path):
            self._guard(record.video.path, lambda: sink.write(record))

    def fail(self, failed: FailedVideo) -> None:
        """One failed video, if the sink still works for it."""
        sink = self._sink
        if sink is not None and self._works_for(failed.path):
            self._guard(failed.path, lambda: sink.fail(failed))

    def _works_for(self, video: str) -> bool:
        return self._given_up is None or (self._per_video and self._given_up != video)

    def _guard(self, video: str, step: Callable[[], object]) -> None:
        try:
            step()
        except Exception as error:  # whatever is wrong with this output, the captions are not it
            self._given_up = video
            about = f" of {printable(PurePath(video).name)}" if video else ""
            failure = SinkFailure(self._name, video, f"{self._name}{about}: {error_line(error)}", error)
            self.sink_failures.append(failure)
            self._on_failure(failure)
