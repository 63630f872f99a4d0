"""YOLO11 and YOLO26 (random weights, true layer shapes) from .pt to boxes in the runtime.

ultralytics is AGPL-3.0 and is kept apart, in .yolo (`make yolo`): it is imported in a process of its own only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ROOT / ".yolo"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (PACKAGES / "ultralytics").is_dir(), reason="ultralytics isn't in .yolo; run: make yolo"),
]


@pytest.fixture(scope="module", params=["yolo11n", "yolo26n-seg"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp(request.param)
    paths = [str(ROOT / "src"), str(PACKAGES), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("yolo_worker.py")), request.param, str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {"name": request.param, **json.loads(done.stdout.splitlines()[-1])}


def test_every_form_is_as_good_as_its_limits_ask(exported: dict[str, Any]) -> None:
    assert exported["judged"] == ["detector.fp32.onnx", "detector.fp16.onnx"]
    assert exported["failures"] == []
    assert exported["compared_boxes"] >= 20


def test_the_runtime_finds_what_ultralytics_finds(exported: dict[str, Any]) -> None:
    """Every box of the pack on a frame of the world is one of ultralytics' own, class and score included."""
    assert exported["found"] >= 5
    assert exported["best_scores"][0] - exported["best_scores"][-1] > 1e-3  # no ties: the comparison says something
    assert exported["least_overlap"] > 0.99
    assert exported["worst_score"] < 1e-4


def test_batch_and_sides_are_free(exported: dict[str, Any]) -> None:
    assert exported["stride"] == 32
    assert exported["batch_differs"] < 1e-4


def test_suppression_is_the_runtimes_only_without_an_end_to_end_head(exported: dict[str, Any]) -> None:
    assert exported["nms_iou"] == (0.9 if "26" in exported["name"] else 0.7)
    assert ("one-to-one head" in exported["source"]) == ("26" in exported["name"])


def test_the_licence_travels_with_the_pack(exported: dict[str, Any]) -> None:
    assert exported["licence"] == "agpl-3.0"
    assert "AGPL-3.0" in exported["source"]


def test_torchvision_is_never_imported(exported: dict[str, Any]) -> None:
    assert exported["torchvision_loaded"] is False
    assert exported["labels"] == ["person", "bicycle", "car"]
