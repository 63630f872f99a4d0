"""Mistakes with stored engines and devices: `edgecap caption --engines store` and `edgecap engines`."""

from __future__ import annotations

import sys

import onnxruntime

from edgecap.engines import Pack
from edgecap.engines.store.key import pack_key, this_device
from edgecap.engines.store.manifest import MANIFEST_FILE
from tests.cli.bad_input.cases import Bench, Part
from tests.cli.bad_input.engine_bench import GRAPH_PATH, caption, for_cpu, kill_a_build, stored, with_gpu, without_gpu
from tests.engines.tensorrt.fake_trt import FakeCudart, FakeTrt

ENGINES = Part("engines", "Engines and devices")
case = ENGINES.case
from_store = ("--engines", "store")
on_gpu = ("--engines", "store", "--provider", "tensorrt")


@case("a build killed half-way, asked for captions", code=6, says=("no engine of detector.graph",))
def killed(at: Bench) -> tuple[object, ...]:
    kill_a_build("nano")
    return caption(*from_store)


@case("--engines store before any build", code=6, says=("no engine of detector.graph", "run edgecap build nano,"))
def nothing_built(at: Bench) -> tuple[object, ...]:
    return caption(*from_store)


@case("--engines store with a provider that no engine serves", code=6, says=("provider cuda", "--engines pack"))
def no_backend(at: Bench) -> tuple[object, ...]:
    return caption(*from_store, "--provider", "cuda")


@case("an engine file cut short", code=6, says=("model.engine: expected 700 bytes, got 70", "build it again"))
def truncated(at: Bench) -> tuple[object, ...]:
    engine = for_cpu()
    engine.path.write_bytes(engine.path.read_bytes()[:70])
    return caption(*from_store)


@case("an engine file changed", code=6, says=("model.engine: expected SHA-256", "edgecap engines gc --damaged"))
def changed(at: Bench) -> tuple[object, ...]:
    engine = for_cpu()
    engine.path.write_bytes(engine.path.read_bytes().upper())
    return caption(*from_store)


@case("a manifest edited", code=6, says=("manifest.json: was edited", "build it again"))
def manifest_edited(at: Bench) -> tuple[object, ...]:
    manifest = for_cpu().folder / MANIFEST_FILE
    manifest.write_text(manifest.read_text().replace('"build_seconds": 0.1', '"build_seconds": 0.2'))
    return caption(*from_store)


@case("a manifest removed", code=6, says=("manifest.json: can't be read", "build it again"))
def manifest_removed(at: Bench) -> tuple[object, ...]:
    (for_cpu().folder / MANIFEST_FILE).unlink()
    return caption(*from_store)


@case("an engine folder renamed to the wanted name", code=6, says=("made for something else", "backend version"))
def renamed(at: Bench) -> tuple[object, ...]:
    engine = for_cpu(backend_version="1.20.0")
    wanted = pack_key(Pack.open("nano"), GRAPH_PATH, this_device("onnxruntime-cpu"))
    engine.folder.rename(engine.folder.with_name(wanted.digest))
    return caption(*from_store)


@case("engines of another processor", code=6, says=("processor: engine x86_64 avx2, wanted",))
def other_processor(at: Bench) -> tuple[object, ...]:
    for_cpu(target="x86_64 avx2")
    return caption(*from_store)


@case("engines of another ONNX Runtime", code=6, says=("backend version: engine 1.20.0, wanted",))
def other_runtime(at: Bench) -> tuple[object, ...]:
    for_cpu(backend_version="1.20.0")
    return caption(*from_store)


@case("engines of other weights", code=6, says=("ONNX file and weights (SHA-256): engine 000000000000...",))
def other_weights(at: Bench) -> tuple[object, ...]:
    for_cpu(onnx_sha256="0" * 64)
    return caption(*from_store)


@case("engines of another GPU", code=6, says=("engine sm_89, wanted sm_86", "edgecap build nano --backend tensorrt"))
def other_gpu(at: Bench) -> tuple[object, ...]:
    stored(with_gpu(at), target="sm_89")
    return caption(*on_gpu)


@case("engines of another TensorRT version", code=6, says=("engine 10.9.0.34, wanted 11.4.0.106",))
def other_tensorrt(at: Bench) -> tuple[object, ...]:
    stored(with_gpu(at), backend_version="10.9.0.34")
    return caption(*on_gpu)


@case("engines of another driver and CUDA", code=6, says=("CUDA version: engine 12.4", "driver: engine 550"))
def other_driver(at: Bench) -> tuple[object, ...]:
    stored(with_gpu(at), cuda_version="12.4", driver_major="550")
    return caption(*on_gpu)


@case("an engine that TensorRT itself refuses", code=6, says=("plan header is damaged",))
def refused_by_tensorrt(at: Bench) -> tuple[object, ...]:
    stored(with_gpu(at), b"\x00 no plan")
    cudart = FakeCudart()
    at.patch.setitem(sys.modules, "cuda.bindings.runtime", cudart)
    at.patch.setitem(sys.modules, "tensorrt", FakeTrt(cudart))
    return caption(*on_gpu)


@case("--provider tensorrt without a GPU, from the store", code=6, says=("driver is not installed", "provider cpu"))
def tensorrt_without_gpu(at: Bench) -> tuple[object, ...]:
    with_gpu(at)
    without_gpu(at)
    return caption(*on_gpu)


@case("--provider cuda with ONNX Runtime for CPUs", code=6, says=("edgecap[gpu]",))
def cuda_without_gpu(at: Bench) -> tuple[object, ...]:
    at.patch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    at.patch.setattr(
        "edgecap.engines.graph.providers.onnxruntime_wheels", lambda: {"onnxruntime": onnxruntime.__version__}
    )
    return caption("--provider", "cuda")


@case("engines explain of a graph misspelt", code=2, says=("'captioner.voice'", "it has detector.graph"))
def explain_misspelt(at: Bench) -> tuple[object, ...]:
    return ("engines", "explain", "nano", "--graph", "captioner.voice")


@case("engines gc without saying what", code=2, says=("--max-gb N",))
def gc_of_nothing(at: Bench) -> tuple[object, ...]:
    return ("engines", "gc")
