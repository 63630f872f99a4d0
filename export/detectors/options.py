"""The options that detector recipes take from the command line.

Light: imports neither torch nor onnx.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.checkpoint.labels import labels_of
from edgecap.export.job import Accepts, multiple, one_of

Twin = Literal["fp16", "int8"]


def _threshold(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise ValueError(text)
    return value


@dataclass(frozen=True, slots=True)
class DetectorOptions:
    """Read by `read_options`."""

    image_side: Annotated[int | None, multiple(32, least=128, most=2048)] = None
    """Long side of the picture in pixels; None = as the checkpoint was trained."""
    labels: Annotated[str | None, Accepts("a file", str)] = None
    """Text file of class names; None = the checkpoint's."""
    score_threshold: Annotated[float | None, Accepts("a number between 0 and 1, e.g. 0.3", _threshold)] = None
    """0-1; None = the recipe's."""
    twin: Annotated[Twin, one_of(get_args(Twin))] = "fp16"
    """What TensorRT compiles: fp16 or symmetric INT8."""

    def class_names(self, checkpoint: Checkpoint, *, count: int | None) -> tuple[str, ...]:
        """Of the option or the checkpoint, by class id; `count`: classes of the head where that is known. Raises as
        `labels_of`."""
        named = checkpoint.config.get("id2label") or {}
        return labels_of(named, count=count, origin=str(checkpoint.folder / "config.json"), file=self.labels)
