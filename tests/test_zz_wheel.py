"""The wheel, as a stranger gets it: built, installed into an empty environment without torch, run from elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [pytest.mark.wheel, pytest.mark.timeout(900), pytest.mark.slow]


def _run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", out, ROOT, cwd=out)
    return next(out.glob("edgecap-*.whl"))


@pytest.fixture(scope="module")
def stranger(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment that holds the wheel, [cpu], and nothing else. Returns its bin folder."""
    home = tmp_path_factory.mktemp("stranger")
    _run(sys.executable, "-m", "venv", home / "venv", cwd=home)
    python = home / "venv" / "bin" / "python"
    _run(python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", f"{wheel}[cpu]", cwd=home)
    return home / "venv" / "bin"


def test_the_wheel_holds_rooms_pack_and_schema(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for room in ("engines", "runtime", "bench", "export", "cli"):
        assert f"edgecap/{room}/__init__.py" in names
    assert "edgecap/engines/packs/nano/pack.json" in names
    assert any(name.startswith("edgecap/runtime/") and name.endswith(".json") for name in names)
    assert "edgecap/py.typed" in names
    assert wheel.stat().st_size < 15e6


def test_a_stranger_captions_a_clip_from_another_folder(stranger: Path, tmp_path: Path) -> None:
    assert "0.1.0" in _run(stranger / "edgecap", "--version", cwd=tmp_path)
    _run(
        stranger / "edgecap",
        "world",
        "--tier",
        "clean",
        "--seed",
        "3",
        "--count",
        "1",
        "--seconds",
        "3",
        "--out",
        tmp_path / "clips",
        cwd=tmp_path,
    )
    _run(stranger / "edgecap", "caption", tmp_path / "clips", "--out", tmp_path / "out", cwd=tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "out" / "captions.jsonl").read_text().splitlines()]
    assert rows and all(row["meta"]["status"] == "ok" for row in rows)
    assert any(row["Structural Description"]["Main Instance"] for row in rows)


def test_runtime_runs_without_torch(stranger: Path, tmp_path: Path) -> None:
    script = (
        "import importlib.util as u, sys, edgecap.runtime\n"
        "assert u.find_spec('torch') is None, 'torch is installed here: the test proves nothing'\n"
        "assert not {m.split('.')[0] for m in sys.modules} & {'torch', 'transformers', 'onnx'}\n"
    )
    _run(stranger / "python", "-c", script, cwd=tmp_path)


_EVERY_MODULE = """
import importlib, pkgutil, edgecap.runtime
for module in pkgutil.walk_packages(edgecap.runtime.__path__, 'edgecap.runtime.'):
    importlib.import_module(module.name)
"""


@pytest.mark.parametrize("code", ["import edgecap.runtime", _EVERY_MODULE], ids=["the room", "every module of it"])
def test_importing_runtime_never_imports_torch_even_where_it_is_installed(code: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    modules = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "edgecap" in modules
    assert not modules & {"torch", "transformers", "onnx"}
