"""Arrays bound to a session: the caller's memory is read and written in place, and wrong buffers are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecap.engines import EngineError, open_onnx_session
from edgecap.engines.graph.onnx_session import OnnxBinding
from tests.engines.graphs import SCALE, CopyingDevice, rows


def test_binding_reuses_the_callers_memory(scale_path: Path):
    x, y = rows(2), np.zeros((2, 3), np.float32)
    binding = open_onnx_session(scale_path, SCALE).bind({"x": x}, {"y": y})
    for step in range(3):
        x[:] = rows(2) + step
        binding.run()
        np.testing.assert_array_equal(y, 2 * (rows(2) + step) + 1)


def test_binding_keeps_arrays_alive_and_takes_a_leading_slice(scale_path: Path):
    pool = np.zeros((8, 3), np.float32)
    binding = open_onnx_session(scale_path, SCALE).bind({"x": rows(2).copy()}, {"y": pool[4:6]})
    binding.run()
    np.testing.assert_array_equal(pool[4:6], 2 * rows(2) + 1)
    assert not pool[:4].any() and not pool[6:].any()


def test_input_and_output_may_be_the_same_memory(scale_path: Path):
    memory = np.array([[0.0, 1.0, 2.0]], np.float32)
    binding = open_onnx_session(scale_path, SCALE).bind({"x": memory}, {"y": memory})
    for _ in range(3):
        binding.run()
    np.testing.assert_array_equal(memory, [[7.0, 15.0, 23.0]])  # x -> 2x + 1, three times


def test_binding_that_copies_inputs_sees_new_values():
    """The way taken on a GPU, where a bound input is a copy made at binding time."""
    x, y, device = rows(1), np.zeros((1, 3), np.float32), CopyingDevice()
    binding = OnnxBinding(SCALE.file, device, {"x": x}, {"y": y}, copies_inputs=True)
    for value in (1.0, 5.0):
        x[:] = value
        binding.run()
        assert y.tolist() == [[2 * value + 1] * 3] and device.synchronized[-1] == "outputs"


@pytest.mark.parametrize(
    ("inputs", "outputs", "words"),
    [
        pytest.param(
            {"x": np.zeros((3, 2), np.float32).T},
            {"y": np.zeros((2, 3), np.float32)},
            "C-contiguous",
            id="not contiguous",
        ),
        pytest.param({"x": rows(2)}, {"y": np.zeros((1, 3), np.float32)}, "with {'B': 2}", id="batches differ"),
        pytest.param(
            {"x": rows(1)},
            {"y": np.broadcast_to(np.zeros((1, 3), np.float32), (1, 3))},
            "read-only",
            id="read-only output",
        ),
        pytest.param({"x": rows(1)}, {}, "wrong output names", id="output missing"),
    ],
)
def test_wrong_buffers_are_named(scale_path: Path, inputs: dict, outputs: dict, words: str):
    session = open_onnx_session(scale_path, SCALE)
    with pytest.raises(EngineError) as caught:
        session.bind(inputs, outputs)
    assert words in str(caught.value)
