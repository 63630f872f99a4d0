"""`python -m edgecap.export.specimens NAME FOLDER`: write one specimen of the catalogue; prints its path."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edgecap.engines.errors import EdgecapError
from edgecap.export.recipes import missing_extra
from edgecap.export.specimens.catalogue import SPECIMENS, save_specimen


@click.command()
@click.argument("name", type=click.Choice(list(SPECIMENS)))
@click.argument("folder", type=click.Path(path_type=Path))
def main(*, name: str, folder: Path) -> None:
    """Write specimen NAME into FOLDER."""
    try:
        with missing_extra(SPECIMENS[name].recipe, "export"):
            click.echo(save_specimen(name, folder))
    except EdgecapError as error:
        click.echo(f"edgecap: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
