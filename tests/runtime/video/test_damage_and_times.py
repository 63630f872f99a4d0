"""Damaged packets, held and late pictures, joined and raw streams: what comes out is what players show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecap.engines.errors import UnreadableVideoError
from edgecap.runtime.video.source import open_source
from tests.runtime.video.made_videos import moving, noise, write_stream, write_video

PIX_FMT = {"mjpeg": "yuvj420p", "png": "rgb24"}


def garbled(which: set[int]) -> object:
    return lambda k, data: b"\xff" * len(data) if k in which else data


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("libvpx-vp9", "d.webm"),
        ("mpeg4", "d.avi"),
        ("libvpx", "d.webm"),
        ("mpeg4", "d.mp4"),
        ("msmpeg4v2", "d.avi"),
        ("flv", "d.flv"),
        ("png", "d.mov"),
        ("mjpeg", "d.mov"),
    ],
)
def test_a_packet_that_the_decoder_refuses_is_left_out_and_the_rest_is_read(
    tmp_path: Path, codec: str, name: str
) -> None:
    path = write_stream(
        tmp_path / name, moving(75), codec=codec, pix_fmt=PIX_FMT.get(codec, "yuv420p"), damage=garbled({30, 40})
    )
    with open_source(path) as source:
        times = [f.pts_seconds for f in source]
    assert len(times) >= 69, "at most those two, and what leans on them"
    assert times[-1] == pytest.approx(2.96, abs=0.01) and source.end_seconds == pytest.approx(3.0, abs=0.02)
    assert len(source.notes) == 1 and "damaged part could not be decoded" in source.notes[0]


def test_when_nothing_up_to_the_end_can_be_decoded_it_is_an_error_after_the_good_frames(tmp_path: Path) -> None:
    path = write_stream(
        tmp_path / "d.mov", moving(100), codec="png", pix_fmt="rgb24", damage=garbled(set(range(25, 100)))
    )
    times = []
    with open_source(path) as source, pytest.raises(UnreadableVideoError, match=r"ends early.*can't be decoded"):
        for frame in source:
            times.append(frame.pts_seconds)
    assert len(times) == 25


@pytest.mark.parametrize(
    ("name", "codec", "sound"),
    [
        ("h.mp4", "libx264", 0.0),
        ("h.mov", "libx264", 0.0),
        ("h.mkv", "libx264", 0.0),
        ("h.webm", "libvpx-vp9", 0.0),
        ("h.mkv", "libx264", 11.0),
        ("h.mp4", "mpeg4", 11.0),
        ("h.gif", "gif", 0.0),
    ],
)
def test_a_picture_that_stands_to_the_end_is_no_cut_file(tmp_path: Path, name: str, codec: str, sound: float) -> None:
    path = write_stream(
        tmp_path / name,
        moving(50),
        codec=codec,
        pix_fmt="rgb8" if codec == "gif" else "yuv420p",
        durations_ms={49: 8000},
        options={"bf": "0"} if codec == "libx264" else None,
        sound_seconds=sound,
    )
    with open_source(path) as source:
        times = [f.pts_seconds for f in source]
    assert times[-1] == pytest.approx(1.96, abs=0.03)
    assert source.end_seconds == pytest.approx(9.96, abs=0.05)
    assert source.notes == ()


@pytest.mark.parametrize(("name", "codec"), [("c.mkv", "libx264"), ("c.avi", "mpeg4"), ("c.flv", "flv")])
def test_a_file_that_was_cut_says_so(tmp_path: Path, name: str, codec: str) -> None:
    whole = write_stream(tmp_path / f"w{name}", noise(100, 160, 96), codec=codec).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    times = []
    with open_source(tmp_path / name) as source, pytest.raises(UnreadableVideoError, match="ends early"):
        for frame in source:
            times.append(frame.pts_seconds)
    assert 20 < len(times) < 80


@pytest.mark.parametrize("name", ["late.mp4", "late.mkv", "late.ts", "late.flv", "late.mov"])
def test_times_count_from_the_start_of_the_container(tmp_path: Path, name: str) -> None:
    path = write_stream(tmp_path / name, moving(25), codec="libx264", sound_seconds=4.0, begin_ms=2500)
    with open_source(path) as source:
        times = [f.pts_seconds for f in source]
    assert times[0] == pytest.approx(2.5, abs=0.06)
    assert times[-1] == pytest.approx(3.46, abs=0.06)
    assert source.end_seconds == pytest.approx(3.5, abs=0.06)


def part(path: Path, begin_ms: int, *, seconds: int = 3, sound: bool = False) -> bytes:
    times = [begin_ms + 40 * k for k in range(25 * seconds)]
    if sound:
        write_stream(path, moving(25 * seconds), codec="libx264", sound_seconds=seconds)
        return path.read_bytes()
    return write_video(path, moving(25 * seconds), times_ms=times).read_bytes()


@pytest.mark.parametrize(
    ("first_ms", "second_ms"),
    [(0, 0), (3_600_000, 0), (0, 3_600_000), (0, 60_000), (95_000_000, 10_000)],
    ids=["again", "an-hour-back", "an-hour-on", "a-minute-on", "a-day-back"],
)
def test_joined_transport_streams_go_on_by_a_picture(tmp_path: Path, first_ms: int, second_ms: int) -> None:
    joined = part(tmp_path / "a.ts", first_ms) + part(tmp_path / "b.ts", second_ms)
    (tmp_path / "j.ts").write_bytes(joined)
    with open_source(tmp_path / "j.ts") as source:
        times = [f.pts_seconds for f in source]
    assert len(times) >= 147
    assert times[0] == 0 and times[-1] == pytest.approx(5.96, abs=0.1) and max(np.diff(times)) < 0.2
    assert source.end_seconds == pytest.approx(6.0, abs=0.1)
    assert len(source.notes) == 1 and "clock jumps" in source.notes[0]


def test_joined_with_sound_and_of_three_parts(tmp_path: Path) -> None:
    one = part(tmp_path / "a.ts", 0, sound=True)
    (tmp_path / "j.ts").write_bytes(one * 3)
    with open_source(tmp_path / "j.ts") as source:
        times = [f.pts_seconds for f in source]
    assert len(times) >= 220 and times[-1] == pytest.approx(8.96, abs=0.3) and max(np.diff(times)) < 0.4


def test_joined_program_streams(tmp_path: Path) -> None:
    write_raw(tmp_path / "a.mpg", "mpeg2video", "mpeg", 25, {})
    one = (tmp_path / "a.mpg").read_bytes()
    (tmp_path / "j.mpg").write_bytes(one + one)
    with open_source(tmp_path / "j.mpg") as source:
        times = [f.pts_seconds for f in source]
    assert len(times) >= 78 and times[-1] == pytest.approx(3.16, abs=0.1) and max(np.diff(times)) < 0.15


def test_the_wrap_of_the_33_bit_clock_is_no_jump(tmp_path: Path) -> None:
    wrap_ms = 2**33 * 1000 // 90_000
    path = tmp_path / "w.ts"
    write_video(path, moving(75), times_ms=[wrap_ms - 3000 + 40 * k for k in range(75)])  # the muxer adds 1.4 s
    with open_source(path) as source:
        times = [f.pts_seconds for f in source]
    assert times == pytest.approx([k * 0.04 for k in range(75)], abs=0.005)
    assert source.notes == ()


def test_a_picture_that_stands_long_under_sound_is_no_joint(tmp_path: Path) -> None:
    path = write_stream(tmp_path / "s.ts", moving(50), codec="libx264", durations_ms={24: 15_000}, sound_seconds=17.0)
    with open_source(path) as source:
        times = [f.pts_seconds for f in source]
    assert max(np.diff(times)) == pytest.approx(15.0, abs=0.1) and source.notes == ()


@pytest.mark.parametrize(
    ("name", "codec", "format", "fps"),
    [
        ("r.h264", "libx264", "h264", 10),
        ("r.hevc", "libx265", "hevc", 50),
        ("r.m4v", "mpeg4", "m4v", 10),
        ("r.m2v", "mpeg2video", "mpeg2video", 30),
        ("r.ivf", "libvpx-vp9", "ivf", 10),
        ("r.y4m", "rawvideo", "yuv4mpegpipe", 12),
    ],
)
def test_raw_streams_play_at_their_own_rate(tmp_path: Path, name: str, codec: str, format: str, fps: int) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = tmp_path / name
    write_raw(path, codec, format, fps, options)
    with open_source(path) as source:
        times = [f.pts_seconds for f in source]
    assert times == pytest.approx([k / fps for k in range(40)], abs=0.002)
    assert source.end_seconds == pytest.approx(40 / fps, abs=0.002)
    assert source.notes == () and source.estimated_times == 0


@pytest.mark.parametrize(("name", "codec"), [("r.mjpeg", "mjpeg")])
def test_a_raw_stream_without_a_rate_says_what_is_assumed(tmp_path: Path, name: str, codec: str) -> None:
    write_raw(tmp_path / name, codec, "mjpeg", 10, {})
    with open_source(tmp_path / name) as source:
        times = [f.pts_seconds for f in source]
    assert times[-1] == pytest.approx(39 / 25, abs=0.01)
    assert "25 frames a second are assumed" in source.notes[0]


def write_raw(path: Path, codec: str, format: str, fps: int, options: dict[str, str]) -> None:
    from fractions import Fraction

    import av

    with av.open(str(path), "w", format=format) as out:
        stream = out.add_stream(codec, rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for i, image in enumerate(moving(40)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, fps)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
