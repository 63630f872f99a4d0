"""The table of recipes: size of each graph per precision, its parity, and TensorRT-RTX's build time.

In: `bench/results/export.json` as `python -m edgecap.export.specimens.table` wrote it. Out: Markdown. A cell
that isn't a figure has a number that refers to the line the tool printed, listed below the table.
"""

from __future__ import annotations

from typing import Any

from edgecap.bench.tables.markdown import numbered, table

_FIGURES = {
    "boxes_matched_share": "boxes matched",
    "mask_iou_mean": "mask IoU",
    "mask_iou": "mask IoU",
    "top1_agreement": "top-1",
    "kl": "KL",
}
"""Task figures shown in a cell."""
_SHIPPED = "as shipped"


class _Notes:
    """Lines under the table, each once; `mark` gives the number of a line."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def mark(self, line: str) -> str:
        if line not in self.lines:
            self.lines.append(line)
        return f"[{self.lines.index(line) + 1}]"


def export_section(data: dict[str, Any]) -> str:
    """Everything between the markers."""
    recipes, notes = data["recipes"], _Notes()
    targets = sorted({t for row in recipes.values() for b in row.get("builds", ()) for t in b["targets"]}, key=_sm)
    head = ["recipe, graph", "fp32", "INT8", "INT4 / FP16", "for TensorRT", *targets]
    rows = [cells for name, row in recipes.items() for cells in _recipe_rows(name, row, targets, notes)]
    parts = [_head(recipes), table(head, rows), numbered(notes.lines)]
    parts += [_whole_roles(recipes), _repeats(recipes), _sessions(recipes)]
    return "\n\n".join(part for part in parts if part)


def _head(recipes: dict[str, Any]) -> str:
    machines = sorted({row["machine"] for row in recipes.values()})
    versions = sorted({f"{k} {v}" for row in recipes.values() for k, v in row["versions"].items()})
    stand = "; ".join(f"{name} = {row['stands_for']}" for name, row in recipes.items())
    return (
        "Every recipe through `edgecap export` and `edgecap build --backend tensorrt-rtx --target SM`; "
        "`python -m edgecap.export.specimens.table`. No real checkpoints were available here: these have "
        f"random weights at true layer shapes ({stand}). A cell: size on disk, relative L2 distance of the worst "
        "output from PyTorch (below fp32, detectors' and nano's: from the fp32 ONNX), task figures. Exported with "
        "`--allow-drift`; otherwise a form that misses its limits is not published. Engines: seconds to "
        f"compile and size; none was run, as there was no GPU. Machine: {'; '.join(machines)}; {', '.join(versions)}."
    )


def _recipe_rows(name: str, row: dict[str, Any], targets: list[str], notes: _Notes) -> list[list[str]]:
    empty = [""] * (3 + len(targets))
    if "error" in row:
        return [[name, f"failed {notes.mark(f'{name}: ' + row['error'])}", *empty]]
    exports = row["exports"]
    places = list(dict.fromkeys(g["place"] for made in exports.values() for g in made.get("graphs", ())))
    if not places:
        marks = " ".join(notes.mark(f"{name} {precision}: {made['error']}") for precision, made in exports.items())
        return [[name, f"failed {marks}", *empty]]
    rows = []
    for place in places:
        shipped = exports.get(_SHIPPED)
        if shipped:
            cells = [_unshipped(shipped, place), _own(name, exports, _SHIPPED, place, notes), ""]
        else:
            cells = [_own(name, exports, p, place, notes) for p in ("fp32", "int8")]
            small = [p for p in ("int4", "fp16") if p in exports]
            cells.append("; ".join(f"{p.upper()} {_own(name, exports, p, place, notes)}" for p in small))
        cells.append(_twins(name, exports, place, notes))
        cells += [_engines(name, row["builds"], target, place, notes) for target in targets]
        rows.append([f"{name}, {place}", *cells])
    return rows


def _own(name: str, exports: dict[str, Any], precision: str, place: str, notes: _Notes) -> str:
    """The graph that ONNX Runtime runs."""
    made = exports.get(precision)
    if made is None:
        return ""
    if "error" in made:
        return f"no {notes.mark(f'{name} {precision}: ' + made['error'])}"
    graph = _graph(made, place, "own")
    if graph is None:
        return "none"
    if graph["precision"] == "fp32" and precision != "fp32":
        return "fp32"
    if graph["precision"].startswith("int8") and precision == "int4":
        return "as INT8"  # a vision tower gains nothing from 4-bit weights
    return _cell(name, graph, notes)


def _unshipped(made: dict[str, Any], place: str) -> str:
    """What is known of the fp32 original of a graph that ships in INT8 only."""
    graph = _graph(made, place, "own")
    file = graph["file"].replace(".int8.", ".fp32.") if graph else ""
    found = [row for row in made["comparisons"] if row["graph"].partition(",")[0] == file]
    return "; ".join(["not shipped", *(_parity(row) for row in found)])


def _twins(name: str, exports: dict[str, Any], place: str, notes: _Notes) -> str:
    """The graphs that TensorRT compiles, each precision once."""
    cells: dict[str, str] = {}
    for made in exports.values():
        graph = _graph(made, place, "twin")
        if graph is not None and graph["precision"] not in cells:
            cells[graph["precision"]] = f"{graph['precision']} {_cell(name, graph, notes)}"
    return "<br>".join(cells.values()) or "none"


def _engines(name: str, builds: list[dict[str, Any]], target: str, place: str, notes: _Notes) -> str:
    cells = []
    for build in builds:
        tried = build["targets"][target]
        engine = tried.get("engines", {}).get(place)
        if "error" in tried:
            cells.append(f"no {notes.mark(f'{name}: ' + tried['error'])}")
        elif engine is None:
            continue  # the same graph as in an earlier precision
        elif engine["status"] == "refused":
            cells.append(f"refused {notes.mark(f'{name}, ' + engine['reason'].replace(f' for {target}', ''))}")
        else:
            cells.append(f"{engine['seconds']:.1f} s, {_megabytes(engine['engine_bytes'])}")
    return "<br>".join(cells) or "none"


def _graph(made: dict[str, Any], place: str, form: str) -> dict[str, Any] | None:
    return next((g for g in made.get("graphs", ()) if (g["place"], g["form"]) == (place, form)), None)


def _cell(name: str, graph: dict[str, Any], notes: _Notes) -> str:
    words = [_megabytes(graph["bytes"]), *(_parity(row) for row in graph["parity"])]
    if not graph["parity"]:
        words.append("not compared on its own")
    failures = [failure for row in graph["parity"] for failure in row["failures"]]
    marks = "".join(f" **misses** {notes.mark(f'{name}: {failure}')}" for failure in failures)
    return "; ".join(words) + marks


def _parity(row: dict[str, Any]) -> str:
    words = [f"{row['relative_l2']:.0e}"] if "relative_l2" in row else []
    words += [f"{label} {_short(row['figures'][key])}" for key, label in _FIGURES.items() if key in row["figures"]]
    return ", ".join(words)


def _short(value: float) -> str:
    return f"{value:.0e}" if 0 < value < 1e-3 else f"{value:.3g}"


def _whole_roles(recipes: dict[str, Any]) -> str:
    """Comparisons of several graphs together, which have no cell."""
    lines = []
    for name, row in recipes.items():
        for precision, made in row.get("exports", {}).items():
            files = {g["file"] for g in made.get("graphs", ())}
            for found in made.get("comparisons", ()):
                words = _parity(found)
                alone = found["graph"].partition(",")[0]
                if alone in files or ".onnx" in alone or not words:
                    continue
                missed = f"; **misses**: {found['failures'][0]}" if found["failures"] else ""
                lines.append(f"- {name} {precision}, {found['graph']} against {found['reference']}: {words}{missed}")
    return "\n".join(["Several graphs together:", "", *lines]) if lines else ""


def _repeats(recipes: dict[str, Any]) -> str:
    """A second build: from the store, and from nothing, where a timing cache would help."""
    rows, timings, target = [], set(), ""
    for row in recipes.values():
        for build in row.get("builds", ()):
            target = build["repeated"]
            first, again, fresh = build["targets"][target], build["again"], build["fresh"]
            built = _seconds(first)
            if built is None or again.get("command_seconds") is None:
                continue
            timings |= {e["timings"] for e in first["engines"].values() if e.get("timings")}
            there = sum(engine["status"] == "already built" for engine in again["engines"].values())
            repeated = f"{again['command_seconds']:.1f} s, {there} of {len(again['engines'])} already built"
            rows.append([build["label"], f"{built:.1f} s", repeated, f"{_seconds(fresh) or 0:.1f} s"])
    if not rows:
        return ""
    head = ["recipe, precision", "first build", "again: the whole command", "again, into an empty store"]
    return (
        f"The same engines again for {target}. Kernel timings: {'; '.join(sorted(timings))}; so a build into an empty "
        f"store starts from scratch.\n\n{table(head, rows)}"
    )


def _seconds(tried: dict[str, Any]) -> float | None:
    """Of all engines that were built; None where none was."""
    taken = [engine["seconds"] for engine in tried.get("engines", {}).values() if "seconds" in engine]
    return sum(taken) if taken else None


def _sessions(recipes: dict[str, Any]) -> str:
    """Opening times of nano's sessions."""
    tables = []
    for name, row in recipes.items():
        sessions = row.get("sessions")
        if not sessions:
            continue
        if "error" in sessions:
            tables.append(f"Opening the sessions of {name} failed: {sessions['error']}")
            continue
        rows = [
            [place, f"{t['pack_ms']:.1f} ms", f"{t['store_ms']:.1f} ms", f"{t['build_seconds']:.2f} s"]
            for place, t in sessions["places"].items()
        ]
        tables.append(
            f"Warm opening of every session of {name}, {sessions['compiler']} on the CPU, median of "
            f"{sessions['opens']}; the store's include its check of the engine's bytes. `edgecap build {name}`: "
            f"{sessions['build_command_seconds']:.1f} s, the second time {sessions['again_command_seconds']:.1f} s.\n\n"
            + table(["graph", "from the pack", "from the store", "build"], rows)
        )
    return "\n\n".join(tables)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _sm(target: str) -> int:
    return int(target.removeprefix("sm_"))
