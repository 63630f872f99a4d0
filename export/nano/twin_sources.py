"""What nano's TensorRT twins are made from: its fp32 graphs, the sizes it runs at, inputs from the synthetic world.

They are made after the pack is written:

    add_twins(out_dir, nano_twin_sources(out_dir, work_dir), most_bytes=15_000_000)
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edgecap.engines.graph.letterbox import fit_image, letterbox, normalise_views
from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.specs import CaptionerSpec, DetectorSpec, SegmenterSpec
from edgecap.export.onnx.sensitivity import run_model
from edgecap.export.publish.pictures import world_pictures
from edgecap.export.publish.twins import Form, TwinSource
from edgecap.export.smolvlm.original import square_views

PICTURES = 24
Arrays = dict[str, NDArray[Any]]
Range = tuple[int, int, int]
_BOXES = np.array([[0.1, 0.2, 0.4, 0.9], [0.3, 0.3, 0.9, 0.8], [0.0, 0.0, 0.2, 0.3], [0.6, 0.4, 0.7, 0.6]], np.float32)


def nano_twin_sources(
    pack_folder: Path, work_dir: Path, *, form: Form = "fp16", decoder: tuple[Path, GraphSpec] | None = None
) -> dict[str, TwinSource]:
    """Sources for every graph of nano but the captioner's decoder, whose twin is another graph: `decoder` is its
    file and spec, where there is one. float16 by default: on nano it loses nothing that shows, and is small enough."""
    spec = Pack.open(pack_folder, verify=False).spec
    if spec.detector is None or spec.segmenter is None or spec.captioner is None:
        raise ValueError(f"{pack_folder}: is not nano: a role is missing")
    pictures = list(itertools.islice(world_pictures(), PICTURES))
    heights, widths = _side_ranges(spec.detector)
    images = [{"images": _padded(picture, spec.detector)[None]} for picture in pictures]
    encoder = work_dir / "segmenter_encoder.fp32.onnx"
    prompts = _prompts(encoder, images)
    sources = {
        "detector.graph": TwinSource(
            work_dir / "detector.fp32.onnx", form, {"batch": (1, 1, 8), "height": heights, "width": widths}, images
        ),
        "segmenter.encoder": TwinSource(encoder, form, {"height": heights, "width": widths}, images),
        "segmenter.decoder": TwinSource(
            work_dir / "segmenter_decoder.fp32.onnx",
            form,
            _decoder_ranges(spec.segmenter, heights, widths, images[0], prompts[0]),
            prompts,
        ),
        "captioner.vision": TwinSource(
            work_dir / "caption" / "vision.fp32.onnx", form, {"n": (1, 4, 32)}, _views(spec.captioner, pictures)
        ),
    }
    if decoder is not None:
        sources["captioner.decoder"] = TwinSource(decoder[0], form, ready=decoder[1])
    return sources


def _side_ranges(spec: DetectorSpec) -> tuple[Range, Range]:
    """Padded heights and widths: from two strides (a very flat picture) to the square, usually 16:9."""
    stride = spec.stride
    most = -(-spec.image_side // stride) * stride
    usual = -(-(spec.image_side * 9 // 16) // stride) * stride
    return (2 * stride, usual, most), (2 * stride, most, most)


def _decoder_ranges(
    spec: SegmenterSpec, heights: Range, widths: Range, image: Arrays, prompt: Arrays
) -> dict[str, Range]:
    """The embeddings' sides for pictures of those sides; the step of each is read off one that was made."""
    ranges: dict[str, Range] = {"boxes": (1, 4, 32)}
    for tensor in spec.encoder.outputs:
        step = image["images"].shape[-1] // prompt[tensor.name].shape[-1]
        for axis, sides in zip(tensor.axes[2:], (heights, widths), strict=True):
            if isinstance(axis, str):
                ranges[axis] = (sides[0] // step, sides[1] // step, sides[2] // step)
    return ranges


def _padded(picture: NDArray[np.uint8], spec: DetectorSpec | SegmenterSpec) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    placement = letterbox((width, height), image_side=spec.image_side, stride=spec.stride)
    return fit_image(picture, placement, pad_value=spec.pad_value)


def _prompts(encoder: Path, images: list[Arrays]) -> list[Arrays]:
    return [{**held, "boxes_xyxy": _BOXES} for held in run_model(onnx.load(str(encoder)), images)]


def _views(spec: CaptionerSpec, pictures: list[NDArray[np.uint8]]) -> list[Arrays]:
    """Square crops of the middle, four to a feed, as the runtime cuts them."""
    groups = [pictures[start : start + 4] for start in range(0, len(pictures), 4)]
    views = [square_views(lambda held=held: held, count=len(held), side=spec.view_side) for held in groups]  # type: ignore[misc]
    return [{"pixels": normalise_views(cut, mean=spec.mean, std=spec.std)} for cut in views]
