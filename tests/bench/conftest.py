"""Rendered clips that several files use, each rendered once."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecap.bench.world.cached_clips import RenderedClip, cached_clip


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for `cached_clip`."""
    return tmp_path_factory.mktemp("world")


@pytest.fixture(scope="session")
def two_second_clip(clip_folder: Path) -> RenderedClip:
    """48 frames of two actors under a still camera."""
    return cached_clip(clip_folder, tier="clean", seed=3, duration_seconds=2.0, num_actors=2)
