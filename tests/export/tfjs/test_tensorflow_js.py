"""The converter against TensorFlow.js itself (wasm, in node), where both are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgecap.export.onnx.graph import open_graph
from edgecap.export.specimens.tfjs import save_nanodet
from edgecap.export.tfjs.convert import convert, safe_name
from edgecap.export.tfjs.model import TfjsModel

SCRIPT = Path(__file__).with_name("run_tfjs.mjs")
MODULES = os.environ.get("EDGECAP_NODE_MODULES", "")


@pytest.mark.skipif(
    shutil.which("node") is None or not (Path(MODULES) / "@tensorflow" / "tfjs-backend-wasm").is_dir(),
    reason="needs node, and EDGECAP_NODE_MODULES with @tensorflow/tfjs and @tensorflow/tfjs-backend-wasm",
)
def test_a_network_gives_what_tensorflow_js_gives(tmp_path: Path) -> None:
    model = TfjsModel.open(save_nanodet(tmp_path, side=96))
    x = np.random.default_rng(0).normal(0, 1, (1, 3, 96, 96)).astype(np.float32)
    x.tofile(tmp_path / "x.f32")
    command = ["node", str(SCRIPT), MODULES, str(model.path), str(tmp_path / "x.f32"), "1,3,96,96", "float32"]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    onnx.save(convert(model), str(tmp_path / "model.onnx"))
    session = open_graph(tmp_path / "model.onnx")
    got = dict(zip([o.name for o in session.get_outputs()], session.run(None, {"input": x}), strict=True))
    for name in model.outputs:
        wanted = np.fromfile(tmp_path / f"{safe_name(name)}.f32", np.float32).reshape(got[safe_name(name)].shape)
        assert np.linalg.norm(got[safe_name(name)] - wanted) <= 1e-5 * np.linalg.norm(wanted)
