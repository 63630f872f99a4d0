"""The steps of a run as functions from message to messages: decode, perceive, describe (write: `write.WriteStep`).

Every step lives in one thread and keeps its own state. A step that fails on a video turns that failure into
one `Failed` message and passes over the rest of that video; the next `Started` wakes it again. So one bad
video never ends a run.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from edgecap.runtime.config import PipelineConfig
from edgecap.runtime.data.caption import Caption
from edgecap.runtime.data.evidence import Evidence
from edgecap.runtime.data.frame import FileIdentity, Frame, VideoInfo
from edgecap.runtime.data.record import SAME_TIME_SECONDS, ClipKey, DomainVerdict, Interval, Record
from edgecap.runtime.data.window import Observation, Window
from edgecap.runtime.pipeline.choice import with_choice
from edgecap.runtime.pipeline.identified import identified
from edgecap.runtime.pipeline.messages import (
    Described,
    Dropped,
    Ended,
    Failed,
    Message,
    Sampled,
    Skipped,
    Started,
    Windowed,
)
from edgecap.runtime.pipeline.summary import Failure, failed_video
from edgecap.runtime.video.identity import identify
from edgecap.runtime.video.shots import ShotBoundaries
from edgecap.runtime.video.windows import FrameSampler, WindowBuilder


class OpenVideo(Protocol):
    """What `open_source` gives. `skipped_frames`, `estimated_times`, `notes`: so far, see `VideoInfo`. `end_seconds`:
    after the last frame, when it is over; None where unknown."""

    skipped_frames: int
    estimated_times: int
    end_seconds: float | None

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done with a source that is not quite right, a line each."""
        ...

    @property
    def info(self) -> VideoInfo:
        """What is known of the video before its first frame is used."""
        ...

    def sampled(self, keep: Callable[[float], bool]) -> Iterator[Frame]:
        """Frames in presentation order for whose `pts_seconds` `keep` says yes (asked once per frame)."""
        ...


class Perceives(Protocol):
    """What a perceiver does (`perceive.Perceiver` is one). `stage_seconds`: busy seconds so far, by part."""

    stage_seconds: dict[str, float]

    def observe(self, frame: Frame) -> Observation:
        """One frame in, one observation out."""
        ...

    def cut(self) -> None:
        """Called before the first frame of a new shot."""
        ...

    def drop_unconfirmed(self, window: Window) -> Window:
        """The window as it is to be used, without tracks that were never confirmed."""
        ...


@dataclass(frozen=True, slots=True)
class StageSet:
    """The stages of a run, ready to work; `build.build_stages` makes one from a config, tests make their own.

    `new_perceiver` is called once per video (track ids restart). `labels`: the detector's class names.
    `used`: what is really in use, by name, for every record. `begin_video`: called before a video's first `describe`.
    `identify`: a file's identity, None for what is not a file. `run`: `pipeline.clip_options` of a choice. `choose`:
    which stages caption a video, by frames of its first clip; None: these.
    """

    open_video: Callable[[Path], AbstractContextManager[OpenVideo]]
    new_perceiver: Callable[[], Perceives]
    labels: Sequence[str]
    measure: Callable[[Window], Evidence]
    verdict: Callable[[Window], DomainVerdict]
    describe: Callable[[Window, Evidence, DomainVerdict], Caption]
    used: dict[str, str]
    begin_video: Callable[[], None] = lambda: None
    identify: Callable[[Path], FileIdentity | None] = identify
    run: Mapping[str, str | int | float] | None = None
    choose: Callable[[Sequence[Frame]], StageSet] | None = None


def decode(inputs: Iterable[Path | Failure], stages: StageSet, config: PipelineConfig) -> Iterator[Message]:
    """The source: the sampled frames of every input in order, of a video up to where a later step gave it up."""
    for number, item in enumerate(inputs):
        if isinstance(item, Failure):
            yield Failed(number, item.failed, item.cause)
        else:
            messages = with_choice(str(item), _decode_one(number, item, stages, config), stages.choose, config)
            yield from identified(item, stages.identify, messages)


def _decode_one(number: int, path: Path, stages: StageSet, config: PipelineConfig) -> Iterator[Message]:
    last: Message
    sampler = FrameSampler(config.sample_fps)
    shots: ShotBoundaries[Sampled] = ShotBoundaries(sample_seconds=1 / config.sample_fps)
    try:
        with stages.open_video(path) as source:
            started = Started(number, source.info)
            yield started
            begun = time.perf_counter()
            for frame in source.sampled(sampler.keep):
                if started.given_up.is_set():
                    return
                arrived, faults = time.monotonic(), (source.skipped_frames, source.estimated_times, source.notes)
                sampled = Sampled(number, frame, False, arrived, time.perf_counter() - begun, *faults)
                yield from (replace(item, is_cut=is_cut) for item, is_cut in shots.feed(frame, sampled))
                begun = time.perf_counter()
            last = Ended(number, source.end_seconds, source.notes)
    except Exception as error:  # a bad video becomes its own row, whatever is bad about it
        last = Failed(number, failed_video(str(path), error), error)
    yield from (replace(item, is_cut=is_cut) for item, is_cut in shots.finish())
    yield last


@dataclass(frozen=True, slots=True)
class _Seen:
    """Known after an observation: the perceiver's seconds so far, its frame's decode seconds, the source's faults."""

    pts_seconds: float
    spent: Mapping[str, float]
    decode_seconds: float
    faults: tuple[int, int, tuple[str, ...]]


@dataclass(slots=True)
class _Perceiving:
    """The current video. `seen`: observations whose window is open. `spent_before`: `spent` at the last one's end."""

    number: int
    perceiver: Perceives
    builder: WindowBuilder
    spent_before: Mapping[str, float]
    seen: deque[_Seen] = field(default_factory=deque)


class PerceiveStep:
    """`Sampled` frames in, `Windowed` windows out; `Dropped` frames are counted in the window they come in."""

    def __init__(self, stages: StageSet, config: PipelineConfig) -> None:
        self._stages, self._config = stages, config
        self._video: _Perceiving | None = None

    def feed(self, message: Message) -> Iterator[Message]:
        """Handle one message; what ends a video first closes the current window."""
        video = self._video
        if isinstance(message, Started):
            self._video = self._begin(message)
            yield message
        elif video is None or video.number != message.video_number:
            yield message  # a video that never opened
        elif isinstance(message, Sampled):
            yield from self._observe(video, message)
        elif isinstance(message, Dropped):
            video.builder.note_dropped()
        else:
            self._video = None
            ended = message if isinstance(message, Ended) else None
            if ended is not None and video.seen:
                last = video.seen.pop()
                video.seen.append(replace(last, faults=(*last.faults[:2], ended.notes)))
            windows = list(_windowed(video, video.builder.finish(ended.end_seconds if ended is not None else None)))
            if windows and ended is not None:
                windows[-1] = replace(windows[-1], ends_video=True)
            yield from windows
            yield message

    def _begin(self, message: Started) -> _Perceiving:
        stages = message.stages or self._stages
        sample_seconds, fps = 1 / self._config.sample_fps, message.info.fps_average
        builder = WindowBuilder(
            self._config.window_seconds,
            labels=stages.labels,
            duration_seconds=message.info.duration_seconds,
            frame_seconds=float(1 / fps) if fps else sample_seconds,
            sample_seconds=sample_seconds,
        )
        perceiver = stages.new_perceiver()
        return _Perceiving(message.video_number, perceiver, builder, dict(perceiver.stage_seconds))

    def _observe(self, video: _Perceiving, message: Sampled) -> Iterator[Message]:
        # What happened before this frame belongs to the window that this frame may close.
        if message.is_cut:
            video.perceiver.cut()
        observation = video.perceiver.observe(message.frame)
        closed = video.builder.add(observation, is_cut=message.is_cut, arrived_seconds=message.arrived_seconds)
        faults = message.skipped_frames, message.estimated_times, message.notes
        spent = dict(video.perceiver.stage_seconds)
        video.seen.append(_Seen(message.frame.pts_seconds, spent, message.decode_seconds, faults))
        yield from _windowed(video, closed)


def _windowed(video: _Perceiving, windows: Sequence[Window]) -> Iterator[Windowed]:
    """Each window with the seconds and faults of its own observations."""
    for window in windows:
        last_pts = window.observations[-1].frame.pts_seconds
        own = [video.seen.popleft() for _ in range(sum(s.pts_seconds <= last_pts for s in video.seen))]
        spent = {name: total - video.spent_before.get(name, 0.0) for name, total in own[-1].spent.items()}
        video.spent_before = own[-1].spent
        seconds = {"decode": sum(s.decode_seconds for s in own)} | spent
        yield Windowed(video.number, video.perceiver.drop_unconfirmed(window), seconds, *own[-1].faults)


class DescribeStep:
    """`Windowed` windows in, `Described` records out; windows named in `skip` (with the
    seconds at which they begin and end) become `Skipped`. `run`: as in `Record`.
    """

    def __init__(
        self, stages: StageSet, skip: Mapping[ClipKey, Interval], *, run: Mapping[str, str | int | float]
    ) -> None:
        self._given, self._skip, self._run = stages, skip, run
        self._stages = stages

    def feed(self, message: Message) -> Iterator[Message]:
        """Handle one message."""
        if isinstance(message, Windowed):
            yield self._describe(message)
            return
        if isinstance(message, Started):
            self._info, self._stages = message.info, message.stages or self._given
            self._stages.begin_video()
        yield message

    def _describe(self, message: Windowed) -> Message:
        window = message.window
        start, end = self._skip.get((self._info.path, window.clip_index), (math.inf, math.inf))
        if max(abs(start - window.start_seconds), abs(end - window.end_seconds)) <= SAME_TIME_SECONDS:
            return Skipped(message.video_number, window.clip_index)
        begun = time.perf_counter()
        evidence = self._stages.measure(window)
        if not self._info.colours_known:
            evidence = replace(evidence, tracks=tuple(replace(track, palette=()) for track in evidence.tracks))
        verdict = self._stages.verdict(window)
        measured = time.perf_counter()
        caption = self._stages.describe(window, evidence, verdict)
        seconds = {**message.stage_seconds, "measure": measured - begun, "describe": time.perf_counter() - measured}
        record = Record(
            video=replace(self._info, **message.faults()),
            window=window,
            evidence=evidence,
            caption=caption,
            domain=verdict,
            age_seconds=time.monotonic() - window.arrived_seconds,
            stage_seconds=seconds,
            used=dict(self._stages.used),
            run=dict(self._stages.run or self._run),
            ends_video=message.ends_video,
        )
        return Described(message.video_number, record)


class Guard:
    """Wraps a step: its exception becomes the current video's `Failed`, and the rest of that video is skipped."""

    def __init__(self, feed: Callable[[Message], Iterable[Message]]) -> None:
        self._feed = feed
        self._video: Started | None = None
        self._given_up = -1

    def feed(self, message: Message) -> Iterator[Message]:
        """Handle one message through the step inside."""
        if message.video_number == self._given_up:
            return
        if isinstance(message, Started):
            self._video = message
        try:
            yield from self._feed(message)
        except Exception as error:  # see the class: never the end of the run
            self._given_up = message.video_number
            if self._video is not None:
                self._video.given_up.set()
            info = self._video.info if self._video is not None else None
            failed = replace(failed_video(info.path if info else "", error), identity=info.identity if info else None)
            yield Failed(message.video_number, failed, error)
