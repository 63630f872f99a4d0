"""The table of what each layer costs: a layer made to hurt comes first, big models are covered in blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgecap.export.onnx.parity import compare_outputs
from edgecap.export.onnx.precision import int4_blocks, static_symmetric
from edgecap.export.onnx.qdq import Activation
from edgecap.export.onnx.sensitivity import Form, run_model, sensitivity
from tests.export.small_nets import conv_net, dense_net, pictures, vectors

FEEDS = vectors(2)
EVERY = ("q", "k", "v", "out", "up", "down")
"""Layers of `dense_net`; the attention's own products store no weight."""


@pytest.mark.parametrize(
    ("form", "alone"),
    [
        pytest.param("int8-symmetric", lambda model, others: static_symmetric(model, FEEDS, exclude=others), id="int8"),
        pytest.param("int4", lambda model, others: int4_blocks(model, symmetric=True, exclude=others), id="int4"),
    ],
)
def test_a_row_is_the_damage_of_that_layer_alone(form: Form, alone: Any) -> None:
    model = dense_net()
    rows = sensitivity(model, FEEDS, form=form)
    assert sorted(row["layers"][0] for row in rows) == sorted(EVERY)
    reference = run_model(model, FEEDS)
    for row in rows:
        others = [name for name in EVERY if name != row["layers"][0]]
        got = run_model(alone(model, others).model, FEEDS)
        assert row["relative_l2"] == pytest.approx(compare_outputs(reference, got)[0].relative_l2, rel=1e-3)
    damages = [row["relative_l2"] for row in rows]
    assert damages == sorted(damages, reverse=True) and damages[-1] > 0


def test_first_layer_of_a_conv_net_is_named_with_its_size_and_figure() -> None:
    rows = sensitivity(conv_net(), pictures(2), figure=lambda reference, got: float(len(reference)))
    by_layer = {row["layers"][0]: row for row in rows}
    assert by_layer["stem"]["weights"] == 16 * 3 * 3 * 3
    assert {row["figure"] for row in rows} == {2.0}
    assert all(row["output"] in ("boxes_xyxy", "scores") for row in rows)


def test_blocks_cover_every_layer_once() -> None:
    rows = sensitivity(dense_net(), vectors(1), most_rows=4)
    names = [name for row in rows for name in row["layers"]]
    assert len(rows) == 4 and sorted(names) == ["down", "k", "out", "q", "up", "v"]


def test_when_time_is_up_the_rest_is_listed_as_not_measured() -> None:
    rows = sensitivity(dense_net(), vectors(1), budget_seconds=0.0)
    measured = [row for row in rows if row["relative_l2"] is not None]
    assert len(measured) == 1 and rows[0] == measured[0], "one is always measured, and comes first"
    assert len(rows) == 6


def test_excluded_layers_are_not_tried_and_nothing_gives_no_rows() -> None:
    assert {n for row in sensitivity(dense_net(), vectors(1), exclude=EVERY[:4]) for n in row["layers"]} == {
        "up",
        "down",
    }
    assert sensitivity(dense_net(), vectors(1), exclude=EVERY) == ()


def test_clipping_follows_the_values_not_one_outlier() -> None:
    rng = np.random.default_rng(0)
    even = Activation(4.0, rng.uniform(-4, 4, 4000).astype(np.float32))
    assert even.limit("int8") == 4.0, "nothing is gained by clipping an even spread"
    normal = rng.normal(0, 0.25, 200_000).astype(np.float32)
    assert Activation(1.4, normal).limit("int8") < 1.4
    assert Activation(1.4, normal).limit("fp8") == 1.4
