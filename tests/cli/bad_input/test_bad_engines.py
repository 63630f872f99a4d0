"""Mistakes with packs, engines and devices end in one line and a code, and leave the store valid."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgecap.engines.store.housekeeping import verify
from edgecap.engines.store.store import EngineStore
from tests.cli.bad_input.build_cases import BUILDS
from tests.cli.bad_input.cases import DOCUMENT, BadCase, Part, Runner, all_parts, check, document, run, section
from tests.cli.bad_input.engine_bench import for_cpu
from tests.cli.bad_input.engine_cases import ENGINES

DAMAGED = {
    "an-engine-file-cut-short",
    "an-engine-file-changed",
    "a-manifest-edited",
    "a-manifest-removed",
    "an-engine-folder-renamed-to-the-wanted-name",
}
UNFINISHED = {"a-build-killed-half-way-asked-for-captions"}


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(tmp_path_factory.mktemp("bad").resolve())


@pytest.mark.parametrize("case", [*BUILDS.cases, *ENGINES.cases], ids=lambda case: case.id)
def test_one_line_and_a_code_and_a_valid_store(case: BadCase, runner: Runner) -> None:
    got = runner.outcome(case)
    check(case, got)
    store = EngineStore(got.folder / "engines")
    assert any(entry.problem for entry in verify(store)) == (case.id in DAMAGED)
    building = store.folder / "building"
    assert (building.is_dir() and any(building.iterdir())) == (case.id in UNFINISHED)


@pytest.mark.parametrize("part", [BUILDS, ENGINES], ids=lambda part: part.name)
def test_the_document_says_what_the_command_says(part: Part, runner: Runner) -> None:
    assert section(part, runner) in DOCUMENT.read_text(encoding="utf-8"), "run: python -m tests.cli.bad_input.cases"


def test_the_document_holds_nothing_else(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Head and titles; the rows are compared by the two tests of the parts."""
    monkeypatch.setattr("tests.cli.bad_input.cases.section", lambda part, runner: f"\n## {part.title}\n")
    wanted = document(all_parts(), runner).splitlines()
    rows = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if not line.startswith("|")]
    assert [line for line in rows if line] == [line for line in wanted if line]


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.id for case in (*BUILDS.cases, *ENGINES.cases)]
    assert len(set(names)) == len(names) > 40 and set(names) > DAMAGED | UNFINISHED


def test_a_damaged_engine_is_rebuilt_by_the_next_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGECAP_ENGINES", str(tmp_path / "engines"))
    engine = for_cpu()
    engine.path.write_bytes(b"short")
    code, out, _ = run("build", "nano", "--graph", "detector.graph", "--json")
    assert code == 0 and json.loads(out)["engines"][0]["status"] == "built"
    assert [entry.problem for entry in verify(EngineStore())] == [""]
