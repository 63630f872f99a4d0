"""What a recipe is given and what it gives back: one role of a pack.

In: a checkpoint that was checked, a folder to write graphs into. Out: a `RoleExport` that the gate judges and
`pack_merge` puts into pack.json. Every recipe is one function of this shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.packs.specs import CaptionerSpec, DetectorSpec, PoseSpec, SegmenterSpec
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.onnx.parity import GraphParity

Role = Literal["detector", "segmenter", "captioner", "pose"]
Precision = Literal["fp32", "fp16", "int8", "int4"]
Limits = dict[str, tuple[Literal["min", "max"], float]]


@dataclass(frozen=True, slots=True)
class ExportJob:
    """One run of one recipe.

    `folder`: the graphs are written here, under names that begin with the role; it is on the pack's own disk and is
    renamed into the pack when the gate has passed. `precision`: what was asked for, of the CPU graphs. `pictures`: a
    new iterator over calibration and parity frames, uint8 RGB [H, W, 3], different from each other (the user's video,
    or the synthetic world). `with_twins`: write the TensorRT twins too. `options`: further NAME=VALUE of the command,
    checked by the recipe (an unknown name is a UsageError that lists the known ones). `say`: one line of progress.
    """

    checkpoint: Checkpoint
    folder: Path
    precision: Precision
    pictures: Callable[[], Iterator[NDArray[np.uint8]]]
    with_twins: bool = True
    options: dict[str, str] = field(default_factory=dict)
    say: Callable[[str], None] = lambda line: None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison and what it must reach. `limits`: figure -> ("min" | "max", value); figures are those of
    `parity.figures` and "max_abs", "relative_l2", "cosine" of its worst tensor."""

    parity: GraphParity
    limits: Limits


@dataclass(frozen=True, slots=True)
class RoleExport:
    """One role, ready to be judged and published.

    `source`: checkpoint, revision and licence in one line. `twins`: places ("detector.graph", ...) -> TensorRT graph.
    `judged`: every parity comparison made, PyTorch vs ONNX first. `kept_high`: node or layer pattern -> why it was not
    quantised. `sensitivity`: rows of the sensitivity table, empty where nothing was quantised.
    """

    role: Role
    spec: DetectorSpec | SegmenterSpec | CaptionerSpec | PoseSpec
    licence: str
    source: str
    judged: tuple[Comparison, ...]
    twins: dict[str, GraphSpec] = field(default_factory=dict)
    kept_high: dict[str, str] = field(default_factory=dict)
    sensitivity: tuple[dict[str, Any], ...] = ()


class Recipe(Protocol):
    """`name` as the command spells it, `architectures` as config.json spells them."""

    name: str
    role: Role
    architectures: tuple[str, ...]
    extra: str
    """The pip extra it needs, e.g. "export"."""
    notice: str
    """Said aloud before the work, e.g. a licence's demands; "" where there is nothing to say."""

    def __call__(self, job: ExportJob) -> RoleExport:
        """Export. Raises `ExportError` (and children), `UsageError` for options, `OutputError` for the disk."""
        ...
