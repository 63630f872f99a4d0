"""`edgecap engines list|verify|explain|gc`: list, check and clean the store of compiled engines."""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
from typing import TYPE_CHECKING, Any

import click

from edgecap.cli.options import BACKENDS, backend_option, json_option
from edgecap.engines.errors import TamperedEngineError, UsageError

if TYPE_CHECKING:
    from edgecap.engines.store.entries import Explained, StoreEntry
    from edgecap.engines.store.key import EngineKey, EngineTarget

_NEAREST = 5
"""Most engines that `explain` compares with, per graph."""


@click.group()
def engines() -> None:
    """The store of compiled engines ($EDGECAP_ENGINES, else ~/.cache/edgecap/engines)."""


@engines.command("list")
@json_option("Print the engines as one JSON list.")
def list_engines(as_json: bool) -> int:
    """List every engine, most recently used first."""
    from edgecap.engines.store.entries import entries
    from edgecap.engines.store.store import EngineStore

    store = EngineStore()
    _show_entries(entries(store.folder), str(store.folder), as_json=as_json)
    return 0


@engines.command()
@json_option("Print the engines as one JSON list.")
def verify(as_json: bool) -> int:
    """Read every byte of every engine and compare it with its manifest. Exit code 6 where one is damaged."""
    from edgecap.engines.store.housekeeping import verify as verified
    from edgecap.engines.store.store import EngineStore

    store = EngineStore()
    found = verified(store)
    _show_entries(found, str(store.folder), as_json=as_json)
    damaged = sum(bool(entry.problem) for entry in found)
    if not as_json and found:
        click.echo(f"{len(found) - damaged} sound, {damaged} damaged")
    return TamperedEngineError.exit_code if damaged else 0


@engines.command()
@click.argument("pack_name", metavar="PACK")
@click.option("--graph", default=None, metavar="PATH", help="Only this graph, e.g. detector.graph.")
@backend_option("Compiler of the engines.")
@click.option(
    "--target", default=None, metavar="SM", help="Compare for this GPU generation, e.g. sm_89. [default: this device]"
)
@json_option("Print the comparison as one JSON list.")
def explain(pack_name: str, graph: str | None, backend: str, target: str | None, as_json: bool) -> int:
    """Show which engines PACK would use here, and how the others differ from what it needs, nearest first.

    Only the engines' keys are compared; nothing is opened.
    """
    from edgecap.engines.packs.pack import Pack
    from edgecap.engines.store.entries import entries
    from edgecap.engines.store.entries import explain as explained
    from edgecap.engines.store.key import graph_paths, pack_key
    from edgecap.engines.store.store import EngineStore

    pack, store = Pack.open(pack_name), EngineStore()
    wanted = _target(backend, target)
    answers: list[tuple[str, EngineKey, list[Explained]]] = []
    for path in [graph] if graph else graph_paths(pack):
        key = pack_key(pack, path, wanted)
        rows = explained(store.folder, key, pack=pack.spec.name, graph=path)
        answers.append((path, key, [row for row in rows if row.related][:_NEAREST]))
    if as_json:
        click.echo(json.dumps([_explained_json(*answer) for answer in answers], indent=2))
        return 0
    for answer in answers:
        _print_explained(*answer)
    for entry in entries(store.folder):
        if entry.problem:
            click.echo(f"damaged: {entry.problem}")
    return 0


@engines.command()
@click.option("--max-gb", type=click.FloatRange(min=0), default=None, help="Size that may stay, in GB (1e9 bytes).")
@click.option(
    "--keep-days",
    type=click.FloatRange(min=0),
    default=None,
    help="Remove engines that were not used for so many days.",
)
@click.option("--damaged", is_flag=True, help="Remove engines that fail verification (reads every byte).")
@click.option("--timing", is_flag=True, help="Remove the compilers' timing caches too; the next builds take longer.")
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and remove nothing.")
@json_option("Print what was done as one JSON object.")
def gc(max_gb: float | None, keep_days: float | None, damaged: bool, timing: bool, dry_run: bool, as_json: bool) -> int:
    """Remove engines, least recently used first, and what killed builds left behind."""
    from edgecap.engines.store.housekeeping import collect
    from edgecap.engines.store.store import EngineStore

    if max_gb is None and keep_days is None and not damaged and not timing:
        raise UsageError(
            "engines gc needs to know what to remove: add --max-gb N, --keep-days N, --damaged or --timing"
        )
    done = collect(
        EngineStore(),
        max_bytes=None if max_gb is None else int(max_gb * 1e9),
        keep_days=keep_days,
        damaged=damaged,
        timing=timing,
        dry_run=dry_run,
    )
    if as_json:
        removed = [{**_as_json(entry), "reason": reason} for entry, reason in done.removed]
        rest = {name: getattr(done, name) for name in ("busy", "leftovers", "freed_bytes", "kept_bytes")}
        click.echo(json.dumps({"removed": removed, **rest, "dry_run": dry_run}, indent=2))
        return 0
    for entry, reason in done.removed:
        click.echo(f"{'would remove' if dry_run else 'removed'} {entry.digest[:12]} ({entry.label}): {reason}")
    for digest in done.busy:
        click.echo(f"kept {digest[:12]}: being built now")
    if done.leftovers:
        click.echo(f"removed what {done.leftovers} killed builds left")
    click.echo(f"{done.freed_bytes / 1e6:.1f} MB {'would be ' * dry_run}freed, {done.kept_bytes / 1e6:.1f} MB kept")
    return 0


def _target(backend: str, target: str | None) -> EngineTarget:
    from edgecap.engines.store.key import EngineTarget, backend_version, this_device

    name = BACKENDS[backend]
    if target is None:
        return this_device(name)
    if name == "onnxruntime-cpu":
        raise UsageError("--target is for TensorRT; engines of ONNX Runtime are for the processor they are made on")
    if not re.fullmatch(r"sm_\d{2,3}", target):
        raise UsageError(f"--target {target!r} is not a GPU generation; write it as sm_89")
    return EngineTarget(name, backend_version(name), target)


def _explained_json(graph_path: str, key: EngineKey, rows: list[Explained]) -> dict[str, Any]:
    engines = [
        {"digest": row.entry.digest, "label": row.entry.label, "differences": list(row.differences)} for row in rows
    ]
    return {"graph": graph_path, "digest": key.digest, "wanted": dataclasses.asdict(key), "engines": engines}


def _print_explained(graph_path: str, key: EngineKey, rows: list[Explained]) -> None:
    click.echo(f"{graph_path}  {key.digest[:12]}")
    if not rows:
        click.echo("  no engine of this graph; run edgecap build")
    for row in rows:
        differences = "; ".join(row.differences) or "matches: it is used"
        click.echo(f"  {row.entry.digest[:12]} ({row.entry.label}): {differences}")


def _show_entries(found: tuple[StoreEntry, ...], folder: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_as_json(entry) for entry in found], indent=2))
        return
    if not found:
        click.echo(f"no engines in {folder}; run edgecap build PACK")
        return
    from rich.table import Table
    from rich.text import Text

    from edgecap.cli.terminal import table_console

    table = Table("engine", "what", "precision", "MB", "built in s", "last used", box=None, pad_edge=False)
    for entry in found:
        made, used = entry.manifest, _time(entry.last_used)
        size = f"{entry.bytes / 1e6:.1f}"
        if made is None:
            table.add_row(entry.digest[:12], Text(entry.problem, style="red"), "", size, "", used)
            continue
        what = entry.label + (" (parity gate failed, published on request)" if made.drift_allowed else "")
        seconds = f"{made.build_seconds:.1f}"
        table.add_row(entry.digest[:12], Text(what), made.key.precision, size, seconds, used)
    table_console().print(table)


def _as_json(entry: StoreEntry) -> dict[str, Any]:
    return {
        "digest": entry.digest,
        "folder": str(entry.folder),
        "bytes": entry.bytes,
        "last_used_utc": _time(entry.last_used),
        "problem": entry.problem,
        "manifest": None if entry.manifest is None else dataclasses.asdict(entry.manifest),
    }


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
