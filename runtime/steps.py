"""The four steps of a run as functions from message to messages: decode, perceive, describe, write. Ordered
by `pipeline`.

Every step lives in one thread and keeps its own state. A step that fails on a video turns that failure into
one `Failed` message and passes over the rest of that video; the next `Started` wakes it again. So one bad
video never ends a run.
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgecap.runtime.caption import Caption
from edgecap.runtime.clips import FrameSampler, ShotDetector, WindowBuilder
from edgecap.runtime.config import PipelineConfig
from edgecap.runtime.evidence import Evidence
from edgecap.runtime.frame import Frame, VideoInfo
from edgecap.runtime.messages import Described, Ended, Failed, Message, Sampled, Skipped, Started, Windowed
from edgecap.runtime.observation import Observation, Window
from edgecap.runtime.record import DomainVerdict, FailedVideo, Record
from edgecap.runtime.summary import Failure, failed_video

ClipKey = tuple[str, int]
"""(video path as written in the record, clip index)."""


class OpenVideo(Protocol):
    """What `open_source` gives: `info`, and once the frames whose time is wanted."""

    @property
    def info(self) -> VideoInfo:
        """What is known of the video before its first frame is used."""
        ...

    def sampled(self, keep: Callable[[float], bool]) -> Iterator[Frame]:
        """Frames in presentation order for whose `pts_seconds` `keep` says yes (asked once per frame)."""
        ...


class Perceives(Protocol):
    """What a perceiver does (`perceive.Perceiver` is one). `stage_seconds`: busy seconds so far of its parts,
    by name.
    """

    stage_seconds: dict[str, float]

    def observe(self, frame: Frame) -> Observation:
        """One frame in, one observation out."""
        ...

    def cut(self) -> None:
        """Called before the first frame of a new shot."""
        ...

    def settle(self, window: Window) -> Window:
        """The window as it is to be used, without tracks that were never confirmed."""
        ...


class Sink(Protocol):
    """Where records go. `fail` gets the videos that could not be captioned to their end."""

    def write(self, record: Record) -> None:
        """One finished window."""
        ...

    def fail(self, failed: FailedVideo) -> None:
        """One video that could not be captioned (to its end)."""
        ...


@dataclass(frozen=True, slots=True)
class StageSet:
    """The stages of a run, ready to work; `build.build_stages` makes one from a config, tests make their own.

    `new_perceiver` is called once per video (track ids begin anew). `labels`: the detector's class names.
    `used`: what is really in use, by name, for every record.
    """

    open_video: Callable[[Path], AbstractContextManager[OpenVideo]]
    new_perceiver: Callable[[], Perceives]
    labels: tuple[str, ...]
    measure: Callable[[Window], Evidence]
    verdict: Callable[[Window], DomainVerdict]
    describe: Callable[[Window, Evidence, DomainVerdict], Caption]
    used: dict[str, str]


def decode(
    inputs: Iterable[Path | Failure], stages: StageSet, config: PipelineConfig, abandoned: Collection[int]
) -> Iterator[Message]:
    """The source: the sampled frames of every input in order. `abandoned`: numbers of videos that a later
    step gave up.
    """
    for number, item in enumerate(inputs):
        if isinstance(item, Failure):
            yield Failed(number, item.failed, item.cause)
        else:
            yield from _decode_one(number, item, stages, config, abandoned)


def _decode_one(
    number: int, path: Path, stages: StageSet, config: PipelineConfig, abandoned: Collection[int]
) -> Iterator[Message]:
    try:
        with stages.open_video(path) as source:
            yield Started(number, source.info)
            sampler, shots = FrameSampler(config.sample_fps), ShotDetector()
            begun = time.perf_counter()
            for frame in source.sampled(sampler.keep):
                if number in abandoned:
                    return
                is_cut = shots.is_cut(frame)
                yield Sampled(number, frame, is_cut, time.monotonic(), time.perf_counter() - begun)
                begun = time.perf_counter()
    except Exception as error:  # a bad video is a row of its own, whatever is bad about it
        yield Failed(number, failed_video(str(path), error), error)
    else:
        yield Ended(number)


@dataclass(slots=True)
class _Perceiving:
    """The video in hand. `decode_seconds`: since the last window; `spent_before`: the perceiver's own count
    at that time.
    """

    number: int
    perceiver: Perceives
    builder: WindowBuilder
    decode_seconds: float
    spent_before: dict[str, float]


class PerceiveStep:
    """`Sampled` frames in, `Windowed` windows out. `drops`: one entry per frame that the queue before this
    step forgot.
    """

    def __init__(self, stages: StageSet, config: PipelineConfig, drops: deque[int]) -> None:
        self._stages, self._config, self._drops = stages, config, drops
        self._video: _Perceiving | None = None

    def feed(self, message: Message) -> Iterator[Message]:
        """Handle one message; what ends a video first closes the window in hand."""
        video = self._video
        if isinstance(message, Started):
            self._video = self._begin(message)
            yield message
        elif video is None or video.number != message.video_number:
            yield message  # a video that never opened
        elif isinstance(message, Sampled):
            yield from self._observe(video, message)
        else:
            self._video = None
            yield from _windowed(video, video.builder.finish())
            yield message

    def _begin(self, message: Started) -> _Perceiving:
        builder = WindowBuilder(
            self._config.window_seconds, labels=self._stages.labels, duration_seconds=message.info.duration_seconds
        )
        perceiver = self._stages.new_perceiver()
        return _Perceiving(message.video_number, perceiver, builder, 0.0, dict(perceiver.stage_seconds))

    def _observe(self, video: _Perceiving, message: Sampled) -> Iterator[Message]:
        if message.is_cut:
            video.perceiver.cut()
        observation = video.perceiver.observe(message.frame)
        closed = video.builder.add(observation, is_cut=message.is_cut, arrived_seconds=message.arrived_seconds)
        yield from _windowed(video, closed)
        while self._drops:
            self._drops.popleft()
            video.builder.note_dropped()
        video.decode_seconds += message.decode_seconds


def _windowed(video: _Perceiving, window: Window | None) -> Iterator[Message]:
    if window is None:
        return
    spent = dict(video.perceiver.stage_seconds)
    seconds = {"decode": video.decode_seconds} | {n: s - video.spent_before.get(n, 0.0) for n, s in spent.items()}
    video.decode_seconds, video.spent_before = 0.0, spent
    yield Windowed(video.number, video.perceiver.settle(window), seconds)


class DescribeStep:
    """`Windowed` windows in, `Described` records out; windows named in `skip` become `Skipped`."""

    def __init__(self, stages: StageSet, skip: Collection[ClipKey]) -> None:
        self._stages, self._skip = stages, skip

    def feed(self, message: Message) -> Iterator[Message]:
        """Handle one message."""
        if isinstance(message, Windowed):
            yield self._describe(message)
            return
        if isinstance(message, Started):
            self._info = message.info
        yield message

    def _describe(self, message: Windowed) -> Message:
        window = message.window
        if (self._info.path, window.clip_index) in self._skip:
            return Skipped(message.video_number, window.clip_index)
        begun = time.perf_counter()
        evidence = self._stages.measure(window)
        verdict = self._stages.verdict(window)
        measured = time.perf_counter()
        caption = self._stages.describe(window, evidence, verdict)
        seconds = {**message.stage_seconds, "measure": measured - begun, "describe": time.perf_counter() - measured}
        record = Record(
            video=self._info,
            window=window,
            evidence=evidence,
            caption=caption,
            domain=verdict,
            age_seconds=time.monotonic() - window.arrived_seconds,
            stage_seconds=seconds,
            used=dict(self._stages.used),
        )
        return Described(message.video_number, record)


class Guard:
    """Stands around a step: its exception becomes the current video's `Failed`, and the rest of that video is
    passed over.
    """

    def __init__(self, feed: Callable[[Message], Iterable[Message]], abandoned: set[int]) -> None:
        self._feed, self._abandoned = feed, abandoned
        self._path = ""
        self._given_up = -1

    def feed(self, message: Message) -> Iterator[Message]:
        """Handle one message through the step inside."""
        if message.video_number == self._given_up:
            return
        if isinstance(message, Started):
            self._path = message.info.path
        try:
            yield from self._feed(message)
        except Exception as error:  # see the class: never the end of the run
            self._given_up = message.video_number
            self._abandoned.add(message.video_number)
            yield Failed(message.video_number, failed_video(self._path, error), error)


class WriteStep:
    """`Described` records to the sinks, and the counts of a run. An error of a sink ends the run."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks
        self._clips_of: dict[int, int] = {}
        self.records = self.instances = self.skipped = self.done = 0
        self.model_calls = self.prefill_tokens = self.decode_tokens = 0
        self.frames_analysed = self.frames_dropped = 0
        self.video_seconds = 0.0
        self.ages_seconds: list[float] = []
        self.failures: list[Failure] = []

    def feed(self, message: Message) -> Iterator[Message]:
        """Write one record or one failure; hands nothing on."""
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
        self.prefill_tokens += record.caption.prefill_tokens
        self.decode_tokens += record.caption.decode_tokens
        self.frames_analysed += len(record.window.observations)
        self.frames_dropped += record.window.dropped_frames
        self.video_seconds += record.window.end_seconds - record.window.start_seconds
        self.ages_seconds.append(record.age_seconds)
