"""A small video and a finished run over it, both made once."""

from __future__ import annotations

import contextlib
import io
import shutil
from pathlib import Path

import pytest

from edgecap.cli.main import main
from tests.cli.command import MOTION, FinishedRun, write_disc


@pytest.fixture(scope="session")
def disc_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of a red disc crossing a still, mottled background; alone in its folder, not to be changed."""
    path = tmp_path_factory.mktemp("videos") / "disc.mp4"
    write_disc(path, seconds=4)
    return path


@pytest.fixture(scope="session")
def finished_run(disc_video: Path, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """`edgecap caption disc.mp4 --window-seconds 2 --srt --annotate` into a folder that was not there."""
    folder, out, err = tmp_path_factory.mktemp("runs") / "new" / "folder", io.StringIO(), io.StringIO()
    options = ("--window-seconds", "2", "--srt", "--annotate", "--out", str(folder))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
        main(["caption", str(disc_video), *MOTION, *options])
    return FinishedRun(folder, int(end.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture
def earlier(finished_run: FinishedRun, tmp_path: Path) -> Path:
    """A copy of the finished run's folder, for a second run over it."""
    return shutil.copytree(finished_run.folder, tmp_path / "earlier")
