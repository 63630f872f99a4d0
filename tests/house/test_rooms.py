"""The house rules that a machine can check: import direction, heavy packages, sizes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("engines", "runtime", "bench", "export", "cli")
HEAVY = {"torch", "transformers", "onnx", "onnxscript", "onnxslim", "ultralytics", "sam2", "optimum", "safetensors"}
FILES = sorted(p for room in ROOMS for p in (ROOT / room).rglob("*.py"))


def _imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.append(node.module or "")
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def test_every_room_has_code() -> None:
    assert {p.relative_to(ROOT).parts[0] for p in FILES} == set(ROOMS)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_only_rooms_to_its_left(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    right_of = set(ROOMS[ROOMS.index(room) + 1 :])
    for name in _imports(path):
        parts = name.split(".")
        assert parts[0] not in ROOMS, f"bare room import {name}: write edgecap.{name}"
        if parts[0] == "edgecap" and len(parts) > 1:
            assert parts[1] not in right_of, f"{room} must not import {name}"
        if room != "export":
            assert parts[0] not in HEAVY, f"only export/ may import {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 320, "one noun per file: split it"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            assert size <= 60, f"{node.name} has {size} lines"
