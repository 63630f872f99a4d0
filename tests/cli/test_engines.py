"""`edgecap engines` and `edgecap caption --engines`, as a user meets them."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from edgecap.bench.world.cached_clips import cached_clip
from edgecap.engines.compile.onnxruntime import build_ort
from edgecap.engines.packs.pack import Pack
from edgecap.engines.store.key import EngineTarget, graph_paths, pack_key, this_device
from edgecap.engines.store.manifest import describe
from edgecap.engines.store.store import STAMP_FILE, EngineStore, StoredEngine
from tests.cli.command import run


def file_engine(store: EngineStore, pack: Pack, place: str, here: EngineTarget, /, **changes: Any) -> StoredEngine:
    """What the builder of ONNX Runtime makes of one graph, filed for `here`; `changes` are made to its key."""
    key, graph = dataclasses.replace(pack_key(pack, place, here), **changes), graph_paths(pack)[place]
    with store.building(key) as build:
        build_ort(pack.path(graph.file), graph, build.folder / "engine.onnx")
        facts: dict[str, Any] = {"build_seconds": 0.1, "onnx_bytes": 1, "engine_file": "engine.onnx", "graph": place}
        return build.publish(describe(build.folder, key=key, pack=pack, **facts))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EngineStore:
    """An empty store, the one that commands use."""
    monkeypatch.setenv("EDGECAP_ENGINES", str(tmp_path / "engines"))
    return EngineStore()


@pytest.fixture(scope="module")
def nano() -> Pack:
    return Pack.open("nano")


@pytest.fixture(scope="module")
def here() -> EngineTarget:
    return this_device("onnxruntime-cpu")


def test_an_empty_store(store: EngineStore, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("list", "verify"):
        code, out, err = run(capsys, "engines", command)
        assert (code, err) == (0, "") and out == f"no engines in {store.folder}; run edgecap build PACK\n"
        assert run(capsys, "engines", command, "--json") == (0, "[]\n", "")
    code, out, _ = run(capsys, "engines", "explain", "nano")
    assert code == 0 and out.count("no engine of this graph; run edgecap build") == 5
    assert not store.folder.exists()


def test_list_and_verify(
    store: EngineStore, nano: Pack, here: EngineTarget, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = file_engine(store, nano, "captioner.vision", here)
    cut = file_engine(store, nano, "detector.graph", here)
    cut.path.write_bytes(cut.path.read_bytes()[:5000])
    code, out, _ = run(capsys, "engines", "list")
    assert code == 0 and "nano 1 captioner.vision, onnxruntime-cpu" in out and "int8-static" in out
    listed = json.loads(run(capsys, "engines", "list", "--json")[1])
    assert {one["manifest"]["graph"] for one in listed} == {"captioner.vision", "detector.graph"}
    code, out, _ = run(capsys, "engines", "verify")
    assert code == 6 and "1 sound, 1 damaged" in out and f"{cut.path}: expected " in out
    verified = json.loads(run(capsys, "engines", "verify", "--json")[1])
    problems = {one["digest"]: one["problem"] for one in verified}
    assert problems[sound.manifest.key.digest] == "" and problems[cut.manifest.key.digest].startswith(str(cut.path))
    code, out, err = run(capsys, "engines", "gc", "--damaged")
    assert (code, err) == (0, "") and f"removed {cut.manifest.key.digest[:12]}" in out
    assert run(capsys, "engines", "verify")[0] == 0


def test_five_tampered_keys_are_explained(
    store: EngineStore, nano: Pack, here: EngineTarget, capsys: pytest.CaptureFixture[str]
) -> None:
    place = "captioner.vision"
    tampered = {
        "processor": {"target": "x86_64 avx2"},
        "backend version": {"backend_version": "1.20.0"},
        "ONNX file and weights": {"onnx_sha256": "0" * 64},
        "builder flags": {"builder_flags": "optimisation=basic"},
        "precision": {"precision": "fp16"},
    }
    engines = {words: file_engine(store, nano, place, here, **changes) for words, changes in tampered.items()}
    code, out, err = run(capsys, "engines", "explain", "nano", "--graph", place)
    assert (code, err) == (0, "")
    lines = {line.split()[0]: line for line in out.splitlines()[1:]}
    for words, engine in engines.items():
        said = lines[engine.manifest.key.digest[:12]].partition("): ")[2]
        assert said.startswith(words) and ": engine " in said and ";" not in said, "one field, one clause"
    assert "matches: it is used" not in out
    file_engine(store, nano, place, here)
    told = json.loads(run(capsys, "engines", "explain", "nano", "--graph", place, "--json")[1])
    assert told[0]["engines"][0] == {
        "digest": told[0]["digest"],
        "label": f"nano {nano.spec.version} {place}, onnxruntime-cpu {here.backend_version}, {here.target.split()[0]}",
        "differences": [],
    }


def test_explain_for_another_device_and_bad_questions(
    store: EngineStore, nano: Pack, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "engines", "explain", "nano", "--graph", "captioner.voice")
    assert code == 2 and "has no graph 'captioner.voice'; it has detector.graph" in err
    code, _, err = run(capsys, "engines", "explain", "nano", "--target", "sm_89")
    assert code == 2 and "--target is for TensorRT" in err
    code, _, err = run(capsys, "engines", "explain", "nano", "--backend", "tensorrt-rtx", "--target", "ada")
    assert code == 2 and "write it as sm_89" in err
    assert run(capsys, "engines", "explain", "no such pack")[0] == 5


def test_gc(store: EngineStore, nano: Pack, here: EngineTarget, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "engines", "gc")
    assert code == 2 and "needs to know what to remove: add --max-gb N" in err
    old = file_engine(store, nano, "captioner.vision", here)
    file_engine(store, nano, "segmenter.encoder", here)
    then = time.time() - 40 * 86400
    os.utime(old.folder / STAMP_FILE, (then, then))
    code, out, _ = run(capsys, "engines", "gc", "--keep-days", 30, "--dry-run")
    assert code == 0 and f"would remove {old.manifest.key.digest[:12]}" in out and old.path.exists()
    done = json.loads(run(capsys, "engines", "gc", "--keep-days", 30, "--json")[1])
    assert [one["digest"] for one in done["removed"]] == [old.manifest.key.digest] and not old.path.exists()
    assert done["removed"][0]["reason"] == "not used for 40 days" and done["kept_bytes"] > 0
    code, out, _ = run(capsys, "engines", "gc", "--max-gb", 0)
    assert code == 0 and out.endswith(" 0.0 MB kept\n")
    assert run(capsys, "engines", "list", "--json")[1] == "[]\n"


@pytest.mark.slow  # quicker: store/test_sessions.py (which is opened), compile/test_onnxruntime.py (same bits)
def test_nano_says_the_same_from_the_wheel_and_from_the_store(
    store: EngineStore, nano: Pack, here: EngineTarget, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = cached_clip(tmp_path, tier="clean", seed=3, duration_seconds=2.0, num_actors=2).video

    def captioned(choice: str) -> tuple[list[str], dict[str, str]]:
        """Rows without what a clock measured, as text; and what was used."""
        out = tmp_path / f"out-{choice}"
        command = ("caption", clip, "--engines", choice, "--out", out, "--no-report", "--serial", "--json")
        code, _, err = run(capsys, *command)
        assert (code, err) == (0, "")
        rows = [json.loads(line) for line in (out / "captions.jsonl").read_text().splitlines()]
        metas = [row.pop("meta") for row in rows]
        for meta in metas:
            for clocked in ("age_seconds", "stage_seconds"):
                meta.pop(clocked)
        used = [meta.pop("used") for meta in metas]
        return [json.dumps([rows, metas])], used[0]

    code, _, err = run(capsys, "caption", clip, "--engines", "store", "--out", tmp_path / "none")
    assert code == 6 and "no engine of detector.graph for this device" in err
    assert "run edgecap build nano, or use --engines pack" in err
    wheel, used = captioned("pack")
    assert used["engines"] == "pack"
    file_engine(store, nano, "detector.graph", here)
    mixed, used = captioned("auto")
    assert used["engines"].startswith("detector.graph store, segmenter.encoder pack, ") and mixed == wheel
    for place in graph_paths(nano):
        if place != "detector.graph":
            file_engine(store, nano, place, here)
    for choice in ("store", "auto"):
        stored, used = captioned(choice)
        assert used["engines"] == "store" and stored == wheel
    assert "Main Instance" in wheel[0] and used["precision"].startswith("detector int8-static, ")
