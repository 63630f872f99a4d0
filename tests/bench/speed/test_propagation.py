"""The bench of masks: both ways are timed on the same frames, with all that a pipeline does for a mask.

Graphs are scripted (tests/runtime/perceive/test_memory_segmenter.py); their times mean nothing, that they ran does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgecap.bench.speed import propagation
from edgecap.bench.speed.propagation import measure_propagation, slope, table
from edgecap.engines.errors import UsageError
from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.specs import PackSpec
from edgecap.runtime.perceive.memory.segmenter import MemorySessions
from tests.runtime.perceive.test_memory_segmenter import SPEC, Scripted

PACK = Pack(Path("/nowhere"), PackSpec("fake", "1", "Apache-2.0", {}, {}, None, SPEC, None, None))


def test_both_ways_run_on_every_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted = Scripted()
    monkeypatch.setattr(MemorySessions, "open", classmethod(lambda cls, pack, **given: scripted.sessions()))
    report = measure_propagation(PACK, frames=10, counts=(1, 3), stream_frames=0)
    encoder, decoder, attention, memory_encoder, memory_decoder = scripted.counts()
    assert (encoder, decoder) == (
        2 * 10 * 2,
        2 * 10 + 2,
    )  # frames x ways x counts; boxes in each frame, memory's in one
    assert attention == memory_decoder == 2 * 9 and memory_encoder == 2 * 10
    assert [row.objects for row in report.rows] == [1, 3]
    assert all(
        row.boxes_wall_ms > 0 and row.wall_ms > 0 and set(row.part_cpu_ms) > {"attention"} for row in report.rows
    )
    assert "| objects | boxes, wall ms | CPU ms | memory, wall ms |" in table(report) and report.rss_mb == {}


def test_slope_is_that_of_a_line() -> None:
    assert slope([1, 4, 8], [3.0, 9.0, 17.0]) == pytest.approx(2.0)


@pytest.mark.parametrize("given", [{"frames": propagation._WARM_UP}, {"counts": (0,)}, {"stream_frames": 5}])
def test_too_little_to_measure_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="needs > 8 frames"):
        measure_propagation(PACK, **given)
