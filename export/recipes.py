"""The recipes by name, imported when one is asked for: listing them must not load torch."""

from __future__ import annotations

import difflib
import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgecap.engines.errors import MissingExtraError, UsageError
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.job import Recipe
from edgecap.export.recipe_list import RECIPES

_EXTRAS = {"ultralytics": "yolo", "torchvision": "yolo"}
"""Packages whose absence another extra than "export" mends."""


def names() -> tuple[str, ...]:
    """As the command spells them."""
    return tuple(listed.name for listed in RECIPES)


def load_recipe(name: str) -> Recipe:
    """Import one. Raises `UsageError` for an unknown name, `MissingExtraError` where a package isn't installed."""
    listed = next((listed for listed in RECIPES if listed.name == name), None)
    if listed is None:
        raise UsageError(
            f"no recipe {name!r}{nearest(name, names())}; there are {', '.join(names())}: edgecap export --list says "
            "what each takes"
        )
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # read at its import; what matters is said by our errors
    with missing_extra(name, listed.extra):
        recipe: Recipe = getattr(importlib.import_module(listed.module), listed.attribute)
    return recipe


def nearest(name: str, known: Sequence[str]) -> str:
    """Words that name the one meant, for a slip of the pen; "" where nothing is near."""
    found = difflib.get_close_matches(name.lower(), known, n=1)
    return f" (did you mean {found[0]}?)" if found else ""


@contextmanager
def missing_extra(name: str, extra: str) -> Iterator[None]:
    """An import that fails inside the block, of a package that isn't ours, becomes `MissingExtraError`."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing == "edgecap":
            raise
        raise MissingExtraError(
            f"recipe {name} needs {missing}, which isn't installed; "
            f'run: pip install "edgecap[{_EXTRAS.get(missing, extra)}]"'
        ) from error


def open_checkpoint(
    recipe: Recipe, path: Path, *, source: str | None = None, revision: str | None = None
) -> Checkpoint:
    """The recipe's checkpoint: its own way of opening one where it has it (files that aren't a hub snapshot), else
    `Checkpoint.open`, with the architecture checked, so that a wrong recipe is refused before anything is loaded."""
    own: Any = getattr(recipe, "open_checkpoint", None)
    if own is not None:
        opened: Checkpoint = own(path, source=source, revision=revision)
        return opened
    opened = Checkpoint.open(path, source=source, revision=revision)
    opened.require(recipe.architectures, recipe=recipe.name)
    return opened
