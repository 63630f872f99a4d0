"""A file of prompts, one a line, into rows: each on disk before the next is begun, and resumed where it stopped.

In: two paths and a function from prompt to `Enhanced`. Out: `BatchResult`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecap.engines.errors import (
    EndpointError,
    InputError,
    MissingInputError,
    OutputError,
    SomeClipsFailedError,
    UsageError,
)
from edgecap.runtime.enhance.plan import Enhanced
from edgecap.runtime.enhance.row import enhanced_to_json, refused_to_json
from edgecap.runtime.output.files import whole_lines
from edgecap.runtime.output.jsonl import JsonLinesFile

MOST_DEAD_ANSWERS = 3
"""Prompts in a row that the endpoint may fail before the run stops: it is down, and the rest would fail too."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """`written`: rows with a caption; `refused`: rows with status "error"; `skipped`: done by an earlier run; `blank`:
    empty lines."""

    written: int
    refused: int
    skipped: int
    blank: int
    first_error: str = ""

    @property
    def exit_code(self) -> int:
        """0, or 8 where some prompt was refused."""
        return SomeClipsFailedError.exit_code if self.refused else 0


def read_prompts(path: Path) -> list[str]:
    """The file's lines without their ends; bytes that are not UTF-8 become U+FFFD. Raises `InputError`."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise MissingInputError(f"{path}: no such file; --file expects a text file with one prompt a line") from None
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}); --file expects a text file") from error
    lines = data.decode("utf-8-sig", "replace").split("\n")
    if not any(line.strip() for line in lines):
        raise InputError(f"{path}: has no prompt; write one a line")
    if not lines[-1].strip():
        lines.pop()  # what follows the last newline is not a line
    return [line.rstrip("\r") for line in lines]


def run_batch(
    prompts: list[str],
    out: Path,
    enhance_one: Callable[[str], Enhanced],
    *,
    resume: bool,
    settings: dict[str, Any],
    say: Callable[[str], None],
) -> BatchResult:
    """`settings`: what a row's meta block says in "run" and "used"; earlier rows must agree. `say`: one line per
    refused prompt. Raises `OutputError`, `UsageError`, and `EndpointError` after `MOST_DEAD_ANSWERS` failures in a
    row."""
    done = _earlier(out, resume=resume, settings=settings)
    counts, dead, first_error = Counter[str](), 0, ""
    with JsonLinesFile(out) as file:
        for number, prompt in enumerate(prompts, start=1):
            key = _plain(prompt)
            if not key.strip() or done[key]:
                counts["skipped" if key.strip() else "blank"] += 1
                done[key] -= 1
                continue
            try:
                row, dead = enhanced_to_json(enhance_one(prompt)), 0
                counts["written"] += 1
            except (InputError, EndpointError) as error:
                row = refused_to_json(key, error)
                counts["refused"] += 1
                first_error = first_error or str(error)
                dead = dead + 1 if isinstance(error, EndpointError) else dead
                say(f"line {number}: {error}")
            row["meta"]["prompt"] = key
            file.append(row)
            if dead >= MOST_DEAD_ANSWERS:
                raise EndpointError(
                    f"{dead} prompts in a row got no answer, stopped at line {number}; {out} keeps what is done: "
                    f"run again with --resume (the last: {first_error})"
                )
    return BatchResult(counts["written"], counts["refused"], counts["skipped"], counts["blank"], first_error)


def _plain(prompt: str) -> str:
    """A form that survives JSON in UTF-8."""
    return prompt.encode("utf-8", "replace").decode("utf-8")


def _earlier(out: Path, *, resume: bool, settings: dict[str, Any]) -> Counter[str]:
    """Prompt -> how often an earlier run has finished it. Prompts that the endpoint failed are not finished: they are
    asked again, and their new row comes after the old one."""
    if not out.exists() or out.stat().st_size == 0:
        return Counter()
    if not resume:
        raise OutputError(f"{out}: is there already; add --resume to go on with it, or choose another --out")
    done = Counter[str]()
    for number, line in enumerate(whole_lines(out), start=1):
        try:
            meta = json.loads(line)["meta"]
            status, prompt = meta["status"], meta["prompt"]
        except (ValueError, LookupError, TypeError, RecursionError):
            raise OutputError(f"{out}, line {number}: no row of edgecap enhance; choose another --out") from None
        if status == "enhanced":
            earlier = {"run": meta.get("run"), "used": meta.get("used")}
            if earlier != settings:
                raise UsageError(
                    f"{out} was written with {earlier}, now it is {settings}; use the same options or another --out"
                )
            done[prompt] += 1
        elif meta.get("error") != EndpointError.__name__:
            done[prompt] += 1
    return done
