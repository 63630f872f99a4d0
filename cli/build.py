"""`edgecap build`: every graph of a pack, compiled for one device, into the engine store."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from edgecap.cli.options import BACKENDS, backend_option, debugging, json_option
from edgecap.engines.errors import EngineBuildError, EngineError, StoreBusyError, UsageError

if TYPE_CHECKING:
    from edgecap.engines.compile.compile import EngineOrder, MadeEngine
    from edgecap.engines.compile.progress import BuildProgress
    from edgecap.engines.packs.pack import Pack
    from edgecap.engines.store.store import EngineStore

_WAIT_SECONDS = 24 * 3600.0


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """A graph that was not built."""

    graph_path: str
    reason: str
    status: str = "refused"


@click.command()
@click.argument("pack_name", metavar="PACK")
@backend_option("Compiler to use.")
@click.option("--target", metavar="SM", help="GPU generation, as sm_89. [default: the GPU of this machine]")
@click.option(
    "--graph", "chosen", multiple=True, metavar="PATH", help="Only this graph, e.g. detector.graph; may be repeated."
)
@click.option("--level", type=click.IntRange(0, 5), default=3, show_default=True, help="TensorRT's optimisation level.")
@click.option("--workspace-mib", type=click.IntRange(min=1), help="Limit of GPU memory for one operator, in MiB.")
@click.option(
    "--allow-drift", is_flag=True, help="Publish an engine that misses its parity limits; its manifest records it."
)
@click.option("--wait", is_flag=True, help="Wait for another process that is building the same engine.")
@click.option(
    "--store", type=click.Path(path_type=Path), metavar="DIR", help="Engine store. [default: the user's cache]"
)
@json_option("Print the engines as one JSON object.")
def build(
    pack_name: str,
    backend: str,
    target: str | None,
    chosen: tuple[str, ...],
    level: int,
    workspace_mib: int | None,
    allow_drift: bool,
    wait: bool,
    store: Path | None,
    as_json: bool,
) -> int:
    """Compile the graphs of PACK for this device, or, with TensorRT-RTX, ahead of time for --target.

    An engine that is already in the store is not built again. Exit code 6 where a graph is refused; the others are
    built.
    """
    from edgecap.engines.compile.compile import order_engines
    from edgecap.engines.compile.tensorrt import TrtOptions
    from edgecap.engines.packs.pack import Pack
    from edgecap.engines.store.key import graph_paths
    from edgecap.engines.store.store import EngineStore

    pack = Pack.open(pack_name)
    known = graph_paths(pack)
    if unknown := [path for path in chosen if path not in known]:
        raise UsageError(f"pack {pack.spec.name!r} has no graph {unknown[0]!r}; it has {', '.join(known) or 'none'}")
    workspace = None if workspace_mib is None else workspace_mib << 20
    options = TrtOptions(optimisation_level=level, workspace_bytes=workspace)
    order = order_engines(BACKENDS[backend], target=target, options=options, allow_drift=allow_drift)
    engines = EngineStore(store)
    paths = tuple(dict.fromkeys(chosen)) or tuple(known)
    results = _build_all(pack, paths, order, engines, wait_seconds=_WAIT_SECONDS if wait else 0.0)
    refused = [result for result in results if isinstance(result, Refusal)]
    if as_json:
        click.echo(json.dumps(_as_json(pack, order, engines, results), indent=2))
    else:
        _print_table(pack, order, engines, results)
    if refused:
        others = f"; the other {len(results) - len(refused)} are in the store" if len(results) > len(refused) else ""
        reason = (
            refused[0].reason if len(refused) == 1 else f"{', '.join(r.graph_path for r in refused)}: reasons above"
        )
        raise EngineBuildError(f"{len(refused)} of {len(results)} graphs not built: {reason}{others}")
    return 0


def _build_all(
    pack: Pack, graph_paths: tuple[str, ...], order: EngineOrder, store: EngineStore, *, wait_seconds: float
) -> list[MadeEngine | Refusal]:
    """Build one graph after another. On a terminal each has a bar; elsewhere a line says when a build begins or has to
    wait."""
    from rich.progress import TimeElapsedColumn

    from edgecap.cli.terminal import Bars
    from edgecap.engines.compile.compile import make_engine

    results: list[MadeEngine | Refusal] = []
    with _quiet_stderr() as stderr, Bars(Bars.NOTE, TimeElapsedColumn(), stream=stderr) as bars:

        def progress(name: str, progress: BuildProgress) -> None:
            bars.update(name, progress.fraction, total=1.0, note=progress.phase)

        def say(name: str, words: str) -> None:
            bars.update(name, 0.0, total=1.0, note=words)
            if not bars.shown:
                print(f"edgecap: {words}", file=stderr, flush=True)

        for number, path in enumerate(graph_paths, 1):
            name = f"{path} ({number}/{len(graph_paths)})"
            try:
                made = make_engine(
                    pack,
                    path,
                    order,
                    store=store,
                    wait_seconds=wait_seconds,
                    on_progress=partial(progress, name),
                    say=partial(say, name),
                )
                results.append(made)
            except StoreBusyError as error:
                raise StoreBusyError(f"{path}: {error} (--wait waits for it)") from error
            except EngineError as error:
                results.append(Refusal(path, str(error)))
    return results


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[TextIO]:
    """Hide what the compiler's C++ code prints past its logger; yields the real stderr.

    Our errors repeat what matters of it. Under --debug everything is shown.
    """
    sys.stderr.flush()
    if debugging():
        yield sys.stderr
        return
    screen = os.dup(2)
    with os.fdopen(screen, "w", encoding="utf-8", errors="replace") as stream, tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 2)
        try:
            yield stream
        finally:
            sys.stderr.flush()
            stream.flush()
            os.dup2(screen, 2)


def _as_json(pack: Pack, order: EngineOrder, store: EngineStore, results: list[MadeEngine | Refusal]) -> dict[str, Any]:
    return {
        "pack": pack.spec.name,
        "compiler": order.compiler,
        "backend": order.target.backend,
        "target": order.target.target,
        "store": str(store.folder),
        "engines": [
            {
                ("place" if name == "graph_path" else name): str(value) if isinstance(value, Path) else value
                for name, value in dataclasses.asdict(result).items()
            }
            for result in results
        ],
    }


def _print_table(pack: Pack, order: EngineOrder, store: EngineStore, results: list[MadeEngine | Refusal]) -> None:
    from rich.table import Table
    from rich.text import Text

    from edgecap.cli.terminal import table_console

    console = table_console()
    table = Table(box=None, pad_edge=False)
    for name, side in (("graph", "left"), ("file", "left"), ("", "left"), ("seconds", "right"), ("size", "right")):
        table.add_column(name, justify="right" if side == "right" else "left", no_wrap=True)
    table.add_column("parity", overflow="fold")
    for result in results:
        if isinstance(result, Refusal):
            table.add_row(Text(result.graph_path), "", Text(result.status, style="red"), "", "", Text(result.reason))
            continue
        style = "green" if result.status == "built" else "dim"
        size = f"{result.engine_bytes / 1e6:.2f} MB"
        cells = (result.graph_path, result.file, "", f"{result.seconds:.1f}", size, _parity_words(result))
        row = [Text(cell) for cell in cells]
        row[2] = Text(result.status, style=style)
        table.add_row(*row)
    console.print(Text(f"{pack.spec.name} {pack.spec.version}, {order.compiler}, {order.target.target}", style="bold"))
    console.print(table)
    timings = {result.timings for result in results if not isinstance(result, Refusal) and result.timings}
    if timings:
        console.print(Text(f"kernel timings {', '.join(sorted(timings))}", style="dim"))
    console.print(Text(f"store {store.folder}", style="dim"))


def _parity_words(made: MadeEngine) -> str:
    cosines = [value for name, value in made.parity.items() if name.endswith(".cosine")]
    figures = f"least cosine {min(cosines):.5f}" if cosines else ""
    return "; ".join(part for part in (figures, made.parity_note) if part)
