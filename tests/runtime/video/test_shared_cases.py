"""The failing inputs of public bug reports, as files: tests over ../shared/cases where a checkout has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecap.engines.errors import UnreadableVideoError
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.video.shots import ShotBoundaries
from edgecap.runtime.video.source import Source, open_source
from edgecap.runtime.video.windows import FrameSampler

CASES = next(
    (p / "shared" / "cases" for p in Path(__file__).resolve().parents if (p / "shared" / "cases").is_dir()), None
)
pytestmark = pytest.mark.skipif(CASES is None, reason="no shared/cases beside this checkout: its files are not tested")


def read(name: str) -> tuple[Source, list[Frame]]:
    assert CASES is not None
    with open_source(CASES / name) as source:
        return source, list(source)


@pytest.mark.parametrize(
    ("name", "least_frames", "first", "end", "note"),
    [
        ("05-damaged-packet/damaged_libvpx-vp9.webm", 140, 0.0, 6.0, "could not be decoded"),
        ("05-damaged-packet/damaged_mpeg4.avi", 142, 0.0, 6.0, "could not be decoded"),
        ("06-held-last-frame/screen.mp4", 96, 0.0, 24.0, ""),
        ("06-held-last-frame/pause.gif", 18, 0.0, 10.83, ""),
        ("07-first-stream-is-not-the-video/cover_first.mp4", 144, 0.0, 6.0, ""),
        ("07-first-stream-is-not-the-video/preview_first.mkv", 144, 0.0, 6.0, ""),
        ("09-video-begins-later/late.mkv", 144, 2.5, 8.5, ""),
        ("09-video-begins-later/late.mp4", 144, 2.5, 8.5, ""),
        ("10-ts-joined/back.ts", 144, 0.0, 6.0, "clock jumps"),
        ("11-colon-in-name/2024-05-01T12:30:00.mp4", 144, 0.0, 6.0, ""),
    ],
)
def test_times_and_frames(name: str, least_frames: int, first: float, end: float, note: str) -> None:
    source, frames = read(name)
    assert len(frames) >= least_frames
    assert frames[0].pts_seconds == pytest.approx(first, abs=0.03)
    assert source.end_seconds == pytest.approx(end, abs=0.05)
    assert len(source.notes) == bool(note) and note in "".join(source.notes)
    if name.startswith("07"):
        assert source.info.size_wh == (320, 180) and np.ptp(frames[0].image_rgb.mean((0, 1))) > 5, "in colour"


def test_mirrors() -> None:
    plain = read("12-hdr-pq/sdr.mp4")[1][40].image_rgb.astype(int)
    for name, want in (("hflip", plain[:, ::-1]), ("vflip", plain[::-1])):
        assert np.abs(read(f"08-mirrored/{name}.mp4")[1][40].image_rgb - want).mean() < 2


def test_hdr_has_the_colours_of_its_original() -> None:
    original = {round(f.pts_seconds, 3): f.image_rgb.astype(int) for f in read("12-hdr-pq/sdr.mp4")[1]}
    pairs = [(f.image_rgb, original[round(f.pts_seconds, 3)]) for f in read("12-hdr-pq/pq.mp4")[1]]
    assert np.mean([np.abs(a - b).mean() for a, b in pairs]) < 8
    white = read("12-hdr-pq/white.mp4")[1][0].image_rgb
    assert np.abs(white.reshape(-1, 3).mean(0) - (244, 244, 242)).max() < 4


def test_a_flash_is_no_cut() -> None:
    assert CASES is not None
    shots: ShotBoundaries[float] = ShotBoundaries()
    with open_source(CASES / "18-flash/flash.mp4") as source:
        frames = list(source.sampled(FrameSampler(8.0).keep))
    decided = [pair for frame in frames for pair in shots.feed(frame, frame.pts_seconds)]
    decided += shots.finish()
    assert len(decided) == len(frames) and not any(is_cut for _, is_cut in decided)


@pytest.mark.parametrize("name", ["song.mp3", "song.m4a"])
def test_sound_with_a_cover(name: str) -> None:
    with pytest.raises(UnreadableVideoError, match="only sound and a cover picture"):
        read(f"26-audio-with-cover/{name}")
