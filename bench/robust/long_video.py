"""Hours of video from a few rendered clips: each file loops one encoded sequence of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import VideoFrame

from edgecap.bench.world.cached_clips import cached_clip, world_version
from edgecap.runtime.output.files import writing

SIZE_WH = (320, 180)


def long_videos(
    folder: Path, *, files: int, minutes: float, fps: int, seed: int, clips: int = 6, clip_seconds: float = 10.0
) -> list[Path]:
    """`files` H.264 videos of `minutes` together, 320x180 at `fps`, made only where they are not there yet.

    Each loops the same clips of tier "moving" in another order, so that a minute of one is like a minute of another.
    Packets are copied, not decoded: the memory of the process stays as it was. Raises OutputError.
    """
    place = folder / world_version() / f"long_{minutes:g}min_{fps}fps_{files}_{seed}_{clips}x{clip_seconds:g}s"
    videos = [place / f"long_{number}.mp4" for number in range(files)]
    missing = [video for video in videos if not video.exists()]
    if missing:
        rendered = [
            cached_clip(folder, tier="moving", seed=seed + n, duration_seconds=clip_seconds).video for n in range(clips)
        ]
        frames = max(1, round(minutes * 60 * fps / files))
        for number, video in enumerate(videos):
            if video in missing:
                turn = number % clips
                _write(video, rendered[turn:] + rendered[:turn], fps=fps, frames=frames)
    return videos


def _write(video: Path, clips: Sequence[Path], *, fps: int, frames: int) -> None:
    loop, part = (video.with_name(f".{os.getpid()}.{name}.mp4") for name in ("loop", "part"))
    with writing(video):
        video.parent.mkdir(parents=True, exist_ok=True)
        try:
            _encode(loop, clips, fps=fps)
            _repeat(loop, part, frames=frames)
            part.replace(video)
        finally:
            loop.unlink(missing_ok=True)
            part.unlink(missing_ok=True)


def _encode(path: Path, clips: Sequence[Path], *, fps: int) -> None:
    """All clips once, without B-frames: packets come in order of time, the first is a key frame."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=fps, options={"preset": "veryfast", "crf": "20", "bf": "0"})
        stream.width, stream.height = SIZE_WH
        stream.pix_fmt, stream.thread_count = "yuv420p", 1
        for index, frame in enumerate(frame for clip in clips for frame in _thinned(clip, fps)):
            frame.pts, frame.time_base = index, Fraction(1, fps)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())


def _thinned(clip: Path, fps: int) -> Iterator[VideoFrame]:
    """A clip's frames at `fps`, 320x180."""
    width, height = SIZE_WH
    due = 0
    with av.open(str(clip)) as source:
        for frame in source.decode(video=0):
            if frame.time is not None and frame.time * fps >= due:
                due += 1
                yield frame.reformat(width=width, height=height, format="yuv420p")


def _repeat(loop: Path, path: Path, *, frames: int) -> None:
    """The packets of `loop` over and over, times shifted, `frames` in all."""
    with av.open(str(path), "w") as out:
        stream, base, count = None, 0, 0
        while count < frames:
            with av.open(str(loop)) as source:
                first = source.streams.video[0]
                stream = stream or out.add_stream_from_template(first)
                end = base
                for packet in source.demux(first):
                    if packet.pts is None or packet.dts is None or count == frames:
                        continue
                    duration, count = packet.duration, count + 1
                    packet.pts, packet.dts, packet.stream = packet.pts + base, packet.dts + base, stream
                    end = max(end, packet.pts + (duration or 0))
                    out.mux(packet)
                base = end
