"""Every path of ours that a docstring, a comment or a document cites exists."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("engines", "runtime", "bench", "export", "cli", "tests", "docs", "examples")
_PATH = re.compile(rf"(?<![\w./-])(?:{'|'.join(ROOMS)})/[\w./-]*?\w\.(?:py|md|json|css|png|npz|yml)\b(?!\.\w)")
_SPEC = re.compile(r"(?<![\w./-])spec/\w+\.md")
_LEFT_OUT = {"CHANGELOG.md", "errors.md"}
"""The first names what existed at the time, the second prints users' folders."""


def _python_texts(source: str) -> Iterator[str]:
    """Docstrings, attribute docstrings and comments."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def _texts() -> Iterator[tuple[Path, str]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for text in _python_texts(path.read_text(encoding="utf-8")):
                yield path, text
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]):
        if path.name not in _LEFT_OUT:
            yield path, path.read_text(encoding="utf-8")


def test_every_cited_path_exists() -> None:
    misses = []
    for path, text in _texts():
        cited = _PATH.findall(text)
        if path.suffix == ".py":
            cited += _SPEC.findall(text)  # the pages are in docs/spec/
        misses += [f"{path.relative_to(ROOT)}: {name}" for name in cited if not (ROOT / name).exists()]
    assert not misses, "\n".join(sorted(set(misses)))


def test_every_link_of_a_document_leads_somewhere() -> None:
    misses = []
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]):
        for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", path.read_text(encoding="utf-8")):
            if not (path.parent / target).exists():
                misses.append(f"{path.relative_to(ROOT)}: {target}")
    assert not misses, "\n".join(misses)
