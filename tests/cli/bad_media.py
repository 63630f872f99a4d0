"""Every awkward input of the issue as a file; `python tests/cli/bad_media.py DIR` writes them to try by hand."""

from __future__ import annotations

import shutil
import struct
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from edgecap.bench.world import Renderer, make_scene

_SEED = 11


def write_frames(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    times_ms: Sequence[int],
    options: dict[str, str] | None = None,
    faststart: bool = False,
) -> Path:
    """H.264 (yuv444p where a side is odd) with exactly these presentation times."""
    with av.open(str(path), "w", options={"movflags": "faststart"} if faststart else {}) as out:
        stream = out.add_stream("libx264", rate=24, options={"crf": "16", "preset": "veryfast"} | (options or {}))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv444p" if stream.width % 2 or stream.height % 2 else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for image, time_ms in zip(frames, times_ms, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def world_frames(count: int, size_wh: tuple[int, int] = (640, 360)) -> list[np.ndarray]:
    """Frames of one clean scene."""
    renderer = Renderer(make_scene(seed=_SEED, tier="clean", size_wh=size_wh, duration_seconds=4.0))
    return [renderer.render(i).image_rgb for i in range(count)]


def rotate_header(path: Path) -> None:
    """The display matrix of a phone held upright (90 degrees clockwise) in the track header of an mp4."""
    one = 1 << 16
    data = bytearray(path.read_bytes())
    body = data.index(b"tkhd") + 4
    data[body + 40 : body + 76] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(data))


def write_all(folder: Path, pack: Path) -> dict[str, Path]:
    """All of them into `folder`; `pack` is the shipped pack, of which a tampered copy is made. Returns name -> path."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = world_frames(48)
    even = [round(i * 1000 / 24) for i in range(48)]
    files = {"missing file": folder / "missing.mp4", "directory without videos": folder / "empty"}
    files["directory without videos"].mkdir(exist_ok=True)
    files["text file named .mp4"] = folder / "text.mp4"
    files["text file named .mp4"].write_text("not a video\n" * 20)
    whole = write_frames(folder / "whole.mp4", frames, times_ms=even, faststart=True)
    files["truncated mp4"] = folder / "truncated.mp4"
    files["truncated mp4"].write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    files["zero frames"] = write_frames(folder / "zero.avi", frames[:4], times_ms=even[:4])
    headers = files["zero frames"].read_bytes()  # an AVI cut right after its headers: a stream, and not one picture
    files["zero frames"].write_bytes(headers[: headers.index(b"movi") + 4])
    files["one frame"] = write_frames(folder / "one.mp4", frames[:1], times_ms=[0])
    files["4K"] = write_frames(
        folder / "four_k.mp4", world_frames(24, (3840, 2160)), times_ms=even[:24], options={"preset": "ultrafast"}
    )
    uneven = np.cumsum(np.random.default_rng(0).choice([17, 33, 42, 90], 48)).tolist()
    files["variable frame rate"] = write_frames(folder / "vfr.mkv", frames, times_ms=uneven)
    files["rotated phone video"] = write_frames(
        folder / "phone.mp4", [np.rot90(f).copy() for f in frames], times_ms=even
    )
    rotate_header(files["rotated phone video"])
    files["odd sizes"] = write_frames(folder / "odd.mp4", [f[:357, :637].copy() for f in frames], times_ms=even)
    files["good"] = whole
    files["file in the way"] = folder / "in_the_way"
    files["file in the way"].write_text("a file where a folder should be")
    files["tampered pack"] = folder / "tampered_pack"
    shutil.copytree(pack, files["tampered pack"], dirs_exist_ok=True)
    graph = sorted(files["tampered pack"].glob("detector*.onnx"))[0]
    graph.write_bytes(graph.read_bytes()[:-1] + b"\x00\x01")
    return files


if __name__ == "__main__":
    import edgecap.engines

    shipped = Path(edgecap.engines.__file__).parent / "packs" / "nano"
    for what, where in write_all(Path(sys.argv[1]), shipped).items():
        print(f"{what}: {where}")
