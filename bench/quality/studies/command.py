"""What the studies' commands share: the clips they run over, and their figures as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecap.bench.world.scene import TIERS
from edgecap.engines.graph.device import probe_device
from edgecap.runtime.output.files import replace_text


def study_options(description: str, *, clips: int, seed_start: int, tiers: bool = True) -> argparse.Namespace:
    """`clips`, `seeds`, `json` and with `tiers` the `tier`, from the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--clips", type=int, default=clips)
    parser.add_argument("--seed-start", type=int, default=seed_start)
    parser.add_argument("--json", type=Path, default=None, help="write the figures here too")
    if tiers:
        parser.add_argument("--tier", default="moving", choices=TIERS)
    options = parser.parse_args()
    options.seeds = range(options.seed_start, options.seed_start + options.clips)
    return options


def write_figures(options: argparse.Namespace, figures: Mapping[str, Any]) -> None:
    """To the file of --json, where one was given: the machine, the clips, the figures. Raises OutputError."""
    if options.json:
        about = {"machine": probe_device().machine_line()}
        if "tier" in options:
            about |= {"tier": options.tier, "clips": options.clips, "seed_start": options.seed_start}
        replace_text(options.json, iter([json.dumps(about | dict(figures), indent=1) + "\n"]))
