"""`edgecap pull PACK`: a whole pack from the model hub, or from a folder on a machine without a network."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecap.cli.options import ALLOW_DRIFT, CALIBRATE, NO_TWINS, json_option
from edgecap.engines.errors import UsageError

if TYPE_CHECKING:
    from edgecap.export.hub.pull import Pulled


@click.command()
@click.argument("pack", required=False, metavar="PACK|HUB-ID[@REVISION]")
@click.option("--list", "list_plans", is_flag=True, help="List the packs that can be made, and exit.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Pack folder. [default: ./PACK]")
@click.option(
    "--from",
    "from_folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Take checkpoints, or a finished pack, from here; nothing is fetched.",
)
@CALIBRATE
@ALLOW_DRIFT
@NO_TWINS
@click.option("--force", is_flag=True, help="Export again even what is already there.")
@json_option("Print what was made as one JSON object.")
def pull(
    pack: str | None,
    list_plans: bool,
    out: Path | None,
    from_folder: Path | None,
    calibrate: tuple[Path, ...],
    allow_drift: bool,
    no_twins: bool,
    force: bool,
    as_json: bool,
) -> int:
    """Fetch and export a whole pack; continue where an earlier run stopped.

    HF_HUB_OFFLINE=1 uses the hub's cache alone; HF_ENDPOINT and HF_HOME are the hub's own settings.
    """
    if list_plans:
        return _print_plans(as_json)
    if pack is None:
        raise UsageError("missing PACK; edgecap pull --list names the packs")
    from edgecap.cli.terminal import say, sayer, watched_fetch
    from edgecap.export.hub.pull import pull as pull_pack
    from edgecap.export.publish.publish import ExportOptions

    progress = sayer(as_json=as_json)
    with watched_fetch(progress) as watch:
        pulled = pull_pack(
            pack,
            out or Path(pack.partition("@")[0].rpartition("/")[2]),
            from_folder=from_folder,
            options=ExportOptions(calibrate=calibrate, allow_drift=allow_drift, with_twins=not no_twins),
            force=force,
            notice=lambda line: say(f"notice: {line}"),
            say=progress,
            watch=watch,
        )
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(pulled), indent=2))
    else:
        _print_pulled(pulled)
    return 0


def _print_pulled(pulled: Pulled) -> None:
    from edgecap.cli.export import print_published
    from edgecap.cli.terminal import say

    for published in pulled.published:
        print_published(published)
    if pulled.kept:
        click.echo(f"already there: {', '.join(pulled.kept)} (--force exports again)")
    for line in pulled.unpinned:
        say(f"warning: not pinned: {line}")
    click.echo(f"pack in {pulled.pack}: edgecap caption VIDEO --pack {pulled.pack}")


def _print_plans(as_json: bool) -> int:
    from edgecap.export.hub.pull_plans import PLANS

    if as_json:
        click.echo(json.dumps([dataclasses.asdict(plan) for plan in PLANS], indent=2))
        return 0
    for plan in PLANS:
        click.echo(f"{plan.name}: {plan.for_whom}")
        for role in plan.roles:
            click.echo(f"  {role.role:10} {role.repo}@{role.revision} (recipe {role.recipe}, licence {role.licence})")
    return 0
