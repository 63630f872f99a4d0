"""Camera labels against exactly known movements over real pictures.

In: a folder of real sequences, seeds. Out: `CameraStudy`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edgecap.bench.quality.camera import CameraCounts, camera_counts
from edgecap.bench.real.moving_pictures import SIZE_WH, Footage, MovedClip, moved_clip
from edgecap.engines.graph.device import probe_device
from edgecap.runtime.data.evidence import CameraEvidence
from edgecap.runtime.data.window import Observation
from edgecap.runtime.measure.camera_labels import camera_evidence
from edgecap.runtime.perceive.camera_step import UNKNOWN_STEP, CameraEstimator


@dataclass(frozen=True, slots=True)
class CameraTrial:
    """One clip: what was done, what was said. `milliseconds`: of one step."""

    seed: int
    move: str
    foreground: float
    masked: bool
    true: tuple[str, ...]
    said: CameraEvidence
    milliseconds: float


def camera_trials(footage: Sequence[Footage], *, seeds: Iterable[int], fps: float) -> Iterator[CameraTrial]:
    """Measure the clip of every seed, at `fps` analysed frames a second."""
    for seed in seeds:
        clip = moved_clip(footage, seed=seed, fps=fps)
        observations, seconds = _observed(clip)
        yield CameraTrial(
            seed=seed,
            move=clip.move.name,
            foreground=clip.foreground,
            masked=any(clip.masks),
            true=clip.move.labels,
            said=camera_evidence(observations, aspect=SIZE_WH[1] / SIZE_WH[0]),
            milliseconds=1000 * seconds / (len(observations) - 1),
        )


def _observed(clip: MovedClip) -> tuple[list[Observation], float]:
    estimator, observations, seconds = CameraEstimator(), [], 0.0
    for k, frame in enumerate(clip.frames):
        begun = time.perf_counter()
        step = UNKNOWN_STEP if k == 0 else estimator.step(clip.frames[k - 1], frame, clip.masks[k - 1])
        seconds += time.perf_counter() - begun
        observations.append(Observation(frame, (), step.matrix, step.inliers))
    return observations, seconds


def pooled(trials: Iterable[CameraTrial]) -> CameraCounts:
    """All trials together."""
    total = CameraCounts()
    for trial in trials:
        total += camera_counts(frozenset(trial.true), frozenset(trial.said.labels))
    return total


def study_lines(trials: Sequence[CameraTrial]) -> list[str]:
    """Whole label sets by kind of foreground, then every label's precision and recall, then what went wrong."""
    lines = [f"{'':<34}{'clips':>7}{'exact set':>11}{'micro-F1':>10}"]
    for name, chosen in _groups(trials):
        counts = pooled(chosen)
        lines.append(f"{name:<34}{len(chosen):>7}{counts.exact.recall:>11.3f}{counts.micro_f1:>10.3f}")
    lines += ["", f"{'label':<34}{'clips':>7}{'precision':>11}{'recall':>10}"]
    for label, (precision, recall, count) in pooled(trials).per_label().items():
        lines.append(f"{label:<34}{count:>7}{precision:>11.3f}{recall:>10.3f}")
    wrong = Counter(
        (t.move, ", ".join(t.said.labels) or "not measured") for t in trials if set(t.said.labels) != set(t.true)
    )
    lines += ["", *(f"{count:>3} x {move}: {said}" for (move, said), count in sorted(wrong.items()))]
    return lines


def study_json(trials: Sequence[CameraTrial], *, fps: float) -> dict[str, Any]:
    """The figures as JSON types, rounded to five digits, with the machine."""
    counts = pooled(trials)
    rows = counts.per_label().items()
    return {
        "machine": probe_device().machine_line(),
        "fps": fps,
        "seeds": [trial.seed for trial in trials],
        "clips": len(trials),
        "exact": {name: round(pooled(chosen).exact.recall, 5) for name, chosen in _groups(trials)},
        "micro_f1": round(counts.micro_f1, 5),
        "labels": {label: {"precision": round(p, 5), "recall": round(r, 5), "clips": n} for label, (p, r, n) in rows},
        "step_milliseconds": round(min(t.milliseconds for t in trials), 3),
    }


def _groups(trials: Sequence[CameraTrial]) -> list[tuple[str, list[CameraTrial]]]:
    groups = [
        ("all", list(trials)),
        ("no foreground", [t for t in trials if not t.foreground]),
        ("foreground, masks known", [t for t in trials if t.foreground and t.masked]),
        ("foreground, masks not known", [t for t in trials if t.foreground and not t.masked]),
    ]
    return [(name, chosen) for name, chosen in groups if chosen]
