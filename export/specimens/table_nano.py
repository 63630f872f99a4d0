"""nano's part of the table: the pack as it ships, and how long each of its sessions takes to open.

In: a work folder. Out: plain data for `export.json`. The pack is not exported again (its training takes hours): sizes
and parity are those of its files, and the graphs in fp32 are not shipped.
"""

from __future__ import annotations

import json
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

from edgecap.engines.packs.pack import Pack
from edgecap.engines.store.key import graph_paths
from edgecap.engines.store.sessions import EnginesChoice, EngineSessions
from edgecap.engines.store.store import EngineStore
from edgecap.export.specimens.table_commands import CommandFailed, edgecap_command
from edgecap.export.specimens.table_rows import Say, built_rows, comparison_of, graph_entries, read_comparisons

NANO = "nano"
OPENS = 7
"""Timed openings of a session, after one that is not counted."""
_CAPTIONER_FILES = {
    "vision_fp32": "vision.fp32.onnx",
    "vision_int8": "vision.int8.onnx",
    "decoder_fp32": "decoder.fp32.onnx",
    "decoder_int8": "decoder.int8.onnx",
}


def nano_rows(work: Path, *, say: Say) -> dict[str, Any]:
    """Sizes, parity, builds and opening times of nano."""
    shutil.rmtree(work, ignore_errors=True)
    pack = Pack.open(NANO)
    comparisons = nano_comparisons(pack)
    return {
        "recipe": "python -m edgecap.export.nano",
        "stands_for": "nano, the whole pack as it ships (trained)",
        "options": {},
        "exports": {
            "as shipped": {"graphs": graph_entries(pack, comparisons), "comparisons": comparisons, "drift": []},
        },
        "builds": [built_rows(pack, work, say=say)],
        "sessions": session_times(pack, work / "store-ort", say=say),
    }


def nano_comparisons(pack: Pack) -> list[dict[str, Any]]:
    """Every comparison in the pack's own reports. The captioner's is a flat table of figures there."""
    report = json.loads((pack.folder / "parity.json").read_text(encoding="utf-8"))
    found = []
    for entry in report["vision"]:
        # The decoder was compared together with its encoder: its row is where a reader looks for that.
        graph = entry["graph"].replace("segmenter_encoder+decoder.", "segmenter_decoder.")
        together = ", after the encoder" if graph != entry["graph"] else ""
        found.append(comparison_of(entry, graph + together))
    figures = report["captioner"]
    for key, file in _CAPTIONER_FILES.items():
        start = f"{key}_vs_torch_"
        named = {name.removeprefix(start): value for name, value in figures.items() if name.startswith(start)}
        distances = {name: named.pop(name) for name in ("max_abs", "relative_l2")}
        cosine = named.pop("least_cosine")
        entry = {"graph": file, "reference": "pytorch", **distances, "cosine": cosine}
        found.append(entry | {"figures": named, "failures": []})
    return found + read_comparisons(pack.folder / "parity.twins.json")


def session_times(pack: Pack, store: Path, *, say: Say) -> dict[str, Any]:
    """Milliseconds that an ONNX Runtime session takes to open, graph by graph: from the pack and from the store.

    Warm: the files have been read before, and `Pack.open` has checked them. Median of `OPENS`.
    """
    say(f"{NANO}: compiling for ONNX Runtime, then opening every session {OPENS} times")
    try:
        built = edgecap_command("build", str(pack.folder), "--store", str(store))
        again = edgecap_command("build", str(pack.folder), "--store", str(store))
    except CommandFailed as error:
        return {"error": str(error)}
    graphs: dict[str, dict[str, float]] = {}
    for row in built.data["engines"]:
        graphs[row["place"]] = {
            "build_seconds": round(row["seconds"], 3),
            **{f"{origin}_ms": _open_ms(pack, row["place"], store, origin) for origin in ("pack", "store")},
        }
    return {
        "compiler": built.data["compiler"],
        "opens": OPENS,
        "places": graphs,
        "build_command_seconds": round(built.seconds, 2),
        "again_command_seconds": round(again.seconds, 2),
        "again": {row["place"]: row["status"] for row in again.data["engines"]},
    }


def _open_ms(pack: Pack, path: str, store: Path, origin: EnginesChoice) -> float:
    graph = graph_paths(pack)[path]
    taken = []
    for _ in range(OPENS + 1):
        sessions = EngineSessions(origin, store=EngineStore(store))
        started = time.perf_counter()
        sessions.open(pack, graph, provider="cpu", intra_threads=1)
        taken.append(1e3 * (time.perf_counter() - started))
    return round(statistics.median(taken[1:]), 2)
