"""`edgecap doctor`: what works on this machine, what does not, and what to do about it."""

from __future__ import annotations

import dataclasses
import json

import click

from edgecap.cli.options import json_option
from edgecap.engines.errors import EngineError


@click.command()
@json_option("Print the checks as one JSON list.")
def doctor(as_json: bool) -> int:
    """Check what is installed, which devices there are, and which engines work. Exit code 6 when captioning is not
    possible.
    """
    from rich.table import Table
    from rich.text import Text

    from edgecap.cli.terminal import table_console
    from edgecap.engines.doctor.doctor import examine

    checks = examine()
    healthy = all(check.status == "ok" for check in checks if check.required)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(check) for check in checks], indent=2))
        return 0 if healthy else EngineError.exit_code
    table = Table(box=None, pad_edge=False, show_header=False)
    styles = {"ok": "green", "missing": "yellow", "broken": "red"}
    for check in checks:
        style = "red" if check.required and check.status != "ok" else styles[check.status]
        detail = check.detail + (f"\n-> {check.fix}" if check.fix else "")
        table.add_row(Text(check.name), Text(check.status, style=style), Text(detail))
    console = table_console()
    console.print(table)
    verdict = "ready to caption" if healthy else "not ready: fix the red lines"
    console.print(Text(verdict, style="bold green" if healthy else "bold red"))
    return 0 if healthy else EngineError.exit_code
