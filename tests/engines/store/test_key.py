"""What makes two engines one, and what tells them apart."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import edgecap.engines.store.key as engine_key
from edgecap.engines import GraphSpec, Pack, PackSpec, write_pack
from edgecap.engines.errors import EngineError, MissingExtraError, PackError, UsageError
from edgecap.engines.graph.device import CpuReport, DeviceReport, GpuReport
from edgecap.engines.packs.onnx_files import external_files
from edgecap.engines.store.key import (
    EngineTarget,
    backend_version,
    compiled_graph,
    flags_text,
    graph_paths,
    graph_sha256,
    pack_key,
    profile_text,
    this_device,
)
from tests.engines.graphs import SCALE
from tests.engines.store.engine_builder import WANTED, key

CHANGES = {
    "onnx_sha256": ("b" * 64, "ONNX file and weights (SHA-256): engine bbbbbbbbbbbb..., wanted aaaaaaaaaaaa..."),
    "precision": ("int8-static", "precision: engine int8-static, wanted fp16"),
    "profile": ("x [1]", "shape profile: engine x [1], wanted x float32 [B=1..4..16, 3]"),
    "builder_flags": ("tf32=true", "builder flags: engine tf32=true, wanted optimisation_level=3, tf32=false"),
    "backend": ("tensorrt-rtx", "backend: engine tensorrt-rtx, wanted tensorrt"),
    "backend_version": ("10.16.1.11", "backend version: engine 10.16.1.11, wanted 11.4.0.106"),
    "target": ("sm_86", "compute capability: engine sm_86, wanted sm_89"),
    "cuda_version": ("12.9", "CUDA version: engine 12.9, wanted 13.2"),
    "driver_major": ("", "driver: engine none, wanted 580"),
}


@pytest.mark.parametrize("name", CHANGES, ids=str)
def test_every_field_tells_engines_apart(name: str) -> None:
    value, words = CHANGES[name]
    other = key(**{name: value})
    assert other.digest != WANTED.digest and len(other.digest) == 32
    assert other.differences(WANTED) == (words,)


def test_all_fields_are_tested_and_equal_keys_are_equal() -> None:
    assert set(CHANGES) == {field.name for field in dataclasses.fields(WANTED)}
    assert key().digest == WANTED.digest and key().differences(WANTED) == ()
    assert len(key(**{name: value for name, (value, _) in CHANGES.items()}).differences(WANTED)) == len(CHANGES)


def test_processors_and_gpus_are_called_what_they_are() -> None:
    one, other = key(target="x86_64 avx2"), key(target="x86_64 avx512_vnni")
    assert one.differences(other) == ("processor: engine x86_64 avx2, wanted x86_64 avx512_vnni",)
    assert one.differences(WANTED) == ("device: engine x86_64 avx2, wanted sm_89",)


def test_canonical_texts() -> None:
    graph = dataclasses.replace(SCALE, ranges={"B": (1, 4, 16)})
    assert profile_text(graph) == "x float32 [B=1..4..16, 3]"
    assert profile_text(SCALE) == "x float32 [B=?, 3]"
    assert flags_text({"tf32": False, "level": 3, "name": "all"}) == "level=3, name=all, tf32=false"


def _report(*gpus: GpuReport) -> DeviceReport:
    cpu = CpuReport("Test", 4, 2, 4, ("fma", "avx2"))
    return DeviceReport(gpus, "" if gpus else "no driver answers", "580.95.05", "13.2", cpu, None, "Linux", "3.11")


def test_this_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__="11.4.0.106"))
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", SimpleNamespace(__version__="1.7.1.116"))
    monkeypatch.setattr(engine_key.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(engine_key, "probe_device", lambda: _report())
    assert this_device("onnxruntime-cpu").target == "x86_64 avx2 fma"
    with pytest.raises(EngineError, match="no driver answers; use provider cpu"):
        this_device("tensorrt")
    monkeypatch.setattr(engine_key, "probe_device", lambda: _report(GpuReport(0, "L4", "8.9", 24 << 30)))
    assert this_device("tensorrt") == EngineTarget("tensorrt", "11.4.0.106", "sm_89", "13.2", "580")
    assert this_device("tensorrt-rtx") == EngineTarget("tensorrt-rtx", "1.7.1.116", "sm_89")
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(MissingExtraError, match=r"backend tensorrt: tensorrt can't be imported .*; pip install"):
        backend_version("tensorrt")


def test_the_key_of_a_pack(make_pack: Callable[[], Path], pack_spec: PackSpec) -> None:
    folder = make_pack()
    target = EngineTarget("onnxruntime-cpu", "1.31.1", "x86_64 avx2")
    pack = Pack.open(folder)
    made = pack_key(pack, "detector.graph", target)
    assert (made.precision, made.profile, made.target) == ("fp32", "x float32 [B=?, 3]", "x86_64 avx2")
    assert made.builder_flags == "optimisation=all"
    assert pack_key(pack, "detector.graph", target, flags={"optimisation": "basic"}).digest != made.digest
    with pytest.raises(UsageError, match=r"has no graph 'captioner\.vision'; it has detector\.graph"):
        pack_key(pack, "captioner.vision", target)

    # A twin is what TensorRT compiles, and what only its key is made of.
    twin = dataclasses.replace(SCALE, file="scale.fp16.onnx", precision="fp16", ranges={"B": (1, 2, 4)})
    (folder / twin.file).write_bytes((folder / SCALE.file).read_bytes() + b"\x12\x01t")  # another producer_name
    write_pack(folder, dataclasses.replace(pack_spec, twins={"detector.graph": twin}))
    pack = Pack.open(folder)
    assert pack_key(pack, "detector.graph", target) == made
    on_gpu = pack_key(pack, "detector.graph", EngineTarget("tensorrt", "11", "sm_89"))
    assert (on_gpu.precision, on_gpu.profile) == ("fp16", "x float32 [B=1..2..4, 3]")
    assert on_gpu.onnx_sha256 != made.onnx_sha256
    assert compiled_graph(pack, "detector.graph", "tensorrt-rtx") == twin
    assert graph_paths(pack) == {"detector.graph": SCALE}


def _external_pack(folder: Path, pack_spec: PackSpec, *, weights: bytes, location: str = "weights.bin") -> Pack:
    """A pack whose graph keeps one weight outside, one in a constant node and one inside an If branch."""

    def outside(name: str, place: str) -> TensorProto:
        tensor = numpy_helper.from_array(np.zeros(1024, np.float32), name)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="offset", value="0")
        tensor.external_data.add(key="location", value=place)
        return tensor

    branch = helper.make_graph([], "branch", [], [], [outside("in_branch", "branch.bin")])
    nodes = [
        helper.make_node("Constant", [], ["c"], value=outside("c", "constant.bin")),
        helper.make_node("If", ["flag"], ["z"], then_branch=branch, else_branch=branch),
    ]
    graph = helper.make_graph(nodes, "g", [], [], [outside("w", location)])
    folder.mkdir(parents=True)
    (folder / "graphs").mkdir()
    (folder / "graphs" / "g.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    for name in ("constant.bin", "branch.bin", "weights.bin"):
        (folder / "graphs" / name).write_bytes(weights if name == "weights.bin" else b"same")
    assert pack_spec.detector is not None
    detector = dataclasses.replace(pack_spec.detector, graph=dataclasses.replace(SCALE, file="graphs/g.onnx"))
    write_pack(folder, dataclasses.replace(pack_spec, detector=detector))
    return Pack.open(folder)


def _graph_of(pack: Pack) -> GraphSpec:
    assert pack.spec.detector is not None
    return pack.spec.detector.graph


def test_weights_outside_the_graph_file_count(tmp_path: Path, pack_spec: PackSpec) -> None:
    one = _external_pack(tmp_path / "one", pack_spec, weights=b"w" * 64)
    same = _external_pack(tmp_path / "same", pack_spec, weights=b"w" * 64)
    other = _external_pack(tmp_path / "other", pack_spec, weights=b"v" * 64)
    assert external_files(one.path("graphs/g.onnx")) == ("branch.bin", "constant.bin", "weights.bin")
    graph = _graph_of(one)
    assert (one.folder / graph.file).read_bytes() == (other.folder / graph.file).read_bytes()
    assert graph_sha256(one, graph) == graph_sha256(same, graph) != graph_sha256(other, graph)


def test_weights_that_the_pack_does_not_list(tmp_path: Path, pack_spec: PackSpec) -> None:
    pack = _external_pack(tmp_path / "one", pack_spec, weights=b"w", location="../elsewhere.bin")
    with pytest.raises(PackError, match=r"keeps weights in graphs/\.\./elsewhere\.bin, which is not listed"):
        graph_sha256(pack, _graph_of(pack))


def test_what_is_no_model(tmp_path: Path, scale_path: Path) -> None:
    assert external_files(scale_path) == ()
    whole = scale_path.read_bytes()
    onnx.load_from_string(whole)
    for name, content in {"empty": b"", "cut": whole[: len(whole) // 2], "text": b"This is no model at all."}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PackError, match="can't be read as an ONNX model"):
            external_files(tmp_path / name)
    with pytest.raises(PackError, match="No such file"):
        external_files(tmp_path / "absent.onnx")
