"""Captions in one call, as rows, without files."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Unpack

from edgecap.runtime.config import CommonOptions, make_config
from edgecap.runtime.data.record import FailedVideo, Record

if TYPE_CHECKING:
    from edgecap.runtime.perceive.callable_detector import DetectFunction
    from edgecap.runtime.pipeline.auto import ChoiceLog


class CollectSink:
    """Keeps every record in memory, frames included: for short runs, benches and tests."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.failures: list[FailedVideo] = []

    def __enter__(self) -> CollectSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def write(self, record: Record) -> None:
        """Keep one window."""
        self.records.append(record)

    def fail(self, failed: FailedVideo) -> None:
        """Keep one failure."""
        self.failures.append(failed)


class _RowSink:
    """Keeps rows only: a record's frames are freed as soon as it is written."""

    def __init__(self, choices: ChoiceLog) -> None:
        self.rows: list[dict[str, Any]] = []
        self._choices = choices

    def write(self, record: Record) -> None:
        from edgecap.runtime.output.row import record_to_json

        self._choices.see(record)
        self.rows.append(record_to_json(record, root=None))

    def fail(self, failed: FailedVideo) -> None:
        """The failure is raised by `caption_video` when the run is over."""


def caption_video(
    path: str | Path, *, detector: Literal["pack", "motion"] | DetectFunction = "pack", **options: Unpack[CommonOptions]
) -> list[dict[str, Any]]:
    """Caption one video or every video of a folder: one InstanceCap row (a dict of JSON types) per clip.

    `detector`: the pack's, "motion", or a function `fn(rgb) -> (boxes_xyxy in pixels, scores, labels)` (see
    `edgecap.Captioner`). `options`: the other fields of `PipelineConfig`; an unknown one raises UsageError.

    A video that fails raises its own error (see `edgecap.engines.errors`); where some of several failed,
    SomeClipsFailedError is raised. For rows *and* failures use `Pipeline.run` with sinks.
    """
    from edgecap.runtime.pipeline.auto import ChoiceLog
    from edgecap.runtime.pipeline.open import build_stages
    from edgecap.runtime.pipeline.pipeline import Pipeline

    function = detector if callable(detector) else None
    config = make_config(detector="callable" if callable(detector) else detector, **options)
    sink = _RowSink(ChoiceLog())
    Pipeline(config, stages=build_stages(config, detect=function)).run([path], [sink]).raise_for_failures()
    return sink.rows
