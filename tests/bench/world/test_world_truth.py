"""Truth: run lengths, directions against hand-made cases, events, files on disk."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from edgecap.bench.world import ClipTruth, Renderer, make_scene, truth, truth_path, write_clip
from edgecap.bench.world.ground_truth.caption import camera_sentence, position_sentence
from edgecap.bench.world.ground_truth.events import visibility_events
from edgecap.bench.world.ground_truth.motion import compass_word, image_displacement, position_cell, world_displacement
from edgecap.bench.world.ground_truth.truth import decode_mask, encode_mask

SIZE = (640, 360)


@pytest.mark.parametrize(
    ("mask", "counts"),
    [
        pytest.param([[0, 1], [1, 1]], [1, 3], id="column-major"),
        pytest.param([[1, 0], [1, 0]], [0, 2, 2], id="starts with a one"),
        pytest.param([[0, 0], [0, 0]], [4], id="empty"),
        pytest.param([[1, 1], [1, 1]], [0, 4], id="full"),
    ],
)
def test_rle(mask: list[list[int]], counts: list[int]) -> None:
    array = np.array(mask, dtype=bool)
    assert encode_mask(array) == {"size": [2, 2], "counts": counts}
    np.testing.assert_array_equal(decode_mask(encode_mask(array)), array)


def test_rle_refuses_counts_of_another_size() -> None:
    with pytest.raises(ValueError, match=r"sum to 4 for size_wh = \(2, 2\); got .* = 3"):
        decode_mask({"size": [2, 2], "counts": [3]})


@pytest.mark.parametrize(
    ("displacement", "word"),
    [
        pytest.param((50, 0), "right", id="right"),
        pytest.param((0, -50), "up", id="up is negative y"),
        pytest.param((-40, 40), "down-left", id="diagonal"),
        pytest.param((10, 0), "static", id="below 2 % of the diagonal (14.7 px)"),
        pytest.param((50, -22), "up-right", id="just beyond 22.5 degrees"),
        pytest.param((50, -19), "right", id="just within 22.5 degrees"),
    ],
)
def test_compass(displacement: tuple[float, float], word: str) -> None:
    assert compass_word(np.array(displacement, dtype=float), SIZE) == word


def test_still_actor_under_a_pan_moves_in_the_image_only() -> None:
    cameras = np.tile(np.eye(3), (2, 1, 1))
    cameras[1, 0, 2] = -100.0  # the content moves left: the camera pans right
    centres = np.array([[300.0, 100.0], [300.0, 100.0]])
    assert compass_word(image_displacement(centres, cameras), SIZE) == "left"
    assert compass_word(world_displacement(centres, cameras[0]), SIZE) == "static"


@pytest.mark.parametrize(
    ("point", "cell"),
    [
        pytest.param((0.1, 0.1), "top-left", id="top-left"),
        pytest.param((0.5, 0.5), "center-middle", id="middle"),
        pytest.param((1 / 3, 2 / 3), "bottom-middle", id="borders belong to the later cell"),
        pytest.param((0.99, 0.4), "center-right", id="right"),
    ],
)
def test_position_cell(point: tuple[float, float], cell: str) -> None:
    assert position_cell(*point) == cell


def test_visibility_events() -> None:
    """Ten frames per second: out, in (with a short gap that is bridged), hidden inside the frame, out."""
    visible = np.array([0] * 10 + [1] * 5 + [0] * 2 + [1] * 13 + [0] * 10, dtype=bool)
    fractions = np.where(visible, 1.0, 0.0)
    inside = np.array([0.2] * 10 + [1.0] * 20 + [0.3] * 10)
    events = visibility_events(7, visible, fractions, inside, 10.0)
    assert [(e["type"], e["seconds"], e["end_seconds"], e["cause"]) for e in events] == [
        ("enter", 1.0, 1.0, "border"),
        ("leave", 2.9, 2.9, "border"),
        ("occluded", 1.5, 1.7, ""),
    ]


def test_sentences_of_camera_and_position() -> None:
    assert camera_sentence("pan_left+zoom_in", ["pan_left", "zoom_in"]) == "The camera pans left and zooms in."
    assert camera_sentence("out_and_back_right", ["pan_left", "pan_right"]) == "The camera pans right, then pans left."
    assert camera_sentence("static", ["static"]) == "The camera is static."
    assert position_sentence("dog", "top-left", "top-left", out_of_frame_at_end=False) == "dog stays at top-left."
    text = position_sentence("dog", "top-left", "top-right", out_of_frame_at_end=True)
    assert text == "dog moves from top-left to top-right and is out of frame in the end."


def test_truth_agrees_with_the_rendered_frames() -> None:
    scene = make_scene(seed=12, tier="moving", duration_seconds=1.5, fps=8.0)
    clip = ClipTruth.from_dict(json.loads(json.dumps(truth(scene))))
    frame = Renderer(scene).render(6)
    for actor, mask, box, fraction in zip(
        clip.actors, frame.visible_masks, frame.boxes_xyxy, frame.visible_fractions, strict=True
    ):
        stored = actor.mask(6)
        np.testing.assert_array_equal(np.zeros_like(mask) if stored is None else stored, mask)
        np.testing.assert_allclose(actor.boxes_xyxy[6], box, atol=1e-5)
        assert actor.visible_fractions[6] == pytest.approx(fraction, abs=1e-4)
    np.testing.assert_allclose(clip.cameras[6], frame.camera, atol=1e-5)
    assert clip.global_sentence == clip.caption["Global Description"]
    assert len(clip.caption["Structural Description"]["Main Instance"]) == len(clip.captioned())


def test_other_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="expected schema"):
        ClipTruth.from_dict({"schema": "something else"})


def test_write_clip(tmp_path: Path) -> None:
    scene = make_scene(seed=3, tier="clean", duration_seconds=1.0)
    video = write_clip(scene, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clean_000003.mp4", "clean_000003.truth.json"]
    assert ClipTruth.load(truth_path(video)).num_frames == 24
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        frames = list(container.decode(video=0))
    assert [round(float(f.pts * f.time_base) * 24, 3) for f in frames] == list(range(24))
    decoded = frames[12].to_ndarray(format="rgb24").astype(int)
    # 4:2:0 chroma and crf 18 cost about two 8-bit steps on average, mostly at the outlines.
    assert np.abs(decoded - Renderer(scene).render(12).image_rgb).mean() < 6


def test_write_clip_refuses_odd_sizes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="even sizes"):
        write_clip(make_scene(seed=3, tier="clean", size_wh=(321, 180), duration_seconds=0.2), tmp_path)
    assert list(tmp_path.iterdir()) == []
