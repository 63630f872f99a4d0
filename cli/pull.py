"""`edgecap pull PACK`: a whole pack from the model hub, or from a folder on a machine without a network."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecap.cli.options import ALLOW_DRIFT, CALIBRATE, NO_TWINS, json_option
from edgecap.engines.errors import UsageError

if TYPE_CHECKING:
    from edgecap.export.hub.pull import Pulled
    from edgecap.export.publish.publish import ExportOptions


@click.command()
@click.argument("pack", required=False, metavar="PACK|HUB-ID[@REVISION]")
@click.option("--list", "list_plans", is_flag=True, help="List the packs that can be made, and exit.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Pack folder. [default: ./PACK; of street the place where --pack street and auto find it]",
)
@click.option(
    "--from",
    "from_folder",
    type=click.Path(path_type=Path, exists=True),
    metavar="DIR|FILE",
    help="Take checkpoints, packages, or a finished pack, from here; nothing is fetched.",
)
@click.option(
    "--option", "pack_options", multiple=True, metavar="NAME=VALUE", help="street: image_side=416, 512 or 640."
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
    pack_options: tuple[str, ...],
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
    chosen = ExportOptions(calibrate=calibrate, allow_drift=allow_drift, with_twins=not no_twins)
    if pack == "street" and not _is_pack(from_folder):
        return _print_result(_pull_street(out, from_folder, pack_options, chosen, force, progress), as_json)
    if pack_options:
        raise UsageError(f"--option {pack_options[0]}: pack {pack} takes no option; street takes image_side")
    if from_folder is not None and not from_folder.is_dir():
        raise UsageError(f"--from {from_folder}: is not a folder; pack {pack} takes one")
    with watched_fetch(progress) as watch:
        pulled = pull_pack(
            pack,
            out or Path(pack.partition("@")[0].rpartition("/")[2]),
            from_folder=from_folder,
            options=chosen,
            force=force,
            notice=lambda line: say(f"notice: {line}"),
            say=progress,
            watch=watch,
        )
    return _print_result(pulled, as_json)


def _is_pack(folder: Path | None) -> bool:
    return folder is not None and (folder / "pack.json").is_file()


def _pull_street(
    out: Path | None,
    brought: Path | None,
    given: tuple[str, ...],
    options: ExportOptions,
    force: bool,
    say: Callable[[str], None],
) -> Pulled:
    from edgecap.cli.export import parse_options
    from edgecap.engines.packs.pulled import STREET, packs_folder
    from edgecap.export.street.pull import DEFAULT_SIDE, pull_street

    named = parse_options(given)
    side = named.pop("image_side", str(DEFAULT_SIDE))
    if named or not side.isdecimal():
        raise UsageError(f"--option {given[-1]}: street takes image_side=416, 512 or 640")
    return pull_street(
        out or packs_folder() / STREET, brought=brought, options=options, image_side=int(side), force=force, say=say
    )


def _print_result(pulled: Pulled, as_json: bool) -> int:
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(pulled), indent=2))
    else:
        _print_pulled(pulled)
    return 0


def _print_pulled(pulled: Pulled) -> None:
    from edgecap.cli.export import print_published
    from edgecap.cli.terminal import say
    from edgecap.engines.packs.pulled import STREET, packs_folder

    for published in pulled.published:
        print_published(published)
    if pulled.kept:
        click.echo(f"already there: {', '.join(pulled.kept)} (--force exports again)")
    for line in pulled.unpinned:
        say(f"warning: not pinned: {line}")
    by_auto = Path(pulled.pack) == packs_folder() / STREET
    click.echo(f"pack in {pulled.pack}: edgecap caption VIDEO{'' if by_auto else f' --pack {pulled.pack}'}")


def _print_plans(as_json: bool) -> int:
    from edgecap.export.hub.pull_plans import PLANS
    from edgecap.export.street.sources import FOR_WHOM, NAME, plan_roles

    if as_json:
        street = {"name": NAME, "for_whom": FOR_WHOM, "roles": plan_roles()}
        click.echo(json.dumps([*(dataclasses.asdict(plan) for plan in PLANS), street], indent=2))
        return 0
    for plan in PLANS:
        click.echo(f"{plan.name}: {plan.for_whom}")
        for role in plan.roles:
            click.echo(f"  {role.role:10} {role.repo}@{role.revision} (recipe {role.recipe}, licence {role.licence})")
    click.echo(f"{NAME}: {FOR_WHOM}")
    for row in plan_roles():
        click.echo(f"  {row['role']:10} {row['repo']} (recipe {row['recipe']}, licence {row['licence']})")
    return 0
