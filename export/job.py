"""What a recipe is given and what it gives back: one role of a pack.

In: a checkpoint that was checked, a folder to write graphs into. Out: a `RoleExport` that the gate judges and
`pack_merge` puts into pack.json. Every recipe is one function of this shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, get_type_hints

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import UsageError
from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.packs.specs import CaptionerSpec, DetectorSpec, PoseSpec, SegmenterSpec
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.onnx.parity import GraphParity

Role = Literal["detector", "segmenter", "captioner", "pose"]
Precision = Literal["fp32", "fp16", "int8", "int4"]
Limits = dict[str, tuple[Literal["min", "max"], float]]
Options = TypeVar("Options")


@dataclass(frozen=True, slots=True)
class ExportJob:
    """One run of one recipe.

    `folder`: the graphs are written here, under names that begin with the role; it is on the pack's own disk and is
    renamed into the pack when the gate has passed. `precision`: what was asked for, of the CPU graphs. `pictures`: a
    new iterator over calibration and parity frames, uint8 RGB [H, W, 3], different from each other (the user's video,
    or the synthetic world). `with_twins`: write the TensorRT twins too. `options`: further NAME=VALUE of the command,
    which the recipe reads with `read_options`. `say`: one line of progress.
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
    """One role, ready for the gate."""

    role: Role
    spec: DetectorSpec | SegmenterSpec | CaptionerSpec | PoseSpec
    licence: str
    source: str
    """Checkpoint, revision and licence in one line."""
    comparisons: tuple[Comparison, ...]
    """Every one made, PyTorch against ONNX first."""
    twins: dict[str, GraphSpec] = field(default_factory=dict)
    """Graph path ("detector.graph", ...) -> TensorRT graph."""
    kept_high: dict[str, str] = field(default_factory=dict)
    """Node or layer pattern -> why it was not quantised."""
    sensitivity: tuple[dict[str, Any], ...] = ()
    """Rows of the sensitivity table, empty where nothing was quantised."""


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


@dataclass(frozen=True, slots=True)
class Accepts:
    """What an option takes, for an annotation: `views: Annotated[int, COUNT] = 4`."""

    expected: str
    """Words for the error."""
    parse: Callable[[str], Any]
    """Text -> value; ValueError for a text that is not as expected."""


def multiple(step: int, *, least: int, most: int) -> Accepts:
    """Whole numbers."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most or int(text) % step:
            raise ValueError(text)
        return int(text)

    return Accepts(f"a multiple of {step} from {least} to {most}", parse)


def one_of(names: Sequence[str]) -> Accepts:
    """One of these words."""
    return Accepts(" or ".join(names), lambda text: names[tuple(names).index(text)])


COUNT = replace(multiple(1, least=1, most=1 << 31), expected="a whole number of at least 1")


def read_options(kind: type[Options], given: Mapping[str, str], *, recipe: str) -> Options:
    """NAME=VALUE of the command as `kind`, a dataclass whose annotations hold `Accepts`. Raises `UsageError` for a name
    that the recipe does not have (listing its names) and for a value that is not as expected."""
    known = {name: hint.__metadata__[0] for name, hint in get_type_hints(kind, include_extras=True).items()}
    values = {}
    for name, text in given.items():
        if name not in known:
            raise UsageError(f"recipe {recipe} has no option {name!r}; it takes {', '.join(known)}")
        try:
            values[name] = known[name].parse(text)
        except ValueError as error:
            raise UsageError(f"option {name}={text!r}: expected {known[name].expected}") from error
    return kind(**values)
