"""Run with .yolo on PYTHONPATH, in a process of its own: a random YOLO as a .pt file -> recipe -> pack -> runtime.

python yolo_worker.py yolo11n FOLDER     prints one JSON object of figures for test_yolo.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.specs import PackSpec
from edgecap.engines.packs.writer import write_pack
from edgecap.export.detectors.yolo import YOLO
from edgecap.export.detectors.yolo_graph import build
from edgecap.export.job import ExportJob
from edgecap.export.onnx.graph import run_graph
from edgecap.export.publish.gate import failures
from edgecap.export.specimens.yolo import frames_of, padded, save_yolo
from edgecap.runtime.data.boxes import iou_matrix
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.perceive.detector import PackDetector

SIDE = 256


def main(name: str, folder: Path) -> dict[str, Any]:
    torch.set_num_threads(1)
    save_yolo(folder / f"{name}.pt", name=name, image_side=SIDE)
    frames = frames_of(1, image_side=SIDE)
    checkpoint = YOLO.open_checkpoint(folder / f"{name}.pt")
    pack = folder / "pack"
    pack.mkdir()
    role = YOLO(ExportJob(checkpoint, pack, "fp32", lambda: iter(frames), options={"image_side": str(SIDE)}))
    spec = PackSpec("r", "1", role.licence, {"detector": role.source}, {}, role.spec, None, None, None, role.twins)
    write_pack(pack, spec)
    opened = Pack.open(pack)
    detector_spec = opened.spec.detector
    assert detector_spec is not None
    found = PackDetector(detector_spec, opened.open_session(detector_spec.graph)).detect(Frame(0, 0.0, frames[0]))
    boxes, scores, class_ids = _theirs(build(checkpoint), frames[0])
    overlap = iou_matrix(found.boxes_xyxy, boxes) * (found.class_ids[:, None] == class_ids[None])
    other_shape = np.random.default_rng(0).integers(0, 256, (3, 3, 192, 320), dtype=np.uint8)
    batch = run_graph(pack / detector_spec.graph.file, {"images": other_shape})
    alone = run_graph(pack / detector_spec.graph.file, {"images": other_shape[1:2]})
    return {
        "failures": [failure for row in role.comparisons for failure in failures(row)],
        "judged": [row.parity.graph for row in role.comparisons],
        "compared_boxes": role.comparisons[0].parity.figures["boxes"],
        "licence": role.licence,
        "source": role.source,
        "nms_iou": detector_spec.nms_iou,
        "stride": detector_spec.stride,
        "labels": list(detector_spec.labels[:3]),
        "found": len(found),
        "best_scores": found.scores[:10].tolist(),
        "least_overlap": float(overlap.max(1).min()),
        "worst_score": float(np.abs(found.scores - scores[overlap.argmax(1)]).max()),
        "batch_differs": float(np.abs(batch["scores"][1] - alone["scores"][0]).max()),
        "torchvision_loaded": "torchvision" in sys.modules,
    }


def _theirs(network: Any, image_rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every box of ultralytics' own forward pass on the padded picture, relative to the frame and cut at its edges."""
    height, width = image_rgb.shape[:2]
    with torch.no_grad():
        out = network(torch.from_numpy(padded(image_rgb, image_side=SIDE)).float() / 255)[0]
    rows = (out[0] if isinstance(out, tuple) else out)[0]
    if network.model[-1].end2end:
        corners, scores, class_ids = rows[:, :4], rows[:, 4], rows[:, 5].long()
    else:
        scores, class_ids = rows[4:84].max(0)
        corners = torch.cat([rows[:2] - rows[2:4] / 2, rows[:2] + rows[2:4] / 2]).T
    size = torch.tensor([width, height, width, height])
    return (corners / size).clamp(0, 1).numpy(), scores.numpy(), class_ids.numpy()


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
