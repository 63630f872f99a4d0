"""What the cases about packs and engines prepare: a small pack, an engine, a GPU that is not there."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from edgecap.engines import DetectorSpec, GraphSpec, Pack, PackSpec, TensorSpec, probe_device, write_pack
from edgecap.engines.graph.device import GpuReport
from edgecap.engines.packs.pack import SHIPPED_FOLDER
from edgecap.engines.store.key import Backend, EngineTarget, pack_key, this_device
from edgecap.engines.store.manifest import describe
from edgecap.engines.store.store import EngineStore, StoredEngine
from tests.cli.bad_input.cases import Bench

GRAPH_PATH = "detector.graph"
HERE = "11.4.0.106"


def caption(*more: object) -> tuple[object, ...]:
    """The arguments of `edgecap caption`; the pack's graphs are opened before the video is looked at."""
    return ("caption", "holiday.mp4", *more)


def tiny_pack(at: Bench, operator: str = "Relu", *, opset: int = 18, domain: str = "", name: str = "tiny") -> Path:
    """A pack whose "detector" is one operator, images uint8 [B, 3, 32, 32] -> features float32."""
    folder = at.folder / name
    folder.mkdir()
    shape: tuple[int | str, ...] = ("B", 3, 32, 32)
    inputs, outputs = (TensorSpec("images", "uint8", shape),), (TensorSpec("features", "float32", shape),)
    spec = GraphSpec("detector.onnx", "fp32", inputs, outputs, {"B": (1, 1, 2)})
    nodes = [
        helper.make_node("Cast", ["images"], ["x"], to=TensorProto.FLOAT, name="cast"),
        helper.make_node(operator, ["x"], ["features"], domain=domain, name="the_node"),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, list(shape))
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, list(shape))
    graph = helper.make_graph(nodes, "tiny", [images], [features])
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), folder / spec.file)
    detector = DetectorSpec(spec, 64, 32, 114, 0.4, 0.6, ("person",))
    write_pack(folder, PackSpec(name, "1", "Apache-2.0", {}, {}, detector, None, None, None))
    return folder


def nano_without(at: Bench, role: str) -> Path:
    """The shipped pack without one of its roles."""
    folder = at.folder / "mine"
    shutil.copytree(SHIPPED_FOLDER / "nano", folder)
    spec = Pack.open(folder).spec
    twins = {place: graph for place, graph in spec.twins.items() if not place.startswith(role)}
    for path in folder.glob(f"{role}*"):
        path.unlink()
    changes: dict[str, Any] = {role: None, "domain": None if role == "detector" else spec.domain}
    write_pack(folder, dataclasses.replace(spec, name="mine", files={}, twins=twins, **changes))
    return folder


def stored(here: EngineTarget, content: bytes = b"engine " * 100, /, **changes: str) -> StoredEngine:
    """An engine of nano's detector in the store, for `here`; `changes` are made to its key."""
    pack, store = Pack.open("nano"), EngineStore()
    key = dataclasses.replace(pack_key(pack, GRAPH_PATH, here), **changes)
    with store.building(key) as build:
        (build.folder / "model.engine").write_bytes(content)
        facts: dict[str, Any] = {
            "build_seconds": 0.1,
            "onnx_bytes": 1,
            "engine_file": "model.engine",
            "graph": GRAPH_PATH,
        }
        return build.publish(describe(build.folder, key=key, pack=pack, **facts))


def for_cpu(**changes: str) -> StoredEngine:
    """One for the processor of this machine."""
    return stored(this_device("onnxruntime-cpu"), **changes)


def with_gpu(at: Bench, *, sm: str = "8.6", backend: Backend = "tensorrt") -> EngineTarget:
    """Pretend that this machine has a GPU and TensorRT; returns what its engines must be for."""
    gpu = GpuReport(0, "NVIDIA RTX A2000", sm, 12 << 30)
    report = dataclasses.replace(
        probe_device(), gpus=(gpu,), no_gpu_reason="", driver_version="580.95", cuda_driver_version="13.0"
    )
    for module in ("store.key", "compile.compile"):
        at.patch.setattr(f"edgecap.engines.{module}.probe_device", lambda: report)
    at.patch.setattr("edgecap.engines.store.key.backend_version", lambda name: HERE)
    at.patch.setattr("edgecap.engines.store.sessions.is_installed", lambda name: name == backend)
    return this_device(backend)


def without_gpu(at: Bench) -> None:
    """Pretend that this machine has none."""
    report = dataclasses.replace(probe_device(), gpus=(), no_gpu_reason="NVIDIA's driver is not installed")
    for module in ("store.key", "compile.compile"):
        at.patch.setattr(f"edgecap.engines.{module}.probe_device", lambda: report)


def without_package(at: Bench, name: str) -> None:
    """Pretend that a package is not installed."""

    class Refuse:
        def find_spec(self, asked: str, path: object = None, target: object = None) -> None:
            if asked == name:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    at.patch.delitem(sys.modules, name, raising=False)
    at.patch.setattr(sys, "meta_path", [Refuse(), *sys.meta_path])


def kill_a_build(pack: str) -> None:
    """A build in a process of its own that is killed when half of its engine is on the disk."""
    script = (
        "import os, signal, sys; from edgecap.engines.compile import compile as engine_maker\n"
        "def build(source, graph, out, **rest):\n"
        "    out.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)\n"
        "engine_maker.build_ort = build\n"
        "from edgecap.cli.main import main; main(['build', sys.argv[1], '--graph', 'detector.graph'])\n"
    )
    done = subprocess.run([sys.executable, "-c", script, pack], capture_output=True)
    assert done.returncode == -9, done.stderr
    assert len(list((EngineStore().folder / "building").iterdir())) == 1
