"""The commands behind the table: specimens, exports and builds, each run as a person runs it, in a process of its own.

In: names and folders. Out: what `--json` printed, or `CommandFailed` with the line that the command ended with.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import edgecap

MOST_SECONDS = 3600.0
"""Of one command; SAM2 at true shapes takes minutes on one core."""
_ROOT = Path(edgecap.__file__).resolve().parents[2]
_YOLO = _ROOT / ".yolo"


class CommandFailed(Exception):
    """A command ended with another exit code than 0. The message is its last line on stderr; `printed`: its stdout."""

    def __init__(self, line: str, printed: str = "") -> None:
        super().__init__(line)
        self.printed = printed


@dataclass(frozen=True, slots=True)
class Done:
    """`printed`: stdout. `seconds`: wall time of the whole command, Python's start included."""

    printed: str
    seconds: float

    @property
    def data(self) -> dict[str, Any]:
        """stdout as a JSON object."""
        parsed: dict[str, Any] = json.loads(self.printed)
        return parsed


def write_specimen(name: str, folder: Path) -> Path:
    """A checkpoint of the catalogue; returns what --checkpoint takes. Raises `CommandFailed`."""
    done = run_module("edgecap.export.specimens", name, str(folder))
    return Path(done.printed.strip().splitlines()[-1])


def edgecap_command(*words: str) -> Done:
    """`edgecap WORDS --json`. Raises `CommandFailed`."""
    return run_module("edgecap.cli", *words, "--json")


def run_module(module: str, *words: str) -> Done:
    """`python -m MODULE WORDS` on one thread. Raises `CommandFailed`, also where it takes more than `MOST_SECONDS`."""
    started = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, *words],
            capture_output=True,
            text=True,
            timeout=MOST_SECONDS,
            env=_environment(),
        )
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"{module.rpartition('.')[2]} {words[0]}: stopped after {error.timeout:.0f} s") from error
    if done.returncode:
        raise CommandFailed(_last_line(done.stderr) or f"exit code {done.returncode}, no message", done.stdout)
    return Done(done.stdout, time.monotonic() - started)


def _environment() -> dict[str, str]:
    """This process's, on one thread, with ultralytics importable where `make yolo` has installed it."""
    paths = [str(_ROOT / "src"), *([str(_YOLO)] if _YOLO.is_dir() else []), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in paths if path), "OMP_NUM_THREADS": "1"}


def _last_line(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return lines[-1].removeprefix("edgecap: ") if lines else ""
