"""`python -m edgecap.export.specimens.table --work DIR --out FILE.json`: every recipe, precision and GPU.

In: the specimens of `export.specimens` and the pack nano. Out: bench/results/export.json, from which `make readme`
writes a table of docs/benchmarks.md; a run over some recipes replaces their rows and keeps the others. Everything goes
through the commands `edgecap export` and `edgecap build`; a recipe that fails is an entry with its error line.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import click

from edgecap.engines.graph.device import probe_device
from edgecap.export.specimens.catalogue import SPECIMENS
from edgecap.export.specimens.table_nano import NANO, nano_rows
from edgecap.export.specimens.table_rows import recipe_rows
from edgecap.runtime.output.files import replace_text

_PACKAGES = ("torch", "transformers", "onnx", "onnxruntime", "tensorrt-rtx-cu13")
NAMES = (*SPECIMENS, NANO)


@click.command()
@click.option(
    "--work", type=click.Path(path_type=Path), required=True, help="Checkpoints and packs, removed after use."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The JSON; recipes not run now stay in it.")
@click.option("--recipe", "names", multiple=True, type=click.Choice(NAMES), help="Only this; may be repeated.")
def main(*, work: Path, out: Path, names: tuple[str, ...]) -> None:
    """Export, compare and compile; write the results."""
    for name in names or NAMES:
        started, load = time.monotonic(), os.getloadavg()[0]
        folder = work / name
        row = nano_rows(folder, say=_say) if name == NANO else recipe_rows(name, folder, say=_say)
        row |= {
            "machine": probe_device().machine_line(),
            "versions": _versions(),
            "load_average_before": round(load, 1),
            "seconds": round(time.monotonic() - started, 1),
        }
        merge(out, name, row)
        shutil.rmtree(folder, ignore_errors=True)
        _say(f"{name}: {row.get('error', 'done')} ({row['seconds']:.0f} s)")


def merge(out: Path, name: str, row: dict[str, Any]) -> None:
    """Put one recipe's row into the JSON, in the order of `NAMES`; written whole or not at all."""
    content: dict[str, Any] = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {"recipes": {}}
    rows = content["recipes"] | {name: row}
    content["recipes"] = {key: rows[key] for key in NAMES if key in rows}
    out.parent.mkdir(parents=True, exist_ok=True)
    replace_text(out, iter([json.dumps(content, indent=1, ensure_ascii=False) + "\n"]))


def _versions() -> dict[str, str]:
    """Of the packages that shape the figures, those not installed included."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _say(line: str) -> None:
    click.echo(f"table: {line}", err=True)


if __name__ == "__main__":
    main()
