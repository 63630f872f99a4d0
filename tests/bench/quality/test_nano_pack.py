"""The pack that ships, end to end on held-out clips of its world: small enough for every run of the suite.

The real figures are `edgecap bench quality` on 40 clips per tier; the limits here only catch what is broken.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecap.bench.quality.compare import quality_config
from edgecap.bench.quality.run import run_tier
from edgecap.bench.world.cached_clips import RenderedClip, cached_clip
from edgecap.engines.packs.pack import Pack
from edgecap.runtime import CollectSink, Pipeline, Record, caption_video, record_to_json
from edgecap.runtime.output.schema import schema_errors

pytestmark = pytest.mark.slow

PACK = "nano"


@pytest.fixture(scope="module")
def clip(clip_folder: Path) -> RenderedClip:
    return cached_clip(clip_folder, tier="moving", seed=1, duration_seconds=3.0, num_actors=2)


def texts_of(record: Record) -> list[str]:
    caption = record.caption
    fields = [caption.global_description, caption.background, caption.camera]
    for instance in caption.instances:
        fields += [instance.class_name, instance.appearance, instance.action, instance.position]
    return [field.text for field in fields]


def test_the_pack_is_small_enough_to_ship() -> None:
    files = Pack.open(PACK).spec.files
    assert sum(entry.bytes for entry in files.values()) < 15_000_000


def test_serial_and_overlapped_runs_say_the_same(clip: RenderedClip) -> None:
    pipeline = Pipeline(quality_config(PACK))
    sinks = [CollectSink(), CollectSink()]
    for sink, overlap in zip(sinks, (False, True), strict=True):
        pipeline.run([clip.video], [sink], overlap=overlap).raise_for_failures()
    first, second = ([texts_of(r) for r in sink.records] for sink in sinks)
    assert first == second
    record = sinks[0].records[0]
    assert record.domain.status == "inside", "its own world is inside its domain"
    assert record.caption.model_calls > 0
    assert schema_errors(record_to_json(record, root=None)) == []


def test_captions_of_its_world_are_mostly_true(clip_folder: Path) -> None:
    """Four actors in one clip of 5 s: the limits allow one to be missed or wrong."""
    quality = run_tier(Pipeline(quality_config(PACK)), "clean", seeds=range(8, 9), folder=clip_folder)
    figures = quality.figures
    assert figures.values["recall"] >= 0.7
    assert figures.values["hallucinated_instances"] <= 0.3
    assert figures.values["schema_valid"] == 1.0
    assert figures.fields["class"].recall >= 0.7
    assert figures.fields["colour"].recall >= 0.7
    assert quality.failures == ()


def test_ten_lines_of_python(clip: RenderedClip) -> None:
    [row] = caption_video(clip.video, pack=PACK)
    instances = row["Structural Description"]["Main Instance"]
    assert set(instances["No.0"]) == {"Class", "Appearance", "Actions and Motion", "Position"}
    assert schema_errors(row) == []
