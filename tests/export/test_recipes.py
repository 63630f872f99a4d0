"""The registry: every listed recipe loads and says what it is; listing loads nothing heavy; wrong ones are named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgecap.engines.errors import CheckpointError, MissingExtraError, UsageError
from edgecap.export import recipes
from edgecap.export.checkpoint.checkpoint import RECIPE_OF
from edgecap.export.detectors.options import DetectorOptions
from edgecap.export.job import read_options
from edgecap.export.recipe_list import RECIPES
from edgecap.export.recipes import load_recipe, names, open_checkpoint
from tests.export import fake_recipe
from tests.export.fake_recipe import save_fake_checkpoint


@pytest.mark.parametrize("listed", RECIPES, ids=lambda listed: listed.name)
def test_every_listed_recipe_loads_and_agrees_with_its_row(listed: recipes.Recipe) -> None:
    recipe = load_recipe(listed.name)
    assert recipe.name == listed.name and recipe.role == listed.role and recipe.extra == listed.extra
    assert callable(recipe) and all(isinstance(a, str) for a in recipe.architectures)
    if listed.name == "yolo":
        assert "AGPL" in recipe.notice


def test_the_hint_of_a_wrong_architecture_names_recipes_that_take_it() -> None:
    for architecture, name in RECIPE_OF.items():
        assert architecture in load_recipe(name).architectures


def test_listing_loads_neither_torch_nor_onnx() -> None:
    code = (
        "import sys; import edgecap.export.recipe_list, edgecap.cli.export, edgecap.cli.pull, edgecap.export.hub.pull; "
    )
    code += "print([m for m in ('torch', 'transformers', 'onnx', 'huggingface_hub') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no recipe 'resnet'; there are dfine, yolo"):
        load_recipe("resnet")
    assert names()[0] == "dfine"


@pytest.mark.parametrize(
    ("missing", "extra"),
    [pytest.param("torch", "export", id="torch"), pytest.param("ultralytics.nn", "yolo", id="ultralytics")],
)
def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, missing: str, extra: str) -> None:
    def refuse(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    monkeypatch.setattr(recipes.importlib, "import_module", refuse)
    with pytest.raises(MissingExtraError, match=rf"{missing.split('.')[0]}.*edgecap\[{extra}\]"):
        load_recipe("dfine")


def test_a_broken_module_of_ours_is_not_called_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise ModuleNotFoundError("No module named 'edgecap.export.nowhere'", name="edgecap.export.nowhere")

    monkeypatch.setattr(recipes.importlib, "import_module", refuse)
    with pytest.raises(ModuleNotFoundError):
        load_recipe("dfine")


def test_the_wrong_recipe_is_told_which_is_right(tmp_path: Path) -> None:
    folder = save_fake_checkpoint(tmp_path / "c", architecture="Sam2VideoModel")
    with pytest.raises(CheckpointError, match=r"recipe fake takes FakeDetector, this is Sam2VideoModel.*export sam2"):
        open_checkpoint(fake_recipe.FAKE, folder)


def test_a_recipe_may_open_its_own_kind_of_checkpoint(tmp_path: Path) -> None:
    asked = []

    class Own(fake_recipe.FakeRecipe):
        def open_checkpoint(self, path: Path, *, source: str | None, revision: str | None) -> str:
            asked.append((path, source, revision))
            return "opened"

    assert open_checkpoint(Own(), tmp_path / "x.pt", source="org/x", revision="1") == "opened"
    assert asked == [(tmp_path / "x.pt", "org/x", "1")]


def test_options_become_typed_values() -> None:
    given = {"image_side": "320", "score_threshold": "0.25", "twin": "int8", "labels": "names.txt"}
    assert read_options(DetectorOptions, given, recipe="dfine") == DetectorOptions(320, "names.txt", 0.25, "int8")
    assert read_options(DetectorOptions, {}, recipe="dfine") == DetectorOptions()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("image_side", "150", "image_side='150': expected a multiple of 32 from 128 to 2048"),
        ("image_side", "4096", "a multiple of 32 from 128 to 2048"),
        ("score_threshold", "1", "score_threshold='1': expected a number between 0 and 1"),
        ("score_threshold", "high", "a number between 0 and 1"),
        ("twin", "int4", "twin='int4': expected fp16 or int8"),
        ("side", "320", "recipe dfine has no option 'side'; it takes image_side, labels, score_threshold, twin"),
    ],
)
def test_an_option_that_cannot_be_says_what_is_expected(name: str, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_options(DetectorOptions, {name: text}, recipe="dfine")
