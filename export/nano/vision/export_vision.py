"""Trained checkpoints -> ONNX graphs of the pack: fp32, static INT8, and how far apart they are.

In: the work folder with `detector.pt` and `segmenter.pt`. Out: `*.fp32.onnx` beside the checkpoints, the graphs that
ship in `out_dir`, `DetectorSpec` / `SegmenterSpec` and parity reports.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch.export import Dim

from edgecap.engines.graph.letterbox import boxes_to_padded, fit_image, letterbox
from edgecap.engines.graph.spec import GraphSpec, TensorSpec
from edgecap.engines.packs.specs import DetectorSpec, SegmenterSpec
from edgecap.export.nano.vision.blocks import fold_batch_norms
from edgecap.export.nano.vision.cache import LABELS, CachedFrame, cached_frames
from edgecap.export.nano.vision.detector import PEAKS, Detector, DetectorGraph
from edgecap.export.nano.vision.samples import IMAGE_SIDE, PAD_VALUE, STRIDE
from edgecap.export.nano.vision.segmenter import (
    BOX_MARGIN,
    COARSE_CHANNELS,
    FINE_CHANNELS,
    MASK_SIDE,
    DecoderGraph,
    Segmenter,
)
from edgecap.export.nano.vision.training import load_average
from edgecap.export.onnx.graph import export_graph, open_graph, run_session
from edgecap.export.onnx.parity import GraphParity, boxes_found, compare_outputs, mask_iou
from edgecap.export.onnx.precision import Feeds, static_cpu

SCORE_THRESHOLD = 0.3
"""Below it a detection is ignored; where recall and precision meet on validation frames."""
NMS_IOU = 0.6
CALIBRATION_FRAMES = 120
PARITY_FRAMES = 40
EMBEDDING = 128
DETECTOR_FP32 = ("network.class_head*", "network.box_head*")
"""One scale would have to span logits from -12 to 4, and boxes of 300 pixels beside boxes of 10 (docs/spec/measured.md
A)."""
_DECODER_FP32 = ("decoder.mask_head*", "decoder.quality_head*")

Arrays = dict[str, NDArray[Any]]
Spec = TypeVar("Spec", DetectorSpec, SegmenterSpec)


class Exported(NamedTuple, Generic[Spec]):
    """A role of the pack and what its graphs were measured to lose."""

    spec: Spec
    parity: tuple[GraphParity, ...]


def detector_graph(precision: str) -> GraphSpec:
    """The detector's file, inputs and outputs."""
    return GraphSpec(
        f"detector.{precision.split('-')[0]}.onnx",
        precision,
        (_IMAGES,),
        (
            TensorSpec("boxes_xyxy", "float32", ("batch", PEAKS, 4)),
            TensorSpec("scores", "float32", ("batch", PEAKS)),
            TensorSpec("class_ids", "int64", ("batch", PEAKS)),
            TensorSpec("embedding", "float32", ("batch", EMBEDDING)),
        ),
    )


def encoder_graph(precision: str) -> GraphSpec:
    """The segmenter's first half, one picture at a time."""
    image = TensorSpec("images", "uint8", (1, 3, "height", "width"))
    return GraphSpec(f"segmenter_encoder.{precision.split('-')[0]}.onnx", precision, (image,), _EMBEDDINGS)


def decoder_graph(precision: str) -> GraphSpec:
    """The segmenter's second half, any number of boxes."""
    boxes = TensorSpec("boxes_xyxy", "float32", ("boxes", 4))
    return GraphSpec(
        f"segmenter_decoder.{precision.split('-')[0]}.onnx",
        precision,
        (*_EMBEDDINGS, boxes),
        (
            TensorSpec("mask_logits", "float32", ("boxes", MASK_SIDE, MASK_SIDE)),
            TensorSpec("quality", "float32", ("boxes",)),
        ),
    )


_IMAGES = TensorSpec("images", "uint8", ("batch", 3, "height", "width"))
_EMBEDDINGS = (
    TensorSpec("fine", "float32", (1, FINE_CHANNELS, "fine_height", "fine_width")),
    TensorSpec("coarse", "float32", (1, COARSE_CHANNELS, "coarse_height", "coarse_width")),
)


def detector_spec(precision: str) -> DetectorSpec:
    """The role as pack.json carries it."""
    return DetectorSpec(detector_graph(precision), IMAGE_SIDE, STRIDE, PAD_VALUE, SCORE_THRESHOLD, NMS_IOU, LABELS)


def segmenter_spec(precision: str) -> SegmenterSpec:
    """The role as pack.json carries it."""
    return SegmenterSpec(
        encoder_graph(precision), decoder_graph(precision), IMAGE_SIDE, STRIDE, PAD_VALUE, "box", BOX_MARGIN, 0.0
    )


def export_detector(work_dir: Path, out_dir: Path) -> Exported[DetectorSpec]:
    """Write detector.fp32.onnx to `work_dir` and detector.int8.onnx to `out_dir`."""
    network = DetectorGraph(load_average(Detector(len(LABELS)), work_dir / "detector.pt"))  # type: ignore[arg-type]
    fold_batch_norms(network)
    fp32, int8 = detector_graph("fp32"), detector_graph("int8-static")
    write_detector(network, work_dir / fp32.file)
    calibration = ({"images": padded(f)[None]} for f in _frames(work_dir, "train", CALIBRATION_FRAMES))
    quantise(work_dir / fp32.file, out_dir / int8.file, int8, feeds=calibration, keep_fp32=DETECTOR_FP32)
    feeds = [{"images": padded(f)[None]} for f in _frames(work_dir, "validation", PARITY_FRAMES)]
    torch_outputs = [_run_torch(network, feed, fp32) for feed in feeds]
    fp32_outputs, int8_outputs = (
        run_session(open_graph(path), feeds) for path in (work_dir / fp32.file, out_dir / int8.file)
    )
    return Exported(
        detector_spec("int8-static"),
        (
            _detector_parity("detector.fp32.onnx", "pytorch", torch_outputs, fp32_outputs),
            _detector_parity("detector.int8.onnx", "fp32", fp32_outputs, int8_outputs),
        ),
    )


def quantise(source: Path, target: Path, spec: GraphSpec, *, feeds: Feeds, keep_fp32: Sequence[str] = ()) -> None:
    """The static INT8 form of a file; `feeds`: about 100 inputs. `keep_fp32`: see `static_cpu`."""
    static_cpu(onnx.load(str(source)), feeds, exclude=keep_fp32).save(target, spec)


def write_detector(network: DetectorGraph, path: Path) -> None:
    """The fp32 graph, free in batch and in height and width by steps of `STRIDE`."""
    rows, columns = Dim("rows", min=2, max=64), Dim("columns", min=2, max=64)
    export_graph(
        network,
        [torch.zeros(2, 3, 224, 384, dtype=torch.uint8)],
        path,
        detector_graph("fp32"),
        dynamic_shapes=[{0: Dim("batch", min=1, max=64), 2: STRIDE * rows, 3: STRIDE * columns}],
    )


def _detector_parity(
    graph: str, reference_name: str, reference: Sequence[Arrays], got: Sequence[Arrays]
) -> GraphParity:
    """Tensor distances of what is ordered (embedding, scores), and the share of boxes found again."""
    ordered = [[{name: o[name] for name in ("scores", "embedding")} for o in side] for side in (reference, got)]
    figures = boxes_found(reference, got, score=SCORE_THRESHOLD)
    return GraphParity(graph, reference_name, len(reference), compare_outputs(*ordered), figures)


def export_segmenter(work_dir: Path, out_dir: Path) -> Exported[SegmenterSpec]:
    """Write both halves: fp32 to `work_dir`, INT8 to `out_dir`."""
    network = load_average(Segmenter(), work_dir / "segmenter.pt")
    assert isinstance(network, Segmenter)
    fold_batch_norms(network)
    encoder, decoder = network.encoder, DecoderGraph(network.decoder)
    write_segmenter(encoder, decoder, work_dir)
    calibration = _frames(work_dir, "train", CALIBRATION_FRAMES)
    encoder_fp32, encoder_int8 = work_dir / encoder_graph("fp32").file, out_dir / encoder_graph("int8-static").file
    decoder_fp32, decoder_int8 = work_dir / decoder_graph("fp32").file, out_dir / decoder_graph("int8-static").file
    images = ({"images": padded(f)[None]} for f in calibration)
    quantise(encoder_fp32, encoder_int8, encoder_graph("int8-static"), feeds=images)
    # the decoder is calibrated behind the INT8 encoder, as it will run
    prompts = _prompts(encoder_int8, calibration)
    quantise(decoder_fp32, decoder_int8, decoder_graph("int8-static"), feeds=prompts, keep_fp32=_DECODER_FP32)
    return Exported(
        segmenter_spec("int8-static"),
        _segmenter_parity(encoder, decoder, work_dir, out_dir, _frames(work_dir, "validation", PARITY_FRAMES)),
    )


def write_segmenter(encoder: torch.nn.Module, decoder: torch.nn.Module, folder: Path) -> None:
    """The two fp32 graphs, free in height and width by steps of `STRIDE` and in the number of boxes."""
    rows, columns = Dim("rows", min=2, max=64), Dim("columns", min=2, max=64)
    image = torch.zeros(1, 3, 224, 384, dtype=torch.uint8)
    export_graph(
        encoder,
        [image],
        folder / encoder_graph("fp32").file,
        encoder_graph("fp32"),
        dynamic_shapes=[{2: STRIDE * rows, 3: STRIDE * columns}],
    )
    fine, coarse = encoder(image)
    boxes = torch.tensor([[0.1, 0.2, 0.4, 0.6], [0.3, 0.3, 0.9, 0.8], [0.0, 0.0, 0.2, 0.2]])
    spec = decoder_graph("fp32")
    export_graph(
        decoder,
        [fine.detach(), coarse.detach(), boxes],
        folder / spec.file,
        spec,
        dynamic_shapes=[
            {2: 16 * rows, 3: 16 * columns},
            {2: 8 * rows, 3: 8 * columns},
            {0: Dim("boxes", min=1, max=256)},
        ],
    )


def _segmenter_parity(
    encoder: torch.nn.Module, decoder: torch.nn.Module, work_dir: Path, out_dir: Path, frames: Sequence[CachedFrame]
) -> tuple[GraphParity, ...]:
    images = [{"images": padded(f)[None]} for f in frames]
    embeddings = {
        "pytorch": [_run_torch(encoder, feed, encoder_graph("fp32")) for feed in images],
        "fp32": run_session(open_graph(work_dir / encoder_graph("fp32").file), images),
        "int8": run_session(open_graph(out_dir / encoder_graph("int8-static").file), images),
    }
    prompts = {
        name: [{**e, "boxes_xyxy": padded_boxes(f)} for e, f in zip(held, frames, strict=True)]
        for name, held in embeddings.items()
    }
    masks = {
        "pytorch": [_run_torch(decoder, feed, decoder_graph("fp32")) for feed in prompts["pytorch"]],
        "fp32": run_session(open_graph(work_dir / decoder_graph("fp32").file), prompts["fp32"]),
        "int8": run_session(open_graph(out_dir / decoder_graph("int8-static").file), prompts["int8"]),
    }
    reports = []
    for got, reference in (("fp32", "pytorch"), ("int8", "fp32")):
        same = np.concatenate(
            [
                mask_iou(r["mask_logits"] > 0, g["mask_logits"] > 0)
                for r, g in zip(masks[reference], masks[got], strict=True)
            ]
        )
        reports += [
            GraphParity(
                f"segmenter_encoder.{got}.onnx",
                reference,
                len(frames),
                compare_outputs(embeddings[reference], embeddings[got]),
            ),
            GraphParity(
                f"segmenter_encoder+decoder.{got}.onnx",
                reference,
                len(frames),
                compare_outputs(masks[reference], masks[got]),
                {"masks": float(len(same)), "mask_iou_mean": float(same.mean()), "mask_iou_min": float(same.min())},
            ),
        ]
    return tuple(reports)


def _frames(work_dir: Path, split: str, count: int) -> list[CachedFrame]:
    """Frames with at least one instance, each of another scene where the first shard has enough."""
    held = [f for f in cached_frames(work_dir, split=split, shards=1) if len(f.class_ids)]
    return held[:: max(1, len(held) // count)][:count]


def padded(frame: CachedFrame) -> NDArray[np.uint8]:
    """The picture as the runtime feeds it, uint8 [3, H, W]."""
    placement = letterbox(frame.size_wh, image_side=IMAGE_SIDE, stride=STRIDE)
    return fit_image(frame.image(), placement, pad_value=PAD_VALUE)


def padded_boxes(frame: CachedFrame) -> NDArray[np.float32]:
    """True boxes relative to the padded picture, float32 [n, 4]."""
    return boxes_to_padded(frame.boxes_xyxy, letterbox(frame.size_wh, image_side=IMAGE_SIDE, stride=STRIDE))


def _prompts(encoder: Path, frames: Sequence[CachedFrame]) -> Iterator[Arrays]:
    for frame, embeddings in zip(
        frames, run_session(open_graph(encoder), [{"images": padded(f)[None]} for f in frames]), strict=True
    ):
        yield {**embeddings, "boxes_xyxy": padded_boxes(frame)}


@torch.no_grad()
def _run_torch(module: torch.nn.Module, feed: Arrays, spec: GraphSpec) -> Arrays:
    outputs = module.eval()(*(torch.from_numpy(feed[t.name]) for t in spec.inputs))
    return {t.name: value.numpy() for t, value in zip(spec.outputs, outputs, strict=True)}
