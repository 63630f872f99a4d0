"""What captions cost the language model: the count of the rounds, and one real run of the shipped pack."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from edgecap.bench.speed.calls import SETTINGS, measure_calls
from edgecap.bench.world.cached_clips import RenderedClip, cached_clip
from edgecap.cli.bench.text import calls_lines
from edgecap.runtime.config import make_config

pytestmark = pytest.mark.slow


def test_full_asks_the_rounds_fast_each_field_once_and_the_gate_less(
    clip_folder: Path, two_second_clip: RenderedClip
) -> None:
    clip = cached_clip(clip_folder, tier="clean", seed=5, duration_seconds=4.0, num_actors=2)
    report = measure_calls(
        lambda stages, gate: make_config(stages=stages, change_gate=gate, window_seconds=2.0),
        [clip.video],
        warm_up=two_second_clip.video,
    )
    full, full_gated, fast, fast_gated = report.rows
    assert tuple((r.stages, r.change_gate) for r in report.rows) == SETTINGS
    assert {r.clips for r in report.rows} == {2} and full.instances == fast.instances > 1
    # nano has no camera question: 3 + 4n rounds, 2 + 2n questions, and what was asked again
    n = round(2 * full.instances)
    assert 2 * full.reference_calls == pytest.approx(2 * 4 + 4 * n)
    assert 2 * 3 + 4 * n <= round(2 * full.generations) < 2 * 3 + 4 * n + 4
    assert 2 * 2 + 2 * n <= round(2 * fast.generations) < 2 * 2 + 2 * n + 4
    assert fast.decode_tokens < full.decode_tokens and fast.prefill_tokens < full.prefill_tokens
    assert fast_gated.kept > 0 and fast_gated.generations < fast.generations
    assert full_gated.generations < full.generations and fast.kept == full.kept == 0
    assert "4 + 4n" in "\n".join(calls_lines(report)) and len(calls_lines(report)) == 5 + 4
    assert json.loads(json.dumps(dataclasses.asdict(report)))["videos"] == 1
