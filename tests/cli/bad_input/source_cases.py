"""Mistakes with what is to be captioned: addresses, sound, folders without videos, files that are something else."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from tests.cli.bad_input.cases import Bench, Part

SOURCES = Part("sources", "Videos and folders")
case = SOURCES.case


def _caption(at: Bench, *paths: object) -> tuple[object, ...]:
    out = at.folder / "engines"  # what a run leaves there is not part of the case
    return "caption", *paths, "--detector", "motion", "--json", "--out", out


def _song(path: Path, *, cover: bool) -> None:
    with av.open(str(path), "w") as out:
        sound = out.add_stream("aac", rate=44100)
        if cover:
            picture = out.add_stream("mjpeg", rate=1)
            picture.width, picture.height, picture.pix_fmt = 64, 64, "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
            out.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
            out.mux(picture.encode(None))
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        samples.sample_rate = 44100
        out.mux(sound.encode(samples))
        out.mux(sound.encode(None))


@case("the address of a camera", code=3, says=("rtsp://cam.local/stream1", "addresses are not read", "/dev/stdin"))
def address(at: Bench) -> tuple[object, ...]:
    return _caption(at, "rtsp://user:secret@cam.local/stream1")


@case("a file: address", code=3, says="give the path: /tmp/clip.mp4")
def file_address(at: Bench) -> tuple[object, ...]:
    return _caption(at, "file:///tmp/clip.mp4")


@case("sound with a cover picture", code=3, says="only sound and a cover picture")
def song_with_cover(at: Bench) -> tuple[object, ...]:
    _song(at.folder / "song.mp4", cover=True)
    return _caption(at, "song.mp4")


@case("sound alone", code=3, says="has no video stream")
def song(at: Bench) -> tuple[object, ...]:
    _song(at.folder / "song.mp4", cover=False)
    return _caption(at, "song.mp4")


@case("what macOS keeps beside a file", code=3, says=("AppleDouble", "name clip.mp4"))
def apple_double(at: Bench) -> tuple[object, ...]:
    (at.folder / "._clip.mp4").write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ")
    return _caption(at, "._clip.mp4")


@case("a folder whose videos are in folders inside it", code=3, says=("contains no video", "--recursive"))
def folder_of_folders(at: Bench) -> tuple[object, ...]:
    (at.folder / "card" / "DCIM").mkdir(parents=True)
    (at.folder / "card" / "DCIM" / "a.mp4").touch()
    return _caption(at, "card")
