"""Mistakes with what is to be captioned end in one line and a code."""

from __future__ import annotations

import pytest

from tests.cli.bad_input.cases import DOCUMENT, BadCase, Runner, check, section
from tests.cli.bad_input.source_cases import SOURCES


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(tmp_path_factory.mktemp("bad").resolve())


@pytest.mark.parametrize("case", SOURCES.cases, ids=lambda case: case.id)
def test_one_line_and_a_code(case: BadCase, runner: Runner) -> None:
    check(case, runner.outcome(case))


def test_the_document_says_what_the_command_says(runner: Runner) -> None:
    assert section(SOURCES, runner) in DOCUMENT.read_text(encoding="utf-8"), "run: python -m tests.cli.bad_input.cases"
