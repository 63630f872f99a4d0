"""A pack on disk: what opens, and what every kind of damage says."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgecap.engines import (
    FileEntry,
    OutputError,
    Pack,
    PackError,
    PackSchemaError,
    PackSpec,
    TamperedPackError,
    UnknownPackError,
    shipped_packs,
    write_pack,
)
from edgecap.engines.packs import pack as pack_module
from tests.engines.graphs import SCALE

MakePack = Callable[[], Path]


def test_written_pack_opens_and_its_graph_runs(make_pack: MakePack, pack_spec: PackSpec):
    folder = make_pack()
    pack = Pack.open(folder)
    assert dataclasses.replace(pack.spec, files={}) == pack_spec
    assert sorted(pack.spec.files) == ["scale.onnx", "stats/domain.npz"]  # README.md is for people
    assert pack.spec.files["stats/domain.npz"].bytes == 220
    assert pack.path("stats/domain.npz").read_bytes().startswith(b"statistics")
    assert pack.spec.detector is not None
    session = pack.open_session(pack.spec.detector.graph, provider="cpu", intra_threads=1)
    assert session.run({"x": np.ones((1, 3), np.float32)})["y"].tolist() == [[3.0, 3.0, 3.0]]


@pytest.mark.parametrize(
    "spelling",
    [str, lambda folder: str(folder / "pack.json"), lambda folder: folder],
    ids=["text", "its pack.json", "Path"],
)
def test_a_folder_may_be_named_in_three_ways(make_pack: MakePack, spelling: Callable[[Path], str | Path]):
    assert Pack.open(spelling(make_pack())).spec.name == "tiny"


def test_a_shipped_name_wins_over_a_folder(make_pack: MakePack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = make_pack()
    monkeypatch.setattr(pack_module, "SHIPPED_FOLDER", tmp_path)
    assert shipped_packs() == ("tiny",)
    assert Pack.open("tiny").folder == folder.resolve()


def test_unknown_pack_lists_what_ships(make_pack: MakePack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make_pack()
    monkeypatch.setattr(pack_module, "SHIPPED_FOLDER", tmp_path)
    with pytest.raises(UnknownPackError, match=r"no pack 'huge': none of that name ships \(shipped: tiny\)"):
        Pack.open("huge")


@pytest.mark.parametrize("name", ["../tiny", "", "/"])
def test_a_name_is_not_a_way_out_of_the_shipped_folder(
    make_pack: MakePack, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
):
    make_pack()
    (tmp_path / "packs").mkdir()
    monkeypatch.setattr(pack_module, "SHIPPED_FOLDER", tmp_path / "packs")
    monkeypatch.chdir(tmp_path / "packs" if name != "../tiny" else tmp_path)
    with pytest.raises(UnknownPackError):
        Pack.open(name)


def flip_a_byte(folder: Path) -> None:
    data = bytearray((folder / SCALE.file).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / SCALE.file).write_bytes(data)


def truncate(folder: Path) -> None:
    (folder / SCALE.file).write_bytes((folder / SCALE.file).read_bytes()[:-10])


def lead_out(folder: Path) -> None:
    outside = folder.parent / "outside.onnx"
    os.replace(folder / SCALE.file, outside)
    (folder / SCALE.file).symlink_to(outside)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        pytest.param(flip_a_byte, ["scale.onnx: expected SHA-256 ", ", got "], id="one bit"),
        pytest.param(truncate, ["scale.onnx: expected ", " bytes, got "], id="truncated"),
        pytest.param(lambda folder: (folder / SCALE.file).unlink(), ["scale.onnx is missing"], id="missing"),
        pytest.param(lead_out, ["scale.onnx points outside the pack folder, to "], id="link out of the pack"),
        pytest.param(
            lambda folder: (folder / "extra.onnx").write_bytes(b"x"),
            ["contains extra.onnx", "doesn't list"],
            id="unlisted graph",
        ),
        pytest.param(
            lambda folder: (folder / "stats" / "weights.data").write_bytes(b"x"),
            ["contains stats/weights.data"],
            id="unlisted weights",
        ),
    ],
)
def test_damage_is_named_with_the_next_step(make_pack: MakePack, damage: Callable[[Path], object], words: list[str]):
    folder = make_pack()
    damage(folder)
    with pytest.raises(TamperedPackError) as caught:
        Pack.open(folder)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "edgecap export" in message and "\n" not in message


def test_without_verify_only_the_listing_guards(make_pack: MakePack):
    folder = make_pack()
    flip_a_byte(folder)
    pack = Pack.open(folder, verify=False)
    assert pack.path(SCALE.file).is_file()
    for name in ("extra.onnx", "../graphs/scale.onnx", "/etc/hostname", "README.md"):
        with pytest.raises(TamperedPackError, match="is not listed"):
            pack.path(name)


def test_documents_and_hidden_files_may_lie_beside(make_pack: MakePack):
    folder = make_pack()
    for name in ("LICENSE", "notes.txt", ".DS_Store", "__init__.py"):
        (folder / name).write_text("x")
    Pack.open(folder)


def test_pack_json_that_is_no_text(make_pack: MakePack):
    folder = make_pack()
    (folder / "pack.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PackError, match="can't be read"):
        Pack.open(folder)


def test_writing_twice_gives_the_same_bytes_and_leaves_no_temporary_file(make_pack: MakePack, pack_spec: PackSpec):
    folder = make_pack()
    first = (folder / "pack.json").read_bytes()
    written = write_pack(folder, dataclasses.replace(pack_spec, files={"old": FileEntry("0" * 64, 1)}))
    assert (folder / "pack.json").read_bytes() == first
    assert sorted(written.files) == ["scale.onnx", "stats/domain.npz"]
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "pack.json", "scale.onnx", "stats"]


def test_a_pack_that_names_an_absent_file_is_not_written(make_pack: MakePack, pack_spec: PackSpec):
    folder = make_pack()
    (folder / "pack.json").unlink()
    (folder / SCALE.file).unlink()
    with pytest.raises(PackSchemaError, match=r"\$\.detector\.graph\.file: expected one of .*, got \"scale\.onnx\""):
        write_pack(folder, pack_spec)
    assert not (folder / "pack.json").exists()


def test_an_interrupted_write_leaves_the_old_pack(
    make_pack: MakePack, pack_spec: PackSpec, monkeypatch: pytest.MonkeyPatch
):
    folder = make_pack()
    before = sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir())

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_pack(folder, dataclasses.replace(pack_spec, version="2.0"))
    assert Pack.open(folder).spec.version == "1.0"
    assert sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir()) == before


def test_no_folder_to_write_into(tmp_path: Path, pack_spec: PackSpec):
    with pytest.raises(OutputError, match="no such folder"):
        write_pack(tmp_path / "absent", pack_spec)
