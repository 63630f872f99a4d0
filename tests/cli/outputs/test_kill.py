"""kill -9 at three moments (`kill_and_resume` does twenty)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.outputs.kill_and_resume import kills

pytestmark = pytest.mark.slow


def test_a_killed_run_and_resume_are_an_undisturbed_run(tmp_path: Path) -> None:
    found = list(kills(tmp_path, count=2, seed=1))
    assert [kill.differs for kill in found] == [()] * 2
