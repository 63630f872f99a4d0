"""`edgecap export` as a user meets it: what is printed, what is published, one line and a code for every mistake."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgecap.engines.packs.pack import Pack
from edgecap.export import recipes
from edgecap.export.recipe_list import RECIPES
from tests.cli.command import run
from tests.export import fake_recipe
from tests.export.fake_recipe import save_fake_checkpoint


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the recipe `fake` takes; the recipe is registered."""
    monkeypatch.setattr(recipes, "RECIPES", (*RECIPES, fake_recipe.LISTED))
    return save_fake_checkpoint(tmp_path / "checkpoint")


def left_over(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if p.name.startswith(".")]


def test_a_checkpoint_becomes_a_role_and_the_notice_comes_first(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "export", "fake", "--checkpoint", checkpoint, "--out", tmp_path / "mine")
    assert code == 0
    lines = err.splitlines()
    assert lines[0] == "edgecap: notice: the fake recipe speaks first"
    assert lines[1] == "edgecap: writing the fake detector"
    assert "licence apache-2.0" in out and "int8" in out and "relative L2 0.001" in out
    assert "kept high: stem: first layer" in out and "the synthetic world" in out
    spec = Pack.open(tmp_path / "mine").spec
    assert spec.detector is not None and {"parity.detector.json", "sensitivity.detector.json"} <= set(spec.files)
    assert left_over(tmp_path) == []


def test_json_is_one_object_with_the_figures(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(
        capsys,
        "export",
        "fake",
        "--checkpoint",
        checkpoint,
        "--out",
        tmp_path / "mine",
        "--json",
        "--precision",
        "fp32",
    )
    made = json.loads(out)
    assert code == 0 and made["precision"] == "fp32" and made["drift"] == []
    assert made["files"].keys() == {"detector.onnx", "detector.note.bin"}
    assert made["judged"][0]["figures"] == {"boxes_matched_share": 1.0}


def test_the_gate_refuses_and_allow_drift_publishes_and_says_so(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("export", "fake", "--checkpoint", checkpoint, "--out", tmp_path / "mine", "--option", "cosine=0.5")
    code, _, err = run(capsys, *given)
    assert code == 7 and "cosine is 0.5, at least 0.99 is needed" in err.splitlines()[-1]
    assert not (tmp_path / "mine").exists() and left_over(tmp_path) == []
    code, _, err = run(capsys, *given, "--allow-drift")
    assert code == 0 and "published with drift" in err
    spec = Pack.open(tmp_path / "mine").spec
    assert spec.source["drift"].startswith("detector: detector.onnx against pytorch: cosine is 0.5")
    assert json.loads((tmp_path / "mine" / "parity.detector.json").read_text())["passed"] is False


def test_the_list_names_every_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "export", "--list")
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == [r.name for r in RECIPES]
    assert "AGPL" in out
    code, out, _ = run(capsys, "export", "--list", "--json")
    assert [row["role"] for row in json.loads(out)] == [r.role for r in RECIPES]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param(("export",), 2, "missing RECIPE, --checkpoint, --out", id="nothing"),
        pytest.param(("export", "fake", "--out", "{t}/x"), 2, "missing --checkpoint", id="no-checkpoint"),
        pytest.param(
            ("export", "resnet", "--checkpoint", "{c}", "--out", "{t}/x"), 2, "no recipe 'resnet'", id="recipe"
        ),
        pytest.param(("export", "fake", "--checkpoint", "{t}/no", "--out", "{t}/x"), 7, "no such folder", id="folder"),
        pytest.param(
            ("export", "fake", "--checkpoint", "{c}", "--out", "{t}/x", "--option", "size"),
            2,
            "NAME=VALUE",
            id="option",
        ),
        pytest.param(
            ("export", "fake", "--checkpoint", "{c}", "--out", "{t}/x", "--option", "a=1", "--option", "a=2"),
            2,
            "given twice",
            id="option-twice",
        ),
        pytest.param(
            ("export", "fake", "--checkpoint", "{c}", "--out", "{t}/x", "--option", "size=3"),
            2,
            "recipe fake has cosine, bytes",
            id="option-unknown",
        ),
        pytest.param(
            ("export", "fake", "--checkpoint", "{c}", "--out", "{t}/x", "--calibrate", "{t}/no.mp4"),
            3,
            "no.mp4",
            id="calibration-video",
        ),
        pytest.param(
            ("export", "fake", "--checkpoint", "{c}", "--out", "{t}/full"), 4, "is not a pack", id="folder-in-use"
        ),
        pytest.param(
            ("export", "fake", "--checkpoint", "{c}", "--out", "/proc/x"), 4, "can't be written", id="no-write"
        ),
        pytest.param(
            ("export", "sam2", "--checkpoint", "{c}", "--out", "{t}/x"), 7, "recipe sam2 takes", id="wrong-arch"
        ),
        pytest.param(("export", "fake", "--checkpoint", "{s}", "--out", "{t}/x"), 7, "edgecap export sam2", id="hint"),
        pytest.param(("export", "fake", "--checkpoint", "{p}", "--out", "{t}/x"), 7, "pickle", id="pickle-only"),
        pytest.param(("export", "fake", "--checkpoint", "{e}", "--out", "{t}/x"), 7, "config.json", id="no-config"),
    ],
)
def test_every_mistake_is_one_line_and_a_code(
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    save_fake_checkpoint(tmp_path / "sam", architecture="Sam2VideoModel")
    pickled = save_fake_checkpoint(tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "photo.jpg").write_text("x")
    places = {"c": checkpoint, "t": tmp_path, "s": tmp_path / "sam", "p": pickled, "e": tmp_path / "empty"}
    got, _, err = run(capsys, *(a.format(**places) for a in arguments))
    said = [line for line in err.splitlines() if not line.startswith(("edgecap: notice", "edgecap: writing"))]
    assert (got, len(said)) == (code, 1), err
    assert words in said[0] and said[0].startswith("edgecap: ")
    assert not (tmp_path / "x").exists() and left_over(tmp_path) == []


def test_a_full_disk_leaves_the_pack_as_it_was(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real one: a file size limit (RLIMIT_FSIZE) in a child process is the error of a disk that is full."""
    given = ("export", "fake", "--checkpoint", checkpoint, "--out", tmp_path / "mine")
    assert run(capsys, *given)[0] == 0
    before = {p.name: p.read_bytes() for p in (tmp_path / "mine").iterdir()}
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "from edgecap.export import recipes; from edgecap.export.recipe_list import RECIPES;"
        "from tests.export import fake_recipe; recipes.RECIPES = (*RECIPES, fake_recipe.LISTED);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000));"
        "from edgecap.cli.main import main; main(sys.argv[1:])"
    )
    arguments = [str(a) for a in (*given, "--option", "bytes=600000")]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
    assert done.returncode == 4, done.stderr
    assert "can't be written" in done.stderr.splitlines()[-1]
    assert {p.name: p.read_bytes() for p in (tmp_path / "mine").iterdir()} == before
    assert left_over(tmp_path) == []


def test_what_a_killed_export_left_is_swept_by_the_next_one(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as gone:
        gone.wait()
    (tmp_path / f".mine.export-{gone.pid}").mkdir()
    (tmp_path / f".mine.fresh-{gone.pid}").mkdir()
    alive = tmp_path / f".mine.export-{os.getppid()}"
    alive.mkdir()
    assert run(capsys, "export", "fake", "--checkpoint", checkpoint, "--out", tmp_path / "mine")[0] == 0
    assert left_over(tmp_path) == [alive.name], "that of a living process stays"


def test_ctrl_c_leaves_nothing_behind(checkpoint: Path, tmp_path: Path) -> None:
    script = (
        "import sys, time; from edgecap.export import recipes; from edgecap.export.recipe_list import RECIPES;"
        "from tests.export import fake_recipe; recipes.RECIPES = (*RECIPES, fake_recipe.LISTED);"
        "fake_recipe.conv_net = lambda: time.sleep(60);"
        "from edgecap.cli.main import main; main(sys.argv[1:])"
    )
    arguments = ["export", "fake", "--checkpoint", str(checkpoint), "--out", str(tmp_path / "mine")]
    with subprocess.Popen([sys.executable, "-c", script, *arguments], stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob(".mine.export-*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
        assert process.stderr is not None and process.stderr.read().splitlines()[-1] == "edgecap: interrupted"
    assert not (tmp_path / "mine").exists() and left_over(tmp_path) == []


def test_help_and_list_need_no_torch(tmp_path: Path) -> None:
    """In an environment where importing torch, onnx or transformers fails, the command says which extra is missing."""
    script = (
        "import sys;\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'onnx', 'transformers', 'huggingface_hub'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from edgecap.cli.main import main; main(sys.argv[1:])\n"
    )

    def ended(*arguments: str) -> tuple[int, str]:
        done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, cwd=tmp_path)
        return done.returncode, done.stderr

    assert ended("export", "--help") == (0, "") and ended("export", "--list") == (0, "")
    assert ended("pull", "--list") == (0, "")
    checkpoint = save_fake_checkpoint(tmp_path / "c", architecture="Sam2VideoModel")
    code, err = ended("export", "sam2", "--checkpoint", str(checkpoint), "--out", str(tmp_path / "x"))
    assert code == 6 and 'pip install "edgecap[export]"' in err
    code, err = ended("pull", "org/pack")
    assert code == 6 and 'pip install "edgecap[export]"' in err
    shutil.rmtree(checkpoint)
