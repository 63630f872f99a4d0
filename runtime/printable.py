"""Text that any terminal, JSON file or file system takes, of names that are no valid UTF-8. Called wherever a path is
shown or written."""

from __future__ import annotations

import os


def printable(text: str | os.PathLike[str]) -> str:
    """`text` with every byte that Python smuggled in as a lone surrogate (a name like `b"caf\\xe9.mp4"`) replaced by
    U+FFFD."""
    return os.fspath(text).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
