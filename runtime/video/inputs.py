"""Paths as a user gives them -> the video files they stand for.

find_videos(paths)  -> the files to caption, in order, or the first error
find_each(paths)    -> the same, each once, with the error of every path that cannot be used in its place
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgecap.engines.errors import InputError, MissingInputError
from edgecap.runtime.english import printable
from edgecap.runtime.video.identity import is_drawn_by_edgecap

VIDEO_SUFFIXES = frozenset(
    ".mp4 .mov .m4v .mkv .webm .avi .mpg .mpeg .ts .m2ts .mts .flv .wmv .3gp .ogv".split()  # noqa: SIM905 one line reads best
)


def find_videos(paths: Iterable[str | Path]) -> list[Path]:
    """Files as given; of a folder, its video files (one level, by suffix, "clip2" before "clip10").

    Raises MissingInputError for a path that does not exist and for a folder without a video, InputError for one that
    the system does not let us look at (no permission, name too long).
    """
    found: list[Path] = []
    for path in map(Path, paths):
        with looking_at(path):
            if path.is_dir():
                found += _videos_in(path)
            elif path.exists():
                found.append(path)
            else:
                raise MissingInputError(f"no such file or folder: {printable(path)}; check the path")
    return found


def find_each(paths: Iterable[str | Path]) -> Iterator[tuple[Path, InputError | None]]:
    """Every file (None), and every given path that cannot be used with its error, in order. A file that is named twice,
    by whatever spelling or link, comes once.
    """
    seen: set[str] = set()
    for path in map(Path, paths):
        found: list[tuple[Path, InputError | None]]
        try:
            found = [(video, None) for video in find_videos([path])]
        except InputError as error:
            found = [(path, error)]
        for video, trouble in found:
            real = os.path.realpath(video)
            if real not in seen:
                seen.add(real)
                yield video, trouble


@contextmanager
def looking_at(path: Path) -> Iterator[None]:
    """Turn an OSError inside the block, and a name that no file can have, into an InputError that names `path`."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot look at {printable(path)} ({reason}); check the name and its permissions") from error


def _videos_in(folder: Path) -> list[Path]:
    videos = [p for p in folder.iterdir() if _is_input(p)]
    if not videos:
        wanted = " ".join(sorted(VIDEO_SUFFIXES))
        raise MissingInputError(
            f"folder {printable(folder)} holds no video; want files ending in {wanted}, or name a file directly"
        )
    return sorted(videos, key=lambda p: _natural_key(p.name))


def _is_input(path: Path) -> bool:
    """Of a folder's files: a video by its suffix that edgecap has not drawn itself."""
    return path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES and not is_drawn_by_edgecap(path)


def _natural_key(name: str) -> list[tuple[int, int, str]]:
    """Digits compare as numbers, the rest as lower-case text."""
    parts = re.split(r"(\d+)", name.lower())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]
