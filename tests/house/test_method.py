"""docs/method.md: the tests it names exist, its commands are the command line's, no defect is left out."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from edgecap.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"(tests/[\w/]+\.py)::(test_\w+)", TEXT)))
COMMANDS = sorted(set(re.findall(r"`(edgecap [^`]*)`", TEXT)))


def _rows(title: str) -> list[list[str]]:
    part = TEXT.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name for _, name in NAMED])
def test_every_test_it_names_exists(file: str, name: str) -> None:
    assert re.search(rf"^(?:async )?def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), file


def test_all_twenty_defects_have_a_line_and_a_test() -> None:
    rows = _rows("The reference's 20 defects")
    assert [row[0] for row in rows] == [str(n) for n in range(1, 21)]
    assert all(len(row) == 4 and "::test_" in row[3] and len(row[2]) > 20 for row in rows)


def test_every_bad_input_of_the_specification_has_a_line_and_a_test() -> None:
    """Twelve in docs/spec/instancecap.md 10.3; the truncated file is ours."""
    rows = _rows("Bad input")
    assert len(rows) >= 13 and all(len(row) == 4 and all(row) and "::test_" in row[3] for row in rows)
    words = " ".join(row[0] for row in rows)
    for what in ("missing", ".MP4", "one frame", "no frame", "0.5 frames", "variable", "rotated", "4K", "cut", "box"):
        assert what in words
    assert "mask" in words and "blank" in words


def test_every_system_of_the_paper_has_a_command_and_a_test() -> None:
    rows = _rows("The paper's systems")
    assert len(rows) >= 20 and all(len(row) == 4 and row[2] and "::test_" in row[3] for row in rows)
    words = " ".join(row[0].lower() for row in rows)
    for system in ("camera", "position", "chain of thought", "schema", "lexicons", "enhancer", "instancevid rows"):
        assert system in words
    for system in ("curation", "aligning paragraph", "class hint", "camera hint", "visual prompt", "verifier"):
        assert system in words


@pytest.mark.parametrize("line", COMMANDS)
def test_its_commands_are_the_command_lines(line: str) -> None:
    words = shlex.split(line)[1:]
    command: click.Command = cli
    while isinstance(command, click.Group):
        assert words and words[0] in command.commands, line
        command = command.commands[words.pop(0)]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        assert not word.startswith("--") or word in options, f"{line}: {word}"
