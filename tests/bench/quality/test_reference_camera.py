"""The reference's camera vote: its golden table, and what the rule makes of exact paths."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgecap.bench.quality.studies.command import study_options, write_figures
from edgecap.bench.quality.studies.reference_camera import border_vote, reference_labels
from edgecap.bench.world.camera import make_camera

HD = (1280, 720)
GOLDEN = [
    ([(-100, 0)] * 4, "pan_right"),
    ([(0, 90)] * 4, "tilt_up"),
    ([(0, -90), (0, 90), (-90, 0), (90, 0)], "zoom_in"),
    ([(0, 90), (0, -90), (90, 0), (-90, 0)], "zoom_out"),
    ([(10, 5)] * 4, "static"),
    ([(-100, 0), (100, 0), (0, 100), (0, -100)], "Undetermined"),
    ([(-100, 90)] * 4, "pan_right+tilt_up"),
    ([(100, 0), (100, 0), (0, 0), (0, 0)], "pan_left"),
]


@pytest.mark.parametrize(("moves", "label"), GOLDEN, ids=[label for _, label in GOLDEN])
def test_golden_table(moves: list[tuple[float, float]], label: str) -> None:
    """docs/spec/instancecap.md 2.3, all eight rows: top, bottom, left, right at 1280x720."""
    top, bottom, left, right = moves
    assert border_vote(top=top, bottom=bottom, left=left, right=right, size_wh=HD) == label


def test_the_threshold_is_a_tenth_of_the_short_side() -> None:
    def vote(dx: float) -> str:
        return border_vote(top=(dx, 0), bottom=(dx, 0), left=(dx, 0), right=(dx, 0), size_wh=HD)

    assert (vote(72.0), vote(72.1), vote(-72.1)) == ("static", "pan_left", "pan_right")


def _labels(kind: str) -> frozenset[str]:
    camera = make_camera(kind, rng=np.random.default_rng(4), num_frames=120, fps=24, size_wh=(640, 360))
    return reference_labels(camera.matrices, size_wh=(640, 360))


@pytest.mark.parametrize("kind", ["static", "pan_left", "pan_right", "tilt_up", "tilt_down", "zoom_in", "zoom_out"])
def test_plain_moves_are_named(kind: str) -> None:
    assert _labels(kind) == {kind}


@pytest.mark.parametrize(
    ("kind", "said"), [("out_and_back_right", {"static"}), ("shake", {"static"}), ("roll_left", set())]
)
def test_what_end_points_and_seven_labels_cannot_tell(kind: str, said: set[str]) -> None:
    assert _labels(kind) == said


def test_a_study_writes_its_figures_with_machine_and_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "figures.json"
    monkeypatch.setattr("sys.argv", ["study", "--clips", "3", "--tier", "stress", "--json", str(out)])
    options = study_options("A study.", clips=40, seed_start=2000)
    assert options.seeds == range(2000, 2003)
    write_figures(options, {"exact": 0.5})
    figures = json.loads(out.read_text())
    assert list(figures) == ["machine", "tier", "clips", "seed_start", "exact"]
    assert (figures["tier"], figures["clips"], figures["seed_start"]) == ("stress", 3, 2000)
    monkeypatch.setattr("sys.argv", ["study", "--tier", "stress"])
    with pytest.raises(SystemExit):
        study_options("A study over one kind of scene.", clips=5, seed_start=3000, tiers=False)
