"""What leaves the detector: boxes of one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.mask import Mask


@dataclass(frozen=True, slots=True)
class Detections:
    """Boxes of one frame, best score first.

    `boxes_xyxy`: float32 [N, 4], relative to the frame (0-1), x1<x2, y1<y2, clipped to the frame.
    `scores`: float32 [N] in 0-1. `class_ids`: int64 [N], index into the detector's label list.
    `masks`: one `Mask` per box where the detector makes them itself (`--detector motion`), else None.
    `embedding`: float32 [C], the detector's description of the whole frame, for the domain check; None without one.
    """

    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    masks: tuple[Mask, ...] | None = None
    embedding: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        n = len(self.scores)
        if self.boxes_xyxy.shape != (n, 4) or self.class_ids.shape != (n,):
            raise ValueError(
                f"expected [N, 4], [N], [N]; got {self.boxes_xyxy.shape = }, {self.scores.shape = }, "
                f"{self.class_ids.shape = }"
            )

    def __len__(self) -> int:
        return len(self.scores)
