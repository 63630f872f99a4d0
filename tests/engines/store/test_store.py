"""Engines are filed whole, by one builder at a time, and never used for anything else than what they were made for."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgecap.engines.errors import EngineError, EngineMismatchError, OutputError, StoreBusyError, TamperedEngineError
from edgecap.engines.store.entries import STAMP_FILE, entries
from edgecap.engines.store.housekeeping import verify
from edgecap.engines.store.manifest import MANIFEST_FILE, encode_manifest, read_manifest
from edgecap.engines.store.store import EngineStore, default_folder
from tests.engines.store.engine_builder import WANTED, key, publish, start_builder, stored


@pytest.fixture
def store(tmp_path: Path) -> EngineStore:
    return EngineStore(tmp_path / "engines")


def under_way(store: EngineStore) -> list[str]:
    """Names of temporary folders."""
    return sorted(path.name for path in (store.folder / "building").iterdir())


def test_build_find_open(store: EngineStore) -> None:
    assert store.find(WANTED) is None and not store.folder.exists(), "looking creates nothing"
    with store.building(WANTED) as build:
        assert build.existing is None and build.folder.is_relative_to(store.folder)
        assert store.find(WANTED) is None
        engine = publish(build)
        assert not build.folder.exists()
    assert engine.path == store.folder / WANTED.digest / "engine.bin"
    assert store.find(WANTED) == store.open_checked(WANTED) == engine
    assert engine.manifest.key == WANTED and under_way(store) == [] and store.timing_folder.is_dir()


def test_opening_is_remembered(store: EngineStore) -> None:
    stamp = stored(store).folder / STAMP_FILE
    os.utime(stamp, (1000.0, 1000.0))
    store.find(WANTED)
    assert stamp.stat().st_mtime == 1000.0
    store.open_checked(WANTED)
    assert stamp.stat().st_mtime > 1e9


def test_a_second_build_finds_the_first_and_may_replace_it(store: EngineStore) -> None:
    first = stored(store)
    with store.building(WANTED) as build:
        assert build.existing == first
    with store.building(WANTED) as build:
        publish(build, b"better")
    assert store.open_checked(WANTED).path.read_bytes() == b"better"
    assert len(entries(store.folder)) == 1 and under_way(store) == []


def test_a_damaged_engine_is_built_anew(store: EngineStore) -> None:
    stored(store).path.write_bytes(b"cut")
    with pytest.raises(TamperedEngineError, match="expected 1300 bytes, got 3"):
        store.open_checked(WANTED)
    with store.building(WANTED) as build:
        assert build.existing is None
        publish(build)
    assert store.open_checked(WANTED).path.stat().st_size == 1300


def test_an_edited_manifest_is_refused(store: EngineStore) -> None:
    path = stored(store).folder / MANIFEST_FILE
    data = json.loads(path.read_text())
    data["engine"]["key"]["target"] = "sm_86"
    path.write_text(json.dumps(data))
    for look in (store.find, store.open_checked):
        with pytest.raises(TamperedEngineError, match="was edited after"):
            look(WANTED)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": "sm_86"}, "compute capability: engine sm_86, wanted sm_89"),
        ({"backend_version": "10.16.1.11"}, "backend version: engine 10.16.1.11, wanted 11.4.0.106"),
        ({"builder_flags": "tf32=true"}, "builder flags: engine tf32=true, wanted optimisation_level=3, tf32=false"),
        ({"profile": "x [1]"}, "shape profile: engine x [1], wanted x float32"),
        (
            {"driver_major": "575", "cuda_version": "12.9"},
            "CUDA version: engine 12.9, wanted 13.2; driver: engine 5",
        ),
    ],
    ids=["gpu", "version", "flags", "profile", "driver"],
)
def test_engines_for_something_else_are_explained(store: EngineStore, changes: dict[str, str], words: str) -> None:
    other = stored(store, key(**changes))
    stored(store, key(target="sm_120", precision="int8", backend_version="9"))  # further away: not the one named
    with pytest.raises(EngineMismatchError) as caught:
        store.open_checked(WANTED)
    assert f"no engine {WANTED.digest} for sm_89; the nearest (" in str(caught.value) and words in str(caught.value)
    # Renamed into the place of the wanted one, it is still not the wanted one, and says why.
    other.folder.rename(store.entry_folder(WANTED.digest))
    with pytest.raises(EngineMismatchError, match="contains an engine made for something else") as caught:
        store.open_checked(WANTED)
    assert words in str(caught.value)


def test_engines_of_other_weights_are_not_near(store: EngineStore) -> None:
    stored(store, key(onnx_sha256="b" * 64))
    with pytest.raises(EngineError, match=f"no engine {WANTED.digest} for sm_89; run edgecap build") as caught:
        store.open_checked(WANTED)
    assert not isinstance(caught.value, EngineMismatchError)


def test_nothing_wrong_is_published(store: EngineStore) -> None:
    donor = stored(store, key(target="sm_86"))
    with store.building(WANTED) as build:
        (build.folder / "engine.bin").write_bytes(donor.path.read_bytes())
        with pytest.raises(EngineMismatchError, match="compute capability: engine sm_86"):
            build.publish(donor.manifest)
        (build.folder / "engine.bin").write_bytes(b"cut")
        with pytest.raises(EngineMismatchError):
            build.publish(donor.manifest)
    assert store.find(WANTED) is None and under_way(store) == []


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, RuntimeError], ids=lambda kind: kind.__name__)
def test_a_build_that_ends_badly_leaves_nothing(store: EngineStore, kind: type[BaseException]) -> None:
    with pytest.raises(kind), store.building(WANTED) as build:
        (build.folder / "engine.bin").write_bytes(b"half")
        raise kind
    assert entries(store.folder) == () and under_way(store) == []
    stored(store)  # and the lock is free


def test_two_builders_one_builds_and_the_other_finds(store: EngineStore) -> None:
    first = start_builder(store, WANTED, wait_seconds=0)
    assert first.stdout and first.stdin and first.stdout.readline() == "building\n"
    with (
        pytest.raises(StoreBusyError, match=f"engine {WANTED.digest}: being built by pid {first.pid} on"),
        store.building(WANTED),
    ):
        pytest.fail("two builders")
    stored(store, key(target="sm_86"))  # another engine is nobody's business
    second = start_builder(store, WANTED, wait_seconds=30)
    assert second.stdout and second.stdin
    with pytest.raises(Exception, match="timed out"):
        second.wait(0.7)
    first.stdin.write("go on\n")
    outputs = [process.communicate(timeout=20)[0] for process in (first, second)]
    assert outputs == ["built\n", "found\n"] and (first.returncode, second.returncode) == (0, 0)
    assert store.open_checked(WANTED).path.read_bytes() == b"from the child"


def test_a_killed_builder_and_then_a_good_one(store: EngineStore) -> None:
    child = start_builder(store, WANTED, wait_seconds=0)
    assert child.stdout and child.stdout.readline() == "building\n"
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=10)
    assert len(under_way(store)) == 1 and entries(store.folder) == (), (
        "half an engine is left, and nobody takes it for one"
    )
    with store.building(WANTED) as build:
        assert build.existing is None and under_way(store) == [build.folder.name], "swept before the next begins"
        publish(build)
    assert under_way(store) == [] and [entry.problem for entry in verify(store)] == [""]


def test_a_full_disk_while_files_are_written(store: EngineStore) -> None:
    with (
        pytest.raises(OutputError, match=r"the disk ran full while engine .* nothing was published; free some space"),
        store.building(WANTED) as build,
    ):
        (build.folder / "engine.bin").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert entries(store.folder) == () and under_way(store) == []


def test_a_full_disk_while_publishing(store: EngineStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    good = stored(store)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="the disk ran full"), store.building(WANTED) as build:
            publish(build, b"never seen")
        with pytest.raises(OutputError, match="the disk ran full"), store.building(key(target="sm_86")) as build:
            publish(build)
    assert [entry.digest for entry in verify(store)] == [WANTED.digest] and under_way(store) == []
    assert store.open_checked(WANTED).path.read_bytes() == good.path.read_bytes()


def test_space_is_looked_at_before_the_work(store: EngineStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=500_000_000))
    stored(store)
    with (
        pytest.raises(OutputError, match="needs about 667 MB here, 500 MB are free"),
        store.building(key(target="sm_86"), needs_bytes=600_000_000),
    ):
        pytest.fail("no room")
    assert under_way(store) == []


def test_a_store_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with (
        pytest.raises(OutputError, match=r"can't be written .*EDGECAP_ENGINES"),
        EngineStore(tmp_path / "file" / "engines").building(WANTED),
    ):
        pytest.fail("no folder")


def test_where_the_store_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGECAP_ENGINES", str(tmp_path))
    assert default_folder() == EngineStore().folder == tmp_path
    monkeypatch.delenv("EDGECAP_ENGINES")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert default_folder() == Path("/cache/edgecap/engines")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert default_folder() == Path("/home/someone/.cache/edgecap/engines")


def test_the_manifest_on_disk_is_the_one_returned(store: EngineStore) -> None:
    engine = stored(store)
    assert read_manifest(engine.folder) == engine.manifest
    assert (engine.folder / MANIFEST_FILE).read_text() == encode_manifest(engine.manifest)
