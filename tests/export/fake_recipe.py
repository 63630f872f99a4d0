"""A recipe that takes a second: `conv_net` as the detector of any checkpoint folder of architecture "FakeDetector"."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from safetensors.numpy import save_file

from edgecap.engines.errors import UsageError
from edgecap.engines.graph.spec import GraphSpec
from edgecap.export.job import Comparison, ExportJob, Role, RoleExport
from edgecap.export.onnx.parity import GraphParity, TensorParity
from edgecap.export.recipe_list import Listed
from tests.export.small_nets import DETECTOR_GRAPH, conv_net, detector_spec, save

LISTED = Listed("fake", "detector", "export", "a net of the tests", "tests.export.fake_recipe", "FAKE")


@dataclass(frozen=True)
class FakeRecipe:
    """Options: cosine, the figure that the gate then sees; parts, how many extra files to write."""

    name: str = "fake"
    role: Role = "detector"
    architectures: tuple[str, ...] = ("FakeDetector",)
    extra: str = "export"
    notice: str = "the fake recipe speaks first"

    def __call__(self, job: ExportJob) -> RoleExport:
        unknown = set(job.options) - {"cosine", "bytes"}
        if unknown:
            raise UsageError(f"option {min(unknown)!r} is unknown; recipe fake has cosine, bytes")
        picture = next(iter(job.pictures()))
        assert picture.dtype == np.uint8 and picture.ndim == 3
        job.say("writing the fake detector")
        save(conv_net(), job.folder / "detector.onnx")
        (job.folder / "detector.note.bin").write_bytes(b"x" * int(job.options.get("bytes", "10")))
        return RoleExport(
            role="detector",
            spec=detector_spec(),
            licence=job.checkpoint.licence or "not stated",
            source=job.checkpoint.label,
            comparisons=(comparison(float(job.options.get("cosine", "1"))),),
            kept_high={"stem": "first layer"},
            sensitivity=({"layers": ["stem"], "relative_l2": 0.1},),
        )


FAKE = FakeRecipe()


def comparison(cosine: float, *, limit: float = 0.99, kind: Literal["min", "max"] = "min") -> Comparison:
    """One comparison of one tensor."""
    tensors = (TensorParity("scores", 0.01, 0.001, cosine),)
    parity = GraphParity("detector.onnx", "pytorch", 3, tensors, {"boxes_matched_share": cosine})
    return Comparison(parity, {"cosine": (kind, limit)})


def save_fake_checkpoint(folder: Path, *, architecture: str = "FakeDetector", licence: str = "apache-2.0") -> Path:
    """The hub's layout: config.json, model.safetensors, README.md with a licence."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"architectures": [architecture], "model_type": "fake"}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file({"w": np.arange(6, dtype=np.float32)}, str(folder / "model.safetensors"))
    (folder / "README.md").write_text(f"---\nlicense: {licence}\n---\n# fake\n", encoding="utf-8")
    return folder


def spec_with(file: str) -> GraphSpec:
    """The fake detector's contract under another file name."""
    return GraphSpec(file, "fp32", DETECTOR_GRAPH.inputs, DETECTOR_GRAPH.outputs, DETECTOR_GRAPH.ranges)
