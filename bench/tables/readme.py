"""The generated tables of docs/benchmarks.md and docs/method.md, written from measurements that are in the repository.

In: `bench/results/*.json`, the output of `edgecap bench ... --json` and `python -m edgecap.export.specimens.table`.
Out: both documents with the text between their markers replaced. `--measure` repeats the quality and speed
measurements first. `tests/house` fails when the documents and the measurements differ.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgecap.bench.tables.export import export_section
from edgecap.bench.tables.figures import CONFUSIONS, MASKS, METHOD, PEERS, PEOPLE, QUALITY, REAL, SAM2, SPEED
from edgecap.bench.tables.table import replace_between

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results"
_MEASUREMENTS = {
    "quality": "bench quality --tier clean --tier moving --tier stress --clips 40 --seed-start 2000",
    "caption": "bench caption",
}
_SECTIONS: dict[str, dict[str, Callable[[], str]]] = {
    "docs/benchmarks.md": {
        "numbers": lambda: f"{QUALITY.render(_load('quality'))}\n\n{SPEED.render(_load('caption'))}",
        "real": lambda: f"{REAL.render(_load('real'))}\n\n{PEERS.render(_load('peers'))}",
        "people": lambda: f"{PEOPLE.render(_load('people'))}\n\n{CONFUSIONS.render(_load('people'))}",
        "export": lambda: export_section(_load("export")),
        "sam2": lambda: f"{SAM2.render(_load('sam2_parity'))}\n\n{MASKS.render(_load('propagation'))}",
    },
    "docs/method.md": {"figures": lambda: "\n\n".join(table.render(_load(name)) for name, table in METHOD.items())},
}
"""Document -> its markers -> what is generated between them."""
DOCUMENTS = tuple(_SECTIONS)


def render(document: str, text: str) -> str:
    """`text` of `document` with its generated parts rewritten. ValueError where a marker is missing."""
    for marker, section in _SECTIONS[document].items():
        text = replace_between(text, marker, section())
    return text


def main() -> None:
    """`python -m edgecap.bench.tables.readme [--measure]`: rewrite the documents in place."""
    if "--measure" in sys.argv[1:]:
        for name, command in _MEASUREMENTS.items():
            run = [sys.executable, "-m", "edgecap.cli", *command.split(), "--json"]
            done = subprocess.run(run, capture_output=True, text=True, check=True)
            (RESULTS / f"{name}.json").write_text(done.stdout, encoding="utf-8")
    for document in DOCUMENTS:
        path = ROOT / document
        path.write_text(render(document, path.read_text(encoding="utf-8")), encoding="utf-8")


def _load(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return data


if __name__ == "__main__":
    main()
