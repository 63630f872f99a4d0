"""The reference's camera rule compared with our estimator, on the same clips.

In: displacements of the picture's four borders. Out: its label string. The rule is VBench's as InstanceCap uses it
(docs/spec/instancecap.md 2.3): the first and the last of eight sampled frames, the middle four of ten points of each
border, a threshold of a tenth of the short side, a table of pairs. One deviation: labels are sorted; the
reference joins a set whose order changes from run to run. On clips it is given the *exact* camera path of the
synthetic world in the place of its point tracker, so its errors are those of the rule.

    python -m edgecap.bench.quality.studies.reference_camera --clips 40
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.quality.camera import CameraCounts, camera_counts
from edgecap.bench.quality.compare import quality_config
from edgecap.bench.quality.run import caption_clip
from edgecap.bench.quality.studies.command import study_options, write_figures
from edgecap.bench.world.cached_clips import clip_cache
from edgecap.bench.world.seeds import EVALUATION_SEED_START
from edgecap.runtime.pipeline.pipeline import Pipeline

Displacement = tuple[float, float]
UNDETERMINED, STATIC = "Undetermined", "static"
_THRESHOLD = 0.1
_SAMPLED = 8
_GRID, _MIDDLE = 10, (3, 4, 5, 6)
_MARGIN = 1 / 64
_ACROSS = {
    ("left", "left"): "pan_right",
    ("right", "right"): "pan_left",
    ("down", "down"): "tilt_up",
    ("up", "up"): "tilt_down",
    (STATIC, STATIC): STATIC,
}
_TOP_BOTTOM = _ACROSS | {("up", "down"): "zoom_in", ("down", "up"): "zoom_out"}
_LEFT_RIGHT = _ACROSS | {("left", "right"): "zoom_in", ("right", "left"): "zoom_out"}


def border_vote(
    *, top: Displacement, bottom: Displacement, left: Displacement, right: Displacement, size_wh: tuple[int, int]
) -> str:
    """The label string ("pan_right+zoom_in", "static", "Undetermined") of mean displacements (dx, dy) of the borders in
    pixels, y down."""
    least = _THRESHOLD * min(size_wh)
    votes: set[str | None] = set()
    for one, other, table in ((top, bottom, _TOP_BOTTOM), (left, right, _LEFT_RIGHT)):
        found = {table.get(pair) for pair in product(_ways(one, least), _ways(other, least))}
        votes |= found - {None} or {None}
    if len(votes) > 1:
        votes -= {None}
    if len(votes) > 1:
        votes -= {STATIC}
    return UNDETERMINED if votes == {None} else "+".join(sorted(v for v in votes if v is not None))


def reference_labels(cameras: NDArray[np.float64], *, size_wh: tuple[int, int]) -> frozenset[str]:
    """The vote over a clip, as labels; () where it is undetermined. `cameras` [T, 3, 3]: world -> picture, pixels."""
    bins = np.linspace(0, len(cameras), _SAMPLED + 1).astype(int)
    first, last = (bins[0] + bins[1] - 1) // 2, (bins[-2] + bins[-1] - 1) // 2
    motion = cameras[last] @ np.linalg.inv(cameras[first])
    width, height = size_wh
    margin = _MARGIN * width
    xs, ys = np.linspace(margin, width - margin, _GRID), np.linspace(margin, height - margin, _GRID)
    middle = list(_MIDDLE)
    borders = {
        "top": [(x, ys[0]) for x in xs[middle]],
        "bottom": [(x, ys[-1]) for x in xs[middle]],
        "left": [(xs[0], y) for y in ys[middle]],
        "right": [(xs[-1], y) for y in ys[middle]],
    }
    moved = {name: _mean_move(np.array(points, np.float64), motion) for name, points in borders.items()}
    text = border_vote(size_wh=size_wh, **moved)
    return frozenset() if text == UNDETERMINED else frozenset(text.split("+"))


def _ways(move: Displacement, least: float) -> list[str]:
    dx, dy = move
    ways = [name for name, so in (("right", dx > least), ("left", dx < -least)) if so]
    ways += [name for name, so in (("down", dy > least), ("up", dy < -least)) if so]
    return ways or [STATIC]


def _mean_move(points_xy: NDArray[np.float64], motion: NDArray[np.float64]) -> Displacement:
    """Positions are cut to whole pixels, as there."""
    after = points_xy @ motion[:2, :2].T + motion[:2, 2]
    dx, dy = (np.trunc(after) - np.trunc(points_xy)).mean(0)
    return float(dx), float(dy)


def compare(*, tier: str, seeds: range) -> tuple[CameraCounts, CameraCounts]:
    """(reference rule on the exact path, our estimator on the pixels), pooled over held-out clips."""
    pipeline = Pipeline(quality_config("nano", captioner="none"))
    theirs, ours = CameraCounts(), CameraCounts()
    for seed in seeds:
        truth, records = caption_clip(pipeline, tier=tier, seed=seed, folder=clip_cache())
        true, said = frozenset(truth.camera_labels), max(records, key=lambda r: len(r.window.observations))
        theirs += camera_counts(true, reference_labels(truth.cameras, size_wh=truth.size_wh))
        ours += camera_counts(true, frozenset(said.evidence.camera.labels))
    return theirs, ours


def lines(theirs: CameraCounts, ours: CameraCounts) -> list[str]:
    """The comparison as a table: exact label sets, micro-F1, and where each label is lost."""
    out = [f"{'':<28}{'reference rule':>15}{'ours':>8}"]
    out.append(f"{'exact label set':<28}{theirs.exact.recall:>15.3f}{ours.exact.recall:>8.3f}")
    out.append(f"{'micro-F1':<28}{theirs.micro_f1:>15.3f}{ours.micro_f1:>8.3f}")
    rows = theirs.per_label(), ours.per_label()
    for label in sorted({*rows[0], *rows[1]}):
        recalls = [r.get(label, (0.0, 0.0, 0))[1] for r in rows]
        count = max(r.get(label, (0.0, 0.0, 0))[2] for r in rows)
        out.append(f"{f'recall of {label} ({count})':<28}{recalls[0]:>15.3f}{recalls[1]:>8.3f}")
    return out


def main() -> None:
    """Print the comparison."""
    about = "The reference's camera rule compared with ours."
    options = study_options(about, clips=40, seed_start=EVALUATION_SEED_START)
    theirs, ours = compare(tier=options.tier, seeds=options.seeds)
    print(f"{options.clips} held-out clips, tier {options.tier}; the reference's rule is given the exact camera path")
    print("\n".join(lines(theirs, ours)))
    sides = (("reference", theirs), ("ours", ours))
    write_figures(options, {name: {"exact": c.exact.recall, "micro_f1": c.micro_f1} for name, c in sides})


if __name__ == "__main__":
    main()
