"""One row of the doctor, and the check of a package."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "missing", "broken"]


@dataclass(frozen=True, slots=True)
class Check:
    """One row. `detail`: version, or the reason, in one line. `fix`: what to do next, "" when ok.

    `required`: captions on the CPU need it; a row that isn't required may be "missing" on a healthy machine.
    """

    name: str
    status: Status
    detail: str
    fix: str = ""
    required: bool = False


def package_check(name: str, module: str, *, fix: str, required: bool = False, detail: str = "") -> Check:
    """Import `module`. Not installed is "missing"; installed but not importable (no driver, no library) is "broken"."""
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module:
            return Check(name, "missing", "not installed", fix, required=required)
        return Check(name, "broken", line_of(error), fix, required=required)
    except Exception as error:  # PyNvVideoCodec without a driver: RuntimeError; a missing .so: ImportError
        return Check(name, "broken", line_of(error), fix, required=required)
    version = str(getattr(found, "__version__", "version unknown"))
    return Check(name, "ok", detail or version, required=required)


def line_of(error: BaseException) -> str:
    """Class and first line of an error."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
