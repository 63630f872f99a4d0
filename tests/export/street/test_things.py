"""U2-Netp as a mask network: the part that is kept, and its first convolution's channel of zeros."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from edgecap.engines.errors import CheckpointError
from edgecap.export.street.things import SIDE, thing_net
from tests.export.street.test_pull_street import u2net


def test_four_channels_in_and_the_same_logits_out(tmp_path: Path) -> None:
    u2net(tmp_path / "u2netp.onnx")
    net, compared = thing_net(tmp_path / "u2netp.onnx")
    conv = next(node for node in net.model.graph.node if node.op_type == "Conv")
    weight = next(w for w in net.model.graph.initializer if w.name == conv.input[1])
    wide = onnx.numpy_helper.to_array(weight)
    assert wide.shape[1] == 4 and not wide[:, 3].any() and wide[:, :3].any()
    shape = net.model.graph.input[0].type.tensor_type.shape
    assert [dim.dim_value for dim in shape.dim[1:]] == [3, SIDE, SIDE]
    assert compared.parity.tensors[0].relative_l2 < 1e-6


def test_another_file_is_refused(tmp_path: Path) -> None:
    u2net(tmp_path / "u2netp.onnx")
    model = onnx.load(str(tmp_path / "u2netp.onnx"))
    model.graph.output[0].name = model.graph.node[-1].output[0] = "1963"
    onnx.save(model, str(tmp_path / "other.onnx"))
    with pytest.raises(CheckpointError, match="is not rembg's U2-Netp"):
        thing_net(tmp_path / "other.onnx")
