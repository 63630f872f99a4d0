"""The front door on real pixels: clips as they are written, anyone's detector, mistakes in one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import edgecap
from edgecap.bench.world import make_scene, write_clip
from edgecap.engines.errors import EmptyVideoError, InputError, PackError, UnreadableVideoError, UsageError
from edgecap.runtime.output.schema import schema_errors
from edgecap.runtime.pipeline.collect import caption_video
from edgecap.runtime.video.source import open_source


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(make_scene(seed=25, tier="moving", duration_seconds=3.0), tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def clip(video: Path) -> edgecap.Clip:
    with edgecap.Captioner(window_seconds=10) as captioner:
        [clip] = captioner.caption(video)
    return clip


def squares(count: int, *, fps: float = 8.0, side: int = 24) -> Iterator[tuple[NDArray[np.uint8], float]]:
    """A red square that moves to the right over a speckled ground: a plain one hides that the camera is still."""
    ground = np.random.default_rng(5).integers(90, 220, (30, 50, 1)).repeat(4, 0).repeat(4, 1).repeat(3, 2)
    for index in range(count):
        rgb = ground.astype(np.uint8)
        rgb[40 : 40 + side, 10 + 3 * index : 10 + side + 3 * index] = (200, 20, 20)
        yield rgb, 100.0 + index / fps


def red(rgb: NDArray[np.uint8]) -> tuple[Any, Any, list[str]]:
    rows, columns = np.nonzero((rgb[..., 0] > 150) & (rgb[..., 1] < 80))
    if not len(rows):
        return np.zeros((0, 4)), [], []
    return [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], [0.9], ["square"]


def test_captions_are_those_of_caption_video(video: Path, clip: edgecap.Clip) -> None:
    [row] = caption_video(video, window_seconds=10)
    for texts in ("Global Description", "Structural Description"):
        assert clip.to_dict()[texts] == row[texts]
    assert clip.instances, "a clip of nothing would prove nothing"
    assert [i.class_name for i in clip.instances] == [
        i["Class"] for i in row["Structural Description"]["Main Instance"].values()
    ]
    assert not schema_errors(clip.to_dict())


def test_a_function_names_what_it_finds_in_frames_of_ones_own() -> None:
    with edgecap.Captioner(detector=red, window_seconds=2) as captioner:
        first, second = captioner.stream(squares(32), name="belt")
    assert (first.video, first.index, second.index) == ("belt", 0, 1)
    assert [i.class_name for i in first.instances] == ["square"]
    assert [i.id for i in first.instances] == [i.id for i in second.instances]
    assert "red" in first.instances[0].appearance and "right" in first.instances[0].action
    used = first.to_dict()["meta"]["used"]
    assert (used["detector"], used["segmenter"], used["pack"]) == ("callable", "ellipse inside the box", "none")
    assert first.to_dict()["meta"]["run"]["detector"] == "callable"
    assert not schema_errors(first.to_dict())
    assert len(first.frame_seconds) == 16 and first.frame_seconds[0] == 0.0


def test_a_clip_comes_before_the_source_has_ended() -> None:
    given = 0

    def counted() -> Iterator[tuple[NDArray[np.uint8], float]]:
        nonlocal given
        for pair in squares(4000):
            given += 1
            yield pair

    captioner = edgecap.Captioner(detector=red, window_seconds=2)
    clips = captioner.stream(counted())
    next(clips)
    assert given < 400
    clips.close()  # type: ignore[attr-defined]
    assert given < 400
    assert len(list(captioner.stream(squares(16)))) == 1


def test_times_may_be_numpys() -> None:
    frames = ((rgb, np.float32(seconds)) for rgb, seconds in squares(16))
    [clip] = edgecap.Captioner(detector=red, window_seconds=2).stream(frames)
    assert len(clip.frame_seconds) == 16


def test_masks_from_a_memory_that_the_pack_lacks() -> None:
    with pytest.raises(PackError, match="has no segmenter with memory"):
        edgecap.Captioner(pack="nano", masks="memory", mask_refresh=4, captioner="none")


def test_one_source_at_a_time() -> None:
    captioner = edgecap.Captioner(detector=red, window_seconds=2)
    first = captioner.stream(squares(64))
    next(first)
    with pytest.raises(UsageError, match="still streaming"):
        next(captioner.stream(squares(64)))
    assert len(list(first)) == 3


def test_an_error_of_the_source_comes_after_its_clips(tmp_path: Path) -> None:
    def broken() -> Iterator[tuple[NDArray[np.uint8], float]]:
        yield from squares(40)
        raise OSError("the camera went away")

    captioner, clips = edgecap.Captioner(detector=red, window_seconds=2), []
    with pytest.raises(OSError, match="the camera went away"):
        for clip in captioner.stream(broken()):
            clips.append(clip)
    # What was read before the error is captioned; its last second joins the clip before it.
    assert [(c.start_seconds, c.end_seconds) for c in clips] == [(0.0, 2.0), (2.0, 5.0)]
    bad = tmp_path / "text.mp4"
    bad.write_text("not a video")
    with pytest.raises(UnreadableVideoError):
        captioner.caption(bad)


@pytest.mark.parametrize(
    ("frames", "error", "says"),
    [
        ([], EmptyVideoError, "before its first frame"),
        ([np.zeros((4, 4, 3), np.uint8)], InputError, "expected (rgb, pts_seconds), got ndarray"),
        ([(np.zeros((4, 4, 3)), 0.0)], InputError, "got float64 [4, 4, 3]"),
        ([(np.zeros((4, 4), np.uint8), 0.0)], InputError, "got uint8 [4, 4]"),
        ([(np.zeros((4, 4, 3), np.uint8), "0")], InputError, "finite number, got '0'"),
        ([(np.zeros((4, 4, 3), np.uint8), float("nan"))], InputError, "finite number, got nan"),
    ],
    ids=["empty", "no time", "floats", "grey", "text", "nan"],
)
def test_bad_frames_are_named(frames: list[Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error) as caught:
        list(edgecap.Captioner(detector="motion").stream(frames))
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"detector": "yolo"}, "detector must be 'pack', 'motion' or a function"),
        ({"detector": 3}, "detector must be"),
        ({"window_seconds": "5"}, "window_seconds must be 2 to 10 seconds; got '5'"),
        ({"threads": 0}, "threads.decode must be a whole number"),
        ({"pack": 7}, "pack is the name of a shipped pack or a folder; got 7"),
        ({"detector": red, "captioner": "pack"}, "knows one domain only"),
        ({"provider": "gpu"}, "provider must be one of cpu, cuda, tensorrt"),
    ],
    ids=["detector name", "detector type", "window", "threads", "pack", "captioner", "provider"],
)
def test_a_wrong_option_is_one_line(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        edgecap.Captioner(**options)
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (3, "got int"),
        (b"clip.mp4", "got bytes"),
        (None, "got NoneType"),
        ("rtsp://host/cam", "addresses are not read yet"),
    ],
    ids=["int", "bytes", "none", "address"],
)
def test_a_wrong_source_is_one_line(source: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        edgecap.Captioner(detector="motion").stream(source)


def test_a_closed_captioner_says_what_to_do() -> None:
    with edgecap.Captioner(detector="motion") as captioner:
        pass
    with pytest.raises(UsageError, match="closed; open another"):
        captioner.caption("clip.mp4")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (None, "got NoneType"),
        (([], []), "got tuple of 2"),
        (([[0, 0, 5, 5]], [0.5], []), "got 1 boxes, 1 scores, 0 labels"),
        (([[0, 0, 5, 5]], [50.0], ["cat"]), "scores from 0 to 1; got 50"),
        (([[0, 0, 5]], [0.5], ["cat"]), "not numbers of that shape"),
        (([[0, 0, float("nan"), 5]], [0.5], ["cat"]), "not a finite number"),
        (([[0, 0, 5, 5]], [0.5], "cat"), "labels of type str"),
        (([[0, 0, 5, 5]], [0.5], [""]), "empty label"),
    ],
    ids=["none", "two", "counts", "percent", "shape", "nan", "one word", "empty"],
)
def test_a_detectors_answer_is_checked(answer: Any, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        list(edgecap.Captioner(detector=lambda rgb: answer).stream(squares(16)))
    assert says in str(caught.value) and "expected detector(rgb)" in str(caught.value)


def test_frames_of_a_file_read_by_hand_say_what_the_file_says(video: Path, clip: edgecap.Clip) -> None:
    def frames() -> Iterator[tuple[NDArray[np.uint8], float]]:
        with open_source(video) as source:
            for frame in source:
                yield frame.image_rgb, frame.pts_seconds

    with edgecap.Captioner(window_seconds=10) as captioner:
        [by_hand] = captioner.stream(frames(), name="by hand")
        [again] = captioner.caption(str(video))  # a captioner keeps nothing of the source before
    assert by_hand.instances == clip.instances == again.instances and by_hand.camera == clip.camera
    assert again.text == clip.text
