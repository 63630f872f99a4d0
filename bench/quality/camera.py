"""Accuracy of the camera labels: exact set, micro-F1 and figures per label [spec 7.3, last rows]."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from edgecap.bench.quality.tally import Pooled, Tally, scored


@dataclass(frozen=True, slots=True)
class CameraCounts(Pooled):
    """`exact`: Tally of whole label sets. `tp`, `fp`, `fn`: per label. `listed`: the rule
    that rewards listing everything (true labels all in the list), reported, not to be optimised."""

    exact: Tally = field(default_factory=Tally)
    listed: Tally = field(default_factory=Tally)
    tp: Counter[str] = field(default_factory=Counter)
    fp: Counter[str] = field(default_factory=Counter)
    fn: Counter[str] = field(default_factory=Counter)

    @property
    def micro_f1(self) -> float:
        """2 TP / (2 TP + FP + FN) over all labels; 1 where there are none on either side."""
        tp, fp, fn = (sum(c.values()) for c in (self.tp, self.fp, self.fn))
        return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0

    def per_label(self) -> dict[str, tuple[float, float, int]]:
        """label -> (precision, recall, number of clips that truly have it), sorted by label; 0 where undefined."""
        rows = {}
        for label in sorted({*self.tp, *self.fp, *self.fn}):
            tp, fp, fn = self.tp[label], self.fp[label], self.fn[label]
            rows[label] = (tp / (tp + fp) if tp + fp else 0.0, tp / (tp + fn) if tp + fn else 0.0, tp + fn)
        return rows


def camera_counts(true_labels: frozenset[str], said_labels: frozenset[str]) -> CameraCounts:
    """One clip. An empty `said_labels` means that the camera could not be estimated: not said, rather than wrong."""
    if not said_labels:
        return CameraCounts(exact=Tally(silent=1), listed=Tally(silent=1), fn=Counter(true_labels))
    return CameraCounts(
        Tally.of([scored(said_labels == true_labels)]),
        Tally.of([scored(true_labels <= said_labels)]),
        Counter(true_labels & said_labels),
        Counter(said_labels - true_labels),
        Counter(true_labels - said_labels),
    )
