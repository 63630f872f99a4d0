"""From a graph of a pack to an engine of the store."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from pathlib import Path

import pytest

from edgecap.engines import DetectorSpec, GraphSpec, Pack, PackSpec, write_pack
from edgecap.engines.compile.compile import make_engine, order_engines
from edgecap.engines.compile.target import BuildTarget
from edgecap.engines.compile.tensorrt import TrtOptions
from edgecap.engines.errors import EngineBuildError, MissingExtraError, OutputError, UsageError
from edgecap.engines.graph.onnx_session import open_onnx_session
from edgecap.engines.graph.scripted_session import ScriptedSession
from edgecap.engines.store.key import pack_key
from edgecap.engines.store.store import EngineStore
from tests.engines.compile.trt_graphs import contrib, convolution

GRAPH_PATH = "detector.graph"


def write(folder: Path, *, twin: bool) -> Pack:
    """A pack whose detector has an operator of ONNX Runtime's own; `twin`: and a standard graph for TensorRT."""
    folder.mkdir()
    _, primary = contrib(folder)
    twins: dict[str, GraphSpec] = {}
    if twin:
        _, spec = convolution(folder)
        twins[GRAPH_PATH] = spec
    detector = DetectorSpec(primary, 320, 32, 114, 0.4, 0.6, ("person",))
    write_pack(folder, PackSpec("tiny", "1", "Apache-2.0", {}, {}, detector, None, None, None, twins))
    return Pack.open(folder)


def test_the_twin_is_compiled_and_kept(tmp_path: Path):
    pack, store = write(tmp_path / "tiny", twin=True), EngineStore(tmp_path / "store")
    order = order_engines("tensorrt-rtx", target="sm_89")
    said: list[str] = []
    made = make_engine(pack, GRAPH_PATH, order, store=store, say=said.append)
    assert (made.status, made.file) == ("built", "convolution.onnx") and said == [f"building {GRAPH_PATH}"]
    assert made.engine_bytes == (made.folder / "model.engine").stat().st_size
    assert made.parity == {} and made.parity_note.startswith("not measured: compiled ahead for sm_89")
    again = make_engine(pack, GRAPH_PATH, order, store=store, say=said.append)
    assert again.status == "already built" and again.digest == made.digest and said == [f"building {GRAPH_PATH}"]
    other = make_engine(pack, GRAPH_PATH, order_engines("tensorrt-rtx", target="sm_120"), store=store)
    level = TrtOptions(optimisation_level=1)
    cheap = make_engine(pack, GRAPH_PATH, order_engines("tensorrt-rtx", target="sm_89", options=level), store=store)
    assert len({made.digest, other.digest, cheap.digest}) == 3
    assert not list((store.folder / "building").iterdir())


def test_without_a_twin_the_compiler_says_what_it_lacks(tmp_path: Path):
    pack, store = write(tmp_path / "tiny", twin=False), EngineStore(tmp_path / "store")
    with pytest.raises(EngineBuildError, match=r"detector.graph has no TensorRT twin in pack 'tiny'.*QuickGelu"):
        make_engine(pack, GRAPH_PATH, order_engines("tensorrt-rtx", target="sm_89"), store=store)
    assert not [path for path in store.folder.iterdir() if (path / "manifest.json").exists()]
    made = make_engine(pack, GRAPH_PATH, order_engines("onnxruntime-cpu"), store=store)
    assert made.parity == {"y.max_abs": 0.0} and made.engine_bytes > 0


def test_orders_that_can_not_be_met(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UsageError, match="ONNX Runtime optimises for the CPU of this machine"):
        order_engines("onnxruntime-cpu", target="sm_89")
    with pytest.raises(UsageError, match="can't compile for sm_90"):
        order_engines("tensorrt-rtx", target="sm_90")
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(MissingExtraError):
        order_engines("tensorrt")


@pytest.mark.parametrize(("factor", "fine"), [(1.0001, True), (-1.0, False)])
def test_an_engine_for_this_machine_is_judged_before_it_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float, fine: bool
):
    """As on a GPU machine, with the running acted out: the reference is ONNX Runtime's CPU on the same graph."""
    pack, store = write(tmp_path / "tiny", twin=True), EngineStore(tmp_path / "store")
    order = dataclasses.replace(order_engines("tensorrt-rtx", target="sm_89"), gpu=BuildTarget("8.9", "Some GPU"))
    spec = pack.spec.twins[GRAPH_PATH]
    reference = open_onnx_session(pack.path(spec.file), spec)

    def run(path: Path, graph: GraphSpec, *, backend: str) -> ScriptedSession:
        assert path.name == "model.engine" and path.is_file() and backend == "tensorrt-rtx"
        return ScriptedSession(
            graph, lambda feeds: {k: v * v.dtype.type(factor) for k, v in reference.run(feeds).items()}
        )

    monkeypatch.setattr("edgecap.engines.tensorrt.session.open_trt_session", run)
    if fine:
        made = make_engine(pack, GRAPH_PATH, order, store=store)
        assert made.parity["features.cosine"] > 0.9999 and made.parity_note == ""
        return
    with pytest.raises(EngineBuildError, match=r"parity limits: features.cosine -1.00000 \(at least 0.9999\)"):
        make_engine(pack, GRAPH_PATH, order, store=store)
    made = make_engine(pack, GRAPH_PATH, dataclasses.replace(order, allow_drift=True), store=store)
    manifest = store.open_checked(pack_key(pack, GRAPH_PATH, order.target, flags=order.flags)).manifest
    assert manifest.drift_allowed and made.parity["features.cosine"] < -0.99


def test_a_pack_of_many_bytes_wants_the_space_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pack, store = write(tmp_path / "tiny", twin=True), EngineStore(tmp_path / "store")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10_000))
    with pytest.raises(OutputError, match="MB are free"):
        make_engine(pack, GRAPH_PATH, order_engines("tensorrt-rtx", target="sm_89"), store=store)
