"""Labelled crops: read, judged by what is said of them, counted."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from edgecap.bench.real.colours import (
    ColourLabel,
    JudgedColours,
    colour_lines,
    colour_scores,
    judge_colours,
    read_colour_labels,
)
from edgecap.bench.tables.readme import RESULTS
from edgecap.engines.errors import InputError
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.measure.palette import TERMS

LABELS = ("person", "car")


def label(**changed):
    values = {"sequence": "a/b.mp4", "frame": 1, "box_xyxy": np.array([0.25, 0.25, 0.75, 0.75], np.float32)}
    values |= {"class_name": "car", "colours": ("red",), "part": "report"} | changed
    return ColourLabel(**values)


def filled(frame, boxes_xyxy, class_ids):
    """The box as a mask; without a class nothing but its left half."""
    height, width = frame.image_rgb.shape[:2]
    x0, y0, x1, y1 = (boxes_xyxy[0] * [width, height, width, height]).astype(int)
    bits = np.zeros((height, width), bool)
    bits[y0:y1, x0 : x1 if class_ids is not None else (x0 + x1) // 2] = True
    return (Mask.from_full(bits),), np.ones(1, np.float32)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Three frames of 96x64: blue, red with a yellow left half, blue."""
    path = tmp_path_factory.mktemp("colours") / "b.mp4"
    with av.open(str(path), "w") as sink:
        stream = sink.add_stream("libx264", rate=8, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for rgb in ((30, 60, 220), (214, 38, 42), (30, 60, 220)):
            image = np.full((64, 96, 3), rgb, np.uint8)
            image[:, :48] = (250, 216, 40) if rgb[0] == 214 else rgb
            sink.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        sink.mux(stream.encode())
    return path


def test_the_labelled_frame_is_judged(video):
    known = [label(colours=("red", "yellow")), label(frame=2), label(class_name="kite", colours=("yellow", "blue"))]
    known.append(label(class_name="person"))
    judged = judge_colours(video, known, masks_of=filled, labels=LABELS)
    got = {(one.label.frame, one.label.class_name): (set(one.said), one.right) for one in judged}
    assert got == {
        (1, "car"): ({"red", "yellow"}, True),
        (2, "car"): ({"blue"}, False),
        (1, "person"): ({"red", "yellow"}, False),
        (1, "kite"): ({"yellow"}, True),  # not a class of the pack: the segmenter is given none
    }


def test_silence_is_not_right_and_every_colour_must_be_accepted():
    both = label(colours=("red", "white"))
    assert not JudgedColours(both, ()).right
    assert JudgedColours(both, ("red", "white")).right
    assert not JudgedColours(both, ("red", "black")).right


def test_counts_by_part():
    judged = [
        JudgedColours(label(), ("red",)),
        JudgedColours(label(), ("red", "black")),
        JudgedColours(label(class_name="person"), ()),
        JudgedColours(label(part="development"), ("blue",)),
    ]
    scores = colour_scores(judged)
    assert scores["report"] == {
        "labels": 3,
        "right": 1,
        "things": [1, 2],
        "clothes": [0, 1],
        "silent": 1,
        "said": {"red": [2, 2], "black": [0, 1]},
    }
    assert "report: 1 of 3 right, 1 silent" in colour_lines(scores)
    assert "  said black 1, accepted 0" in colour_lines(scores)


def test_the_repositorys_labels():
    known = read_colour_labels(RESULTS / "colour_labels.json")
    parts = {part: {one.sequence for one in known if one.part == part} for part in ("development", "report")}
    assert len(known) >= 60 and not parts["development"] & parts["report"]
    assert {name for one in known for name in one.colours} <= set(TERMS)
    for one in known:
        x0, y0, x1, y1 = one.box_xyxy
        assert x0 < x1 and y0 < y1


@pytest.mark.parametrize("text", ["", "[]", json.dumps({"labels": [{"sequence": "a/b.mp4"}]})])
def test_another_file_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "labels.json"
    path.write_text(text)
    with pytest.raises(InputError, match="not a file of labelled colours"):
        read_colour_labels(path)
