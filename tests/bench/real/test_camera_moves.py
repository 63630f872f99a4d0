"""Known movements over real pictures: their labels follow from their exact steps, their pictures show them."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgecap.bench.real.camera import CameraTrial, pooled, study_json, study_lines
from edgecap.bench.real.camera_moves import MOVES, draw_move
from edgecap.bench.real.moving_pictures import SIZE_WH, Footage, moved_clip
from edgecap.bench.world.cached_clips import cached_clip
from edgecap.cli.main import cli
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.window import Observation
from edgecap.runtime.measure.camera_labels import camera_evidence

SOURCE_WH = (854, 480)
TIMES = np.arange(33) / 8
ASPECT = SIZE_WH[1] / SIZE_WH[0]


def _evidence(name: str, seed: int):
    move = draw_move(name, np.random.default_rng(seed), TIMES)
    to_relative = np.diag([1 / SIZE_WH[0], 1 / SIZE_WH[1], 1.0])
    views = [to_relative @ move.matrix(k, size_wh=SIZE_WH, source_wh=SOURCE_WH) for k in range(len(TIMES))]
    blank = np.zeros((SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
    steps = [None, *(after @ np.linalg.inv(before) for before, after in pairwise(views))]
    observations = [
        Observation(Frame(k, float(t), blank), (), step, 0.0 if step is None else 1.0)
        for k, (t, step) in enumerate(zip(TIMES, steps, strict=True))
    ]
    return camera_evidence(observations, aspect=ASPECT)


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("seed", range(6))
def test_exact_steps_give_the_labels_of_the_movement(name: str, seed: int) -> None:
    assert _evidence(name, seed).labels == MOVES[name]


def _photograph(seed: int = 0) -> Footage:
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 255, (SOURCE_WH[1] // 8, SOURCE_WH[0] // 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    return Footage("davis/drawn.mp4", (picture,), ())


def test_a_pan_to_the_right_brings_what_is_on_the_right() -> None:
    seed = list(MOVES).index("pan right")
    clip = moved_clip([_photograph()], seed=seed, fps=8)
    first, last = clip.frames[0].image_rgb, clip.frames[-1].image_rgb
    right = clip.move.right[-1] - clip.move.right[0]
    shift = round(float(right) * SIZE_WH[0])
    middle = slice(120, 240), slice(shift + 40, SIZE_WH[0] - 40)
    moved = slice(120, 240), slice(40, SIZE_WH[0] - 40 - shift)
    apart = np.abs(first[middle].astype(int) - last[moved]).mean()
    assert right > 0 and apart < 0.6 * np.abs(first[middle].astype(int) - last[middle]).mean()


def test_the_same_seed_gives_the_same_clip_and_objects_have_known_masks() -> None:
    photograph, bits = _photograph(), np.zeros((480, 854), bool)
    bits[200:300, 300:500] = True
    actor = Footage("davis/actor.mp4", (np.full((480, 854, 3), 200, np.uint8),) * 3, (bits,) * 3)
    clips = [moved_clip([photograph, actor], seed=seed, fps=2) for seed in range(12)]
    again = moved_clip([photograph, actor], seed=3, fps=2)
    assert all(np.array_equal(a.image_rgb, b.image_rgb) for a, b in zip(clips[3].frames, again.frames, strict=True))
    kinds = {(clip.foreground > 0, any(clip.masks)) for clip in clips}
    assert kinds == {(False, False), (True, False), (True, True)}
    for clip in clips:
        for (mask,) in filter(None, clip.masks):
            assert mask.area_pixels <= 1.02 * clip.foreground * SIZE_WH[0] * SIZE_WH[1]


def test_figures_count_label_sets() -> None:
    still, shaking = _evidence("still", 0), _evidence("shaking", 0)
    trials = [
        CameraTrial(0, "still", 0.0, False, ("static",), still, 5.0),
        CameraTrial(1, "still", 0.2, True, ("static",), shaking, 6.0),
    ]
    assert pooled(trials).exact.recall == 0.5
    figures = study_json(trials, fps=8)
    assert figures["exact"] == {"all": 0.5, "no foreground": 1.0, "foreground, masks known": 0.0}
    assert figures["labels"]["shake"] == {"precision": 0.0, "recall": 0.0, "clips": 0}
    assert "  1 x still: shake" in study_lines(trials)


def test_the_command_measures_a_folder(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    shutil.copy(
        cached_clip(tmp_path / "world", tier="clean", seed=3, duration_seconds=2.0).video,
        tmp_path / "clips" / "one.mp4",
    )
    done = CliRunner().invoke(
        cli, ["bench", "camera", str(tmp_path), "--clips", "2", "--json"], standalone_mode=False
    )  # fmt: skip
    assert done.exception is None and done.return_value == 0
    assert json.loads(done.stdout)["clips"] == 2
