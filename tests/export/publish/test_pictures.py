"""Where calibration pictures come from: different from each other, the same at each call, videos evenly seen."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import numpy as np
import pytest

from edgecap.engines.errors import MissingInputError
from edgecap.export.publish.pictures import MOST_PICTURES, pictures_from


def write_counting_video(path: Path, *, seconds: int, base: int) -> Path:
    """Frame k is a flat grey of `base` + k, 10 frames a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"qp": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for k in range(seconds * 10):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), base + k, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_the_world_gives_different_pictures_and_the_same_ones_again() -> None:
    pictures = pictures_from(())
    first, again = (list(itertools.islice(pictures(), 3)) for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert first[0].shape == (360, 640, 3) and first[0].dtype == np.uint8
    assert not (first[0] == first[1]).all() and not (first[1] == first[2]).all()


def test_two_videos_are_seen_in_turn_and_from_end_to_end(tmp_path: Path) -> None:
    folder = tmp_path / "v"
    folder.mkdir()
    write_counting_video(folder / "a.mp4", seconds=10, base=10)
    write_counting_video(folder / "b.mp4", seconds=10, base=140)
    pictures = pictures_from((folder,))
    levels = [float(p.mean()) for p in pictures()]
    assert 100 <= len(levels) <= MOST_PICTURES
    assert levels[0] < 125 < levels[1], "one from each before the second of any"
    from_a = [level for level in levels if level < 125]
    early = from_a[: len(from_a) // 4 - 2]
    assert min(early) < 20 and max(early) > 90, "the first quarter taken spans the whole video"
    # video range has 219 greys for 256: some neighbours look alike
    assert len(set(np.round(from_a).tolist())) >= 0.8 * min(len(from_a), 64), "hardly any frame twice"


def test_a_missing_video_is_told_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        pictures_from((tmp_path / "none.mp4",))
