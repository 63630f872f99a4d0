"""Videos with known pictures and times, as recorders, cutters and joiners leave them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from edgecap.runtime.data.frame import Frame
from edgecap.runtime.video.source import open_source


def quadrants(width: int, height: int) -> np.ndarray:
    """Red, green / blue, white: tells every rotation from every other."""
    image = np.zeros((height, width, 3), np.uint8)
    h, w = height // 2, width // 2
    image[:h, :w], image[:h, w:], image[h:, :w], image[h:, w:] = (230, 20, 20), (20, 200, 20), (20, 20, 220), (240,) * 3
    return image


def write_video(
    path: Path,
    images: Sequence[np.ndarray],
    *,
    times_ms: Sequence[int] | None = None,
    fps: int = 25,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    height, width = images[0].shape[:2]
    with av.open(str(path), "w", options=container_options or {}) as out:
        stream = out.add_stream(codec, rate=fps, options=options or ({"crf": "12"} if codec == "libx264" else {}))
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv420p" if width % 2 == 0 and height % 2 == 0 else "yuv444p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for i, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = times_ms[i] if times_ms else i * 1000 // fps
            frame.time_base = Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def noise(count: int, width: int = 320, height: int = 192) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.integers(0, 255, (height, width, 3), np.uint8) for _ in range(count)]


def read(path: Path, **options: int) -> list[Frame]:
    with open_source(path, **options) as source:
        return list(source)


def moving(count: int, width: int = 160, height: int = 96) -> list[np.ndarray]:
    """A light square that crosses a textured ground: something for every codec to code in every frame."""
    ground = (
        np.random.default_rng(1).integers(40, 120, (height // 8, width // 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    )
    images = []
    for i in range(count):
        image = ground.copy()
        x = i * (width - 24) // max(count, 1)
        image[30:54, x : x + 24] = (240, 220, 60)
        images.append(image)
    return images


def write_stream(
    path: Path,
    images: Sequence[np.ndarray],
    *,
    codec: str,
    pix_fmt: str = "yuv420p",
    fps: int = 25,
    durations_ms: dict[int, int] | None = None,
    damage: Callable[[int, bytes], bytes] | None = None,
    sound_seconds: float = 0.0,
    begin_ms: int = 0,
    format: str | None = None,
    options: dict[str, str] | None = None,
    prepare: Callable[[Any], None] | None = None,
) -> Path:
    """`durations_ms`: of single frames (later ones move on). `damage`: what becomes of each packet's bytes.
    `sound_seconds`: of silence from 0, beside pictures that begin at `begin_ms`. `prepare`: called with the stream."""
    with av.open(str(path), "w", format=format) as out:
        stream = out.add_stream(codec, rate=fps, options=options or {})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        if prepare is not None:
            prepare(stream)
        sound = out.add_stream("aac" if path.suffix != ".webm" else "libopus", rate=48000) if sound_seconds else None
        packets: list[Any] = []
        at, own_of = begin_ms, {}
        for i, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            own_of[at] = (durations_ms or {}).get(i, 1000 // fps)
            at += own_of[at]
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for packet in packets:  # the encoder makes them all alike
            packet.duration = round(own_of[round(1000 * packet.pts * packet.time_base)] / 1000 / packet.time_base)
        if sound is not None:
            for k in range(round(sound_seconds * 48000 / 960)):
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), format="fltp", layout="mono")
                silence.sample_rate, silence.pts, silence.time_base = 48000, k * 960, Fraction(1, 48000)
                packets += sound.encode(silence)
            packets += sound.encode(None)
        for k, packet in enumerate(sorted(packets, key=lambda p: float(p.dts * p.time_base))):
            out.mux(packet if damage is None else _damaged(packet, damage(k, bytes(packet))))
    return path


def _damaged(packet: Any, data: bytes) -> Any:
    if data == bytes(packet):
        return packet
    other = av.Packet(data)
    other.stream, other.pts, other.dts, other.duration = packet.stream, packet.pts, packet.dts, packet.duration
    other.time_base = packet.time_base
    return other
