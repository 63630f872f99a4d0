"""The exported vision graphs on held-out frames, through the very stages that the runtime runs.

In: specs and ONNX files. Out: `VisionFigures`. Command: `python -m edgecap.export.nano.vision.validate --graphs
.nano/early`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.onnx_session import open_onnx_session
from edgecap.engines.packs.specs import DetectorSpec, SegmenterSpec
from edgecap.export.nano.vision.cache import CachedFrame, cached_frames
from edgecap.export.nano.vision.export_vision import detector_spec, segmenter_spec
from edgecap.export.onnx.parity import box_iou
from edgecap.runtime.data.detections import Detections
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.perceive.detector import PackDetector
from edgecap.runtime.perceive.segmenter import Segmenter

ASKED_FRACTION = 0.5
"""Instances seen at least this much must be found; the others may be found."""
MASK_FRACTION = 0.3
"""Instances seen at least this much are asked for their mask."""


@dataclass(frozen=True, slots=True)
class VisionFigures:
    """Shares 0-1 over all frames; boxes match at IoU 0.5, best score first, whatever their class."""

    frames: int
    asked: int
    recall: float
    precision: float
    """Share of detections that are on some instance, however hidden."""
    class_accuracy: float
    """Of the matched asked instances."""
    box_iou: float
    """Mean over the matched asked instances."""
    mask_iou_true_boxes: float
    """Mean J against the visible mask at full resolution, prompts = true boxes."""
    mask_iou_found_boxes: float
    """The same with the detector's boxes, over matched instances."""
    mask_share_above_half: float
    quality_error: float
    """Mean |predicted IoU - true IoU| with the detector's boxes."""


@dataclass(frozen=True, slots=True)
class _FrameResult:
    """One frame's part of the figures."""

    asked: int
    found: int
    detections: int
    wrong: int
    right_class: int
    overlaps: list[float]
    true_box_ious: list[float]
    found_box_ious: list[float]
    quality_errors: list[float]


def validate_vision(detector: PackDetector, segmenter: Segmenter, frames: Sequence[CachedFrame]) -> VisionFigures:
    """Figures of the two stages over `frames` (already through a lossy codec)."""
    results = [_validate_frame(detector, segmenter, frame) for frame in frames]
    asked, found = sum(r.asked for r in results), sum(r.found for r in results)
    detections, wrong = sum(r.detections for r in results), sum(r.wrong for r in results)
    found_ious = [v for r in results for v in r.found_box_ious]
    return VisionFigures(
        len(frames),
        asked,
        found / max(asked, 1),
        1 - wrong / max(detections, 1),
        sum(r.right_class for r in results) / max(found, 1),
        _mean([v for r in results for v in r.overlaps]),
        _mean([v for r in results for v in r.true_box_ious]),
        _mean(found_ious),
        _mean([float(v >= 0.5) for v in found_ious]),
        _mean([v for r in results for v in r.quality_errors]),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0


def _validate_frame(detector: PackDetector, segmenter: Segmenter, truth: CachedFrame) -> _FrameResult:
    frame = Frame(0, 0.0, np.ascontiguousarray(truth.image()))
    found = detector.detect(frame)
    pairs = match(truth.boxes_xyxy, found)
    asked = truth.visible_fractions >= ASKED_FRACTION
    hits = [(k, d) for k, d in pairs if asked[k]]
    overlap = box_iou(truth.boxes_xyxy, found.boxes_xyxy)
    labels = truth.labels()
    shown = np.flatnonzero(truth.visible_fractions >= MASK_FRACTION)
    with_true_boxes = _mask_ious(segmenter, frame, truth.boxes_xyxy[shown], labels, shown)
    masked = [(k, d) for k, d in pairs if truth.visible_fractions[k] >= MASK_FRACTION]
    rows, columns = np.array([k for k, _ in masked], int), np.array([d for _, d in masked], int)
    with_found_boxes = _mask_ious(segmenter, frame, found.boxes_xyxy[columns], labels, rows)
    return _FrameResult(
        int(asked.sum()),
        len(hits),
        len(found),
        len(found) - len(pairs),
        sum(int(found.class_ids[d] == truth.class_ids[k]) for k, d in hits),
        [float(overlap[k, d]) for k, d in hits],
        [iou for iou, _ in with_true_boxes],
        [iou for iou, _ in with_found_boxes],
        [abs(iou - quality) for iou, quality in with_found_boxes],
    )


def match(boxes_xyxy: NDArray[np.float32], found: Detections, *, iou: float = 0.5) -> list[tuple[int, int]]:
    """(instance, detection) pairs: each detection in order of score takes the free instance it overlaps most, above
    `iou`."""
    overlap = box_iou(boxes_xyxy, found.boxes_xyxy)
    pairs: list[tuple[int, int]] = []
    for d in range(len(found) if len(boxes_xyxy) else 0):
        k = int(overlap[:, d].argmax())
        if overlap[k, d] >= iou:
            pairs.append((k, d))
            overlap[k] = 0.0
    return pairs


def _mask_ious(
    segmenter: Segmenter,
    frame: Frame,
    boxes_xyxy: NDArray[np.float32],
    labels: NDArray[np.uint8],
    instances: NDArray[np.int64],
) -> list[tuple[float, float]]:
    """(true, predicted) IoU per box."""
    masks, quality = segmenter.masks(frame, boxes_xyxy)
    out = []
    for mask, predicted, k in zip(masks, quality, instances, strict=True):
        expected, got = labels == k + 1, mask.full()
        out.append((float(np.count_nonzero(expected & got) / np.count_nonzero(expected | got)), float(predicted)))
    return out


def open_stages(
    detector: tuple[DetectorSpec, Path], segmenter: tuple[SegmenterSpec, Path]
) -> tuple[PackDetector, Segmenter]:
    """The runtime's stages on one thread each; per role its spec and the folder of its files."""
    (d, d_dir), (s, s_dir) = detector, segmenter
    sessions = [
        open_onnx_session(folder / graph.file, graph, intra_threads=1)
        for folder, graph in ((d_dir, d.graph), (s_dir, s.encoder), (s_dir, s.decoder))
    ]
    return PackDetector(d, sessions[0]), Segmenter(s, sessions[1], sessions[2])


def main() -> None:
    """Print the figures of the graphs in a folder as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graphs", type=Path, required=True, help="folder with detector.*.onnx and segmenter_*.onnx")
    parser.add_argument("--precision", default="int8-static", choices=("int8-static", "fp32"))
    parser.add_argument("--work-dir", type=Path, default=Path(".nano"), help="where validation frames are kept")
    parser.add_argument("--frames", type=int, default=200)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    stages = open_stages(
        (detector_spec(arguments.precision), arguments.graphs), (segmenter_spec(arguments.precision), arguments.graphs)
    )
    frames = cached_frames(arguments.work_dir, split="validation", shards=1)[: arguments.frames]
    print(json.dumps(asdict(validate_vision(*stages, frames)), indent=1))


if __name__ == "__main__":
    main()
