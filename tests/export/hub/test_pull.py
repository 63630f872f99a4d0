"""Whole packs: from the hub, from a folder without a network, finished or still to export; going on after a break."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgecap.engines.errors import HubError, MissingInputError, OutputError, TamperedPackError, UsageError
from edgecap.engines.packs.pack import Pack
from edgecap.export import recipes
from edgecap.export.hub import hub as hub_module
from edgecap.export.hub import pull as pull_module
from edgecap.export.hub.hub import CHECKPOINT_FILES, fetch
from edgecap.export.hub.pull import Pulled, pull
from edgecap.export.hub.pull_plans import PLANS, PlannedRole, PullPlan
from edgecap.export.publish.publish import ExportOptions
from edgecap.export.recipe_list import RECIPES
from tests.export import fake_recipe
from tests.export.fake_recipe import save_fake_checkpoint
from tests.export.hub.fake_hub import COMMIT, FakeHub, serving

ROLE = PlannedRole("detector", "fake", "org/fake", "apache-2.0", precision="fp32")
PLAN = PullPlan("small", "tests", (ROLE,))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A server, a cache, a plan and a recipe of the tests."""
    save_fake_checkpoint(tmp_path / "hub" / "org" / "fake")
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.setattr(recipes, "RECIPES", (*RECIPES, fake_recipe.LISTED))
    monkeypatch.setattr(pull_module, "PLANS", (PLAN,))
    with serving(tmp_path / "hub") as server:

        def here(hub_id: hub_module.HubId, **options: object) -> hub_module.Fetched:
            return fetch(hub_id, cache=tmp_path / "cache", endpoint=server.url, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(pull_module, "fetch", here)
        yield server


def pulled(name: str, out: Path, **options: object) -> Pulled:
    settings: dict[str, object] = {
        "from_folder": None,
        "options": ExportOptions(),
        "notice": lambda line: None,
        **options,
    }
    return pull(name, out, **settings)  # type: ignore[arg-type]


def test_a_plan_is_fetched_exported_and_records_the_commit(hub: FakeHub, tmp_path: Path) -> None:
    notices: list[str] = []
    made = pulled("small", tmp_path / "small", notice=notices.append)
    spec = Pack.open(tmp_path / "small").spec
    assert spec.detector is not None and spec.name == "small"
    assert spec.source["detector"] == f"org/fake@{COMMIT}, licence apache-2.0"
    assert made.unpinned == (f"org/fake: main was {COMMIT}",)
    assert [p.precision for p in made.published] == ["fp32"], "the plan's precision"
    assert notices == ["the fake recipe speaks first"]


def test_a_second_pull_does_nothing_and_force_does_it_again(hub: FakeHub, tmp_path: Path) -> None:
    pulled("small", tmp_path / "small")
    hub.asked.clear()
    again = pulled("small", tmp_path / "small")
    assert again.kept == ("detector",) and again.published == () and hub.asked == []
    forced = pulled("small", tmp_path / "small", force=True)
    assert forced.kept == () and Pack.open(tmp_path / "small").spec.version == "2"


def test_a_pull_that_failed_at_its_second_role_keeps_the_first(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = replace(ROLE, role="segmenter", repo="org/absent")
    monkeypatch.setattr(pull_module, "PLANS", (replace(PLAN, roles=(ROLE, second)),))
    with pytest.raises(HubError, match="org/absent"):
        pulled("small", tmp_path / "small")
    assert Pack.open(tmp_path / "small").spec.detector is not None
    with pytest.raises(HubError, match="org/absent"):
        pulled("small", tmp_path / "small")
    assert Pack.open(tmp_path / "small").spec.version == "1", "the first role was not exported again"


@pytest.mark.parametrize("layout", ["fake", "org/fake", "org--fake", f"models--org--fake/snapshots/{COMMIT}"])
def test_from_a_folder_nothing_is_asked_of_the_hub(hub: FakeHub, tmp_path: Path, layout: str) -> None:
    save_fake_checkpoint(tmp_path / "usb" / layout)
    pulled("small", tmp_path / "small", from_folder=tmp_path / "usb")
    assert hub.asked == []
    assert Pack.open(tmp_path / "small").spec.source["detector"].startswith("org/fake@")


def test_from_a_folder_without_the_model_says_what_to_bring(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "usb").mkdir()
    with pytest.raises(MissingInputError, match=r"no org/fake .*hf download org/fake --local-dir fake"):
        pulled("small", tmp_path / "small", from_folder=tmp_path / "usb")


def test_a_finished_pack_of_the_hub_is_installed_as_it_is(hub: FakeHub, tmp_path: Path) -> None:
    pulled("small", tmp_path / "small")
    shutil.copytree(tmp_path / "small", tmp_path / "hub" / "org" / "pack")
    (tmp_path / "hub" / "org" / "pack" / "training.zip").write_bytes(b"z" * 500)
    made = pulled("org/pack", tmp_path / "copy")
    assert Pack.open(tmp_path / "copy").spec == Pack.open(tmp_path / "small").spec
    assert made.kept == ("detector",) and made.unpinned == (f"org/pack: main was {COMMIT}",)
    assert hub.downloads("training.zip") == [], "only what pack.json lists"
    assert not any(p.is_symlink() for p in (tmp_path / "copy").iterdir()), "the cache may go"


def test_a_finished_pack_in_a_folder_is_verified_before_it_replaces_the_old_one(hub: FakeHub, tmp_path: Path) -> None:
    pulled("small", tmp_path / "small")
    shutil.copytree(tmp_path / "small", tmp_path / "usb")
    before = Pack.open(tmp_path / "small").spec
    with (tmp_path / "usb" / "detector.onnx").open("r+b") as file:
        file.write(b"!")
    with pytest.raises(TamperedPackError):
        pulled("anything", tmp_path / "small", from_folder=tmp_path / "usb")
    (tmp_path / "usb" / "detector.onnx").unlink()
    with pytest.raises(TamperedPackError, match=r"detector\.onnx is missing"):
        pulled("anything", tmp_path / "small", from_folder=tmp_path / "usb")
    assert Pack.open(tmp_path / "small").spec == before


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("huge", "no pack 'huge' to pull; there are small", id="unknown"),
        pytest.param("nano", "ships with edgecap", id="shipped"),
    ],
)
def test_names_that_are_no_plan(hub: FakeHub, tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        pulled(name, tmp_path / "out")


def test_a_checkpoint_repository_is_told_apart_from_a_pack(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"contains no pack\.json, so it is not a pack; .*export RECIPE .* org/fake"):
        pulled("org/fake", tmp_path / "out")


def test_a_folder_with_something_else_in_it_is_refused_before_the_download(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").write_text("x")
    with pytest.raises(OutputError, match="is not a pack"):
        pulled("small", tmp_path / "mine")
    assert hub.asked == [] and os.listdir(tmp_path / "mine") == ["photo.jpg"]


def test_our_own_plans_name_recipes_that_exist_and_invent_no_commit() -> None:
    known = {listed.name: listed.role for listed in RECIPES}
    for plan in PLANS:
        assert [role.role for role in plan.roles] == ["detector", "segmenter", "captioner"]
        for role in plan.roles:
            assert known[role.recipe] == role.role
            assert hub_module.HubId.parse(role.repo) is not None
            assert role.revision == "main" or hub_module.COMMIT.fullmatch(role.revision)
    assert "*.safetensors" in CHECKPOINT_FILES and not any("bin" in p or "*.pt" in p for p in CHECKPOINT_FILES)
