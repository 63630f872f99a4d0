"""Write pack.json for a folder of finished files, at once or not at all."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path

from edgecap.engines.errors import OutputError
from edgecap.engines.packs.pack import PACK_FILE, sha256_of, unlisted_candidates
from edgecap.engines.packs.schema import check_pack, decode_pack, encode_pack
from edgecap.engines.packs.specs import FileEntry, PackSpec


def write_pack(directory: str | Path, spec: PackSpec) -> PackSpec:
    """List every file under `directory` with size and SHA-256, and write pack.json beside them.

    `spec.files` is ignored (give `{}`); the returned spec is what was written. Documents (*.md, *.txt,
    LICENSE, NOTICE) and hidden files are not listed. The write is a temporary file, fsync and rename: a
    reader sees the old pack.json or the new one. Raises `PackSchemaError` where `spec` names a file that is
    not there or contradicts itself, `OutputError` where the folder can't be written.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise OutputError(f"{folder}: no such folder; write the graphs into it first")
    files = {
        name: FileEntry(sha256_of(folder / name), (folder / name).stat().st_size)
        for name in unlisted_candidates(folder)
    }
    written = dataclasses.replace(spec, files=files)
    check_pack(written)
    text = encode_pack(written)
    decode_pack(text, source=str(folder / PACK_FILE))  # what a reader refuses is refused before it ships
    _replace_atomically(folder / PACK_FILE, text)
    return written


def _replace_atomically(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")  # hidden: a crash leaves nothing to list
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise OutputError(f"{path}: can't be written ({error}); check permissions and free space") from error
