"""Does a window look like what the pack was trained on? The check, and its calibration, in one arithmetic.

In: frame embeddings of the detector. Out: `DomainVerdict`, or statistics and threshold for a pack. The distance is
Mahalanobis inside the leading principal components plus the normalised residual outside them; see `DomainSpec`.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import PackSchemaError
from edgecap.engines.packs.specs import DomainSpec
from edgecap.runtime.data.record import DomainVerdict
from edgecap.runtime.data.window import Window


@dataclass(frozen=True, slots=True)
class DomainStats:
    """What calibration leaves: `mean` float32 [C], `components` float32 [k, C] (orthonormal rows), `scales`
    float32 [k] > 0, `residual_scale` float32 > 0."""

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    scales: NDArray[np.float32]
    residual_scale: float

    def __post_init__(self) -> None:
        k, c = self.components.shape
        if self.mean.shape != (c,) or self.scales.shape != (k,) or k == 0:
            raise ValueError(
                f"expected [C], [k, C], [k]; got {self.mean.shape = }, {self.components.shape = }, "
                f"{self.scales.shape = }"
            )
        if not (self.scales > 0).all() or not self.residual_scale > 0:
            raise ValueError(f"scales must be positive; got {self.scales.min() = }, {self.residual_scale = }")

    def __repr__(self) -> str:
        return f"DomainStats({self.components.shape = }, residual_scale={self.residual_scale:.4g})"

    def save(self, path: Path) -> None:
        """Write the .npz that `load` reads."""
        np.savez(
            path,
            mean=self.mean,
            components=self.components,
            scales=self.scales,
            residual_scale=np.float32(self.residual_scale),
        )

    @classmethod
    def load(cls, path: Path) -> DomainStats:
        """Read a pack's statistics file. PackSchemaError where it is not such a file."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                return cls(
                    mean=data["mean"],
                    components=data["components"],
                    scales=data["scales"],
                    residual_scale=float(data["residual_scale"]),
                )
        except (OSError, LookupError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise PackSchemaError(
                f"domain statistics {path}: {error}; expected mean, components, scales and "
                "residual_scale in an .npz: restore the pack's file"
            ) from error


class DomainCheck:
    """The check of one pack: `verdict` per window."""

    def __init__(self, spec: DomainSpec, stats: DomainStats) -> None:
        self.spec = spec
        self.stats = stats

    def verdict(self, window: Window) -> DomainVerdict:
        """inside or outside by the median distance of the window's frames; unchecked where no frame carries
        an embedding.

        PackSchemaError where embedding and statistics differ in length (detector and statistics of two
        packs).
        """
        return self.verdict_of([o.embedding for o in window.observations if o.embedding is not None])

    def verdict_of(self, rows: Sequence[NDArray[np.float32]]) -> DomainVerdict:
        """As `verdict`, of the embeddings float32 [C] of some frames."""
        if not rows:
            return DomainVerdict(status="unchecked", distance=None, threshold=None)
        embeddings = np.stack(rows)
        if embeddings.shape[1] != len(self.stats.mean):
            raise PackSchemaError(
                f"the detector's embedding has {embeddings.shape[1]} values, {self.spec.file} "
                f"expects {len(self.stats.mean)}: they are of two packs"
            )
        median = float(np.median(distances(embeddings, self.stats)))
        # A detector that puts out NaN is not "inside": the comparison is written so that NaN fails it.
        status: Literal["inside", "outside"] = "inside" if median <= self.spec.threshold else "outside"
        return DomainVerdict(status=status, distance=median, threshold=self.spec.threshold)


def unchecked() -> DomainVerdict:
    """The verdict where the pack has no check, or the detector is not the pack's."""
    return DomainVerdict(status="unchecked", distance=None, threshold=None)


def distances(embeddings: NDArray[np.float32], stats: DomainStats) -> NDArray[np.float64]:
    """float64 [N]: distance of every embedding float32 [N, C] (formula in `DomainSpec`)."""
    centred = embeddings.astype(np.float64) - stats.mean
    projected = centred @ stats.components.T.astype(np.float64)
    residual = np.linalg.norm(centred - projected @ stats.components, axis=1)
    inner = ((projected / stats.scales) ** 2).mean(1)
    result: NDArray[np.float64] = np.sqrt(inner + (residual / stats.residual_scale) ** 2)
    return result


def calibrate(embeddings: NDArray[np.float32], *, components: int, quantile: float) -> tuple[DomainStats, float]:
    """Statistics and threshold from embeddings float32 [S, F, C]: F frames of each of S scenes of the training world.

    Components come from the even scenes, their scales and the threshold from the odd ones: scenes that chose the
    components would look nearer than unseen ones. `components` up to C: the directions in which the world hardly varies
    are the ones that show what is not of it (Kamoi and Kobayashi 2020, arXiv 2003.00402). The threshold is the
    `quantile` (0-1) of the odd scenes' distances, each the median of its frames, as a window's is.
    """
    scenes, _, size = embeddings.shape
    most = min(size, scenes // 2 - 1)
    if not 1 <= components <= most:
        raise ValueError(f"expected components from 1 to {most} for {embeddings.shape = }, got {components}")
    if not 0 < quantile <= 1:
        raise ValueError(f"expected 0 < quantile <= 1; got {quantile = }")
    fit, held_out = (embeddings[k::2].reshape(-1, size).astype(np.float64) for k in (0, 1))
    mean = fit.mean(0)
    rows = np.linalg.svd(fit - mean, full_matrices=False)[2][:components]
    projected = (held_out - mean) @ rows.T
    residual = held_out - mean - projected @ rows
    rest = float(np.sqrt((residual**2).sum(1).mean()))
    stats = DomainStats(
        mean=mean.astype(np.float32),
        components=rows.astype(np.float32),
        scales=np.maximum(np.sqrt((projected**2).mean(0)), 1e-6).astype(np.float32),
        residual_scale=1.0 if components == size else max(rest, 1e-6),  # all directions: nothing but rounding is left
    )
    medians = np.median(distances(embeddings[1::2].reshape(-1, size), stats).reshape(-1, embeddings.shape[1]), axis=1)
    return stats, float(np.quantile(medians, quantile))
