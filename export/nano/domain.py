"""The pack's domain check, calibrated on validation scenes of the world the pack was trained on.

In: the exported detector and validation frames. Out: `domain.npz` and a `DomainSpec`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecap.engines import open_onnx_session
from edgecap.engines.packs.specs import DetectorSpec, DomainSpec
from edgecap.export.nano.vision.cache import FRAMES_PER_SCENE, CachedFrame
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.perceive.detector import PackDetector
from edgecap.runtime.perceive.domain import calibrate

FILE = "domain.npz"
COMPONENTS = 48
QUANTILE = 0.999
SLACK = 1.15
"""Room above the 99.9th percentile of single frames. Measured: windows of the world stay below 2.0, the limit comes to
about 2.3, and windows of three real clips are between 3.0 and 4.6."""


def calibrate_domain(spec: DetectorSpec, folder: Path, frames: list[CachedFrame]) -> DomainSpec:
    """Embed `frames`, write `folder`/domain.npz, return the spec that names it with its threshold."""
    session = open_onnx_session(folder / spec.graph.file, spec.graph)
    detector = PackDetector(spec, session)
    embeddings = []
    for number, frame in enumerate(_scenes_alternating(frames)):
        found = detector.detect(Frame(index=number, pts_seconds=0.0, image_rgb=frame.image()))
        if found.embedding is None:
            raise ValueError(f"{spec.graph.file} has no embedding output: nothing to calibrate a domain check on")
        embeddings.append(found.embedding)
    table: NDArray[np.float32] = np.stack(embeddings)
    stats, threshold = calibrate(table, components=COMPONENTS, quantile=QUANTILE, slack=SLACK)
    stats.save(folder / FILE)
    return DomainSpec(file=FILE, threshold=round(threshold, 4))


def _scenes_alternating(frames: list[CachedFrame]) -> list[CachedFrame]:
    """Neighbours in the cache are of one scene; `calibrate` fits on even rows and measures on odd ones."""
    return [frame for k in range(FRAMES_PER_SCENE) for frame in frames[k::FRAMES_PER_SCENE]]
