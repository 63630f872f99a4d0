"""Where a pulled pack is kept, so that it is found by its name.

In: the environment. Out: folders; nothing is created.
"""

from __future__ import annotations

import os
from pathlib import Path

from edgecap.engines.caches import NO_HOME
from edgecap.engines.errors import PackError

PACKS_VARIABLE = "EDGECAP_PACKS"
STREET = "street"
STREET_MEGABYTES = 149
"""Fetched by `edgecap pull street`; a test compares it with the packages' sizes."""


def packs_folder() -> Path:
    """$EDGECAP_PACKS; else `edgecap/packs` in $XDG_DATA_HOME where that is absolute, else in ~/.local/share."""
    if given := os.environ.get(PACKS_VARIABLE):
        return Path(given).expanduser().absolute()
    data = os.environ.get("XDG_DATA_HOME", "")
    if os.path.isabs(data):
        return Path(data) / "edgecap" / "packs"
    try:
        return Path.home() / ".local" / "share" / "edgecap" / "packs"
    except RuntimeError:  # no HOME, and no account for this user number
        return NO_HOME / "packs"


def unfinished_mark(folder: Path) -> Path:
    """The file beside a pack's folder while it is pulled: each role is published alone, and some may be missing."""
    return folder.with_name(f".{folder.name}.unfinished")


def pulled_pack(name: str) -> Path | None:
    """Folder of the pulled pack `name`; None where there is none. Raises PackError for one that is not finished."""
    folder = packs_folder() / name
    if not (folder / "pack.json").is_file():
        return None
    if unfinished_mark(folder).exists():
        raise PackError(f"{folder} is not finished: `edgecap pull {name}` is running or was stopped; run it again")
    return folder
