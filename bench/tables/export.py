"""The table of recipes: size of each graph per precision, its parity, and TensorRT-RTX's build time.

In: `bench/results/export.json` as `python -m edgecap.export.specimens.table` wrote it. Out: Markdown. A cell
that isn't a figure has a number that refers to the line the tool printed, listed below the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from edgecap.bench.tables.table import Table, Values

Data = dict[str, Any]
_FIGURES = {
    "boxes_matched_share": "boxes matched",
    "mask_iou_mean": "mask IoU",
    "mask_iou": "mask IoU",
    "top1_agreement": "top-1",
    "kl": "KL",
}
"""Task figures shown in a cell."""
_SHIPPED = "as shipped"


def export_section(data: Data) -> str:
    """Everything between the markers."""
    recipes: Data = data["recipes"]
    notes: list[str] = []
    parts = [_recipes_table(notes).render(recipes), "\n".join(f"{k}. {line}" for k, line in enumerate(notes, 1))]
    parts += [_whole_roles(recipes), _REPEATS.render(recipes) if any(_repeats(recipes)) else ""]
    for name, row in recipes.items():
        if sessions := row.get("sessions"):
            failed = f"Opening the sessions of {name} failed: {sessions.get('error')}"
            parts.append(failed if "error" in sessions else _SESSIONS.render(sessions | {"name": name}))
    return "\n\n".join(part for part in parts if part)


def _recipes_table(notes: list[str]) -> Table:
    """One row a graph; fills `notes`, the lines that cells refer to."""
    return Table(
        "Every recipe through `edgecap export` and `edgecap build --backend tensorrt-rtx --target SM`; "
        "`python -m edgecap.export.specimens.table`. No real checkpoints were available here: these have random "
        "weights at true layer shapes ({stand}). A cell: size on disk, relative L2 distance of the worst output from "
        "PyTorch (below fp32, detectors' and nano's: from the fp32 ONNX), task figures. Exported with `--allow-drift`; "
        "otherwise a form that misses its limits is not published. Engines: seconds to compile and size; none was run, "
        "as there was no GPU. Machine: {machines}; {versions}.",
        "recipe, graph | fp32 | INT8 | INT4 / FP16 | for TensorRT | {targets}",
        "{cells}",
        lambda recipes: (
            {"cells": " | ".join(cells)}
            for name, row in recipes.items()
            for cells in _Recipe(name, row, notes).rows(_targets(recipes))
        ),
        lambda recipes: {
            "stand": "; ".join(f"{name} = {row['stands_for']}" for name, row in recipes.items()),
            "machines": "; ".join(sorted({row["machine"] for row in recipes.values()})),
            "versions": ", ".join(sorted({f"{k} {v}" for row in recipes.values() for k, v in row["versions"].items()})),
            "targets": " | ".join(_targets(recipes)),
        },
    )


def _targets(recipes: Data) -> list[str]:
    found = {target for row in recipes.values() for build in row.get("builds", ()) for target in build["targets"]}
    return sorted(found, key=lambda target: int(target.removeprefix("sm_")))


@dataclass(frozen=True, slots=True)
class _Recipe:
    name: str
    row: Data
    notes: list[str] = field(repr=False)

    def mark(self, words: str, line: str) -> str:
        """`words` with the number of the note `line` about this recipe."""
        note = f"{self.name}{line}"
        if note not in self.notes:
            self.notes.append(note)
        return f"{words} [{self.notes.index(note) + 1}]"

    def rows(self, targets: list[str]) -> Iterator[list[str]]:
        """Cells of each graph; one row without figures where nothing could be exported."""
        exports = self.row.get("exports", {})
        paths = list(dict.fromkeys(graph["place"] for made in exports.values() for graph in made.get("graphs", ())))
        if not paths:
            errors = {"": self.row} if "error" in self.row else {f" {name}": made for name, made in exports.items()}
            words = "failed"
            for precision, made in errors.items():
                words = self.mark(words, f"{precision}: {made['error']}")
            yield [self.name, words, *[""] * (3 + len(targets))]
        for path in paths:
            if _SHIPPED in exports:
                cells = [_unshipped(exports[_SHIPPED], path), self.own(_SHIPPED, path), ""]
            else:
                cells = [self.own(precision, path) for precision in ("fp32", "int8")]
                small = [f"{p.upper()} {self.own(p, path)}" for p in ("int4", "fp16") if p in exports]
                cells.append("; ".join(small))
            cells.append(self.twins(path))
            yield [f"{self.name}, {path}", *cells, *(self.engines(target, path) for target in targets)]

    def own(self, precision: str, path: str) -> str:
        """The graph that ONNX Runtime runs."""
        made = self.row["exports"].get(precision)
        if made is None:
            return ""
        if "error" in made:
            return self.mark("no", f" {precision}: {made['error']}")
        graph = _graph(made, path, "own")
        if graph is None:
            return "none"
        if graph["precision"] == "fp32" and precision != "fp32":
            return "fp32"
        if graph["precision"].startswith("int8") and precision == "int4":
            return "as INT8"  # a vision tower gains nothing from 4-bit weights
        return self.cell(graph)

    def twins(self, path: str) -> str:
        """The graphs that TensorRT compiles, each precision once."""
        found = [graph for made in self.row["exports"].values() if (graph := _graph(made, path, "twin"))]
        first = {graph["precision"]: graph for graph in reversed(found)}
        order = dict.fromkeys(graph["precision"] for graph in found)
        return "<br>".join(f"{precision} {self.cell(first[precision])}" for precision in order) or "none"

    def engines(self, target: str, path: str) -> str:
        """Compiled for one target; the same graph as in an earlier precision isn't compiled again."""
        cells = []
        for build in self.row["builds"]:
            tried = build["targets"][target]
            engine = tried.get("engines", {}).get(path)
            if "error" in tried:
                cells.append(self.mark("no", f": {tried['error']}"))
            elif engine is not None and engine["status"] == "refused":
                cells.append(self.mark("refused", f", {engine['reason'].replace(f' for {target}', '')}"))
            elif engine is not None:
                cells.append(f"{engine['seconds']:.1f} s, {engine['engine_bytes'] / 1e6:.1f} MB")
        return "<br>".join(cells) or "none"

    def cell(self, graph: Data) -> str:
        """Size, parity, and the limits it misses."""
        parity = [_parity(row) for row in graph["parity"]] or ["not compared on its own"]
        words = "; ".join([f"{graph['bytes'] / 1e6:.1f} MB", *parity])
        for failure in (failure for row in graph["parity"] for failure in row["failures"]):
            words = self.mark(f"{words} **misses**", f": {failure}")
        return words


def _graph(made: Data, path: str, form: str) -> Data | None:
    return next((g for g in made.get("graphs", ()) if (g["place"], g["form"]) == (path, form)), None)


def _unshipped(made: Data, path: str) -> str:
    """What is known of the fp32 original of a graph that ships in INT8 only."""
    graph = _graph(made, path, "own")
    file = graph["file"].replace(".int8.", ".fp32.") if graph else ""
    found = [row for row in made["comparisons"] if row["graph"].partition(",")[0] == file]
    return "; ".join(["not shipped", *(_parity(row) for row in found)])


def _parity(row: Data) -> str:
    words = [f"{row['relative_l2']:.0e}"] if "relative_l2" in row else []
    for key, label in _FIGURES.items():
        if (value := row["figures"].get(key)) is not None:
            words.append(f"{label} {value:.0e}" if 0 < value < 1e-3 else f"{label} {value:.3g}")
    return ", ".join(words)


def _whole_roles(recipes: Data) -> str:
    """Comparisons of several graphs together, which have no cell."""
    lines = []
    for name, row in recipes.items():
        for precision, made in row.get("exports", {}).items():
            files = {graph["file"] for graph in made.get("graphs", ())}
            for found in made.get("comparisons", ()):
                words, alone = _parity(found), found["graph"].partition(",")[0]
                if words and alone not in files and ".onnx" not in alone:
                    missed = f"; **misses**: {found['failures'][0]}" if found["failures"] else ""
                    who = f"- {name} {precision}, {found['graph']} against {found['reference']}"
                    lines.append(f"{who}: {words}{missed}")
    return "\n".join(["Several graphs together:", "", *lines]) if lines else ""


def _repeats(recipes: Data) -> Iterator[Values]:
    """Builds that ran a second time: from the store, and from nothing, where a timing cache would help."""
    for build in (build for row in recipes.values() for build in row.get("builds", ())):
        engines = build["targets"][build["repeated"]].get("engines", {}).values()
        built = [engine["seconds"] for engine in engines if "seconds" in engine]
        if not built or build["again"].get("command_seconds") is None:
            continue
        again = [engine["status"] for engine in build["again"]["engines"].values()]
        fresh = sum(engine.get("seconds", 0.0) for engine in build["fresh"].get("engines", {}).values())
        yield {
            "label": build["label"],
            "target": build["repeated"],
            "timings": {engine["timings"] for engine in engines if engine.get("timings")},
            "first": sum(built),
            "again": build["again"]["command_seconds"],
            "there": f"{again.count('already built')} of {len(again)}",
            "fresh": fresh,
        }


_REPEATS = Table(
    "The same engines again for {target}. Kernel timings: {timings}; so a build into an empty store starts from "
    "scratch.",
    "recipe, precision | first build | again: the whole command | again, into an empty store",
    "{label} | {first:.1f} s | {again:.1f} s, {there} already built | {fresh:.1f} s",
    _repeats,
    lambda recipes: {
        "target": next(iter(_repeats(recipes)))["target"],
        "timings": "; ".join(sorted(set().union(*(row["timings"] for row in _repeats(recipes))))),
    },
)
_SESSIONS = Table(
    "Warm opening of every session of {name}, {compiler} on the CPU, median of {opens}; the store's include its check "
    "of the engine's bytes. `edgecap build {name}`: {build_command_seconds:.1f} s, the second time "
    "{again_command_seconds:.1f} s.",
    "graph | from the pack | from the store | build",
    "{path} | {pack_ms:.1f} ms | {store_ms:.1f} ms | {build_seconds:.2f} s",
    lambda sessions: ({"path": path, **times} for path, times in sessions["places"].items()),
)
