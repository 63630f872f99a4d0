"""README: its Python runs and prints what it says, its commands exist. The generated tables match the measurements."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from edgecap.bench.tables import readme

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.S)


def test_the_python_example_prints_what_the_readme_says(tmp_path: Path) -> None:
    [code] = _blocks("python")
    [printed] = _blocks("text")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == printed.strip()


@pytest.mark.parametrize(
    "line", [line for block in _blocks("console") for line in block.splitlines() if line.startswith("edgecap ")]
)
def test_every_command_of_the_readme_exists(line: str) -> None:
    words = shlex.split(line.split("#")[0])
    command = []
    for word in words[1:]:
        if word.startswith("-") or not word.isalpha() or len(command) == 2:
            break
        command.append(word)
    run = [sys.executable, "-m", "edgecap.cli"]
    done = subprocess.run([*run, *command[:2], "--help"], capture_output=True, text=True)
    if done.returncode:
        done = subprocess.run([*run, *command[:1], "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for option in (w for w in words if w.startswith("--")):
        assert option in done.stdout, f"{line}: {option} is not an option of it"


@pytest.mark.parametrize("document", readme.DOCUMENTS)
def test_the_tables_are_the_generated_ones(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    assert readme.render(document, text) == text, "run `make readme` after a measurement"


def test_the_readme_fits_120_lines() -> None:
    assert TEXT.count("\n") <= 120


def test_pictures_exist() -> None:
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", TEXT)
    assert pictures
    for picture in pictures:
        assert (ROOT / picture).is_file()
