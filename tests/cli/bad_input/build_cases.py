"""Mistakes with packs and compilers: `edgecap build`, and packs that `edgecap caption` can't use."""

from __future__ import annotations

import dataclasses
import errno
import os
import resource
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from edgecap.engines import GraphSpec, Pack, write_pack
from edgecap.engines.store.key import pack_key, this_device
from edgecap.engines.store.store import EngineStore
from tests.cli.bad_input.cases import Bench, Part
from tests.cli.bad_input.engine_bench import (
    GRAPH_PATH,
    caption,
    kill_a_build,
    nano_without,
    tiny_pack,
    without_gpu,
    without_package,
)

BUILDS = Part("builds", "Packs and builds")
case = BUILDS.case


@case("a pack misspelt", code=5, says=("no pack 'nanno'", "shipped: nano"))
def pack_misspelt(at: Bench) -> tuple[object, ...]:
    return ("build", "nanno")


@case("a checkpoint folder in place of a pack", code=5, says=("is a checkpoint folder", "edgecap export"))
def checkpoint_as_pack(at: Bench) -> tuple[object, ...]:
    (at.folder / "model").mkdir()
    (at.folder / "model" / "config.json").write_text("{}")
    return caption("--pack", "model")


@case("pack.json edited by hand", code=5, says=("pack.json", "image_side", "export the pack again"))
def pack_edited(at: Bench) -> tuple[object, ...]:
    folder = tiny_pack(at)
    text = (folder / "pack.json").read_text()
    (folder / "pack.json").write_text(text.replace('"image_side": 64', '"image_side": "64"'))
    return ("build", folder)


@case("a pack whose graph was changed", code=5, says=("detector.onnx", "SHA-256"))
def pack_changed(at: Bench) -> tuple[object, ...]:
    folder = tiny_pack(at)
    held = (folder / "detector.onnx").read_bytes()
    (folder / "detector.onnx").write_bytes(held.replace(b"the_node", b"THE_NODE"))
    return ("build", folder)


@case("a pack without a captioner is asked for captions", code=5, says=("no captioner", "--captioner none"))
def no_captioner(at: Bench) -> tuple[object, ...]:
    return caption("--pack", nano_without(at, "captioner"), "--captioner", "pack")


@case("a pack without a segmenter is asked for captions", code=5, says=("no segmenter", "edgecap export"))
def no_segmenter(at: Bench) -> tuple[object, ...]:
    return caption("--pack", nano_without(at, "segmenter"))


@case("--masks memory with a pack without memory", code=5, says=("no segmenter with memory", "--masks boxes"))
def no_memory(at: Bench) -> tuple[object, ...]:
    return caption("--pack", "nano", "--masks", "memory")


@case("--masks memory without a named pack", code=2, says=("'auto' chooses", "name it"))
def memory_of_any_pack(at: Bench) -> tuple[object, ...]:
    return caption("--masks", "memory")


@case("--mask-refresh without --masks memory", code=2, says=("mask_refresh", "add masks='memory'"))
def refresh_of_boxes(at: Bench) -> tuple[object, ...]:
    return caption("--mask-refresh", "4")


@case("--masks memory where the detector makes the masks", code=2, says=("detector='motion'", "leave one out"))
def memory_of_motion(at: Bench) -> tuple[object, ...]:
    return caption("--masks", "memory", "--detector", "motion")


@case(
    "an operator set newer than ONNX Runtime's",
    code=6,
    says=("detector.onnx", "(opset) 99", "install a newer ONNX Runtime"),
)
def opset(at: Bench) -> tuple[object, ...]:
    return ("build", tiny_pack(at, opset=99))


@case("an operator that ONNX Runtime lacks", code=6, says=("detector.onnx", "Frobnicate"))
def operator(at: Bench) -> tuple[object, ...]:
    return ("build", tiny_pack(at, "Frobnicate", domain="com.microsoft"))


@case("an operator that TensorRT-RTX lacks", code=6, says=("detector.graph has no TensorRT twin", "the_node"))
def operator_of_rtx(at: Bench) -> tuple[object, ...]:
    pack = tiny_pack(at, "QuickGelu", domain="com.microsoft")
    return ("build", pack, "--backend", "tensorrt-rtx", "--target", "sm_89")


@case("a graph that is not an ONNX file", code=5, says=("detector.onnx",))
def no_onnx(at: Bench) -> tuple[object, ...]:
    folder = tiny_pack(at)
    (folder / "detector.onnx").write_bytes(b"not a graph " * 20)
    write_pack(folder, dataclasses.replace(Pack.open(folder, verify=False).spec, files={}))
    return ("build", folder)


@case("a graph misspelt", code=2, says=("'detector.grpah'", "it has detector.graph"))
def graph_misspelt(at: Bench) -> tuple[object, ...]:
    return ("build", "nano", "--graph", "detector.grpah")


@case("TensorRT is not installed", code=6, says=("tensorrt is not installed", "pip install"))
def no_tensorrt(at: Bench) -> tuple[object, ...]:
    without_package(at, "tensorrt")
    return ("build", "nano", "--backend", "tensorrt")


@case("TensorRT-RTX is not installed", code=6, says="pip install 'edgecap[rtx]'")
def no_rtx(at: Bench) -> tuple[object, ...]:
    without_package(at, "tensorrt_rtx")
    return ("build", "nano", "--backend", "tensorrt-rtx", "--target", "sm_89")


@case("no GPU and no --target", code=2, says=("driver is not installed", "--target"))
def no_target(at: Bench) -> tuple[object, ...]:
    without_gpu(at)
    return ("build", "nano", "--backend", "tensorrt-rtx")


@case("the name of a GPU as --target", code=2, says=("'RTX 4090' is not a GPU generation", "sm_89"))
def target_name(at: Bench) -> tuple[object, ...]:
    return ("build", "nano", "--backend", "tensorrt-rtx", "--target", "RTX 4090")


@case("a GPU generation that TensorRT-RTX does not know", code=2, says=("can't compile for sm_70", "sm_75"))
def target_unknown(at: Bench) -> tuple[object, ...]:
    without_gpu(at)
    return ("build", "nano", "--backend", "tensorrt-rtx", "--target", "sm_70")


@case("--target without TensorRT", code=2, says=("--target sm_89", "--backend tensorrt-rtx"))
def target_of_cpu(at: Bench) -> tuple[object, ...]:
    return ("build", "nano", "--target", "sm_89")


@case("disk full during a build", code=4, says=("the disk ran full", "nothing was published", "edgecap engines gc"))
def disk_full(at: Bench) -> tuple[object, ...]:
    def build(source: Path, graph: GraphSpec, out: Path, **_: object) -> None:
        out.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(out))

    at.patch.setattr("edgecap.engines.compile.compile.build_ort", build)
    return ("build", tiny_pack(at))


@case("disk full while ONNX Runtime writes", code=4, says=("ONNX Runtime can't write it", "nothing was published"))
def disk_full_in_onnxruntime(at: Bench) -> tuple[object, ...]:
    """A limit on the size of files makes its own writing fail as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    at.clean_up.callback(resource.setrlimit, resource.RLIMIT_FSIZE, limits)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    return ("build", "nano", "--graph", "captioner.decoder")


@case("too little room before a build", code=4, says=("5 MB are free", "edgecap engines gc"))
def no_room(at: Bench) -> tuple[object, ...]:
    at.patch.setattr("edgecap.engines.store.store.shutil.disk_usage", lambda place: SimpleNamespace(free=5_000_000))
    return ("build", tiny_pack(at))


@case("a store that may only be read", code=4, says=("can't be written", "Read-only", "EDGECAP_ENGINES"))
def read_only(at: Bench) -> tuple[object, ...]:
    mkdir = Path.mkdir

    def refuse(path: Path, *rest: Any, **named: Any) -> None:
        if path.is_relative_to(at.folder / "engines"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        mkdir(path, *rest, **named)

    pack = tiny_pack(at)
    at.patch.setattr(Path, "mkdir", refuse)
    return ("build", pack)


@case("a file in place of the store", code=4, says=("can't be written", "EDGECAP_ENGINES"))
def store_is_a_file(at: Bench) -> tuple[object, ...]:
    (at.folder / "notes.txt").write_text("x")
    return ("build", tiny_pack(at), "--store", at.folder / "notes.txt")


@case("two builds of one engine at once", code=6, says=("being built by pid", "--wait waits for it"))
def two_builds(at: Bench) -> tuple[object, ...]:
    pack = tiny_pack(at)
    key = pack_key(Pack.open(pack), GRAPH_PATH, this_device("onnxruntime-cpu"))
    at.clean_up.enter_context(EngineStore().building(key))
    return ("build", pack)


@case("a build killed half-way, built again", code=0, says=("built", "bit for bit"))
def killed_and_again(at: Bench) -> tuple[object, ...]:
    pack = tiny_pack(at)
    kill_a_build(str(pack))
    return ("build", pack)
