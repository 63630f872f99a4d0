"""One run at a time writes to an output folder or file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgecap.engines.store.file_lock import alone
from edgecap.runtime.english import printable

LOCK_FILE = ".edgecap.lock"
_LEFT_BEHIND = re.compile(r"\..+\.\d+\.tmp|\.[0-9a-f]{8}\.(captions|events)\.jsonl")


@contextmanager
def used_alone(out: Path, *, warn: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of the folder `out`, which must exist, or of the file `out` inside the with block. `warn` gets a
    line where the file system does not support locks. Raises `OutputError` that names the process which has it.

    Temporary files that a killed run left in the folder are removed.
    """
    lock = out / LOCK_FILE if out.is_dir() else out.with_name(f".{out.name}.lock")
    with alone(lock, label=printable(out), advice="wait for it, or choose another --out") as held:
        if not held:
            warn(f"{printable(out)}: its file system does not support locks; do not start a second run with it")
        elif out.is_dir():
            for path in out.iterdir():
                if _LEFT_BEHIND.fullmatch(path.name):
                    with suppress(OSError):
                        path.unlink()
        yield
