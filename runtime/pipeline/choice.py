"""The messages of one video, which wait for its first clip to choose the stages that caption it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from edgecap.runtime.config import PipelineConfig
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.pipeline.messages import Failed, Message, Sampled, Started
from edgecap.runtime.pipeline.summary import failed_video

if TYPE_CHECKING:
    from edgecap.runtime.pipeline.stages import StageSet

_MOST_HELD = 80
"""Frames that wait for the choice of a pack: 10 s at 8 frames per second, 55 MB at 640x360."""


def with_choice(
    path: str,
    messages: Iterator[Message],
    choose: Callable[[Sequence[Frame]], StageSet] | None,
    config: PipelineConfig,
) -> Iterator[Message]:
    """The messages of one video, its first one with the stages chosen by the first clip, which waits here for it. An
    error of the choice is the video's. `choose` None: the messages as they are."""
    if choose is None:
        yield from messages
        return
    held: list[Message] = []
    frames: list[Frame] = []
    most = _MOST_HELD if config.policy == "block" else 1  # a live source would drop what arrives at once
    for message in messages:
        held.append(message)
        if isinstance(message, Sampled):
            frames.append(message.frame)
            seconds = frames[-1].pts_seconds - frames[0].pts_seconds
            if len(frames) >= most or seconds >= config.window_seconds - 1 / config.sample_fps:
                break
    started = held[0]
    if isinstance(started, Started) and frames:
        try:
            held[0] = replace(started, stages=choose(frames))
        except Exception as error:  # a bad video becomes its own row
            held = [started, Failed(started.video_number, failed_video(path, error), error)]
            messages = iter(())
    yield from held
    del held, frames
    yield from messages
