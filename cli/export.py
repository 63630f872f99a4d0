"""`edgecap export RECIPE --checkpoint DIR|HUB-ID`: a checkpoint becomes one role of a model pack."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecap.cli.options import ALLOW_DRIFT, CALIBRATE, NO_TWINS, json_option
from edgecap.engines.errors import HubError, UsageError

if TYPE_CHECKING:
    from edgecap.export.checkpoint.checkpoint import Checkpoint
    from edgecap.export.job import Precision, Recipe
    from edgecap.export.publish.publish import Published

OPTIONS_HELP = "A recipe's own option; may be repeated. An unknown one is an error that lists them."


@click.command()
@click.argument("recipe", required=False)
@click.option("--list", "list_recipes", is_flag=True, help="List the recipes, and exit.")
@click.option("--checkpoint", metavar="DIR|HUB-ID[@REVISION]", help="A checkpoint folder, or a model of the hub.")
@click.option("--out", type=click.Path(path_type=Path), metavar="PACK", help="Pack folder: new, or one to add to.")
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "int8", "int4"]),
    default="int8",
    show_default=True,
    help="Precision of the graphs for ONNX Runtime; those for TensorRT are made in addition.",
)
@CALIBRATE
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help=OPTIONS_HELP)
@ALLOW_DRIFT
@NO_TWINS
@json_option("Print what was made as one JSON object.")
def export(
    recipe: str | None,
    list_recipes: bool,
    checkpoint: str | None,
    out: Path | None,
    precision: Precision,
    calibrate: tuple[Path, ...],
    options: tuple[str, ...],
    allow_drift: bool,
    no_twins: bool,
    as_json: bool,
) -> int:
    """Make one role of a pack (detector, segmenter or captioner) from a checkpoint.

    Nothing is published unless the exported graphs agree with the original within the recipe's limits.
    """
    if list_recipes:
        return _print_recipes(as_json)
    if recipe is None or checkpoint is None or out is None:
        missing = [n for n, v in (("RECIPE", recipe), ("--checkpoint", checkpoint), ("--out", out)) if v is None]
        raise UsageError(f"missing {', '.join(missing)}; edgecap export --list names the recipes")
    from edgecap.cli.terminal import say, sayer
    from edgecap.export.publish.publish import ExportOptions, publish
    from edgecap.export.recipes import load_recipe

    wanted = ExportOptions(
        precision=precision,
        calibrate=calibrate,
        options=parse_options(options),
        allow_drift=allow_drift,
        with_twins=not no_twins,
    )
    progress = sayer(as_json=as_json)
    loaded = load_recipe(recipe)
    if loaded.notice:
        say(f"notice: {loaded.notice}")
    published = publish(loaded, _checkpoint(loaded, checkpoint, progress), out, wanted, say=progress)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(published), indent=2))
    else:
        print_published(published)
    return 0


def parse_options(given: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE pairs; raises `UsageError` for another form or a name given twice."""
    options: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--option {text!r}: expected NAME=VALUE")
        if name in options:
            raise UsageError(f"--option {name}: given twice ({options[name]!r} and {value!r})")
        options[name] = value
    return options


def _checkpoint(recipe: Recipe, given: str, progress: Callable[[str], None]) -> Checkpoint:
    """Open a folder as it is; fetch anything that looks like a hub id."""
    from edgecap.cli.terminal import say, watched_fetch
    from edgecap.export.hub.hub import CHECKPOINT_FILES, HubId, fetch
    from edgecap.export.recipes import open_checkpoint

    path = Path(given).expanduser()
    hub_id = None if path.exists() else HubId.parse(given)
    if hub_id is None:
        return open_checkpoint(recipe, path)
    if not hub_id.pinned:
        progress(f"{hub_id.repo}: revision {hub_id.revision!r} can move; name the commit printed below to pin it")
    try:
        with watched_fetch(progress) as watch:
            fetched = fetch(hub_id, files=getattr(recipe, "files", CHECKPOINT_FILES), watch=watch)
    except HubError as error:
        if "@" in given:
            raise
        raise HubError(f"{error} (and there is no folder {given} here)") from error
    if fetched.from_cache:
        say(f"warning: {fetched.from_cache}; using the cached {fetched.commit}")
    progress(f"{fetched.repo}@{fetched.commit} in {fetched.folder}")
    return open_checkpoint(recipe, fetched.folder, source=fetched.repo, revision=fetched.commit)


def print_published(published: Published) -> None:
    """What was made, for a person."""
    from edgecap.cli.terminal import say

    total = sum(published.files.values())
    click.echo(
        f"{published.role} of {published.pack}: {published.source}, {published.precision}, "
        f"{len(published.files)} files, {total / 1e6:.2f} MB, {published.seconds:.1f} s"
    )
    for row in published.judged:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in row["figures"].items())
        worst = max((t["relative_l2"] for t in row["tensors"]), default=None)
        distance = "" if worst is None else f"relative L2 {worst:.2g}"
        click.echo(f"  {row['graph']} against {row['reference']}: {', '.join(x for x in (distance, figures) if x)}")
    click.echo(f"  compared and calibrated on {published.calibrated_on}")
    for note in published.notes:
        click.echo(f"  {note}")
    for line in published.drift:
        say(f"warning: published with drift: {line}")


def _print_recipes(as_json: bool) -> int:
    from edgecap.export.recipe_list import RECIPES

    if as_json:
        rows = [{"name": r.name, "role": r.role, "models": r.models, "extra": r.extra} for r in RECIPES]
        click.echo(json.dumps(rows, indent=2))
        return 0
    for r in RECIPES:
        click.echo(f'{r.name:12} {r.role:10} {r.models:44} pip install "edgecap[{r.extra}]"')
    return 0
