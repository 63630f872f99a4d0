"""The options that detector recipes take from the command line: NAME=VALUE -> typed values, checked.

Light: imports neither torch nor onnx.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from edgecap.engines.errors import UsageError

Twin = Literal["fp16", "int8"]


@dataclass(frozen=True, slots=True)
class DetectorOptions:
    """`image_side`: long side of the picture in pixels, None = as the checkpoint was trained. `labels`: text file of
    class names, None = the checkpoint's. `score_threshold`: 0-1, None = the recipe's. `twin`: what TensorRT compiles,
    fp16 or symmetric INT8."""

    image_side: int | None = None
    labels: str | None = None
    score_threshold: float | None = None
    twin: Twin = "fp16"

    @classmethod
    def read(cls, given: Mapping[str, str], *, recipe: str) -> DetectorOptions:
        """Raises `UsageError` for an unknown name (listing the known ones) or a value out of range."""
        known = tuple(cls.__dataclass_fields__)
        for name in given:
            if name not in known:
                raise UsageError(f"recipe {recipe} has no option {name!r}; it takes {', '.join(known)}")
        side, threshold, twin = given.get("image_side"), given.get("score_threshold"), given.get("twin", "fp16")
        if twin not in get_args(Twin):
            raise UsageError(f"twin={twin}: expected {' or '.join(get_args(Twin))}")
        return cls(
            image_side=None if side is None else _side(side),
            labels=given.get("labels"),
            score_threshold=None if threshold is None else _threshold(threshold),
            twin=cast(Twin, twin),
        )


def _side(text: str) -> int:
    if not text.isdecimal() or not 128 <= int(text) <= 2048 or int(text) % 32:
        raise UsageError(f"image_side={text}: expected a multiple of 32 from 128 to 2048, e.g. image_side=640")
    return int(text)


def _threshold(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise UsageError(f"score_threshold={text}: expected a number between 0 and 1, e.g. score_threshold=0.3")
    return value
