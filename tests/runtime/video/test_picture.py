"""Pictures as they are displayed: turned, mirrored, with square pixels, of one size, in BT.709 colours."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorTrc
from numpy.typing import NDArray

from edgecap.runtime.video.colour import (
    WHITE_NITS,
    ColourConverter,
    ColourKind,
    display_light,
    hlg_scene_light,
    pq_light,
)
from edgecap.runtime.video.geometry import Orientation, fitted_size, square_pixel_size
from edgecap.runtime.video.source import open_source
from tests.runtime.video.made_videos import quadrants, write_stream, write_video

CODED = quadrants(96, 64)
# a, b, c, d of the display matrix, the picture that is shown, and the turn that remains after mirroring.
EIGHT = {
    "as-coded": ((1, 0, 0, 1), CODED, 0),
    "quarter-clockwise": ((0, 1, -1, 0), np.rot90(CODED, 3), 270),
    "half": ((-1, 0, 0, -1), np.rot90(CODED, 2), 180),
    "quarter-counter": ((0, -1, 1, 0), np.rot90(CODED, 1), 90),
    "hflip": ((-1, 0, 0, 1), CODED[:, ::-1], 0),
    "vflip": ((1, 0, 0, -1), CODED[::-1], 180),
    "transpose": ((0, 1, 1, 0), CODED.transpose(1, 0, 2), 90),
    "transverse": ((0, -1, -1, 0), np.rot90(CODED, 2).transpose(1, 0, 2), 270),
}


def matrix_in_header(path: Path, abcd: tuple[int, int, int, int]) -> Path:
    """Write a display matrix into the track header of an mp4 or mov."""
    a, b, c, d = (value << 16 for value in abcd)
    data = bytearray(path.read_bytes())
    body = data.index(b"tkhd") + 4
    data[body + 40 : body + 76] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(data))
    return path


@pytest.mark.parametrize("name", ["m.mp4", "m.mov"])
@pytest.mark.parametrize(("abcd", "shown", "degrees"), EIGHT.values(), ids=EIGHT)
def test_every_turn_and_mirror_is_applied_once(
    tmp_path: Path, name: str, abcd: tuple[int, int, int, int], shown: NDArray[np.uint8], degrees: int
) -> None:
    path = matrix_in_header(write_video(tmp_path / name, [CODED] * 3), abcd)
    with open_source(path) as source:
        frames = list(source)
    assert source.info.size_wh == source.info.working_size_wh == (shown.shape[1], shown.shape[0])
    assert source.info.rotation_degrees == degrees
    assert np.abs(frames[1].image_rgb.astype(int) - shown).mean() < 8


def test_a_mirror_that_the_frames_carry_themselves(tmp_path: Path) -> None:
    """H.264's own display orientation message, in a container without a matrix."""
    path = tmp_path / "m.mkv"

    def mirrored(stream: Any) -> None:
        stream.set_display_rotation(0, hflip=True)

    write_stream(path, [CODED] * 5, codec="libx264", prepare=mirrored)
    with open_source(path) as source:
        frame = next(iter(source))
    assert np.abs(frame.image_rgb.astype(int) - CODED[:, ::-1]).mean() < 8


def test_angles_between_go_to_the_nearest() -> None:
    tilted = np.array([60000, 10000, 0, -10000, 60000, 0, 0, 0, 1 << 30], np.int32).tobytes()
    assert Orientation.of_matrix(tilted) == Orientation()
    assert Orientation.of_matrix(None) == Orientation.of_matrix(b"short") == Orientation()


@pytest.mark.parametrize(
    ("aspect", "size", "side", "want", "working"),
    [
        pytest.param(Fraction(16, 11), (720, 576), 640, (1047, 576), (640, 352), id="pal-wide"),
        pytest.param(Fraction(4, 3), (1440, 1080), 640, (1920, 1080), (640, 360), id="hdv"),
        pytest.param(Fraction(8, 9), (720, 480), 640, (720, 540), (640, 480), id="ntsc"),
        pytest.param(Fraction(2, 1), (96, 64), 640, (192, 64), (192, 64), id="double-wide"),
        pytest.param(Fraction(1, 2), (96, 64), 640, (96, 128), (96, 128), id="double-high"),
    ],
)
@pytest.mark.parametrize("name", ["p.mp4", "p.mkv", "p.ts"])
def test_pixels_are_squared_before_anything_looks(
    tmp_path: Path,
    name: str,
    aspect: Fraction,
    size: tuple[int, int],
    side: int,
    want: tuple[int, int],
    working: tuple[int, int],
) -> None:
    def shaped(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = aspect

    path = write_stream(tmp_path / name, [quadrants(*size)] * 25, codec="libx264", prepare=shaped)
    with open_source(path, working_side=side) as source:
        frames = list(source)
    assert source.info.size_wh == want
    assert np.abs(np.subtract(source.info.working_size_wh, working)).max() <= 1
    assert frames[0].image_rgb.shape == (*source.info.working_size_wh[::-1], 3)


def test_a_turned_picture_with_long_pixels(tmp_path: Path) -> None:
    def shaped(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)

    path = write_stream(tmp_path / "p.mp4", [CODED] * 3, codec="libx264", prepare=shaped)
    with open_source(matrix_in_header(path, (0, 1, -1, 0))) as source:
        frames = list(source)
    assert source.info.size_wh == (64, 192) and frames[0].image_rgb.shape == (192, 64, 3)


@pytest.mark.parametrize(
    ("second", "red_xy", "bar_xy"),
    [
        pytest.param((64, 96), (70, 6), (10, 48), id="upright-after-wide"),
        pytest.param((192, 128), (6, 6), None, id="same-shape-larger"),
        pytest.param((160, 64), (6, 36), (80, 4), id="wider"),
    ],
)
def test_another_size_inside_a_stream_is_fitted(
    tmp_path: Path, second: tuple[int, int], red_xy: tuple[int, int], bar_xy: tuple[int, int] | None
) -> None:
    """Two raw streams in a row: new headers, new size, as in recordings of calls and broadcasts."""
    first, other = tmp_path / "a.h264", tmp_path / "b.h264"
    write_stream(first, [quadrants(144, 96)] * 5, codec="libx264", format="h264")
    write_stream(other, [quadrants(*second)] * 5, codec="libx264", format="h264")
    joined = tmp_path / "j.h264"
    joined.write_bytes(first.read_bytes() + other.read_bytes())
    with open_source(joined) as source:
        last = list(source)[-1].image_rgb
    assert source.info.size_wh == (144, 96) and last.shape == (96, 144, 3)
    assert np.abs(last[red_xy[1], red_xy[0]].astype(int) - (230, 20, 20)).max() < 25
    if bar_xy is not None:
        assert last[bar_xy[1], bar_xy[0]].max() < 12


def test_sizes_as_numbers() -> None:
    assert square_pixel_size(720, 576, None) == (720.0, 576.0)
    assert square_pixel_size(720, 576, Fraction(0)) == (720.0, 576.0)
    assert fitted_size((1921.0, 1080.0), (640, 360)) == (640, 360)
    assert fitted_size((480.0, 640.0), (640, 480)) == (360, 480)


# Linear BT.709 colours as a BT.709 display shows them, and what must come back within a few levels.
PATCHES = np.array([[244, 244, 242], [250, 142, 192], [200, 40, 30], [30, 160, 60], [40, 60, 200], [128, 128, 128]])
TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])


def pq_signal(nits: NDArray[np.float64]) -> NDArray[np.float64]:
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = (nits / 10_000) ** m1
    return ((c1 + c2 * power) / (1 + c3 * power)) ** m2


def hlg_signal(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of display light with white at 203 cd/m2, on a display of 1,000 (BT.2100 with its system gamma undone)."""
    display = light * WHITE_NITS / 1000
    luminance = np.maximum(display @ np.array([0.2627, 0.6780, 0.0593]), 1e-9)
    scene = display * luminance[:, None] ** (1 / 1.2 - 1)
    upper = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-6)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), upper)


@pytest.mark.parametrize(
    ("trc", "signal_of"),
    [(ColorTrc.SMPTE2084, lambda light: pq_signal(light * WHITE_NITS)), (ColorTrc.ARIB_STD_B67, hlg_signal)],
    ids=["pq", "hlg"],
)
def test_hdr_comes_back_as_the_colours_it_was_made_of(tmp_path: Path, trc: ColorTrc, signal_of: Any) -> None:
    light = display_light(PATCHES / 255) @ TO_2020.T
    coded = np.round(65535 * signal_of(light)).astype(np.uint16)
    path = tmp_path / "hdr.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx265", rate=25, options={"x265-params": "log-level=none:lossless=1"})
        stream.width, stream.height, stream.pix_fmt = 6 * 32, 64, "yuv444p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace, context.color_range = int(trc), 9, 9, 1
        image = coded.repeat(32, 0)[None].repeat(64, 0)
        for i in range(3):
            rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb48le")
            frame = rgb.reformat(format="yuv444p10le", dst_colorspace=9, dst_color_range=1)
            frame.pts, frame.time_base = i, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with open_source(path) as source:
        shown = next(iter(source)).image_rgb[32, 16::32]
    assert np.abs(shown.astype(int) - PATCHES).max() <= 6, shown
    assert source.info.colours_known and source.notes == ()


def test_the_formulas_meet_their_standards() -> None:
    assert pq_light(np.array([1.0]))[0] * WHITE_NITS == pytest.approx(10_000)
    assert pq_light(np.array([0.5806]))[0] == pytest.approx(1.0, abs=0.002), "BT.2408: 203 cd/m2 is 58 % of PQ"
    assert hlg_scene_light(np.array([0.5, 1.0])) == pytest.approx([1 / 12, 1.0], abs=1e-4)
    hlg = ColourConverter(ColourKind("hlg", int(ColorPrimaries.BT2020)))
    white = np.full((1, 1, 3), round(0.75 * 65535), np.uint16)
    assert hlg.to_bt709(white).min() >= 254, "BT.2408: HLG's reference white is 75 %"


def test_brighter_than_white_keeps_its_hue_and_wide_gamut_is_converted() -> None:
    pq = ColourConverter(ColourKind("pq", int(ColorPrimaries.BT709)))
    red = np.array([[[4.0, 1.0, 1.0]]]) * WHITE_NITS
    shown = pq.to_bt709(np.round(65535 * pq_signal(red)).astype(np.uint16))[0, 0]
    assert shown[0] == 255 and abs(int(shown[1]) - 137) <= 2 and shown[1] == shown[2]
    p3 = ColourConverter(ColourKind("gamma", int(ColorPrimaries.SMPTE432)))
    grey = np.full((1, 1, 3), 30_000, np.uint16)
    assert np.abs(p3.to_bt709(grey).astype(int) - 117).max() <= 1
    muted = np.array([[[40_000, 20_000, 20_000]]], np.uint16)
    assert p3.to_bt709(muted)[0, 0, 0] > 40_000 / 257, "the same numbers mean a stronger red in P3"


@pytest.mark.parametrize(
    ("matrix", "trc", "primaries", "why"),
    [(14, 16, 9, "ICtCp"), (1, 9, 1, "transfer function 9"), (1, 1, 8, "primaries 8")],
)
def test_what_no_formula_converts_is_said_and_no_colour_reported(
    tmp_path: Path, matrix: int, trc: int, primaries: int, why: str
) -> None:
    path = tmp_path / "odd.mkv"

    def tagged(stream: Any) -> None:
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace = trc, primaries, matrix

    write_stream(path, [CODED] * 3, codec="libx264", prepare=tagged)
    with open_source(path) as source:
        assert len(list(source)) == 3
    assert not source.info.colours_known
    assert why in source.notes[0] and "none are reported" in source.notes[0]
