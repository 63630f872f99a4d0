"""`import edgecap`: its names are pinned, it loads nothing heavy, its options are those of the config, examples run."""

from __future__ import annotations

import dataclasses
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import edgecap
from edgecap.runtime.config import PipelineConfig, PipelineOptions

pytestmark = pytest.mark.slow  # whole commands; what they are made of is tested below, quickly

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def test_names_are_pinned_and_all_load() -> None:
    assert edgecap.__all__ == [
        "Captioner",
        "Clip",
        "EdgecapError",
        "EngineError",
        "InputError",
        "Instance",
        "PackError",
        "UsageError",
        "__version__",
        "caption_video",
    ]
    assert dir(edgecap) == sorted(edgecap.__all__)
    assert all(getattr(edgecap, name) is not None for name in edgecap.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        edgecap.nothing  # noqa: B018


def test_importing_loads_no_engine_and_no_array_library() -> None:
    code = "import edgecap, sys; print([m for m in ('numpy', 'cv2', 'av', 'onnxruntime', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_typed_options_are_the_configs_fields() -> None:
    assert set(PipelineOptions.__annotations__) == {field.name for field in dataclasses.fields(PipelineConfig)}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if "supervision" in path.read_text(encoding="utf-8"):
        pytest.importorskip("supervision", reason="supervision is not a dependency of edgecap")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [os.fspath(path)])
    runpy.run_path(os.fspath(path), run_name="__main__")
    assert len(capsys.readouterr().out.splitlines()) >= 2
