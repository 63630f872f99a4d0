"""A manifest survives its own JSON and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgecap import __version__
from edgecap.engines.errors import EngineBuildError, TamperedEngineError
from edgecap.engines.store.manifest import MANIFEST_FILE, check_files, describe, encode_manifest, read_manifest
from tests.engines.store.engine_builder import PACK, WANTED


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An engine of two files, with its manifest."""
    (tmp_path / "engine.bin").write_bytes(b"engine" * 50)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "weights.bin").write_bytes(b"w" * 20)
    manifest = describe(
        tmp_path,
        key=WANTED,
        pack=PACK,
        graph="detector.graph",
        engine_file="engine.bin",
        build_seconds=1.23456,
        onnx_bytes=4000,
        parity={"y.cosine": 0.9999},
        drift_allowed=True,
    )
    (tmp_path / MANIFEST_FILE).write_text(encode_manifest(manifest))
    return tmp_path


def test_round_trip(folder: Path) -> None:
    made = read_manifest(folder)
    assert made.key == WANTED and made.key.digest == WANTED.digest
    assert (made.pack, made.pack_version, made.graph, made.engine_file) == (
        "tiny",
        "1.0",
        "detector.graph",
        "engine.bin",
    )
    assert {name: entry.bytes for name, entry in made.files.items()} == {"engine.bin": 300, "more/weights.bin": 20}
    assert (made.engine_bytes, made.onnx_bytes, made.build_seconds) == (320, 4000, 1.235)
    assert (made.parity, made.drift_allowed, made.edgecap_version) == ({"y.cosine": 0.9999}, True, __version__)
    assert made.created_utc.startswith("20") and made.created_utc.endswith("Z")
    assert encode_manifest(made) == (folder / MANIFEST_FILE).read_text()
    check_files(folder, made)


def _edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data))

    return apply


SPOILT = {
    "gone": (lambda path: path.unlink(), "can't be read"),
    "empty": (lambda path: path.write_text(""), "not JSON"),
    "cut": (lambda path: path.write_text(path.read_text()[:300]), "not JSON"),
    "bytes": (lambda path: path.write_bytes(b"\xff\xfe"), "not UTF-8"),
    "target": (_edit(lambda d: d["engine"]["key"].update(target="sm_86")), "was edited after the engine was published"),
    "parity": (_edit(lambda d: d["engine"]["parity"].update({"y.cosine": 1.0})), "was edited"),
    "drift": (_edit(lambda d: d["engine"].update(drift_allowed=False)), "was edited"),
    "seal": (_edit(lambda d: d.update(manifest_sha256="0" * 64)), "was edited"),
    "unknown": (_edit(lambda d: d["engine"].update(note="x")), r"\$\.engine\.note: unknown key"),
    "missing": (_edit(lambda d: d["engine"]["key"].pop("driver_major")), r"\$\.engine\.key\.driver_major: missing"),
    "type": (_edit(lambda d: d["engine"].update(onnx_bytes="4000")), r"onnx_bytes: expected a whole number"),
    "escape": (_edit(lambda d: d["engine"]["files"].update({"../x": {"sha256": "", "bytes": 0}})), "inside"),
    "version": (_edit(lambda d: d.update(manifest_version=2)), "manifest version 2, this edgecap reads 1"),
}


@pytest.mark.parametrize("name", SPOILT, ids=str)
def test_a_spoilt_manifest_is_refused(folder: Path, name: str) -> None:
    spoil, words = SPOILT[name]
    spoil(folder / MANIFEST_FILE)
    with pytest.raises(TamperedEngineError, match=words) as caught:
        read_manifest(folder)
    assert str(folder) in str(caught.value) and "build it again with edgecap build" in str(caught.value)


SPOILT_FILES = {
    "truncated": (lambda f: f.write_bytes(f.read_bytes()[:100]), r"engine\.bin: expected 300 bytes, got 100"),
    "changed": (lambda f: f.write_bytes(b"enginE" * 50), r"engine\.bin: expected SHA-256 .*, got"),
    "gone": (lambda f: f.unlink(), r"engine\.bin: is missing"),
    "extra": (
        lambda f: f.with_name("extra.bin").write_bytes(b"x"),
        "contains extra.bin, which its manifest",
    ),
}


@pytest.mark.parametrize("name", SPOILT_FILES, ids=str)
def test_spoilt_files_are_refused(folder: Path, name: str) -> None:
    spoil, words = SPOILT_FILES[name]
    spoil(folder / "engine.bin")
    with pytest.raises(TamperedEngineError, match=words):
        check_files(folder, read_manifest(folder))


def test_a_link_is_no_engine(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "engine.bin"
    outside.write_bytes((folder / "engine.bin").read_bytes())
    (folder / "engine.bin").unlink()
    (folder / "engine.bin").symlink_to(outside)
    with pytest.raises(TamperedEngineError, match="not a plain file"):
        check_files(folder, read_manifest(folder))


def test_nothing_is_described_that_is_no_engine(folder: Path) -> None:
    facts: dict[str, Any] = {"key": WANTED, "pack": PACK, "graph": "g", "build_seconds": 1.0, "onnx_bytes": 1}
    with pytest.raises(EngineBuildError, match=r"the compiler wrote no other\.bin"):
        describe(folder, engine_file="other.bin", **facts)
    with pytest.raises(EngineBuildError, match=r"parity figure y\.cosine is nan"):
        describe(folder, engine_file="engine.bin", parity={"y.cosine": float("nan")}, **facts)
