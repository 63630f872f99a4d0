"""Videos are written here with known pictures and times; H.264 at these sizes is off by a few grey levels."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import av
import numpy as np
import pytest

from edgecap.engines.errors import EmptyVideoError, InputError, MissingInputError, UnreadableVideoError
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.video.inputs import find_each, find_videos
from edgecap.runtime.video.source import Source, open_source
from tests.runtime.video.made_videos import noise, quadrants, read, write_video

TOLERANCE = 12  # grey levels: chroma subsampling and quantisation


def test_frames_carry_pixels_times_and_indices(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [quadrants(64, 48)] * 5)
    with open_source(path) as source:
        frames = list(source)
        info = source.info
    assert [f.index for f in frames] == [0, 1, 2, 3, 4]
    assert [f.pts_seconds for f in frames] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16], abs=1e-3)
    assert frames[2].image_rgb.dtype == np.uint8
    assert np.abs(frames[2].image_rgb[5, 5].astype(int) - (230, 20, 20)).max() < TOLERANCE
    assert (info.size_wh, info.working_size_wh, info.rotation_degrees) == ((64, 48), (64, 48), 0)
    assert info.codec == "h264"
    assert info.frame_count == 5
    assert info.duration_seconds == pytest.approx(0.2, abs=0.05)


def test_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0, 40, 80, 500, 520, 1900, 1933]
    frames = read(write_video(tmp_path / "vfr.mkv", [quadrants(64, 48)] * 7, times_ms=times))
    assert [f.pts_seconds for f in frames] == pytest.approx([t / 1000 for t in times], abs=2e-3)


def test_times_begin_at_zero_whatever_the_file_says(tmp_path: Path) -> None:
    frames = read(write_video(tmp_path / "late.ts", [quadrants(64, 48)] * 4, times_ms=[5000, 5040, 5080, 5120]))
    assert [f.pts_seconds for f in frames] == pytest.approx([0, 0.04, 0.08, 0.12], abs=2e-3)


def test_without_a_frame_rate_the_frames_own_times_count_or_the_lack_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.mp4", [quadrants(64, 48)] * 3, times_ms=[0, 40, 80])
    with open_source(path) as source:
        source._fps = None
        assert [f.pts_seconds for f in source] == pytest.approx([0, 0.04, 0.08], abs=2e-3)
    monkeypatch.setattr(Source, "_seconds", staticmethod(lambda raw: None))
    with open_source(path) as source:
        source._fps = None
        with pytest.raises(UnreadableVideoError, match="neither times nor a frame rate"):
            list(source)


@pytest.mark.parametrize(
    ("size", "side", "want"),
    [
        pytest.param((3840, 2160), 640, (640, 360), id="4k-is-scaled"),
        pytest.param((160, 120), 640, (160, 120), id="never-upscaled"),
        pytest.param((121, 67), 640, (121, 67), id="odd-size-kept"),
        pytest.param((241, 1001), 500, (120, 500), id="odd-size-scaled"),
    ],
)
def test_working_size(tmp_path: Path, size: tuple[int, int], side: int, want: tuple[int, int]) -> None:
    path = write_video(tmp_path / "s.mp4", [quadrants(*size)] * 2)
    with open_source(path, working_side=side) as source:
        frames = list(source)
        assert source.info.size_wh == size
        assert source.info.working_size_wh == want
    assert frames[0].image_rgb.shape == (want[1], want[0], 3)
    assert np.abs(frames[0].image_rgb[3, 3].astype(int) - (230, 20, 20)).max() < TOLERANCE


def rotate_header(path: Path, degrees_clockwise: int) -> None:
    """Write a phone's display matrix into an mp4's track header (36 bytes of `tkhd`, before the size)."""
    a, b, c, d = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[degrees_clockwise]
    one = 1 << 16
    matrix = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    data = bytearray(path.read_bytes())
    body = data.index(b"tkhd") + 4
    data[body + 40 : body + 76] = matrix
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(("clockwise", "turns"), [(90, 3), (180, 2), (270, 1)])
def test_rotation_is_applied_once(tmp_path: Path, clockwise: int, turns: int) -> None:
    coded = quadrants(96, 64)
    path = write_video(tmp_path / "phone.mp4", [coded] * 3)
    rotate_header(path, clockwise)
    with open_source(path) as source:
        frame = next(iter(source))
        size = source.info.size_wh
    want = np.rot90(coded, turns)  # numpy turns counter-clockwise
    assert size == (want.shape[1], want.shape[0])
    assert frame.image_rgb.shape == want.shape
    assert np.abs(frame.image_rgb.astype(int) - want).mean() < TOLERANCE


def test_text_named_mp4_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "t.mp4").write_text("dear diary\n" * 50)
    with pytest.raises(UnreadableVideoError, match=r"cannot read .*t\.mp4 as a video") as caught:
        open_source(tmp_path / "t.mp4")
    assert "\n" not in str(caught.value)


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "e.mp4").write_bytes(b"")
    with pytest.raises(UnreadableVideoError, match="0 bytes"):
        open_source(tmp_path / "e.mp4")


def test_header_without_frames(tmp_path: Path) -> None:
    """A video stream whose every packet is gone (an AVI cut right after its headers)."""
    whole = write_video(tmp_path / "w.avi", noise(4), codec="mpeg4", options={"b": "500000"}).read_bytes()
    (tmp_path / "z.avi").write_bytes(whole[: whole.index(b"movi") + 4])
    with pytest.raises(EmptyVideoError, match="has no frame"):
        open_source(tmp_path / "z.avi")


def test_mp4_without_its_index(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "w.mp4", noise(20)).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableVideoError, match="truncated"):
        open_source(tmp_path / "cut.mp4")


def test_mp4_cut_after_its_index_gives_its_frames_then_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "w.mp4", noise(75), container_options={"movflags": "faststart"})
    whole = path.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    frames: list[Frame] = []
    wanted = pytest.raises(UnreadableVideoError, match=r"ends early|decoding failed")
    with open_source(tmp_path / "cut.mp4") as source, wanted:
        for frame in source:
            frames.append(frame)
    assert 15 < len(frames) < 60
    assert source.info.duration_seconds == pytest.approx(3.0, abs=0.1)


def test_one_frame(tmp_path: Path) -> None:
    frames = read(write_video(tmp_path / "one.mp4", [quadrants(64, 48)]))
    assert [f.pts_seconds for f in frames] == [0.0]


def test_audio_only_and_folder(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as out:
        stream = out.add_stream("aac", rate=44100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 44100
        out.mux(stream.encode(sound))
        out.mux(stream.encode(None))
    with pytest.raises(UnreadableVideoError, match="no video stream"):
        open_source(tmp_path / "a.mp4")
    with pytest.raises(UnreadableVideoError, match="folder"):
        open_source(tmp_path)
    with pytest.raises(MissingInputError, match="no such video"):
        open_source(tmp_path / "nowhere.mp4")


def test_second_iteration_is_refused(tmp_path: Path) -> None:
    with open_source(write_video(tmp_path / "a.mp4", [quadrants(64, 48)] * 2)) as source:
        list(source)
        with pytest.raises(InputError, match="open it again"):
            list(source)


def test_find_videos_orders_naturally_one_level(tmp_path: Path) -> None:
    for name in ("clip10.MP4", "clip2.mp4", "notes.txt", "b.WebM"):
        (tmp_path / name).touch()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x.mp4").touch()
    given = tmp_path / "notes.txt"
    assert [p.name for p in find_videos([tmp_path])] == ["b.WebM", "clip2.mp4", "clip10.MP4"]
    assert find_videos([given]) == [given]


def test_find_videos_errors(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no such file or folder"):
        find_videos([tmp_path / "none"])
    with pytest.raises(MissingInputError, match="contains no video"):
        find_videos([tmp_path])


def test_a_file_named_twice_comes_once(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "link.mp4").symlink_to(tmp_path / "a.mp4")
    given = [tmp_path / "a.mp4", tmp_path / "none.mp4", tmp_path, tmp_path / "x" / ".." / "a.mp4"]
    (tmp_path / "x").mkdir()
    found = list(find_each(given))
    assert [path.name for path, _ in found] == ["a.mp4", "none.mp4"]
    assert found[0][1] is None and isinstance(found[1][1], MissingInputError)


def test_names_the_system_refuses_are_input_errors(tmp_path: Path) -> None:
    too_long = tmp_path / ("x" * 300 + ".mp4")
    for look in (lambda: find_videos([too_long]), lambda: open_source(too_long)):
        with pytest.raises(InputError, match=r"cannot look at .*name too long.*check the name"):
            look()


def test_a_name_that_is_no_utf8_opens_and_prints(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xff.mp4"))
    write_video(tmp_path / "plain.mp4", [quadrants(64, 48)] * 3).rename(odd)
    assert len(read(odd)) == 3
    odd.write_text("no video")
    with pytest.raises(UnreadableVideoError, match="caf\ufffd") as caught:
        open_source(odd)
    str(caught.value).encode("utf-8")


def test_times_that_begin_anew_go_on(tmp_path: Path) -> None:
    """Two recordings joined byte by byte: the second's times start again at its own beginning."""
    part = write_video(tmp_path / "p.ts", noise(75), times_ms=[40 * k for k in range(75)]).read_bytes()
    (tmp_path / "joined.ts").write_bytes(part + part)
    with open_source(tmp_path / "joined.ts") as source:
        times = [f.pts_seconds for f in source]
    assert len(times) >= 145, "the second half is read too"
    assert min(np.diff(times)) > 0 and times[-1] == pytest.approx(5.96, abs=0.3)
    assert source.skipped_frames <= 5
