"""TensorFlow.js graph models as ONNX: every operator against its replay in NumPy, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from edgecap.engines.errors import CheckpointError, ExportError
from edgecap.export.onnx.graph import open_graph
from edgecap.export.specimens.tfjs import TfjsWriter, save_nanodet
from edgecap.export.tfjs.convert import COVERED, convert, safe_name
from edgecap.export.tfjs.free_axes import free_axes
from edgecap.export.tfjs.model import TfjsModel
from edgecap.export.tfjs.replay import OPERATORS, replay
from tests.export.tfjs.operator_cases import CASES

Array = NDArray[Any]


def converted(model: TfjsModel, path: Path, feeds: dict[str, Array]) -> dict[str, Array]:
    import onnx

    onnx.save(convert(model), str(path))
    session = open_graph(path)
    found = session.run(None, {safe_name(name): value for name, value in feeds.items()})
    return dict(zip([output.name for output in session.get_outputs()], found, strict=True))


@pytest.mark.parametrize("case", CASES, ids=[name for name, _ in CASES])
def test_an_operator_gives_what_its_replay_gives(
    case: tuple[str, Callable[[TfjsWriter], list[str]]], tmp_path: Path
) -> None:
    """The picture is 6 x 5 pixels, so that SAME pads unevenly."""
    writer, rng = TfjsWriter(), np.random.default_rng(0)
    writer.placeholder("x", (1, 6, 5, 4))
    writer.placeholder("n", (3,), "DT_INT32")
    outputs = case[1](writer)
    model = TfjsModel.open(writer.save(tmp_path / "model.json", outputs))
    feeds = {
        "x": rng.normal(0, 2, (1, 6, 5, 4)).astype(np.float32),
        "n": np.array([7, -7, 2], np.int32),
    }
    read = {name: value for name, value in feeds.items() if name in {i.name for i in model.inputs}}
    wanted = replay(model, read)
    got = converted(model, tmp_path / "model.onnx", read)
    assert set(wanted) == set(outputs)
    for name, value in wanted.items():
        one = got[safe_name(name)]
        assert one.shape == value.shape and one.dtype.kind == value.dtype.kind
        np.testing.assert_allclose(one, value, rtol=1e-5, atol=1e-5)


def test_every_operator_of_the_table_has_a_case_and_a_replay() -> None:
    tried = set()
    for _, build in CASES:
        writer = TfjsWriter()
        build(writer)
        tried |= {node["op"] for node in writer._nodes}
    assert not set(COVERED) - tried, "add a case"
    assert not set(COVERED) - set(OPERATORS), "add a replay"


@pytest.mark.parametrize("stored", ["float16", "uint8", "uint16"])
def test_quantised_weights_are_read_as_scale_times_code_plus_least(stored: Any, tmp_path: Path) -> None:
    values = np.linspace(-3, 5, 24).reshape(4, 6)
    writer = TfjsWriter()
    writer.placeholder("x", (1, 4))
    writer.node("MatMul", "y", ["x", writer.constant("w", values, stored=stored)])
    model = TfjsModel.open(writer.save(tmp_path / "m.json", ["y"]))
    step = {"float16": 0.004, "uint8": 8 / 255, "uint16": 8 / 65535}[stored]
    np.testing.assert_allclose(model.weights["w"], values, atol=step)
    assert model.weights["w"].dtype == np.float32


def test_an_operator_outside_the_table_is_named_with_its_node(tmp_path: Path) -> None:
    writer = TfjsWriter()
    writer.placeholder("x", (1, 4))
    writer.node("FFT3D", "block/spectrum", ["x"])
    model = TfjsModel.open(writer.save(tmp_path / "m.json", ["block/spectrum"]))
    with pytest.raises(
        ExportError, match=r"node 'block/spectrum' \(FFT3D\): the operator is not covered; covered are "
    ):
        convert(model)
    with pytest.raises(ExportError, match=r"node 'block/spectrum' \(FFT3D\): can't be replayed"):
        replay(model, {"x": np.zeros((1, 4), np.float32)})


@pytest.mark.parametrize(
    ("build", "words"),
    [
        pytest.param(
            lambda w: w.node("Conv2D", "y", ["x", "x"], strides=[1, 1, 1, 1], padding="SAME"),
            r"node 'y' \(Conv2D\): its input 1 \('x'\) is computed",
            id="computed weights",
        ),
        pytest.param(
            lambda w: w.node("AddV2", "y", ["x", "gone"]), "node 'gone' is read and not in the file", id="missing node"
        ),
        pytest.param(lambda w: w.node("AddV2", "y", ["x", "y"]), "node 'y' reads its own result", id="circle"),
        pytest.param(lambda w: w.node("Cast", "y", ["x"], DstT="DT_STRING"), "casts to DT_STRING", id="cast"),
    ],
)
def test_forms_that_are_not_covered_are_named(build: Callable[[TfjsWriter], str], words: str, tmp_path: Path) -> None:
    writer = TfjsWriter()
    writer.placeholder("x", (1, 4, 4, 1))
    build(writer)
    with pytest.raises(ExportError, match=words):
        convert(TfjsModel.open(writer.save(tmp_path / "m.json", ["y"])))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(lambda p: p.with_suffix(".bin").unlink(), r"shard m\.bin is missing", id="no shard"),
        pytest.param(
            lambda p: p.with_suffix(".bin").write_bytes(b"1234567"), r"ends inside weight 'w' \(7", id="short"
        ),
        pytest.param(lambda p: p.write_text("{}"), "is not a TensorFlow.js graph model", id="other JSON"),
        pytest.param(lambda p: p.write_text("x"), "is not JSON", id="no JSON"),
        pytest.param(lambda p: p.write_text(p.read_text().replace("float32", "complex64")), "complex64", id="numbers"),
        pytest.param(lambda p: p.unlink(), "no such file", id="nothing"),
    ],
)
def test_damaged_files_are_one_line(spoil: Callable[[Path], object], words: str, tmp_path: Path) -> None:
    writer = TfjsWriter()
    writer.placeholder("x", (1, 2))
    writer.node("MatMul", "y", ["x", writer.constant("w", np.ones((2, 3)))])
    path = writer.save(tmp_path / "m.json", ["y"])
    spoil(path)
    with pytest.raises(CheckpointError, match=words) as caught:
        TfjsModel.open(path)
    assert "\n" not in str(caught.value)


def test_biases_pads_and_sizes_are_folded(tmp_path: Path) -> None:
    """Pad + Conv2D + Add is one Conv; a resize goes by scale, so that another input size follows."""
    writer = TfjsWriter()
    writer.placeholder("x", (1, 8, 8, 2))
    writer.node("Pad", "p", ["x", writer.constant("amounts", [[0, 0], [1, 1], [1, 1], [0, 0]])])
    kernel = writer.constant("w", np.random.default_rng(0).normal(0, 1, (3, 3, 2, 5)))
    writer.node("Conv2D", "c", ["p", kernel], strides=[1, 2, 2, 1], padding="VALID")
    writer.node("AddV2", "a", ["c", writer.constant("b", np.arange(5.0))])
    writer.node("ResizeBilinear", "y", ["a", writer.constant("s", [8, 8])], half_pixel_centers=True)
    model = TfjsModel.open(writer.save(tmp_path / "m.json", ["y"]))
    made = convert(model)
    assert [node.op_type for node in made.graph.node] == ["Transpose", "Conv", "Resize", "Transpose", "Identity"]
    free = free_axes(made, {0: "batch", 1: "height", 2: "width"})
    import onnx

    onnx.save(free, str(tmp_path / "free.onnx"))
    x = np.random.default_rng(1).normal(0, 1, (3, 12, 16, 2)).astype(np.float32)
    [got] = open_graph(tmp_path / "free.onnx").run(None, {"x": x})
    assert got.shape == (3, 12, 16, 5)


def test_nanodet_takes_any_multiple_of_32_and_any_batch(tmp_path: Path) -> None:
    import onnx

    small, large = (TfjsModel.open(save_nanodet(_folder(tmp_path, str(side)), side=side, seed=3)) for side in (64, 128))
    onnx.save(free_axes(convert(small), {0: "batch", 2: "height", 3: "width"}), str(tmp_path / "free.onnx"))
    session = open_graph(tmp_path / "free.onnx")
    x = np.random.default_rng(0).normal(0, 1, (2, 3, 128, 128)).astype(np.float32)
    got = dict(zip([o.name for o in session.get_outputs()], session.run(None, {"input": x}), strict=True))
    for row in range(2):
        for name, value in replay(large, {"input": x[row : row + 1]}).items():
            np.testing.assert_allclose(got[name][row], value[0], atol=1e-4)


def test_the_graph_is_float32_and_standard(tmp_path: Path) -> None:
    made = convert(TfjsModel.open(save_nanodet(tmp_path, side=64)))
    assert {node.domain for node in made.graph.node} == {""}
    assert all(value.type.tensor_type.elem_type == TensorProto.FLOAT for value in made.graph.output)
    assert made.opset_import[0].version == 18


def _folder(path: Path, name: str) -> Path:
    (path / name).mkdir()
    return path / name
