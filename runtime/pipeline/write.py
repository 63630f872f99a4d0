"""The last step of a run: records and failures to the sinks, and the totals."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Protocol

from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.pipeline.memory import give_back_free_memory
from edgecap.runtime.pipeline.messages import Described, Ended, Failed, Message, Skipped
from edgecap.runtime.pipeline.summary import Failure
from edgecap.runtime.verify.reasons import VerifierCounts, verifier_counts

_RECORDS_BETWEEN_TRIMS = 12
"""A minute of video in clips of five seconds."""


class Sink(Protocol):
    """Where records go. `fail` gets the videos that could not be captioned to their end."""

    def write(self, record: Record) -> None:
        """One finished window."""
        ...

    def fail(self, failed: FailedVideo) -> None:
        """One video that could not be captioned (to its end)."""
        ...


class WriteStep:
    """`Described` records to the sinks, and the counts of a run. An error of a sink ends the run."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks
        self._clips_of: dict[int, int] = {}
        self.records = self.instances = self.skipped = self.done = 0
        self.model_calls = self.prefill_tokens = self.decode_tokens = self.generations = 0
        self.frames_analysed = self.frames_dropped = 0
        self.video_seconds = 0.0
        self.ages_seconds: list[float] = []
        self.verified = VerifierCounts()
        self.failures: list[Failure] = []

    def feed(self, message: Message) -> Iterator[Message]:
        """Write one record or one failure; makes no message."""
        if isinstance(message, Described):
            self._write(message)
        elif isinstance(message, Failed):
            clips = self._clips_of.get(message.video_number, 0)
            failed = dataclasses.replace(message.failed, clips_written=clips)
            self.failures.append(Failure(failed, message.cause))
            for sink in self._sinks:
                sink.fail(failed)
        elif isinstance(message, Skipped):
            self.skipped += 1
            self._clips_of[message.video_number] = self._clips_of.get(message.video_number, 0) + 1
        elif isinstance(message, Ended):
            self.done += 1
        return iter(())

    def _write(self, message: Described) -> None:
        record = message.record
        for sink in self._sinks:
            sink.write(record)
        self._clips_of[message.video_number] = self._clips_of.get(message.video_number, 0) + 1
        self.records += 1
        self.instances += len(record.caption.instances)
        self.model_calls += record.caption.model_calls
        self.generations += record.caption.generations
        self.prefill_tokens += record.caption.prefill_tokens
        self.decode_tokens += record.caption.decode_tokens
        self.verified += verifier_counts([record.caption])
        self.frames_analysed += len(record.window.observations)
        self.frames_dropped += record.window.dropped_frames
        self.video_seconds += record.window.end_seconds - record.window.start_seconds
        self.ages_seconds.append(record.age_seconds)
        if self.records % _RECORDS_BETWEEN_TRIMS == 0:
            give_back_free_memory()
