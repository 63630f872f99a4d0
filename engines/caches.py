"""Folders outside the output that edgecap keeps files in, and whether this user may write there.

In: the environment. Out: a path per cache.

A machine may have no home: a container whose user number has no account, a service with a dynamic user. Nothing else
is written outside the output, and nothing is sent: `edgecap/__init__.py` switches the telemetry of packages off.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

NO_HOME = Path("/nonexistent/.cache")
"""Cache folder of a user without a home: reads as empty, and a write to it fails with an error naming it."""


def cache_folder(name: str) -> Path:
    """Folder `name` in the user's caches: in $XDG_CACHE_HOME where that is absolute, else in ~/.cache.

    `NO_HOME` / `name` where neither is known. Creates nothing.
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):  # the base directory specification: a relative one is to be ignored
        return Path(given) / name
    try:
        return Path.home() / ".cache" / name
    except RuntimeError:  # no HOME, and no account for this user number
        return NO_HOME / name


def is_writable(folder: Path) -> bool:
    """Whether a file can be created in `folder`, or `folder` itself created. Tried, not guessed from mode bits."""
    existing = next((place for place in (folder, *folder.parents) if place.exists()), None)
    if existing is None or not existing.is_dir():
        return False
    try:
        with tempfile.TemporaryFile(dir=existing):
            return True
    except OSError:
        return False
