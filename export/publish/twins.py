"""TensorRT twins of a pack's graphs, made from its fp32 originals: float16 types or symmetric INT8, standard operators.

In: a pack folder, fp32 ONNX files by graph path ("detector.graph", "segmenter.encoder", ...). Out: the same pack with
`PackSpec.twins`, its files, and `parity.twins.json`. Recipes of hub models write their twins themselves with
`make_twin`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from edgecap.engines.errors import OutputError
from edgecap.engines.files import recover_folder, replace_folder
from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.packs.pack import PACK_FILE, Pack
from edgecap.engines.packs.schema import graphs_of
from edgecap.engines.packs.specs import PackSpec
from edgecap.engines.packs.writer import write_pack
from edgecap.export.job import Comparison, Limits
from edgecap.export.onnx.parity import GraphParity, boxes_found, compare_outputs, mask_iou
from edgecap.export.onnx.precision import static_symmetric, to_fp16
from edgecap.export.onnx.sensitivity import Outputs, run_model
from edgecap.export.publish.gate import judge, report
from edgecap.export.publish.pack_merge import fresh_folder

Feed = Mapping[str, NDArray[Any]]
Form = Literal["fp16", "int8"]
PARITY_FILE = "parity.twins.json"
LIMITS: dict[Form, Limits] = {"fp16": {"cosine": ("min", 0.999)}, "int8": {"cosine": ("min", 0.98)}}
"""float16 keeps 11 bits of each number (nano: cosine above .99999); INT8 leaves nano's graphs at .999 and better."""
_TASK_LIMITS: Limits = {"boxes_matched_share": ("min", 0.9), "mask_iou_mean": ("min", 0.95)}
_SCORE = 0.3  # boxes below it are noise in any form


@dataclass(frozen=True, slots=True)
class TwinSource:
    """One graph to be twinned. `file`: its fp32 ONNX. `ranges`: of its free axes, where the pack's own graph names
    none. `feeds`: inputs to calibrate (INT8) and compare on. `ready`: the file is the twin already, described by this
    spec (a decoder of the scatter form); it is copied as it stands."""

    file: Path
    form: Form = "fp16"
    ranges: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    feeds: Sequence[Feed] = ()
    keep: tuple[str, ...] = ()
    ready: GraphSpec | None = None


@dataclass(frozen=True, slots=True)
class Twin:
    """`graph`: as it goes into `PackSpec.twins`."""

    graph: GraphSpec
    comparison: Comparison
    kept_high: dict[str, str]


def make_twin(source: TwinSource, spec: GraphSpec, destination: Path) -> Twin:
    """Write one twin to `destination`. `spec`: the graph it stands in for; the twin has its inputs and outputs.

    Raises ValueError without feeds, ExportError where the graph has no such form, GraphContractError.
    """
    if not source.feeds:
        raise ValueError(f"{source.file.name}: a twin is compared with its original on feeds; give at least one")
    model = onnx.load(str(source.file))
    if source.form == "fp16":
        made, precision = to_fp16(model, keep=source.keep, feeds=source.feeds[:2]), "fp16"
    else:
        made, precision = static_symmetric(model, source.feeds, exclude=source.keep), "int8-static"
    ranges = source.ranges or spec.ranges
    graph = replace(spec, file=destination.name, precision=precision, ranges=ranges)
    made.save(destination, graph)
    reference, got = run_model(model, source.feeds), run_model(made.model, source.feeds)
    parity = _parity(destination.name, reference, got)
    limits = LIMITS[source.form] | {k: v for k, v in _TASK_LIMITS.items() if k in parity.figures}
    return Twin(graph, Comparison(parity, limits), made.kept_high)


def add_twins(
    pack_folder: str | Path,
    sources: Mapping[str, TwinSource],
    *,
    most_bytes: int | None = None,
    allow_drift: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> PackSpec:
    """Make the twins of `sources` (graph path -> source) and put them into the pack; other twins stay.

    `most_bytes`: what all files of the pack may come to together. Raises ValueError for a graph that the pack lacks,
    ParityError, OutputError (too large, disk full); the pack is then as it was.
    """
    folder = Path(pack_folder).absolute()
    recover_folder(folder)
    pack = Pack.open(folder)
    paths = {at.removeprefix("$."): graph for at, graph in graphs_of(pack.spec)}
    unknown = sorted(set(sources) - set(paths))
    if unknown:
        raise ValueError(f"{folder}: has no graph at {', '.join(unknown)}; it has {', '.join(sorted(paths))}")
    with fresh_folder(folder) as fresh:
        gone = {graph.file for path, graph in pack.spec.twins.items() if path in sources}
        left_out = {PACK_FILE, *gone}
        shutil.copytree(folder, fresh, ignore=lambda _, names: left_out.intersection(names), dirs_exist_ok=True)
        twins, comparisons = _write_twins(sources, paths, fresh, say)
        drift = judge(comparisons, allow_drift=allow_drift) if comparisons else ()
        content = report(comparisons, drift)
        (fresh / PARITY_FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        written = write_pack(fresh, replace(pack.spec, files={}, twins=pack.spec.twins | twins))
        _require_small(written, most_bytes, folder)
        replace_folder(fresh, folder)
    return written


def _write_twins(
    sources: Mapping[str, TwinSource], graphs: Mapping[str, GraphSpec], folder: Path, say: Callable[[str], None]
) -> tuple[dict[str, GraphSpec], list[Comparison]]:
    twins: dict[str, GraphSpec] = {}
    comparisons: list[Comparison] = []
    for path, source in sources.items():
        if source.ready is not None:
            shutil.copyfile(source.file, folder / source.ready.file)
            twins[path] = source.ready
            continue
        name = f"{path.replace('.', '_').removesuffix('_graph')}.trt-{source.form}.onnx"
        say(f"{path}: {source.form} twin of {source.file.name}")
        twin = make_twin(source, graphs[path], folder / name)
        twins[path] = twin.graph
        comparisons.append(twin.comparison)
    return twins, comparisons


def _require_small(written: PackSpec, most_bytes: int | None, folder: Path) -> None:
    total = sum(entry.bytes for entry in written.files.values())
    if most_bytes is not None and total > most_bytes:
        raise OutputError(
            f"{folder}: with twins it comes to {total / 1e6:.2f} MB, {most_bytes / 1e6:.2f} MB are allowed; take INT8 "
            "twins or leave one out"
        )


def _parity(name: str, reference: Outputs, got: Outputs) -> GraphParity:
    """Tensors whose order is fixed are compared as numbers; boxes, which a near tie reorders, by matching."""
    figures: dict[str, float] = {}
    unordered: set[str] = set()
    if {"boxes_xyxy", "scores", "class_ids"} <= set(reference[0]):
        unordered = {"boxes_xyxy", "class_ids"}
        figures = boxes_found(reference, got, score=_SCORE)
    if "mask_logits" in reference[0]:
        same = [mask_iou(r["mask_logits"] > 0, g["mask_logits"] > 0) for r, g in zip(reference, got, strict=True)]
        figures["mask_iou_mean"] = float(np.concatenate(same).mean())
    sides = [[{n: v for n, v in one.items() if n not in unordered} for one in side] for side in (reference, got)]
    return GraphParity(name, "fp32", len(reference), compare_outputs(*sides), figures)
