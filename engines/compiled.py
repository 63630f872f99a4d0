"""numba's compiler with its cache where there is one.

In: a function of arrays and numbers. Out: the same function, compiled at its first call.

numba keeps compiled code beside the module, else in the user's cache folder, else in $NUMBA_CACHE_DIR; where none of
them can be written it refuses to compile at all, so there each process compiles for itself (a second or two).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

from edgecap.engines.caches import is_writable

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """`function` compiled in nopython mode without the GIL; cached on disk where a cache folder can be written."""
    try:
        return cast(_Function, njit(nogil=True, cache=_has_place(function))(function))
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        return cast(_Function, njit(nogil=True)(function))


def _has_place(function: Callable[..., Any]) -> bool:
    """Whether numba may look for a cache folder: without a home it makes one named `~` in the working folder."""
    beside = Path(function.__code__.co_filename).parent / "__pycache__"
    return bool(os.environ.get("NUMBA_CACHE_DIR")) or os.path.isabs(os.path.expanduser("~")) or is_writable(beside)


def numba_cache() -> Path | None:
    """Folder in which numba keeps compiled code of this package; None where it can't."""
    path = getattr(compiled(_probe), "_cache", None)
    folder = getattr(path, "cache_path", None)
    return Path(folder) if folder else None


def _probe(value: int) -> int:
    return value
