"""Which stream is the film, what is no film at all, and names that look like something else."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from edgecap.engines.errors import InputError, UnreadableVideoError
from edgecap.runtime.video.inputs import find_each, find_videos, with_folders_inside
from edgecap.runtime.video.source import open_source
from tests.runtime.video.made_videos import moving, quadrants, write_video


def write_two(
    path: Path,
    sizes_wh: tuple[tuple[int, int], tuple[int, int]],
    *,
    counts: tuple[int, int] = (25, 25),
    codecs: tuple[str, str] = ("libx264", "libx264"),
    dispositions: tuple[Disposition, Disposition] = (Disposition(0), Disposition(0)),
    sound: bool = False,
) -> Path:
    """Two streams of pictures in one file, a second each at 25 a second."""
    with av.open(str(path), "w") as out:
        streams: list[Any] = []
        for size, codec, disposition in zip(sizes_wh, codecs, dispositions, strict=True):
            stream = out.add_stream(codec, rate=25)
            stream.width, stream.height = size
            stream.pix_fmt = {"mjpeg": "yuvj420p", "png": "rgb24"}.get(codec, "yuv420p")
            stream.disposition = disposition
            streams.append(stream)
        for stream, count in zip(streams, counts, strict=True):
            for i, image in enumerate(moving(count, stream.width, stream.height)):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = i, Fraction(1, 25)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    return path


COVER = Disposition.attached_pic
DEFAULT = Disposition.default


@pytest.mark.parametrize(
    ("name", "build"),
    [
        (
            "cover.mp4",
            lambda p: write_two(
                p, ((480, 480), (160, 96)), counts=(1, 25), codecs=("mjpeg", "libx264"), dispositions=(COVER, DEFAULT)
            ),
        ),
        (
            "cover_png.mp4",
            lambda p: write_two(
                p, ((480, 480), (160, 96)), counts=(1, 25), codecs=("png", "libx264"), dispositions=(COVER, DEFAULT)
            ),
        ),
        ("preview.mkv", lambda p: write_two(p, ((320, 192), (160, 96)), dispositions=(Disposition(0), DEFAULT))),
        ("small_first.mkv", lambda p: write_two(p, ((80, 48), (160, 96)))),
        ("small_first.ts", lambda p: write_two(p, ((80, 48), (160, 96)))),
        ("still_first.mov", lambda p: write_two(p, ((320, 192), (160, 96)), counts=(1, 25))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_film_is_the_stream_that_players_show(tmp_path: Path, name: str, build: Callable[[Path], Path]) -> None:
    with open_source(build(tmp_path / name)) as source:
        frames = list(source)
    assert source.info.size_wh == (160, 96)
    assert len(frames) == 25 and source.end_seconds == pytest.approx(1.0, abs=0.05)


def test_an_image_sequence_with_a_still_in_front(tmp_path: Path) -> None:
    path = tmp_path / "s.avif"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libsvtav1", rate=10, options={"preset": "12"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for i, image in enumerate(moving(15)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 10)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with open_source(path) as source:
        times = [f.pts_seconds for f in source]
    assert len(times) == 15 and times[-1] == pytest.approx(1.4, abs=0.01)


@pytest.mark.parametrize(
    ("name", "codec", "cover"), [("s.m4a", "aac", "mjpeg"), ("s.mp3", "libmp3lame", "png"), ("s.mp4", "aac", "png")]
)
def test_sound_with_a_cover_is_no_video(tmp_path: Path, name: str, codec: str, cover: str) -> None:
    path = tmp_path / name
    with av.open(str(path), "w", format="mp4" if name == "s.m4a" else None) as out:
        sound = out.add_stream(codec, rate=44100)
        picture: Any = out.add_stream(cover, rate=1)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuvj420p" if cover == "mjpeg" else "rgb24"
        picture.disposition = COVER
        out.mux(picture.encode(av.VideoFrame.from_ndarray(quadrants(64, 64), format="rgb24")))
        out.mux(picture.encode(None))
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.float32), format="fltp", layout="mono")
        samples.sample_rate = 44100
        out.mux(sound.encode(samples))
        out.mux(sound.encode(None))
    with pytest.raises(UnreadableVideoError, match="no video, only sound and a cover picture; name a file"):
        open_source(path)


@pytest.mark.parametrize(
    "name",
    ["2024-05-01T12:30:00.mp4", "http:film.mp4", "pipe:0.mp4", "concat:a|b.mp4", "100%d.mp4", "-i.mp4", "a?b#c.mp4"],
)
def test_a_path_is_always_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    write_video(tmp_path / "plain.mp4", [quadrants(64, 48)] * 3).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for path in (name, f"./{name}", str(tmp_path / name)):
        with open_source(path) as source:
            assert len(list(source)) == 3
    assert find_videos(["."]) == [Path(name)]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("rtsp://cam.local/stream1", "rtsp://cam.local/stream1: addresses are not read; record to a file, or pipe"),
        ("https://example.org/a.mp4?x=1", "https://example.org/a.mp4"),
        ("udp://@239.0.0.1:1234", "udp://239.0.0.1:1234: addresses"),
        ("rtsp://user:secret@cam/1", "rtsp://cam/1: addresses"),
        ("file:///tmp/a.mp4", "give the path: /tmp/a.mp4"),
    ],
)
def test_an_address_is_one_clear_line(given: str, says: str) -> None:
    for look in (lambda: find_videos([given]), lambda: open_source(given), lambda: find_videos([Path(given)])):
        with pytest.raises(InputError) as caught:
            look()
        assert says in str(caught.value) and "secret" not in str(caught.value)


def test_folders_pass_over_what_is_no_video(tmp_path: Path) -> None:
    stream = write_video(tmp_path / "clip.ts", [quadrants(64, 48)] * 3).read_bytes()
    packets = [stream[k : k + 188] for k in range(0, 188 * 3, 188)]
    (tmp_path / "m2ts.mts").write_bytes(b"".join(b"\0\0\0\1" + packet for packet in packets))
    (tmp_path / "._clip.ts").write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ")
    (tmp_path / ".hidden.mp4").write_bytes(b"x")
    (tmp_path / "index.ts").write_text("export const x: number = 1;\n")
    (tmp_path / "esm.mts").write_text("// Grüße\n" * 2000, encoding="utf-8")
    (tmp_path / "utf16.ts").write_text("export {}\n", encoding="utf-16")
    (tmp_path / "german.ts").write_text('<?xml version="1.0"?><TS language="de"/>')
    (tmp_path / "damaged.ts").write_bytes(b"\x00\x01garbage\xff" * 40)
    (tmp_path / "empty.ts").touch()
    assert [p.name for p in find_videos([tmp_path])] == ["clip.ts", "damaged.ts", "empty.ts", "m2ts.mts"]
    with pytest.raises(UnreadableVideoError, match=r"AppleDouble file .*name clip\.ts"):
        open_source(tmp_path / "._clip.ts")


def test_folders_inside_folders(tmp_path: Path) -> None:
    for name in ("b.mp4", "day10/a.mp4", "day2/c.mp4", "day2/deep/d.mkv", ".trash/x.mp4", "@eaDir/b.mp4", "day2/n.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "none").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "none2").mkdir()
    found = with_folders_inside([tmp_path, tmp_path / "none2", tmp_path / "missing.mp4"])
    names = [os.fspath(p.relative_to(tmp_path)) for p in found]
    assert names == ["b.mp4", "day2/c.mp4", "day2/deep/d.mkv", "day10/a.mp4", "none2", "missing.mp4"]
    errors = [(p.name, str(error)) for p, error in find_each(found) if error is not None]
    assert [name for name, _ in errors] == ["none2", "missing.mp4"] and "contains no video" in errors[0][1]


def test_a_file_that_may_not_be_read_names_its_permissions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "locked.mp4", [quadrants(64, 48)] * 3)

    def refused(*arguments: object, **options: object) -> None:
        raise av.error.PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(av, "open", refused)
    with pytest.raises(UnreadableVideoError, match=r"Permission denied.*check its permissions"):
        open_source(path)
