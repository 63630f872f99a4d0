"""The gate: what passes, what is refused in which words, what --allow-drift lets through."""

from __future__ import annotations

import pytest

from edgecap.engines.errors import ParityError
from edgecap.export.job import Comparison
from edgecap.export.onnx.parity import GraphParity, TensorParity
from edgecap.export.publish.gate import failures, figure_of, judge, report
from tests.export.fake_recipe import comparison

TENSORS = (TensorParity("a", 0.5, 0.02, 0.999), TensorParity("b", 0.1, 0.2, 0.9))
PARITY = GraphParity("x.int8.onnx", "fp32", 4, TENSORS, {"mask_iou_mean": 0.97})


def test_figures_are_those_of_the_worst_tensor_or_the_task() -> None:
    assert [figure_of(PARITY, f) for f in ("max_abs", "relative_l2", "cosine", "mask_iou_mean")] == [
        0.5,
        0.2,
        0.9,
        0.97,
    ]
    with pytest.raises(ValueError, match="no figure 'top1'; it has cosine, mask_iou_mean"):
        figure_of(PARITY, "top1")


@pytest.mark.parametrize(
    ("figure", "kind", "limit", "passes"),
    [
        pytest.param("cosine", "min", 0.9, True, id="equal-to-a-least"),
        pytest.param("cosine", "min", 0.91, False, id="below-a-least"),
        pytest.param("relative_l2", "max", 0.2, True, id="equal-to-a-most"),
        pytest.param("relative_l2", "max", 0.19, False, id="above-a-most"),
        pytest.param("mask_iou_mean", "min", 0.98, False, id="task-figure"),
    ],
)
def test_limits(figure: str, kind: str, limit: float, passes: bool) -> None:
    row = Comparison(PARITY, {figure: (kind, limit)})  # type: ignore[dict-item]
    assert (judge([row], allow_drift=True) == ()) is passes
    if not passes:
        with pytest.raises(ParityError, match=rf"x\.int8\.onnx against fp32: {figure} is .*{limit:.4g} is needed"):
            judge([row], allow_drift=False)


def test_a_figure_that_is_no_number_misses_every_limit() -> None:
    broken = GraphParity("x", "fp32", 1, (TensorParity("a", 0.0, 0.0, float("nan")), TENSORS[0]))
    assert failures(Comparison(broken, {"cosine": ("min", -1.0)}))
    assert failures(Comparison(broken, {"cosine": ("max", 2.0)}))


@pytest.mark.parametrize("rows", [[], [Comparison(PARITY, {})]], ids=["nothing-compared", "no-limit"])
def test_a_gate_without_a_measurement_is_closed(rows: list[Comparison]) -> None:
    with pytest.raises(ParityError, match="nothing was compared"):
        judge(rows, allow_drift=False)


def test_drift_is_returned_and_written_with_limits_and_values() -> None:
    rows = [comparison(0.5), comparison(1.0), comparison(0.4)]
    with pytest.raises(ParityError, match="and 1 more"):
        judge(rows, allow_drift=False)
    drift = judge(rows, allow_drift=True)
    assert len(drift) == 2
    written = report(rows, drift)
    assert not written["passed"] and written["drift"] == list(drift)
    assert [len(c["failures"]) for c in written["comparisons"]] == [1, 0, 1]
    assert written["comparisons"][0]["limits"] == {"cosine": {"min": 0.99}}
