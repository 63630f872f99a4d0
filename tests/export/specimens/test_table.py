"""The table of recipes: it goes through the real commands, keeps what failed, and hides no cell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from edgecap.bench.tables.export import export_section
from edgecap.engines.errors import UsageError
from edgecap.engines.packs.pack import Pack
from edgecap.engines.store.key import graph_paths
from edgecap.export.job import Comparison
from edgecap.export.onnx.parity import GraphParity, TensorParity
from edgecap.export.publish.gate import report
from edgecap.export.recipe_list import RECIPES
from edgecap.export.specimens import table, table_rows
from edgecap.export.specimens.catalogue import SPECIMENS, save_specimen
from edgecap.export.specimens.table_commands import CommandFailed, edgecap_command, run_module
from edgecap.export.specimens.table_nano import nano_comparisons, session_times

pytestmark = pytest.mark.slow

RESULTS = Path(__file__).resolve().parents[3] / "bench" / "results" / "export.json"


def _quiet(line: str) -> None:
    """Progress that a test doesn't look at."""


def test_every_recipe_has_a_specimen() -> None:
    assert {specimen.recipe for specimen in SPECIMENS.values()} == {listed.name for listed in RECIPES}
    with pytest.raises(UsageError, match="no specimen 'vgg'; there are dfine, rtdetr"):
        save_specimen("vgg", Path("nowhere"))


def test_a_command_that_fails_says_its_line() -> None:
    with pytest.raises(CommandFailed, match="no recipe 'vgg'; there are dfine, yolo"):
        edgecap_command("export", "vgg", "--checkpoint", "nowhere", "--out", "nowhere/pack")


def test_a_command_may_not_take_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgecap.export.specimens.table_commands.MOST_SECONDS", 0.05)
    with pytest.raises(CommandFailed, match="cli doctor: stopped after 0 s"):
        run_module("edgecap.cli", "doctor")


def test_a_recipe_that_fails_is_a_row_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint of another architecture: each precision ends with the command's own words, no build is tried."""

    def write(name: str, folder: Path) -> Path:
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({"architectures": ["BertModel"]}))
        save_file({"w": np.zeros(1, np.float32)}, str(folder / "model.safetensors"))
        return folder

    monkeypatch.setattr(table_rows, "write_specimen", write)
    row = table_rows.recipe_rows("dfine", tmp_path / "work", say=_quiet)
    assert list(row["exports"]) == ["fp32", "int8", "fp16"]
    assert all("BertModel" in made["error"] for made in row["exports"].values())
    assert row["builds"] == []


def test_a_specimen_that_cannot_be_written_is_a_row_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(name: str, folder: Path) -> Path:
        raise CommandFailed("recipe yolo needs ultralytics, which isn't installed")

    monkeypatch.setattr(table_rows, "write_specimen", write)
    row = table_rows.recipe_rows("yolo", tmp_path / "work", say=_quiet)
    assert row["error"] == "recipe yolo needs ultralytics, which isn't installed"
    assert "exports" not in row


def test_what_the_gate_wrote_is_what_the_table_reads(tmp_path: Path) -> None:
    tensors = (TensorParity("boxes", 0.5, 1e-3, 0.99), TensorParity("scores", 0.1, 2e-2, 0.999))
    parity = GraphParity("d.int8.onnx", "fp32", 4, tensors, {"boxes_matched_share": 0.7})
    comparisons = Comparison(parity, {"boxes_matched_share": ("min", 0.9)})
    (tmp_path / "parity.detector.json").write_text(json.dumps(report([comparisons], ())))
    [row] = table_rows.read_comparisons(tmp_path / "parity.detector.json")
    assert (row["max_abs"], row["relative_l2"], row["cosine"]) == (0.5, 2e-2, 0.99)
    assert row["failures"] == ["d.int8.onnx against fp32: boxes_matched_share is 0.7, at least 0.9 is needed"]


def test_nano_compares_every_graph_but_its_decoder_twin() -> None:
    pack = Pack.open("nano")
    entries = table_rows.graph_entries(pack, nano_comparisons(pack))
    assert [e["place"] for e in entries] == [*graph_paths(pack), *pack.spec.twins]
    assert [e["file"] for e in entries if not e["parity"]] == [pack.spec.twins["captioner.decoder"].file]
    assert all(e["bytes"] == pack.spec.files[e["file"]].bytes for e in entries)


def test_builds_are_the_commands_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorrt_rtx")
    monkeypatch.setattr(table_rows, "TARGETS", ("sm_89",))
    row = table_rows.built_rows(Pack.open("nano"), tmp_path, say=_quiet)
    first, again, fresh = (row["targets"]["sm_89"]["engines"], row["again"]["engines"], row["fresh"]["engines"])
    assert len(first) == 5 and {e["status"] for e in (*first.values(), *fresh.values())} == {"built"}
    assert {e["status"] for e in again.values()} == {"already built"}
    assert all("has none" in e["timings"] for e in first.values())
    assert not list(tmp_path.iterdir())  # gigabytes in the case of a large recipe


def test_every_session_of_nano_is_opened_from_pack_and_store(tmp_path: Path) -> None:
    pack = Pack.open("nano")
    times = session_times(pack, tmp_path / "store", say=_quiet)
    assert set(times["places"]) == set(graph_paths(pack)) == set(times["again"])
    assert all(t["pack_ms"] > 0 and t["store_ms"] > 0 for t in times["places"].values())
    assert set(times["again"].values()) == {"already built"}


def test_a_run_over_some_recipes_keeps_the_others(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "export.json"
    table.merge(out, "nano", {"seconds": 1})
    table.merge(out, "sam2", {"seconds": 2})
    table.merge(out, "nano", {"seconds": 3})
    held = json.loads(out.read_text())["recipes"]
    assert list(held.items()) == [("sam2", {"seconds": 2}), ("nano", {"seconds": 3})]


def _row(**entries: Any) -> dict[str, Any]:
    return {"stands_for": "a net", "machine": "a machine", "versions": {"onnx": "1"}, "builds": [], **entries}


def _graph(precision: str, *, form: str = "own", failures: tuple[str, ...] = ()) -> dict[str, Any]:
    parity = {"graph": "d.onnx", "relative_l2": 2e-3, "figures": {"boxes_matched_share": 0.98}, "failures": failures}
    return {"place": "detector.graph", "form": form, "file": "d.onnx", "precision": precision, "bytes": 1_500_000,
            "parity": [parity]}  # fmt: skip


def _cells(section: str, start: str) -> list[str]:
    [line] = [line for line in section.splitlines() if line.startswith(f"| {start}")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_what_is_not_a_figure_has_its_reason_below() -> None:
    exports = {
        "fp32": {"graphs": [_graph("fp32")]},
        "int8": {"graphs": [_graph("int8-static", failures=("too far",)), _graph("fp16", form="twin")]},
        "int4": {"error": "no 4-bit form"},
    }
    engine = {"status": "built", "seconds": 1.25, "engine_bytes": 2_000_000, "timings": "not kept: has none"}
    refused = {"status": "refused", "reason": "detector.graph: refused for sm_86: node 7: no such operator"}
    targets = {
        "sm_120": {"error": "no compiler"},
        "sm_89": {"engines": {"detector.graph": engine}},
        "sm_86": {"engines": {"detector.graph": refused}},
    }
    again = {"command_seconds": 0.5, "engines": {"detector.graph": engine | {"status": "already built"}}}
    build = {"label": "dfine int8", "targets": targets, "repeated": "sm_89", "again": again, "fresh": targets["sm_89"]}
    section = export_section(
        {"recipes": {"dfine": _row(exports=exports, builds=[build]), "yolo": _row(error="no ultralytics")}}
    )
    assert _cells(section, "dfine, detector.graph")[1:] == [
        "1.5 MB; 2e-03, boxes matched 0.98",
        "1.5 MB; 2e-03, boxes matched 0.98 **misses** [1]",
        "INT4 no [2]",
        "fp16 1.5 MB; 2e-03, boxes matched 0.98",
        "refused [3]",
        "1.2 s, 2.0 MB",
        "no [4]",
    ]
    assert _cells(section, "yolo")[1].startswith("failed [")
    assert _numbers(section) == [
        "dfine: too far", "dfine int4: no 4-bit form", "dfine, detector.graph: refused: node 7: no such operator",
        "dfine: no compiler", "yolo: no ultralytics",
    ]  # fmt: skip
    assert "| dfine int8 | 1.2 s | 0.5 s, 1 of 1 already built | 1.2 s |" in section


def _numbers(section: str) -> list[str]:
    """The reasons, in order; each line must have its own number."""
    lines = [line.split(". ", 1) for line in section.splitlines() if line[:1].isdigit()]
    assert [int(number) for number, _ in lines] == list(range(1, len(lines) + 1))
    return [words for _, words in lines]


def test_the_measured_table_has_every_recipe_and_every_cell() -> None:
    recipes = json.loads(RESULTS.read_text(encoding="utf-8"))["recipes"]
    assert tuple(recipes) == table.NAMES
    for name, specimen in SPECIMENS.items():
        row = recipes[name]
        assert row.get("error") or tuple(row["exports"]) == specimen.precisions
        for build in row.get("builds", ()):
            assert tuple(build["targets"]) == table_rows.TARGETS
            for tried in build["targets"].values():
                assert tried.get("error") or all(
                    engine.get("reason") or engine["engine_bytes"] > 0 for engine in tried["engines"].values()
                )
