"""A .pt file is data: whatever it asks to be run is not, and what it holds becomes safetensors.

Needs no ultralytics.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import pickle
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgecap.engines.errors import CheckpointError, MissingExtraError
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.detectors.yolo import YOLO
from edgecap.export.detectors.yolo_checkpoint import main, unpack

TABLE: dict[str, Any] = {
    "nc": 2,
    "backbone": [[-1, 1, "Conv", [16, 3, 2]]],
    "head": [[[0], 1, "Detect", ["nc"]]],
}


@pytest.fixture
def model_class() -> Iterator[type[torch.nn.Module]]:
    """A class of the name that ultralytics pickles, there while the file is written."""

    class DetectionModel(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.SiLU())
            self.names = {0: "person", 1: "motorbike"}
            self.yaml = TABLE

    tasks = types.ModuleType("ultralytics.nn.tasks")
    tasks.DetectionModel = DetectionModel  # type: ignore[attr-defined]
    DetectionModel.__module__, DetectionModel.__qualname__ = tasks.__name__, "DetectionModel"
    added = {"ultralytics": types.ModuleType("ultralytics"), "ultralytics.nn": types.ModuleType("ultralytics.nn")}
    added[tasks.__name__] = tasks
    assert "ultralytics" not in sys.modules
    sys.modules.update(added)
    yield DetectionModel
    for name in added:
        sys.modules.pop(name, None)


def _saved(path: Path, model: Any, **further: Any) -> Path:
    content = {"ema": None, "model": model, "version": "8.4.190", "license": "AGPL-3.0 (https://...)", **further}
    torch.save(content, path)
    for name in [n for n in sys.modules if n.startswith("ultralytics")]:
        del sys.modules[name]  # from here on the class doesn't exist, as on a machine without ultralytics
    return path


def test_weights_table_and_names_come_out(model_class: type[torch.nn.Module], tmp_path: Path) -> None:
    model = model_class().half()
    expected = {name: value.float().numpy() for name, value in model.state_dict().items()}
    path = _saved(tmp_path / "y.pt", model, train_metrics={"fitness": np.float64(0.5)})
    assert main([str(path), str(tmp_path / "folder")]) == 0
    checkpoint = Checkpoint.open(tmp_path / "folder")
    assert checkpoint.architecture == "DetectionModel"
    assert checkpoint.licence == "agpl-3.0"
    assert checkpoint.config["ultralytics"]["yaml"] == TABLE
    assert checkpoint.config["id2label"] == {"0": "person", "1": "motorbike"}
    stored = checkpoint.tensors()
    assert set(stored) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(stored[name], value)


def test_a_pt_file_is_a_checkpoint_of_the_recipe(model_class: type[torch.nn.Module], tmp_path: Path) -> None:
    opened = YOLO.open_checkpoint(_saved(tmp_path / "y.pt", model_class()))
    assert opened.source == str(tmp_path / "y.pt")
    assert opened.revision == f"sha256:{hashlib.sha256((tmp_path / 'y.pt').read_bytes()).hexdigest()}"
    assert opened.licence == "agpl-3.0"


class _Command:
    """Runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def test_a_command_in_the_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    path = tmp_path / "evil.pt"
    torch.save({"model": _Command(marker)}, path)
    with pytest.raises(CheckpointError, match=r"names \w+\.system, which a YOLO checkpoint has no use for"):
        unpack(path, tmp_path / "folder")
    assert not marker.exists() and not (tmp_path / "folder").exists()
    with path.open("rb"), pytest.raises(pickle.UnpicklingError):  # what the plain restricted reader says
        torch.load(path, weights_only=True)


@pytest.mark.parametrize("name", ["ultralytics.utils.downloads", "numpy.testing"], ids=str)
def test_a_function_under_an_allowed_name_is_a_shell(
    name: str, model_class: type[torch.nn.Module], tmp_path: Path
) -> None:
    """`_SHELLED` are prefixes: a function there must not be called either."""
    called: list[Any] = []

    def attempt(argument: str) -> None:
        called.append(argument)

    class Call:
        def __reduce__(self) -> tuple[Any, ...]:
            return attempt, ("argument",)

    attempt.__module__, attempt.__qualname__ = name, "attempt"
    stand_in = types.ModuleType(name)
    stand_in.attempt = attempt  # type: ignore[attr-defined]
    before = sys.modules.get(name)
    sys.modules[name] = stand_in
    try:
        model = model_class()
        torch.save({"model": model, "extra": Call(), "version": "8.4.190"}, tmp_path / "y.pt")
        unpack(tmp_path / "y.pt", tmp_path / "folder")
    finally:
        sys.modules.pop(name)
        if before is not None:
            sys.modules[name] = before
    assert called == []


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b"not a zip"), "can't be read as a checkpoint"),
        (lambda path: path.write_bytes(b""), "can't be read as a checkpoint"),
        (lambda path: torch.save({"model": {"a": torch.zeros(1)}}, path), "holds dict, not a DetectionModel"),
        (lambda path: torch.save([1, 2], path), "holds a list"),
        (lambda path: None, "no such file"),
    ],
    ids=["garbage", "empty", "state-dict", "list", "missing"],
)
def test_other_files_are_refused(make: Any, words: str, tmp_path: Path) -> None:
    path = tmp_path / "y.pt"
    make(path)
    with pytest.raises(CheckpointError, match=words) as caught:
        unpack(path, tmp_path / "folder")
    assert "\n" not in str(caught.value)


def test_a_table_with_objects_is_refused(model_class: type[torch.nn.Module], tmp_path: Path) -> None:
    model = model_class()
    model.yaml = TABLE | {"scale": torch.nn.SiLU()}  # type: ignore[assignment]
    with pytest.raises(CheckpointError, match="layer table holds a Shell"):
        unpack(_saved(tmp_path / "y.pt", model), tmp_path / "folder")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"activation": "__import__('os').system('true')"}, "names an activation, which would be run as code"),
        ({"head": [[[0], 1, "torchvision.ops.nms", []]]}, "torchvision.ops.nms' is not of YOLO11 or YOLO26"),
        ({"head": [[[0], 1, "Detect", ["open('x')"]]]}, r"argument \"open\('x'\)\""),
        ({"head": None}, "no layer table"),
    ],
    ids=["activation", "layer", "argument", "no-table"],
)
def test_a_table_that_would_run_code_is_refused(
    change: dict[str, Any], words: str, model_class: type[torch.nn.Module], tmp_path: Path
) -> None:
    from edgecap.export.detectors.yolo_graph import build

    folder = unpack(_saved(tmp_path / "y.pt", model_class()), tmp_path / "folder")
    config = json.loads((folder / "config.json").read_text())
    config["ultralytics"]["yaml"] |= change
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=words):
        build(Checkpoint.open(folder))


@pytest.mark.skipif(importlib.util.find_spec("ultralytics") is not None, reason="ultralytics is on PYTHONPATH")
def test_without_ultralytics_the_line_says_how_to_get_it(model_class: type[torch.nn.Module], tmp_path: Path) -> None:
    from edgecap.export.detectors.yolo_graph import build

    folder = unpack(_saved(tmp_path / "y.pt", model_class()), tmp_path / "folder")
    with pytest.raises(MissingExtraError, match="run: make yolo"):
        build(Checkpoint.open(folder))
