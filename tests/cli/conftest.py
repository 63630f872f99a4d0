"""A small video, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import write_disc


@pytest.fixture(scope="session")
def disc_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of a red disc crossing a still, mottled background. Not to be changed."""
    path = tmp_path_factory.mktemp("videos") / "disc.mp4"
    write_disc(path, seconds=4)
    return path
