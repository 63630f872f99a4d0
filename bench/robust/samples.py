"""Small sound inputs that the mutations start from: videos of several codecs and containers, rows, events, a pack."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from edgecap.bench.world.render.renderer import Renderer
from edgecap.bench.world.scene import make_scene
from edgecap.engines.packs.pack import SHIPPED_FOLDER
from edgecap.runtime.config import make_config
from edgecap.runtime.output.event_sink import EventSink
from edgecap.runtime.output.jsonl import JsonLinesSink
from edgecap.runtime.pipeline.pipeline import Pipeline

SIZE_WH = (160, 96)
FPS, FRAMES = 16, 24
FORMATS = {
    "h264.mp4": ("libx264", "yuv420p", {}),
    "fragments.mp4": ("libx264", "yuv420p", {"movflags": "frag_keyframe+empty_moov"}),
    "vp9.webm": ("libvpx-vp9", "yuv420p", {}),
    "mpeg4.avi": ("mpeg4", "yuv420p", {}),
    "h264.ts": ("libx264", "yuv420p", {}),
    "mpeg2.ts": ("mpeg2video", "yuv420p", {}),
    "h264.mkv": ("libx264", "yuv420p", {}),
    "mjpeg.mov": ("mjpeg", "yuvj420p", {}),
    "picture.gif": ("gif", "rgb8", {}),
}
"""File name -> codec, pixel format, options of the container."""
_CODEC_OPTIONS = {
    "libx264": {"preset": "veryfast", "g": "8", "bf": "2"},
    "libvpx-vp9": {"cpu-used": "8", "deadline": "realtime", "g": "8"},
}


@dataclass(frozen=True, slots=True)
class Samples:
    """`videos`: 1.5 s, 160x96 each. `rows`, `events`: what `edgecap caption` wrote of two of them. `pack`: nano."""

    videos: tuple[Path, ...]
    rows: Path
    events: Path
    pack: Path


def make_samples(folder: Path) -> Samples:
    """Write all samples into `folder`; the same bytes for the same versions of the libraries."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = _frames()
    videos = tuple(_write(folder / name, frames) for name in FORMATS)
    rows, events = folder / "captions.jsonl", folder / "events.jsonl"
    with EventSink(events) as event_sink, JsonLinesSink(rows) as row_sink:
        pipeline = Pipeline(make_config(detector="motion", captioner="none"))
        broken = folder / "broken.mp4"
        broken.write_bytes(b"not a video")
        pipeline.run([*videos[:2], broken], [event_sink, row_sink], overlap=False)
    return Samples(videos, rows, events, SHIPPED_FOLDER / "nano")


def link_pack(pack: Path, folder: Path) -> None:
    """A copy of a pack that shares its files: replace one, never write into it."""
    for file in sorted(path for path in pack.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        target = folder / file.relative_to(pack)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.hardlink_to(file)
        except OSError:  # another file system
            shutil.copyfile(file, target)


def _frames() -> list[NDArray[np.uint8]]:
    """A scene of the world with a moving camera, two actors and a cut in the middle."""
    width, height = SIZE_WH
    parts = []
    for seed in (3, 4):
        scene = make_scene(
            seed=seed, tier="moving", size_wh=(2 * width, 2 * height), duration_seconds=2.0, num_actors=2
        )
        renderer = Renderer(scene)
        step = scene.num_frames / FRAMES
        parts += [renderer.render(int(index * step)).image_rgb[::2, ::2] for index in range(FRAMES // 2)]
    return [np.ascontiguousarray(part) for part in parts]


def _write(path: Path, frames: Sequence[NDArray[np.uint8]]) -> Path:
    codec, pixels, options = FORMATS[path.name]
    with av.open(str(path), "w", options=options) as out:
        stream = out.add_stream(codec, rate=FPS, options=_CODEC_OPTIONS.get(codec, {}))
        assert isinstance(stream, VideoStream), codec
        stream.width, stream.height = SIZE_WH
        stream.pix_fmt, stream.thread_count = pixels, 1
        for index, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path
