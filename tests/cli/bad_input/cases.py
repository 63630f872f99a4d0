"""What a person does wrong, what the command prints then and with which code it ends: run once, told to tests and docs.

A case is a function that prepares a folder and returns the command's arguments. `Runner` runs it in this process and
keeps the `Outcome`; `docs/errors.md` is `document()` of all outcomes, written by `python -m tests.cli.bad_input.cases`.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import os
import platform
import re
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = ROOT / "docs" / "errors.md"
_PROGRESS = re.compile(
    r"edgecap: (notice: |warning: |building |fetching |writing |reading |\S+: .* can move; |\w+: \S+ \(licence )"
)


@dataclass
class Bench:
    """Where a case prepares its mistake. `folder`: empty, and the working directory. `clean_up`: run in the end."""

    folder: Path
    patch: pytest.MonkeyPatch
    clean_up: contextlib.ExitStack

    @property
    def out(self) -> Path:
        """Where the pack would have gone."""
        return self.folder / "pack"


Prepare = Callable[[Bench], tuple[object, ...]]


@dataclass(frozen=True)
class BadCase:
    """`done`: what the person did, for the table. `says`: words that the line must hold (code 0: stdout)."""

    part: str
    done: str
    code: int
    says: tuple[str, ...]
    prepare: Prepare

    @property
    def id(self) -> str:
        """For pytest."""
        return re.sub(r"[^a-z0-9]+", "-", self.done.lower()).strip("-")


@dataclass(frozen=True)
class Outcome:
    """`lines`: of stderr without progress and notices. `out`: stdout. `made`: what is in the case's `folder`, hidden or
    not, that was not there before the command ran; its store and the hub's cache are not told."""

    code: int
    lines: tuple[str, ...]
    out: str
    made: tuple[str, ...]
    folder: Path
    text: str
    """The line as the document shows it: what differs between machines and runs is replaced."""


@dataclass
class Part:
    """One table of the document and the cases that fill it."""

    name: str
    title: str
    cases: list[BadCase] = field(default_factory=list)

    def case(self, done: str, *, code: int, says: tuple[str, ...] | str) -> Callable[[Prepare], Prepare]:
        """Register the decorated function."""

        def add(prepare: Prepare) -> Prepare:
            words = (says,) if isinstance(says, str) else says
            self.cases.append(BadCase(self.name, done, code, words, prepare))
            return prepare

        return add


class Runner:
    """Runs each case once. `folder`: where cases get a folder each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Outcome] = {}

    def outcome(self, case: BadCase) -> Outcome:
        """Prepare, run, look."""
        if case.id not in self._known:
            self._known[case.id] = self._run(case)
        return self._known[case.id]

    def _run(self, case: BadCase) -> Outcome:
        folder = self._folder / case.part / case.id
        folder.mkdir(parents=True)
        with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            patch.setenv("EDGECAP_ENGINES", str(folder / "engines"))
            patch.setenv("HF_HOME", str(folder / "hf"))
            arguments = case.prepare(Bench(folder, patch, stack))
            before = {path.name for path in folder.iterdir()} | {"engines", "hf"}
            code, out, err = run(*arguments)
        lines = tuple(line for line in err.splitlines() if not _PROGRESS.match(line))
        made = tuple(path.name for path in folder.iterdir() if path.name not in before)
        return Outcome(code, lines, out, made, folder, in_general("\n".join(lines), folder))


def run(*arguments: object) -> tuple[int, str, str]:
    """The command line in this process: exit code, stdout, stderr."""
    from edgecap.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
    return int(code or 0), out.getvalue(), err.getvalue()


def in_general(line: str, folder: Path) -> str:
    """A line without what differs from machine to machine and run to run."""
    import onnxruntime

    from edgecap.engines.store.key import this_device

    processor = this_device("onnxruntime-cpu").target
    here = {f"{folder}/": "", str(folder): ".", processor: "x86_64 ...", str(ROOT): "SITE", sys.prefix: "VENV"}
    for text, words in (here | {socket.gethostname(): "HOST", platform.machine(): "x86_64"}).items():
        line = line.replace(text, words)
    line = re.sub(rf"\b{re.escape(onnxruntime.__version__)}\b", "VERSION", line)
    for pattern, words in (
        (rf"pid {os.getpid()}\b", "pid 4711"),
        (r"127\.0\.0\.1:\d+", "HUB"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", f"{datetime.date(2026, 1, 1)}T00:00:00Z"),
        (r"\b[0-9a-f]{32}\b(\.\w{8}(?=/))?", "DIGEST"),
        (r"TensorRT-RTX [\d.]+", "TensorRT-RTX VERSION"),
        (r"tensorrt-rtx [\d.]+", "tensorrt-rtx VERSION"),
        (r"[0-9a-f]{12,16}\.\.\.", "HASH..."),
        (r"SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}", "SHA-256 HASH, got HASH"),
    ):
        line = re.sub(pattern, words, line)
    return line


def document(parts: tuple[Part, ...], runner: Runner) -> str:
    """The whole of docs/errors.md."""
    return _HEAD + "".join(section(part, runner) for part in parts)


def section(part: Part, runner: Runner) -> str:
    """One table."""
    rows = [f"\n## {part.title}\n\n| what was done | what the command prints | code |\n|---|---|---|\n"]
    for case in part.cases:
        got = runner.outcome(case)
        rows.append(f"| {_cell(case.done)} | {_cell(got.text) or '(nothing: it goes on)'} | {got.code} |\n")
    return "".join(rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("\n", "<br>")


_HEAD = """# What can go wrong, and what the command says

Every line below was printed by the command; `tests/cli/bad_input/cases.py` runs each case and writes this file
(`python -m tests.cli.bad_input.cases`); `tests/cli/bad_input/test_bad_sources.py`,
`test_bad_checkpoints.py`, `test_bad_engines.py` and `test_bad_method.py` prove that it is so.
Paths are shortened; versions, hashes, process numbers and times are replaced by words.

Exit codes: 0 done, 2 usage, 3 input, 4 output, 5 pack, 6 engine, 7 export or model hub, 8 some videos failed,
130 interrupted, 1 anything else. Nothing in this file ends with 1.
"""


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder).resolve()


def all_parts() -> tuple[Part, ...]:
    """Imported here, since the cases import this module."""
    from tests.cli.bad_input.build_cases import BUILDS
    from tests.cli.bad_input.checkpoint_cases import CHECKPOINTS
    from tests.cli.bad_input.engine_cases import ENGINES
    from tests.cli.bad_input.hub_cases import HUB
    from tests.cli.bad_input.method_cases import METHOD
    from tests.cli.bad_input.source_cases import SOURCES

    return SOURCES, CHECKPOINTS, HUB, BUILDS, ENGINES, METHOD


def check(case: BadCase, got: Outcome) -> None:
    """What every case must keep: one line, ours, no traceback, the right code, nothing made or left behind."""
    assert (got.code, got.made) == (case.code, ()), got.lines
    if case.code == 0:
        assert got.lines == () and all(words in got.out for words in case.says), (got.lines, got.out)
        return
    assert len(got.lines) == 1, got.lines
    (line,) = got.lines
    assert line.startswith("edgecap: ") and "internal error" not in line and len(line) < 700, line
    for words in case.says:
        assert words in line, line


def main(arguments: list[str]) -> int:
    """Write docs/errors.md; with "show", print what each case prints."""
    wanted: Any = arguments[1] if len(arguments) > 1 else ""
    with _scratch() as folder:
        runner = Runner(folder)
        if arguments[:1] == ["show"]:
            for case in (case for part in all_parts() for case in part.cases if wanted in case.id):
                got = runner.outcome(case)
                print(f"[{got.code}{'' if got.code == case.code else f' NOT {case.code}'}] {case.done}")
                print("   ", got.text or f"(stdout) {got.out[-300:]}", *got.made, flush=True)
            return 0
        DOCUMENT.write_text(document(all_parts(), runner), encoding="utf-8")
    print(DOCUMENT)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
