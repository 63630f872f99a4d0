"""Recipe sam2: what it refuses, and in which words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecap.engines.errors import CheckpointError, EdgecapError, ExportError, UsageError
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.job import ExportJob
from edgecap.export.sam2 import SAM2
from edgecap.export.sam2.settings import read_settings

pytest.importorskip("torch")

from edgecap.export.sam2.specimen import save_specimen


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_specimen(tmp_path_factory.mktemp("sam2") / "checkpoint")


def changed(folder: Path, into: Path, **config: Any) -> Path:
    """A copy with other values in config.json."""
    shutil.copytree(folder, into)
    content = json.loads((into / "config.json").read_text())
    (into / "config.json").write_text(json.dumps(content | config))
    return into


def run(folder: Path, out: Path, *, pictures: int = 2, precision: Any = "fp32", **options: str) -> None:
    shown = [np.zeros((36, 64, 3), np.uint8)] * pictures
    SAM2(ExportJob(Checkpoint.open(folder), out, precision, lambda: iter(shown), options=options))


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        pytest.param({"precision": "int4"}, UsageError, "no int4", id="int4"),
        pytest.param({"pictures": 1}, ExportError, "at least 2 pictures, got 1", id="one-picture"),
        pytest.param(
            {"image_side": "500"},
            UsageError,
            "image_side='500': expected a multiple of 32 from 64",
            id="side-not-a-multiple",
        ),
        pytest.param({"image_side": "big"}, UsageError, "image_side='big': expected", id="side-not-a-number"),
        pytest.param({"size": "512"}, UsageError, "no option 'size'; it takes image_side", id="unknown-option"),
    ],
)
def test_refused_job(
    folder: Path, tmp_path: Path, arguments: dict[str, Any], kind: type[EdgecapError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        run(folder, tmp_path, **arguments)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        pytest.param(
            {"architectures": ["DFineForObjectDetection"]}, "recipe sam2 takes Sam2VideoModel", id="other-model"
        ),
        pytest.param({"max_cond_frame_num": 4}, "max_cond_frame_num=4", id="several-prompted-frames"),
        pytest.param({"image_size": 500}, "image_size=500, expected a multiple of 32", id="size-not-a-multiple"),
        pytest.param({"enable_occlusion_spatial_embedding": False}, "follows only True", id="sam2.0"),
        pytest.param({"memory_attention_num_layers": 3}, "memory_attention.layers.2", id="lacks-weights"),
    ],
)
def test_refused_checkpoint(folder: Path, tmp_path: Path, config: dict[str, Any], words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        run(changed(folder, tmp_path / "checkpoint", **config), tmp_path)


def test_broken_image_processor(folder: Path, tmp_path: Path) -> None:
    copy = changed(folder, tmp_path / "checkpoint")
    (copy / "preprocessor_config.json").write_text('{"image_mean": [0.5], "image_std": [0.5]}')
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json: expected 3 channels"):
        read_settings(Checkpoint.open(copy))


def test_normalisation_is_the_folders(folder: Path, tmp_path: Path) -> None:
    copy = changed(folder, tmp_path / "checkpoint")
    (copy / "preprocessor_config.json").write_text('{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]}')
    settings = read_settings(Checkpoint.open(copy))
    assert settings.mean == (0.5, 0.5, 0.5) and settings.std == (0.25, 0.25, 0.25) and settings.pad_value == 128
