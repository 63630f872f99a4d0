"""Clips on disk: real H.264 and a file of truth, so that the pipeline decodes real files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

from edgecap.bench.world.ground_truth.truth import TruthRecorder
from edgecap.bench.world.render.renderer import RenderedFrame, Renderer
from edgecap.bench.world.scene import Scene

CRF = 18
_LARGEST_FPS_DENOMINATOR = 1001


def write_clip(scene: Scene, directory: Path) -> Path:
    """Write `<tier>_<seed>.mp4` and `<tier>_<seed>.truth.json`; returns the path of the video.

    Both appear complete or not at all, the truth first: where there is a video there is its truth.
    """
    width, height = scene.size_wh
    if width % 2 or height % 2:
        raise ValueError(f"yuv420p needs even sizes, got {scene.size_wh = }")
    directory.mkdir(parents=True, exist_ok=True)
    video, sidecar = directory / f"{scene.name}.mp4", truth_path(directory / f"{scene.name}.mp4")
    video_part, sidecar_part = (directory / f".{os.getpid()}.{p.name}" for p in (video, sidecar))
    try:
        recorder = TruthRecorder(scene)
        _encode(_recorded(scene, recorder), scene, video_part)
        sidecar_part.write_text(
            json.dumps(recorder.finish(), separators=(",", ":"), ensure_ascii=False), encoding="utf-8"
        )
        sidecar_part.replace(sidecar)
        video_part.replace(video)
    finally:
        video_part.unlink(missing_ok=True)
        sidecar_part.unlink(missing_ok=True)
    return video


def truth_path(video: Path) -> Path:
    """Where the truth of a video is."""
    return video.with_name(f"{video.stem}.truth.json")


def _recorded(scene: Scene, recorder: TruthRecorder) -> Iterator[RenderedFrame]:
    """Rendered frames, each noted by the recorder on its way to the encoder."""
    renderer = Renderer(scene)
    for index in range(scene.num_frames):
        frame = renderer.render(index)
        recorder.add(frame)
        yield frame


def _encode(frames: Iterator[RenderedFrame], scene: Scene, path: Path) -> None:
    rate = Fraction(scene.fps).limit_denominator(_LARGEST_FPS_DENOMINATOR)
    with av.open(str(path), mode="w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height = scene.size_wh
        stream.pix_fmt = "yuv420p"
        stream.time_base = 1 / rate
        stream.options = {"crf": str(CRF), "preset": "veryfast"}
        # One thread: the same bytes on every run, and nothing taken from a training job next door.
        stream.thread_count = 1
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame.image_rgb, format="rgb24")
            picture.pts, picture.time_base = index, 1 / rate
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
