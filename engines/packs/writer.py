"""Write pack.json for a folder of finished files, at once or not at all."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from edgecap.engines.errors import OutputError
from edgecap.engines.files import write_whole
from edgecap.engines.packs.pack import PACK_FILE, sha256_of, unlisted_candidates
from edgecap.engines.packs.schema import check_pack, decode_pack, encode_pack
from edgecap.engines.packs.specs import FileEntry, PackSpec


def write_pack(directory: str | Path, spec: PackSpec) -> PackSpec:
    """List every file under `directory` with size and SHA-256, and write pack.json beside them.

    `spec.files` is ignored (give `{}`); the returned spec is what was written. Documents (*.md, *.txt,
    LICENSE, NOTICE) and hidden files are not listed. A reader sees the old pack.json or
    the new one. Raises `PackSchemaError` where `spec` names a file that is
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
    write_whole(folder / PACK_FILE, text)
    return written
