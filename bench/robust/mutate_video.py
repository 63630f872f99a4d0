"""A sound video in, a broken one out: its bytes, boxes, packets or times."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
import av.error
from av.packet import Packet
from av.video.stream import VideoStream

from edgecap.bench.robust.mutate_bytes import mutate_boxes, mutate_bytes
from edgecap.bench.robust.samples import FPS

if TYPE_CHECKING:
    VideoPacket = Packet[VideoStream]  # generic in its stub alone

_MOST_MP4_SECONDS = 10_000.0
_CONTAINERS = ("mkv", "mp4", "ts", "avi", "mov")


def mutate_video(videos: Sequence[Path], folder: Path, rng: random.Random) -> tuple[Path, str]:
    """A mutated copy of one of `videos` in `folder`, and what was done to it."""
    source = rng.choice(videos)
    kind = rng.choice(("bytes", "bytes", "boxes", "packets", "packets", "times", "times", "joined"))
    if kind in ("packets", "times"):
        packets = _packets(source)
        change = rng.choice(_PACKET_CHANGES if kind == "packets" else _TIME_CHANGES)
        words = change(packets, rng)
        suffix = rng.choice((source.suffix[1:], *_CONTAINERS))
        if suffix in ("mp4", "mov") and _last_seconds(packets) > _MOST_MP4_SECONDS:
            suffix = "mkv"  # the MP4 muxer ends the whole process there (an assertion of its own)
        target = folder / f"{source.stem}.{suffix}"
        written = _mux(source, target, packets)
        return target, f"{source.name} as {suffix}: {words}{'' if written else ' (the muxer stopped there)'}"
    target = folder / source.name
    if kind == "joined":
        other = rng.choice(videos)
        target.write_bytes(source.read_bytes() + other.read_bytes())
        return target, f"{source.name} and {other.name} in one file"
    mutate = mutate_boxes if kind == "boxes" else mutate_bytes
    data, words = mutate(source.read_bytes(), rng)
    target.write_bytes(data)
    return target, f"{source.name}: {words}"


def _packets(source: Path) -> list[VideoPacket]:
    with av.open(str(source)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


def _mux(source: Path, target: Path, packets: Sequence[VideoPacket]) -> bool:
    """Whether the muxer took them all; what it wrote before it refused one stays."""
    try:
        with av.open(str(source)) as like, av.open(str(target), "w") as out:
            stream = out.add_stream_from_template(like.streams.video[0])
            for packet in packets:
                packet.stream = stream
                out.mux(packet)
    except (av.error.FFmpegError, ValueError, OverflowError):
        with suppress(OSError):
            target.touch()
        return False
    return True


def _last_seconds(packets: Sequence[VideoPacket]) -> float:
    """The time farthest from 0."""
    times = [abs(time) * float(p.time_base or 0) for p in packets for time in (p.pts, p.dts) if time is not None]
    return max(times, default=0.0)


def _some(packets: Sequence[VideoPacket], rng: random.Random) -> list[int]:
    """Positions of one packet or more, each once, in order."""
    return sorted(rng.sample(range(len(packets)), min(len(packets), rng.choice((1, 2, 5, 12)))))


def _drop(packets: list[VideoPacket], rng: random.Random) -> str:
    gone = _some(packets, rng)
    packets[:] = [packet for k, packet in enumerate(packets) if k not in gone]
    return f"packets {gone} dropped"


def _duplicate(packets: list[VideoPacket], rng: random.Random) -> str:
    twice = _some(packets, rng)
    packets[:] = [p for k, packet in enumerate(packets) for p in ([packet, _copy(packet)] if k in twice else [packet])]
    return f"packets {twice} twice"


def _shuffle(packets: list[VideoPacket], rng: random.Random) -> str:
    """Contents change places; times stay, or the muxer would refuse them."""
    moved = _some(packets, rng)
    contents = [bytes(packets[k]) for k in moved]
    rng.shuffle(contents)
    for k, content in zip(moved, contents, strict=True):
        packets[k] = _copy(packets[k], content)
    return f"contents of packets {moved} shuffled"


def _damage(packets: list[VideoPacket], rng: random.Random) -> str:
    chosen = _some(packets, rng)
    for k in chosen:
        packets[k] = _copy(packets[k], mutate_bytes(bytes(packets[k]), rng)[0] or b"\0")
    return f"contents of packets {chosen} damaged"


def _shorten(packets: list[VideoPacket], rng: random.Random) -> str:
    chosen = _some(packets, rng)
    for k in chosen:
        packets[k] = _copy(packets[k], bytes(packets[k])[: rng.randrange(1, packets[k].size + 1)])
    return f"packets {chosen} cut short"


def _copy(packet: VideoPacket, content: bytes | None = None) -> VideoPacket:
    made = cast("VideoPacket", Packet(bytes(packet) if content is None else content))
    made.pts, made.dts, made.time_base, made.duration = packet.pts, packet.dts, packet.time_base, packet.duration
    made.is_keyframe = packet.is_keyframe
    return made


def _jump(packets: list[VideoPacket], rng: random.Random) -> str:
    """From some packet on, times are elsewhere: a restart, a gap, a clock that ran over."""
    start = rng.randrange(len(packets))
    shift = rng.choice((-10, -3600, -1, 1, 5, 60, 3600, 10**6, 2**31 / 90000, 2**33 / 90000, 10**9))
    for packet in packets[start:]:
        _shift(packet, shift)
    return f"times jump by {shift:g} s at packet {start}"


def _offset(packets: list[VideoPacket], rng: random.Random) -> str:
    shift = rng.choice((-1000, -1, 100, 10**5, 10**8, 2**31))
    for packet in packets:
        _shift(packet, shift)
    return f"all times {shift:+g} s"


def _stand_still(packets: list[VideoPacket], rng: random.Random) -> str:
    start = rng.randrange(len(packets))
    for packet in packets[start:]:
        packet.pts = packets[start].pts
    return f"times stand still from packet {start}"


def _forget(packets: list[VideoPacket], rng: random.Random) -> str:
    chosen = _some(packets, rng) if rng.random() < 0.5 else range(len(packets))
    for k in chosen:
        packets[k].pts = None
    return f"{len(chosen)} packets without a time"


def _random_times(packets: list[VideoPacket], rng: random.Random) -> str:
    for packet in packets:
        if packet.dts is not None:
            packet.pts = packet.dts + rng.randrange(-5, 200)
    return "random times"


def _stretch(packets: list[VideoPacket], rng: random.Random) -> str:
    factor = rng.choice((0, 2, 100, 100_000, 10**7))
    for packet in packets:
        packet.pts, packet.dts = (None if t is None else t * factor for t in (packet.pts, packet.dts))
    return f"times x {factor}"


def _shift(packet: VideoPacket, seconds: float) -> None:
    ticks = round(seconds / float(packet.time_base)) if packet.time_base else round(seconds * FPS)
    for name in ("pts", "dts"):
        time = getattr(packet, name)
        if time is not None:
            setattr(packet, name, max(-(2**62), min(2**62, time + ticks)))


_PACKET_CHANGES: tuple[Callable[[list[VideoPacket], random.Random], str], ...] = (
    _drop,
    _duplicate,
    _shuffle,
    _damage,
    _damage,
    _shorten,
)
_TIME_CHANGES: tuple[Callable[[list[VideoPacket], random.Random], str], ...] = (
    _jump,
    _jump,
    _offset,
    _stand_still,
    _forget,
    _random_times,
    _stretch,
)
