"""Scripted encoder and decoder whose logits draw known shapes; the resampling into the frame is what is tested."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecap.engines.graph.scripted_session import ScriptedSession
from edgecap.engines.graph.spec import GraphSpec, TensorSpec
from edgecap.engines.packs.specs import SegmenterSpec
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.perceive.segmenter import Segmenter

ENCODER = GraphSpec(
    "e.onnx",
    "fp32",
    (TensorSpec("images", "uint8", (1, 3, "H", "W")),),
    (TensorSpec("coarse", "float32", (1, 2)), TensorSpec("fine", "float32", (1, 3))),
)
DECODER = GraphSpec(
    "d.onnx",
    "fp32",
    (*ENCODER.outputs, TensorSpec("boxes_xyxy", "float32", ("K", 4))),
    (TensorSpec("mask_logits", "float32", ("K", "h", "w")), TensorSpec("quality", "float32", ("K",))),
)
FRAME = Frame(0, 0.0, np.zeros((90, 160, 3), np.uint8))


def segmenter(
    logits: NDArray[np.float32], frame: Literal["box", "image"], margin: float = 0.25
) -> tuple[Segmenter, Any]:
    spec = SegmenterSpec(
        encoder=ENCODER,
        decoder=DECODER,
        image_side=160,
        stride=32,
        pad_value=0,
        mask_frame=frame,
        box_margin=margin,
        mask_threshold=0.0,
    )
    encoder = ScriptedSession(
        ENCODER, lambda _: {"coarse": np.ones((1, 2), np.float32), "fine": np.ones((1, 3), np.float32)}
    )
    decoder = ScriptedSession(
        DECODER,
        lambda feeds: {
            "mask_logits": logits[: len(feeds["boxes_xyxy"])],
            "quality": np.linspace(0.9, 1.2, len(feeds["boxes_xyxy"]), dtype=np.float32),
        },
    )
    return Segmenter(spec, encoder, decoder), (encoder, decoder)


def disc(side: int) -> NDArray[np.float32]:
    """Positive inside the inscribed circle, in units of its radius."""
    at = (np.arange(side) + 0.5) / side * 2 - 1
    return (1.0 - np.hypot(*np.meshgrid(at, at))).astype(np.float32)


def test_a_decoder_that_takes_classes_is_given_the_detectors() -> None:
    """In parts too; -1 where nobody knows them. Another decoder is not given any."""
    graph = replace(
        DECODER, inputs=(*DECODER.inputs, TensorSpec("class_ids", "int64", ("K",))), ranges={"K": (1, 2, 2)}
    )
    stage, (_, plain) = segmenter(disc(8)[None].repeat(3, 0), "box")
    given: list[Any] = []

    def answer(feeds: dict[str, Any]) -> dict[str, Any]:
        given.append(feeds["class_ids"].tolist())
        count = len(feeds["boxes_xyxy"])
        return {"mask_logits": disc(8)[None].repeat(count, 0), "quality": np.ones(count, np.float32)}

    choosing = Segmenter(replace(stage._spec, decoder=graph), stage._encoder, ScriptedSession(graph, answer))
    boxes = np.array([[0.1, 0.1, 0.4, 0.4], [0.5, 0.5, 0.8, 0.8], [0.1, 0.5, 0.3, 0.9]], np.float32)
    choosing.masks(FRAME, boxes, np.array([0, 7, 2]))
    choosing.masks(FRAME, boxes[:1])
    assert given == [[0, 7], [2], [-1]]
    stage.masks(FRAME, boxes, np.array([0, 7, 2]))
    assert "class_ids" not in plain.calls[-1]


@pytest.mark.parametrize(
    "box",
    [
        pytest.param((40, 20, 80, 60), id="inside"),
        pytest.param((-10, 30, 30, 70), id="cut-left"),
        pytest.param((130, 60, 170, 100), id="cut-corner"),
    ],
)
def test_box_logits_land_on_their_pixels(box: tuple[int, int, int, int]) -> None:
    """Logits cover the box grown by 1/4: a disc there has 3/4 of the box's side as its radius."""
    relative = np.array([box], np.float32) / np.array([160, 90, 160, 90], np.float32)
    masks, quality = segmenter(disc(48)[None], "box")[0].masks(FRAME, relative)
    ys, xs = np.mgrid[:90, :160] + 0.5
    want = np.hypot(xs - (box[0] + box[2]) / 2, ys - (box[1] + box[3]) / 2) < 30
    got = masks[0].full()
    assert np.count_nonzero(got & want) / np.count_nonzero(got | want) > 0.985
    assert quality.tolist() == pytest.approx([0.9])


def test_image_logits_stay_in_the_box_and_skip_the_padding() -> None:
    """160x90 is padded to 160x96; the logits' lower half is positive: rows 48-90 of the frame, inside the grown box."""
    logits = np.full((1, 24, 40), -1, np.float32)
    logits[:, 12:] = 1
    box = np.array([[0.25, 0.2, 0.5, 0.8]], np.float32)
    masks, _ = segmenter(logits, "image", margin=0.0)[0].masks(FRAME, box)
    np.testing.assert_allclose(masks[0].box_xyxy * [160, 90, 160, 90], [40, 48, 80, 72], atol=1)


def test_contested_pixels_go_to_the_larger_logit() -> None:
    logits = np.stack([np.full((8, 8), 1, np.float32), np.full((8, 8), 2, np.float32)])
    boxes = np.array([[0.1, 0.1, 0.5, 0.9], [0.3, 0.1, 0.7, 0.9]], np.float32)
    masks, _ = segmenter(logits, "box", margin=0.0)[0].masks(FRAME, boxes)
    a, b = masks[0].full(), masks[1].full()
    assert not (a & b).any()
    np.testing.assert_allclose(masks[0].box_xyxy, [0.1, 0.1, 0.3, 0.9], atol=0.01)
    np.testing.assert_allclose(masks[1].box_xyxy, [0.3, 0.1, 0.7, 0.9], atol=0.01)


def test_embeddings_reach_the_decoder_once_per_frame_and_no_box_runs_nothing() -> None:
    stage, (encoder, decoder) = segmenter(np.ones((3, 4, 4), np.float32), "box")
    assert stage.masks(FRAME, np.zeros((0, 4), np.float32))[0] == ()
    assert (len(encoder.calls), len(decoder.calls)) == (0, 0)
    boxes = np.array([[0, 0, 0.2, 0.2], [0.4, 0.4, 0.6, 0.6], [0.7, 0.7, 1, 1]], np.float32)
    masks, quality = stage.masks(FRAME, boxes)
    assert (len(masks), len(encoder.calls), len(decoder.calls)) == (3, 1, 1)
    assert set(decoder.calls[0]) == {"coarse", "fine", "boxes_xyxy"}
    assert quality.max() <= 1.0
    np.testing.assert_allclose(decoder.calls[0]["boxes_xyxy"][1], [0.4, 0.4 * 90 / 96, 0.6, 0.6 * 90 / 96], atol=1e-6)


def test_box_outside_the_frame_gives_an_empty_mask() -> None:
    masks, _ = segmenter(np.ones((1, 4, 4), np.float32), "box")[0].masks(
        FRAME, np.array([[1.6, 0, 1.9, 0.5]], np.float32)
    )
    assert masks[0].area_pixels == 0


def test_more_boxes_than_a_compiled_decoder_takes_go_in_parts() -> None:
    decoder_spec = replace(DECODER, ranges={"K": (1, 2, 3)})
    seen: list[int] = []

    def decode(feeds: Any) -> dict[str, NDArray[Any]]:
        boxes = feeds["boxes_xyxy"]
        seen.append(len(boxes))
        logits = np.broadcast_to(boxes[:, :1, None] * 10 - 5, (len(boxes), 4, 4)).astype(np.float32)
        return {"mask_logits": logits, "quality": boxes[:, 0]}

    whole, (encoder, _) = segmenter(np.zeros((1, 4, 4), np.float32), "box")
    parted = Segmenter(whole._spec, encoder, ScriptedSession(decoder_spec, decode))
    left = np.linspace(0.0, 0.8, 7, dtype=np.float32)
    boxes = np.stack([left, np.zeros(7), left + 0.1, np.full(7, 0.5)], 1).astype(np.float32)
    masks, quality = parted.masks(FRAME, boxes)
    assert seen == [3, 3, 1]
    np.testing.assert_allclose(quality, left, atol=1e-6)
    assert [mask.bits.size > 0 for mask in masks] == [bool(x > 0.5) for x in left]
