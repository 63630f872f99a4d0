"""One recipe of the table: its specimen exported in every precision, every twin compiled for every GPU generation.

In: a specimen of the catalogue, a work folder. Out: plain data for `export.json`. What fails is an entry with its error
line; nothing is left out.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.packs.onnx_files import external_files
from edgecap.engines.packs.pack import Pack
from edgecap.engines.store.key import graph_paths
from edgecap.export.job import Precision
from edgecap.export.onnx.parity import GraphParity, TensorParity
from edgecap.export.publish.gate import figure_of
from edgecap.export.specimens.catalogue import SPECIMENS
from edgecap.export.specimens.table_commands import CommandFailed, edgecap_command, write_specimen

TARGETS = ("sm_86", "sm_89", "sm_120")
REPEATED = "sm_89"
"""Built again from the store, and again from nothing."""
Say = Callable[[str], None]


def recipe_rows(name: str, work: Path, *, say: Say) -> dict[str, Any]:
    """The whole of a recipe; "error" where not even the specimen could be written."""
    specimen = SPECIMENS[name]
    row: dict[str, Any] = {"recipe": specimen.recipe, "stands_for": specimen.stands_for}
    row["options"] = dict(specimen.options)
    shutil.rmtree(work, ignore_errors=True)
    try:
        say(f"{name}: writing the specimen")
        checkpoint = write_specimen(name, work / "checkpoint")
    except CommandFailed as error:
        return row | {"error": _without(work, str(error))}
    row["exports"], row["builds"] = {}, []
    seen: dict[str, str] = {}
    for precision in specimen.precisions:
        twins = precision in ("int8", "int4")
        say(f"{name}: exporting in {precision}")
        made = row["exports"][precision] = _export(name, checkpoint, work / precision, precision, twins=twins)
        if "error" in made:
            made["error"] = _without(work, made["error"])
        if twins and "error" not in made:
            pack = Pack.open(work / precision)
            paths = _unseen(pack, seen)
            store = work / f"store-{precision}"
            row["builds"].append(_builds(f"{name} {precision}", pack, paths, store, say=say))
        shutil.rmtree(work / precision, ignore_errors=True)  # gigabytes; the figures are kept
    return row


def built_rows(pack: Pack, work: Path, *, say: Say) -> dict[str, Any]:
    """Builds of a pack that is there already (nano)."""
    return _builds(f"{pack.spec.name} as shipped", pack, tuple(graph_paths(pack)), work / "store-rtx", say=say)


def graph_entries(pack: Pack, comparisons: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every graph of the pack and every twin: graph path, file, precision, bytes with weights, and its comparisons."""
    entries = [_entry(pack, path, graph, "own", comparisons) for path, graph in graph_paths(pack).items()]
    return entries + [_entry(pack, path, graph, "twin", comparisons) for path, graph in pack.spec.twins.items()]


def comparison_of(entry: Mapping[str, Any], graph: str, failures: Sequence[str] = ()) -> dict[str, Any]:
    """What the table keeps of a report's comparison: the worst tensor's distances and the task figures."""
    tensors = tuple(TensorParity(**tensor) for tensor in entry["tensors"])
    parity = GraphParity(graph, entry["reference"], entry["inputs"], tensors, entry["figures"])
    worst = {name: figure_of(parity, name) for name in ("max_abs", "relative_l2", "cosine") if parity.tensors}
    return {
        "graph": parity.graph,
        "reference": parity.reference,
        "inputs": parity.inputs,
        **worst,
        "figures": parity.figures,
        "failures": list(failures),
    }


def read_comparisons(report: Path) -> list[dict[str, Any]]:
    """Of a parity report that the gate wrote into a pack."""
    entries = json.loads(report.read_text(encoding="utf-8"))["comparisons"]
    return [comparison_of(entry, entry["graph"], entry["failures"]) for entry in entries]


def _without(work: Path, line: str) -> str:
    """The line without the path of the work folder, which would name the machine."""
    return line.replace(f"{work.absolute()}/", "").replace(f"{work}/", "")


def _export(name: str, checkpoint: Path, out: Path, precision: Precision, *, twins: bool) -> dict[str, Any]:
    specimen = SPECIMENS[name]
    options = [word for key, value in specimen.options.items() for word in ("--option", f"{key}={value}")]
    words = ["export", specimen.recipe, "--checkpoint", str(checkpoint), "--out", str(out), "--precision", precision]
    try:
        # A form that misses its limits is listed with its failure.
        done = edgecap_command(*words, *options, "--allow-drift", *(() if twins else ("--no-twins",)))
    except CommandFailed as error:
        return {"error": str(error)}
    published = done.data
    comparisons = read_comparisons(out / f"parity.{published['role']}.json")
    pack = Pack.open(out)
    return {
        "seconds": published["seconds"],
        "files": published["files"],
        "drift": published["drift"],
        "notes": published["notes"],
        "graphs": graph_entries(pack, comparisons),
        "comparisons": comparisons,
    }


def _entry(pack: Pack, path: str, graph: GraphSpec, form: str, comparisons: Sequence[dict[str, Any]]) -> dict[str, Any]:
    file = pack.path(graph.file)
    return {
        "place": path,
        "form": form,
        "file": graph.file,
        "precision": graph.precision,
        "bytes": sum((file.parent / name).stat().st_size for name in (file.name, *external_files(file))),
        # A check over some layers is called "FILE, first 1 of 2 layers".
        "parity": [row for row in comparisons if row["graph"].partition(",")[0] == graph.file],
    }


def _unseen(pack: Pack, seen: dict[str, str]) -> tuple[str, ...]:
    """Graph paths whose graph for TensorRT no earlier precision of this recipe had; `seen` (SHA-256 -> path) grows."""
    fresh = []
    for path, graph in graph_paths(pack).items():
        digest = pack.spec.files[pack.spec.twins.get(path, graph).file].sha256
        if digest not in seen:
            seen[digest] = path
            fresh.append(path)
    return tuple(fresh)


def _builds(label: str, pack: Pack, paths: tuple[str, ...], store: Path, *, say: Say) -> dict[str, Any]:
    """Every graph for every target; then `REPEATED` from the full store, and from an empty one."""
    engines: dict[str, Any] = {}
    for target in TARGETS:
        say(f"{label}: compiling {', '.join(paths)} for {target}")
        engines[target] = _build(pack, paths, store, target)
    say(f"{label}: compiling for {REPEATED} again, with the store and without")
    again = _build(pack, paths, store, REPEATED)
    fresh = _build(pack, paths, store.with_name(f"{store.name}-fresh"), REPEATED)
    for folder in (store, store.with_name(f"{store.name}-fresh")):
        shutil.rmtree(folder, ignore_errors=True)
    return {"label": label, "targets": engines, "repeated": REPEATED, "again": again, "fresh": fresh}


def _build(pack: Pack, paths: Sequence[str], store: Path, target: str) -> dict[str, Any]:
    """`edgecap build`: "engines" by path, "compiler", "command_seconds"; or "error"."""
    graphs = [word for path in paths for word in ("--graph", path)]
    words = ["build", str(pack.folder), "--backend", "tensorrt-rtx", "--target", target, "--store", str(store)]
    seconds = None
    try:
        done = edgecap_command(*words, *graphs)
        printed, seconds = done.data, round(done.seconds, 2)
    except CommandFailed as error:
        if not error.printed.strip().startswith("{"):
            return {"error": _without(store.parent, str(error))}
        printed = json.loads(error.printed)  # some graphs were refused, and it says which
    kept = ("status", "file", "seconds", "engine_bytes", "timings", "reason")
    return {
        "compiler": printed["compiler"],
        "command_seconds": seconds,
        "engines": {row["place"]: {key: row[key] for key in kept if key in row} for row in printed["engines"]},
    }
