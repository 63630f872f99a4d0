"""Frames that an export calibrates and compares on: the user's own videos, or the synthetic world.

Out: the `pictures` of an `ExportJob`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.world.seeds import TRAIN_SEED_START
from edgecap.bench.world.training import training_frames
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.video.inputs import find_videos
from edgecap.runtime.video.source import open_source

Picture = NDArray[np.uint8]
MOST_PICTURES = 128
"""A video or the world gives at most this many; a recipe takes fewer."""
WORKING_SIDE = 1024
"""Long side of a video's frames in pixels: the largest input that a recipe knows."""
WORLD_SEED = TRAIN_SEED_START + 9_000_000
"""First of the scenes; a training seed, because held-out clips are for figures alone, but one that nano never saw."""


def pictures_from(videos: Sequence[str | Path]) -> Callable[[], Iterator[Picture]]:
    """A function that starts over at each call: uint8 RGB [H, W, 3], at most `MOST_PICTURES`.

    videos: files or folders; () stands for the world. Raises MissingInputError and UnreadableVideoError at once: a
    recipe comes to its pictures after minutes of reading weights.
    """
    if not videos:
        return world_pictures
    found = find_videos(videos)
    for video in found:
        with open_source(video, working_side=WORKING_SIDE):
            pass
    return lambda: video_pictures(found)


def video_pictures(videos: Sequence[Path]) -> Iterator[Picture]:
    """Frames of all videos in turn, evenly over each, so that the first few come from every video."""
    each = -(-MOST_PICTURES // len(videos))
    readers = [_spread(video, each) for video in videos[:MOST_PICTURES]]
    left = MOST_PICTURES
    while readers and left:
        for reader in list(readers):
            frame = next(reader, None)
            if frame is None:
                readers.remove(reader)
            elif left:
                left -= 1
                yield frame.image_rgb


def _spread(video: Path, count: int) -> Iterator[Frame]:
    """At most `count` frames at equal steps of time; where the length isn't known, one a second.

    The steps are visited in an order that covers the whole length early (0, 1/2, 1/4, 3/4, ...): a recipe that takes
    only a few has seen beginning, middle and end. That costs one pass over the file per round, at most three.
    """
    with open_source(video, working_side=WORKING_SIDE) as source:
        seconds = source.info.duration_seconds
    step = seconds / count if seconds else 1.0
    for stride, offset in ((4, 0), (4, 2), (2, 1)):
        yield from _frames_at(video, step * stride, first=step * offset, count=count // stride + 1)


def _frames_at(video: Path, step_seconds: float, *, first: float, count: int) -> Iterator[Frame]:
    due = first

    def keep(pts_seconds: float) -> bool:
        nonlocal due
        if pts_seconds < due:
            return False
        due += step_seconds
        return True

    with open_source(video, working_side=WORKING_SIDE) as source:
        for frame, _ in zip(source.sampled(keep), range(count), strict=False):
            yield frame


def world_pictures() -> Iterator[Picture]:
    """One frame of each of `MOST_PICTURES` scenes of the synthetic world, 640x360."""
    for seed in range(WORLD_SEED, WORLD_SEED + MOST_PICTURES):
        yield training_frames(seed, count=1, gap_seconds=0.0).frames[0].image_rgb
