"""The house rules that a machine can check, one test a rule; a failure lists every place at once."""

from __future__ import annotations

import ast
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FLOORS = {
    "engines": ("errors", "caches", "compiled", "files", "graph", "tensorrt", "packs", "store", "compile", "doctor"),
    "runtime": tuple(
        [
            "english",
            "config",
            "data",
            "video",
            "perceive",
            "measure",
            "verify",
            "decode",
            "describe",
            "output",
            "pipeline",
            "api",
            "enhance",
        ]
    ),
    "bench": ("world", "quality", "real", "dataset", "speed", "robust", "gpu", "tables"),
    "export": tuple(
        [
            "checkpoint",
            "onnx",
            "job",
            "recipe_list",
            "recipes",
            "prompts",
            "decoder",
            "detectors",
            "sam2",
            "smolvlm",
            "qwen",
            "ready_made",
            "tfjs",
            "publish",
            "hub",
            "street",
            "nano",
            "specimens",
        ]
    ),
    "cli": (),
}
"""Rooms in import order, each with its floors in import order: a line imports only what stands to its left."""
ROOMS = tuple(FLOORS)
HEAVY = {"torch", "transformers", "onnx", "onnxscript", "onnxslim", "ultralytics", "sam2", "optimum", "safetensors"}
_TEXT = {tokenize.STRING, tokenize.COMMENT} | (
    {tokenize.FSTRING_MIDDLE} if hasattr(tokenize, "FSTRING_MIDDLE") else set()
)
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}
_MOST_LINES, _MOST_FUNCTION_LINES, _MOST_MODULES = 300, 45, 15
LONG_FILES: set[str] = set()
LONG_FUNCTIONS: set[str] = set()
"""Longer than the rule since before it was one. Shorten them and strike them out; nothing may be added."""
SAME_NAMES = {
    # The world's truth says what the product says, in the same sentences.
    *("appearance", "background", "camera_sentence", "global_sentence", "position_sentence"),
    # A recipe's own step of a name that every recipe has.
    *("captioner_spec", "decoder_config", "decoder_graph", "decoder_spec", "detector_graph", "encoder_graph"),
    *(
        "export_detector",
        "export_vision",
        "fill",
        "judge",
        "make_plan",
        "padded",
        "save_specimen",
        "segmenter_spec",
        "vision_spec",
    ),
    *("without_weights", "write_vision"),
    # TensorFlow.js's operations and the steps of its recipe, by the names that they have there.
    *("cast", "export_segmenter", "gather", "pack", "pool", "replay", "size_of", "unpack"),
    # Words whose module says of what.
    *("calibrate", "choose", "colours_in", "decode", "draw_path", "encode", "measure_clip", "table", "writing"),
}
"""Public functions of one name on two floors. Nothing may be added without a reason; `main` and commands are apart."""
PLAIN = re.compile(
    r"\b(wants|anew|at hand|whence|nevertheless|(?:is|are|was|were) told|told|cures|breaks off|leads out of|tells of|"
    r"melted|wishes|says? so|lies)\b",
    re.IGNORECASE,
)
CAPTION_WORDS = {
    "bench/world/classes.py",
    "bench/world/ground_truth/sentences.py",
    "runtime/output/aligned_paragraph.py",
    "runtime/output/paragraph.py",
    "runtime/verify/people.py",
    "runtime/verify/words/motion.py",
}
"""Files whose strings are words of captions and prompts."""


def _imports(path: Path) -> Iterator[str]:
    """Dotted names, of lazy imports too."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _floor(room: str, parts: tuple[str, ...]) -> int | None:
    return FLOORS[room].index(parts[0]) if parts and parts[0] in FLOORS[room] else None


def test_every_room_has_code_and_every_file_a_floor() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in SOURCES} == set(ROOMS)
    homeless = [
        _name(path)
        for path in SOURCES
        for room, first in [(path.relative_to(ROOT).parts[0], path.relative_to(ROOT).with_suffix("").parts[1])]
        if room != "cli" and first != "__init__" and first not in FLOORS[room] and first != "results"
    ]
    assert not homeless, homeless


def test_a_line_imports_only_what_stands_to_its_left() -> None:
    wrong = []
    for path in SOURCES:
        room, *inside = path.relative_to(ROOT).with_suffix("").parts
        for name in _imports(path):
            root, *parts = name.split(".")
            if root in ROOMS:
                wrong.append(f"{_name(path)}: bare room {name}")
            elif root in HEAVY and room != "export":
                wrong.append(f"{_name(path)}: only export/ may import {name}")
            elif root == "edgecap" and parts and parts[0] in ROOMS:
                other, rest = parts[0], tuple(parts[1:])
                here, there = _floor(room, tuple(inside)), _floor(other, rest)
                if ROOMS.index(other) > ROOMS.index(room):
                    wrong.append(f"{_name(path)}: {room} imports {name}")
                elif other == room and here is not None and there is not None and there > here:
                    wrong.append(f"{_name(path)}: floor {inside[0]} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_files_are_short() -> None:
    files = [*SOURCES, *(ROOT / "tests").rglob("*.py")]
    long = {_name(path) for path in files if path.read_text(encoding="utf-8").count("\n") > _MOST_LINES}
    assert long == LONG_FILES


def test_functions_are_short() -> None:
    long = {
        f"{_name(path)} {node.name}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > _MOST_FUNCTION_LINES
    }
    assert long == LONG_FUNCTIONS


def test_words_are_plain() -> None:
    """Messages, help, docstrings, comments and documents in the words of the field (docs/glossary.md)."""
    found = []
    for path in SOURCES:
        if _name(path) not in CAPTION_WORDS:
            with path.open(encoding="utf-8") as file:
                tokens = [t for t in tokenize.generate_tokens(file.readline) if t.type in _TEXT]
            found += [f"{_name(path)}:{t.start[0]} {m[0]}" for t in tokens for m in PLAIN.finditer(t.string)]
    for page in [ROOT / "README.md", ROOT / "DESIGN.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        if page.name not in ("glossary.md", "benchmarks.md"):  # old words; lines as they were printed when measured
            found += [f"{_name(page)} {m[0]}" for m in PLAIN.finditer(page.read_text(encoding="utf-8"))]
    assert not found, "\n".join(found)


def test_folders_are_small() -> None:
    modules: dict[str, int] = defaultdict(int)
    for path in [*SOURCES, *(ROOT / "tests").rglob("*.py")]:
        modules[path.parent.relative_to(ROOT).as_posix()] += path.stem not in ("__init__", "__main__", "conftest")
    assert not {folder: count for folder, count in modules.items() if count > _MOST_MODULES}


def test_no_module_docstring_says_who_calls_it() -> None:
    """It can't stay true: a third of such sentences were wrong."""
    telling = [
        _name(path)
        for path, tree in TREES.items()
        if re.search(r"\b(?:Called|Run|Used|Made and read|Ordered|Fed) by\b", ast.get_docstring(tree) or "")
    ]
    assert not telling, telling


def test_heavy_packages_stay_in_export() -> None:
    assert any(name.split(".")[0] == "torch" for path in SOURCES for name in _imports(path)), "the rule would be empty"


def test_no_public_function_has_its_name_twice() -> None:
    """Two floors with one name make a reader look at the wrong one."""
    homes: dict[str, set[str]] = defaultdict(set)
    for path, tree in TREES.items():
        room, floor = path.relative_to(ROOT).with_suffix("").parts[:2]
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and room != "cli":
                homes[node.name].add(f"{room}/{floor}")
    assert {name for name, floors in homes.items() if len(floors) > 1 and name != "main"} == SAME_NAMES
