"""Keys and engines made by hand, and a builder that is a process of its own.

Run as a program: STORE KEY_JSON WAIT_SECONDS. It prints "found" where the engine is there already, else "building" when
it is half-way, waits for a line on stdin, and prints "built".
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.specs import PackSpec
from edgecap.engines.store.key import EngineKey
from edgecap.engines.store.manifest import describe
from edgecap.engines.store.store import Build, EngineStore, StoredEngine

PACK = Pack(Path("/nowhere"), PackSpec("tiny", "1.0", "Apache-2.0", {}, {}, None, None, None, None))
WANTED = EngineKey(
    onnx_sha256="a" * 64,
    precision="fp16",
    profile="x float32 [B=1..4..16, 3]",
    builder_flags="optimisation_level=3, tf32=false",
    backend="tensorrt",
    backend_version="11.4.0.106",
    target="sm_89",
    cuda_version="13.2",
    driver_major="580",
)
"""What this machine needs, were it an L4."""


def key(**changes: str) -> EngineKey:
    """`WANTED` with some fields changed."""
    return dataclasses.replace(WANTED, **changes)


def publish(build: Build, content: bytes = b"whole engine " * 100, *, graph: str = "detector.graph") -> StoredEngine:
    """Write one file and file it."""
    (build.folder / "engine.bin").write_bytes(content)
    manifest = describe(
        build.folder,
        key=build.key,
        pack=PACK,
        graph=graph,
        engine_file="engine.bin",
        build_seconds=1.5,
        onnx_bytes=4000,
        parity={"y.cosine": 0.9999},
    )
    return build.publish(manifest)


def stored(store: EngineStore, wanted: EngineKey = WANTED, content: bytes = b"whole engine " * 100) -> StoredEngine:
    """An engine, built and filed."""
    with store.building(wanted) as build:
        return publish(build, content)


def start_builder(store: EngineStore, wanted: EngineKey, *, wait_seconds: float) -> subprocess.Popen[str]:
    """This file as another process."""
    command = [sys.executable, __file__, str(store.folder), json.dumps(dataclasses.asdict(wanted)), str(wait_seconds)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _main(folder: str, key_json: str, wait_seconds: str) -> None:
    store = EngineStore(folder)
    with store.building(EngineKey(**json.loads(key_json)), wait_seconds=float(wait_seconds)) as build:
        if build.existing is not None:
            print("found", flush=True)
            return
        (build.folder / "engine.bin").write_bytes(b"half an eng")
        print("building", flush=True)
        sys.stdin.readline()
        publish(build, b"from the child")
    print("built", flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
