"""Where a checkpoint folder came from and under which licence, as far as the folder itself tells.

In: a folder as huggingface_hub lays it out. Out: hub id, commit, licence; None for what isn't said.
"""

from __future__ import annotations

import re
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{40}")


def read_origin(folder: Path) -> tuple[str | None, str | None]:
    """Hub id and commit of a cache snapshot (models--org--name/snapshots/COMMIT) or of a download into a folder."""
    if folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name):
        held = folder.parent.parent.name
        return (held.removeprefix("models--").replace("--", "/") if held.startswith("models--") else None), folder.name
    note = folder / ".cache" / "huggingface" / "download" / "config.json.metadata"
    if note.is_file():
        first = note.read_text(encoding="utf-8", errors="replace").splitlines()[:1]
        if first and _COMMIT.fullmatch(first[0].strip()):
            return None, first[0].strip()
    return None, None


def read_licence(folder: Path) -> str | None:
    """`license` of the model card's front matter; its `license_name` where that says "other"."""
    card = folder / "README.md"
    if not card.is_file():
        return None
    lines = card.read_text(encoding="utf-8", errors="replace").splitlines()
    if not lines or lines[0].strip() != "---":
        return None
    said: dict[str, str] = {}
    for line in lines[1:]:
        if line.strip() == "---":
            break
        key, colon, value = line.partition(":")
        if colon and key in ("license", "license_name"):
            said[key] = value.strip().strip("'\"")
    licence = said.get("license") or None
    return said.get("license_name", licence) if licence == "other" else licence
