"""The reference's position text, mistake by mistake (docs/spec/instancecap.md 2.7)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecap.runtime.describe.captioner import Captioner
from edgecap.runtime.describe.legacy_position import (
    OUT,
    legacy_cell,
    legacy_position_sentence,
    legacy_sampling,
    legacy_text,
)
from tests.runtime.describe.test_captioner import INSIDE
from tests.runtime.fake_records import make_evidence, make_window


@pytest.mark.parametrize("x", [0.1, 0.5, 0.9])
@pytest.mark.parametrize(
    ("y", "row"),
    [(0.0, "center"), (0.3, "center"), (1 / 3, "center"), (0.34, "bottom"), (0.5, "bottom"), (0.9, "bottom")],
)
def test_top_never_occurs(x: float, y: float, row: str) -> None:
    assert legacy_cell(x=x, y=y) == f"{row}-{'left' if x < 0.3 else 'middle' if x < 0.6 else 'right'}"


@pytest.mark.parametrize(("x", "column"), [(1 / 3, "middle"), (0.333, "left"), (2 / 3, "right"), (0.66, "middle")])
def test_columns_are_thirds(x: float, column: str) -> None:
    assert legacy_cell(x=x, y=0.1) == f"center-{column}"


@pytest.mark.parametrize(
    ("states", "text"),
    [
        (["bottom-left"] * 3, "dog stays at bottom-left."),
        (["center-left", "bottom-middle", "center-right"], "dog moves from center-left to center-right."),
        (["center-left", "bottom-middle", "center-left"], "dog stays at center-left."),  # end points only
        (["center-left", "bottom-left", OUT], "dog moves from center-left to bottom-left and out of frame in the end."),
        (["center-left", OUT], "dog stays at center-left and out of frame in the end."),
        ([OUT, "bottom-left"], "dog moves from out of frame to bottom-left."),
        ([OUT, OUT], "dog moves from out of frame to None and out of frame in the end."),
    ],
)
def test_every_form_that_the_reference_reaches(states: list[str], text: str) -> None:
    assert legacy_text("dog", states) == text


def test_one_frame_a_second_or_eight() -> None:
    assert legacy_sampling(np.arange(0, 5, 0.125)) == [0, 8, 16, 24, 32]
    assert legacy_sampling(np.arange(0, 16, 0.5)) == [0, 4, 8, 13, 17, 22, 26, 31]
    assert legacy_sampling(np.zeros(0)) == []


def test_a_track_is_outside_wherever_it_was_not_seen() -> None:
    """Frames 0.5 s apart over 5 s, of which the reference looks at one a second."""
    times = np.arange(0, 5, 0.5)
    (track, *_) = make_evidence(make_window()).tracks

    def sentence(first: float, last: float) -> str:
        seen = times[(times >= first) & (times <= last)]
        places = np.column_stack([0.1 + 0.16 * seen, np.full(len(seen), 0.1)]).astype(np.float32)
        return legacy_position_sentence(replace(track, pts_seconds=seen, centroids_xy=places), times)

    assert sentence(0.0, 4.5) == "person moves from center-left to center-right."
    assert sentence(0.5, 4.5) == "person moves from out of frame to center-right."
    assert sentence(0.0, 2.0) == "person moves from center-left to center-middle and out of frame in the end."
    assert sentence(0.5, 0.5) == "person moves from out of frame to None and out of frame in the end."


def test_the_switch_changes_the_position_and_nothing_else() -> None:
    window = make_window()
    evidence = make_evidence(window)
    ours = Captioner(None).describe(window, evidence, INSIDE)
    theirs = Captioner(None, position="legacy").describe(window, evidence, INSIDE)
    assert ours.instances[0].position.text == "The person stays at top-left in the picture."
    assert all("top" not in i.position.text for i in theirs.instances)
    assert [i.action for i in ours.instances] == [i.action for i in theirs.instances]
    assert theirs.instances[0].position.text.startswith("person ")
