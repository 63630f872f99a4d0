"""Mistakes with checkpoints, packs and the hub end in one line and a code, and leave nothing behind."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.cli.bad_input.cases import DOCUMENT, BadCase, Part, Runner, check, run, section
from tests.cli.bad_input.checkpoint_cases import CHECKPOINTS, folder_of_model
from tests.cli.bad_input.hub_cases import HUB


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(tmp_path_factory.mktemp("bad").resolve())


@pytest.mark.parametrize("case", [*CHECKPOINTS.cases, *HUB.cases], ids=lambda case: case.id)
def test_one_line_and_a_code(case: BadCase, runner: Runner) -> None:
    check(case, runner.outcome(case))


@pytest.mark.parametrize("part", [CHECKPOINTS, HUB], ids=lambda part: part.name)
def test_the_document_says_what_the_command_says(part: Part, runner: Runner) -> None:
    assert section(part, runner) in DOCUMENT.read_text(encoding="utf-8"), "run: python -m tests.cli.bad_input.cases"


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.id for case in (*CHECKPOINTS.cases, *HUB.cases)]
    assert len(set(names)) == len(names) > 40


def test_transformers_adds_nothing_of_its_own(tmp_path: Path) -> None:
    """Left alone it logs a table of all 1245 missing tensors, which pushes our line off the screen."""
    from transformers.utils import logging as its_log

    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    listener, level = Listener(), its_log.get_verbosity()
    logging.getLogger("transformers").addHandler(listener)
    its_log.set_verbosity_warning()
    try:
        folder = folder_of_model(tmp_path / "model")
        code, _, err = run("export", "dfine", "--checkpoint", folder, "--out", tmp_path / "pack")
        assert its_log.get_verbosity() == its_log.WARNING, "put back"
    finally:
        logging.getLogger("transformers").removeHandler(listener)
        its_log.set_verbosity(level)
    assert code == 7 and "lacks bbox_embed" in err and said == []
