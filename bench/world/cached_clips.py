"""Rendered clips of the world on disk, rendered once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgecap.bench.world.render.encode import truth_path, write_clip
from edgecap.bench.world.scene import make_scene
from edgecap.engines.caches import cache_folder
from edgecap.engines.errors import OutputError

WORLD_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class RenderedClip:
    """An H.264 file and the JSON of its truth."""

    video: Path
    truth: Path


def clip_cache() -> Path:
    """Where rendered clips are kept between runs unless another folder is named."""
    return cache_folder("edgecap") / "world"


@cache
def world_version() -> str:
    """First 12 hex digits of the SHA-256 over the world's source files."""
    digest = hashlib.sha256()
    for path in sorted(WORLD_FOLDER.rglob("*.py")):
        digest.update(path.relative_to(WORLD_FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def cached_clip(
    folder: Path, *, tier: str, seed: int, duration_seconds: float | None = None, num_actors: int | None = None
) -> RenderedClip:
    """Clip `seed` of `tier`, rendered only where it is not there yet.

    Sub-folders carry the options of `make_scene` and a hash of the world's source, so a changed world is
    rendered again. Raises OutputError where the folder can't be written.
    """
    length = "" if duration_seconds is None else f"_{duration_seconds:g}s"
    crowd = "" if num_actors is None else f"_{num_actors}"
    place = folder / world_version() / f"{tier}{length}{crowd}"
    scene = make_scene(seed=seed, tier=tier, duration_seconds=duration_seconds, num_actors=num_actors)
    video = place / f"{scene.name}.mp4"
    if not video.exists():
        try:
            video = write_clip(scene, place)
        except OSError as error:
            raise OutputError(
                f"{place}: rendered clips can't be kept there ({error.strerror or error}); "
                "set XDG_CACHE_HOME to a folder that can be written"
            ) from error
    return RenderedClip(video, truth_path(video))
