"""The one place where a failing disk becomes an `OutputError`. Called by every sink."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgecap.engines.errors import OutputError
from edgecap.runtime.record_json import video_name


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError inside the block into an `OutputError` that names `path`."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{path}: can't be written ({error.strerror or error}); choose another --out, or "
            f"free the disk "
            "and check permissions"
        ) from error


def ready_file(path: Path) -> None:
    """Make the file's folder and prove that the file can be written; an existing file is left as it is."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        existed = path.exists()
        with path.open("ab"):
            pass
        if not existed:
            path.unlink()


def ready_folder(folder: Path) -> None:
    """Make the folder and prove that files can be made in it."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


def replace_text(path: Path, parts: Iterator[str]) -> None:
    """Write a whole text file so that a reader sees the old one or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writing(path):
        try:
            with temporary.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(parts)
            temporary.replace(path)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def file_for(folder: Path, video_path: str, suffix: str, *, root: Path | None) -> Path:
    """The output file of one video in a flat folder: folders below `root` become part of the name, so two
    can't collide."""
    name = video_name(video_path, root=root).replace("/", "__") or "stream"
    stem = name if "." not in name.lstrip(".") else name.rsplit(".", 1)[0]
    return folder / f"{stem}{suffix}"
