"""Which file a session is opened from, and that this is reported. The stored graph answers differently on purpose."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from onnx import helper

import edgecap.engines.store.sessions as engine_sessions
import edgecap.engines.tensorrt.session as trt_session
from edgecap.engines import GraphSpec, Pack, PackSpec, write_pack
from edgecap.engines.errors import EngineError, EngineMismatchError, TamperedEngineError, UsageError
from edgecap.engines.packs.specs import SegmenterSpec
from edgecap.engines.store.key import EngineTarget, pack_key, this_device
from edgecap.engines.store.manifest import describe
from edgecap.engines.store.sessions import EnginesChoice, EngineSessions
from edgecap.engines.store.store import EngineStore, StoredEngine
from tests.engines.graphs import SCALE, save_graph

GRAPH_PATH = "detector.graph"


@pytest.fixture
def pack(make_pack: Callable[[], Path]) -> Pack:
    return Pack.open(make_pack())


@pytest.fixture
def store(tmp_path: Path) -> EngineStore:
    return EngineStore(tmp_path / "engines")


def store_tripler(store: EngineStore, pack: Pack, target: EngineTarget) -> StoredEngine:
    """File y = 3 x as what was compiled for `target` from the pack's y = 2 x + 1."""
    key = pack_key(pack, GRAPH_PATH, target)
    with store.building(key) as build:
        nodes = [helper.make_node("Mul", ["x", "three"], ["y"])]
        save_graph(build.folder / "engine.onnx", nodes, SCALE, constants={"three": 3.0})
        facts: dict[str, Any] = {
            "build_seconds": 0.1,
            "onnx_bytes": 1,
            "engine_file": "engine.onnx",
            "graph": GRAPH_PATH,
        }
        return build.publish(describe(build.folder, key=key, pack=pack, **facts))


def answer(pack: Pack, store: EngineStore, choice: EnginesChoice) -> tuple[float, str]:
    """What the session makes of 2 (5.0: the pack's graph, 6.0: the stored one), and what `used` says."""
    sessions = EngineSessions(choice, store=store)
    assert sessions.used == "none" and sessions.precision(GRAPH_PATH) is None
    session = pack.using(sessions).open_session(SCALE)
    assert sessions.precision(GRAPH_PATH) == "fp32"
    return float(session.run({"x": np.full((1, 3), 2.0, np.float32)})["y"][0, 0]), sessions.used


def test_each_choice_with_an_engine_and_without(pack: Pack, store: EngineStore) -> None:
    assert answer(pack, store, "auto") == answer(pack, store, "pack") == (5.0, "pack")
    with pytest.raises(EngineError, match=rf"no engine of {GRAPH_PATH} for this device \(onnxruntime-cpu .*build"):
        answer(pack, store, "store")
    assert not store.folder.exists(), "looking creates nothing"
    stored = store_tripler(store, pack, this_device("onnxruntime-cpu"))
    assert store.open_checked(stored.manifest.key).manifest.pack == "tiny"
    assert answer(pack, store, "auto") == answer(pack, store, "store") == (6.0, "store")
    assert answer(pack, store, "pack") == (5.0, "pack")
    alone = pack.open_session(SCALE).run({"x": np.full((1, 3), 2.0, np.float32)})
    assert alone["y"][0, 0] == 5.0, "a pack opens its own graphs by default"


def test_a_damaged_engine_is_refused_or_told(pack: Pack, store: EngineStore) -> None:
    store_tripler(store, pack, this_device("onnxruntime-cpu")).path.write_bytes(b"cut")
    with pytest.raises(TamperedEngineError, match=r"expected \d+ bytes, got 3"):
        answer(pack, store, "store")
    assert answer(pack, store, "auto") == (5.0, "pack (the stored engine is damaged)")


def test_an_engine_of_another_processor_is_not_used(pack: Pack, store: EngineStore) -> None:
    here = this_device("onnxruntime-cpu")
    store_tripler(store, pack, dataclasses.replace(here, target="x86_64 avx2", backend_version="1.20.0"))
    with pytest.raises(EngineMismatchError) as caught:
        answer(pack, store, "store")
    nearest = "; the nearest (tiny 1.0 detector.graph, onnxruntime-cpu 1.20.0, x86_64) differs in backend version: "
    assert nearest in str(caught.value)
    assert "processor: engine x86_64 avx2, wanted" in str(caught.value)
    assert str(caught.value).endswith(f"run edgecap build {pack.folder}, or use --engines pack")
    assert answer(pack, store, "auto") == (5.0, "pack")


def test_mixed_origins_are_told_place_by_place(
    pack_spec: PackSpec, make_pack: Callable[[], Path], store: EngineStore, scale_path: Path
) -> None:
    folder = make_pack()
    other = dataclasses.replace(SCALE, file="other.onnx")
    (folder / other.file).write_bytes(scale_path.read_bytes() + b"\x12\x01t")  # the same sum, another producer_name
    role = SegmenterSpec(other, other, 320, 32, 114, "image", 0.0, 0.0)
    write_pack(folder, dataclasses.replace(pack_spec, segmenter=role))
    pack = Pack.open(folder)
    store_tripler(store, pack, this_device("onnxruntime-cpu"))
    sessions = EngineSessions("auto", store=store)
    using = pack.using(sessions)
    using.open_session(SCALE)
    using.open_session(other)
    assert sessions.used == "detector.graph store, segmenter.encoder pack"
    assert using == pack, "where sessions come from is no property of the pack"


def test_a_provider_without_stored_engines(pack: Pack, store: EngineStore) -> None:
    using = pack.using(EngineSessions("store", store=store))
    with pytest.raises(EngineError, match="no stored engine serves provider cuda; use --engines pack"):
        using.open_session(SCALE, provider="cuda")
    with pytest.raises(UsageError, match="engines must be one of auto, store, pack; got 'both'"):
        EngineSessions("both")  # type: ignore[arg-type]
    with pytest.raises(EngineError, match=r"has no graph 'elsewhere\.onnx'"):
        using.open_session(dataclasses.replace(SCALE, file="elsewhere.onnx"))


def test_tensorrt_opens_the_engine_of_the_twin(
    pack_spec: PackSpec, make_pack: Callable[[], Path], store: EngineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_pack()
    twin = dataclasses.replace(SCALE, precision="fp16", ranges={"B": (1, 2, 4)})
    write_pack(folder, dataclasses.replace(pack_spec, twins={GRAPH_PATH: twin}))
    pack, target = Pack.open(folder), EngineTarget("tensorrt-rtx", "1.7.1.116", "sm_89")
    opened: list[tuple[Path, GraphSpec, str, str]] = []

    def open_trt_session(path: Path, spec: GraphSpec, *, backend: str, runtime_cache: Path) -> SimpleNamespace:
        opened.append((path, spec, backend, runtime_cache.parent.name))
        return SimpleNamespace(spec=spec)

    monkeypatch.setattr(trt_session, "open_trt_session", open_trt_session)
    monkeypatch.setattr(engine_sessions, "is_installed", lambda backend: backend == "tensorrt-rtx")
    monkeypatch.setattr(engine_sessions, "this_device", lambda backend: target)
    engine = store_tripler(store, pack, target)
    for choice in ("store", "auto"):
        sessions = EngineSessions(choice, store=store)
        pack.using(sessions).open_session(SCALE, provider="tensorrt")
        assert (sessions.used, sessions.precision(GRAPH_PATH)) == ("store", "fp16")
    assert opened == [(engine.path, twin, "tensorrt-rtx", "timing")] * 2
