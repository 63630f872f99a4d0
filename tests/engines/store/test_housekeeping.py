"""What the store holds, what is nearest to what is wanted, and what goes first."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from edgecap.engines.store.entries import STAMP_FILE, entries, explain, nearest_words
from edgecap.engines.store.housekeeping import collect, verify
from edgecap.engines.store.store import EngineStore
from tests.engines.store.engine_builder import WANTED, key, start_builder, stored

DAY = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> EngineStore:
    return EngineStore(tmp_path / "engines")


def used_days_ago(store: EngineStore, target: str, days: float) -> str:
    """A stored engine; returns its digest."""
    engine = stored(store, key(target=target), content=b"x" * 10_000)
    then = time.time() - days * DAY
    os.utime(engine.folder / STAMP_FILE, (then, then))
    return engine.manifest.key.digest


def test_entries_are_last_used_first(store: EngineStore) -> None:
    assert entries(store.folder) == ()
    old, young, middle = (used_days_ago(store, t, d) for t, d in (("sm_75", 30), ("sm_86", 1), ("sm_89", 10)))
    (store.folder / "notes").mkdir()
    found = entries(store.folder)
    assert [entry.digest for entry in found] == [young, middle, old]
    assert found[0].label == "tiny 1.0 detector.graph, tensorrt 11.4.0.106, sm_86"
    assert all(entry.problem == "" and entry.bytes > 10_000 for entry in found)


def test_damage_is_found_and_named(store: EngineStore) -> None:
    sound = stored(store)
    cut = stored(store, key(target="sm_86"))
    cut.path.write_bytes(b"cut")
    blank = stored(store, key(target="sm_75"))
    (blank.folder / "manifest.json").write_text("{}")
    moved = stored(store, key(target="sm_120"))
    moved.folder.rename(store.folder / ("0" * 32))
    problems = {entry.digest: entry.problem for entry in entries(store.folder)}
    assert problems[sound.manifest.key.digest] == problems[cut.manifest.key.digest] == "", "files are not read here"
    assert "$.manifest_version: missing" in problems[blank.manifest.key.digest]
    assert f"its manifest belongs to engine {moved.manifest.key.digest}" in problems["0" * 32]
    problems = {entry.digest: entry.problem for entry in verify(store)}
    assert "expected 1300 bytes, got 3" in problems[cut.manifest.key.digest]
    assert [bool(p) for p in problems.values()].count(False) == 1 and problems[sound.manifest.key.digest] == ""


def test_explain_is_nearest_first(store: EngineStore) -> None:
    two_off = stored(store, key(target="sm_86", precision="int8-static"))
    other_weights = stored(store, key(onnx_sha256="b" * 64))
    one_off = stored(store, key(target="sm_86"))
    same = stored(store)

    def digests(**place: str) -> list[str]:
        return [row.entry.digest for row in explain(store.folder, WANTED, **place)]

    near = [engine.manifest.key.digest for engine in (same, one_off, two_off)]
    assert digests() == [*near, other_weights.manifest.key.digest]
    rows = explain(store.folder, WANTED)
    assert [len(row.differences) for row in rows] == [0, 1, 2, 1]
    assert [row.related for row in rows] == [True, True, True, False]
    # Asked for by place, an engine of that place is near though its weights are others.
    by_place = explain(store.folder, WANTED, pack="tiny", graph="detector.graph")
    assert all(row.related for row in by_place) and len(by_place[-1].differences) == 2
    assert nearest_words(store.folder, WANTED) == (
        "; the nearest (tiny 1.0 detector.graph, tensorrt 11.4.0.106, sm_86) differs in "
        "compute capability: engine sm_86, wanted sm_89"
    )
    assert nearest_words(store.folder, key(onnx_sha256="c" * 64)) == ""


def test_gc_by_age(store: EngineStore) -> None:
    old, young = used_days_ago(store, "sm_75", 31), used_days_ago(store, "sm_86", 29)
    would = collect(store, keep_days=30, dry_run=True)
    assert [entry.digest for entry, _ in would.removed] == [old] and len(entries(store.folder)) == 2
    done = collect(store, keep_days=30)
    assert [(entry.digest, reason) for entry, reason in done.removed] == [(old, "not used for 31 days")]
    assert [entry.digest for entry in entries(store.folder)] == [young]
    assert done.freed_bytes == would.freed_bytes > 10_000 and done.kept_bytes == would.kept_bytes > 10_000
    assert not list((store.folder / "building").iterdir())


def test_gc_by_size_takes_those_unused_for_longest(store: EngineStore) -> None:
    days = {"sm_75": 3, "sm_80": 9, "sm_86": 1, "sm_89": 6}
    digests = {target: used_days_ago(store, target, age) for target, age in days.items()}
    one = entries(store.folder)[0].bytes
    done = collect(store, max_bytes=2 * one + 100)
    assert [entry.digest for entry, _ in done.removed] == [digests["sm_80"], digests["sm_89"]]
    assert {entry.digest for entry in entries(store.folder)} == {digests["sm_75"], digests["sm_86"]}
    assert collect(store, max_bytes=2 * one + 100).removed == ()
    store.open_checked(key(target="sm_75"))  # used now: the other one is older
    assert [entry.digest for entry, _ in collect(store, max_bytes=one + 100).removed] == [digests["sm_86"]]
    assert len(collect(store, max_bytes=0).removed) == 1 and entries(store.folder) == ()


def test_gc_of_damage_and_timing_caches_only_when_asked(store: EngineStore) -> None:
    stored(store)
    cut = stored(store, key(target="sm_86"))
    cut.path.write_bytes(b"cut")
    (store.timing_folder / "sm_89.cache").write_bytes(b"t" * 500)
    store.kernels_path(cut.manifest.key.digest).write_bytes(b"k")
    assert collect(store, max_bytes=10**9).removed == ()
    done = collect(store, damaged=True)
    assert [entry.digest for entry, _ in done.removed] == [cut.manifest.key.digest]
    assert not store.kernels_path(cut.manifest.key.digest).exists()
    assert (store.timing_folder / "sm_89.cache").exists()
    assert collect(store, timing=True, dry_run=True).freed_bytes == 500 and store.timing_folder.exists()
    assert collect(store, timing=True).freed_bytes == 500 and not store.timing_folder.exists()
    assert len(entries(store.folder)) == 1


def test_gc_leaves_living_builders_alone_and_sweeps_dead_ones(store: EngineStore) -> None:
    used_days_ago(store, "sm_86", 100)
    living = start_builder(store, WANTED, wait_seconds=0)
    dead = start_builder(store, key(target="sm_75"), wait_seconds=0)
    for process in (living, dead):
        assert process.stdout and process.stdout.readline() == "building\n"
    dead.send_signal(signal.SIGKILL)
    dead.communicate(timeout=10)
    done = collect(store, keep_days=30)
    assert (len(done.removed), done.busy, done.leftovers) == (1, (), 1)
    output, _ = living.communicate("go on\n", timeout=20)
    assert output == "built\n" and store.open_checked(WANTED).path.read_bytes() == b"from the child"


def test_gc_does_not_take_an_engine_from_under_its_builder(store: EngineStore) -> None:
    digest = used_days_ago(store, "sm_89", 100)
    with store.building(WANTED) as build:
        assert build.existing is not None
        os.utime(store.entry_folder(digest) / STAMP_FILE, (1000.0, 1000.0))
        done = collect(store, keep_days=30)
    assert (done.removed, done.busy) == ((), (digest,)) and len(entries(store.folder)) == 1
