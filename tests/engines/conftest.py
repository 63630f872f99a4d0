"""A tiny graph and a tiny pack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from onnx import helper

from edgecap.engines import DetectorSpec, PackSpec, write_pack
from tests.engines.graphs import SCALE, save_graph


@pytest.fixture
def scale_path(tmp_path: Path) -> Path:
    """The file of `SCALE`."""
    folder = tmp_path / "graphs"
    folder.mkdir()
    nodes = [
        helper.make_node("Mul", ["x", "two"], ["doubled"]),
        helper.make_node("Add", ["doubled", "one"], ["y"]),
    ]
    return save_graph(folder / SCALE.file, nodes, SCALE, constants={"two": 2.0, "one": 1.0})


@pytest.fixture
def pack_spec() -> PackSpec:
    """A pack with a detector; `files` empty, as a caller of write_pack gives it."""
    detector = DetectorSpec(
        SCALE,
        image_side=320,
        stride=32,
        pad_value=114,
        score_threshold=0.4,
        nms_iou=0.6,
        labels=("person", "dog"),
    )
    return PackSpec(
        name="tiny",
        version="1.0",
        licence="Apache-2.0",
        source={"made by": "tests"},
        files={},
        detector=detector,
        segmenter=None,
        captioner=None,
        domain=None,
    )


@pytest.fixture
def make_pack(tmp_path: Path, scale_path: Path, pack_spec: PackSpec) -> Callable[[], Path]:
    """Writes the pack of `pack_spec` into a folder and returns the folder."""

    def make() -> Path:
        folder = tmp_path / "tiny"
        (folder / "stats").mkdir(parents=True)
        (folder / SCALE.file).write_bytes(scale_path.read_bytes())
        (folder / "stats" / "domain.npz").write_bytes(b"statistics " * 20)
        (folder / "README.md").write_text("For people; not listed.\n")
        write_pack(folder, pack_spec)
        return folder

    return make
