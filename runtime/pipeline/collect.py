"""Captions in one call, for people who want rows and no files."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from edgecap.runtime.config import make_config
from edgecap.runtime.data.record import FailedVideo, Record


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
    """Keeps rows only: a record's frames are let go as soon as it is written."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def write(self, record: Record) -> None:
        from edgecap.runtime.output.row import record_to_json

        self.rows.append(record_to_json(record, root=None))

    def fail(self, failed: FailedVideo) -> None:
        """The failure is raised by `caption_video` when the run is over."""


def caption_video(path: str | Path, **options: Any) -> list[dict[str, Any]]:
    """Caption one video or every video of a folder: one InstanceCap row (a dict of JSON types) per clip.

    `options` are the fields of `PipelineConfig` (pack, detector, captioner, window_seconds...); an unknown
    one raises UsageError. A video that fails raises its own error (see `edgecap.engines.errors`), several of
    which some failed raise SomeClipsFailedError; for rows *and* failures use `Pipeline.run` with sinks.
    """
    from edgecap.runtime.pipeline.pipeline import Pipeline

    sink = _RowSink()
    Pipeline(make_config(**options)).run([path], [sink]).raise_for_failures()
    return sink.rows
