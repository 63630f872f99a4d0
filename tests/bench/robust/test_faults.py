"""What the fuzz has found, each fault as a case of its own: one clear error now, or a run that goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from edgecap.bench.dataset.clip_source import clip_sources
from edgecap.bench.dataset.stats import read_stats
from edgecap.bench.robust.mutate_bytes import _boxes
from edgecap.bench.robust.samples import Samples, make_samples
from edgecap.engines.errors import InputError, OutputError, PackSchemaError, UnreadableVideoError, UsageError
from edgecap.engines.packs.schema import decode_pack
from edgecap.runtime import caption_video
from edgecap.runtime.config import make_config
from edgecap.runtime.output.event_sink import EventSink
from edgecap.runtime.output.instancevid import write_instancevid
from edgecap.runtime.output.pictures.annotated_video import _muxing
from edgecap.runtime.output.resume import EarlierRun
from edgecap.runtime.perceive.domain import DomainStats
from edgecap.runtime.perceive.motion.flow import FlowEstimator

NESTED = "[" * 50_000


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return make_samples(tmp_path_factory.mktemp("faults") / "samples")


def _row(samples: Samples) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(samples.rows.read_text(encoding="utf-8").splitlines()[0])
    assert row["meta"]["status"] == "ok"
    return row


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row.update({"Video": [1]}),
        lambda row: row.update({"Global Description": 5}),
        lambda row: row.pop("Structural Description"),
        lambda row: row["Structural Description"].update({"Main Instance": [1]}),
        lambda row: row["Structural Description"].update({"Camera Movement": {}}),
        lambda row: row["meta"].update({"start_seconds": float("inf")}),
        lambda row: row["meta"].update({"start_seconds": 7.0, "end_seconds": 1.0}),
        lambda row: row["meta"].update({"clip": float("inf")}),
        lambda row: row.update({"meta": {"status": "error", "error": {}, "message": ""}}),
    ],
    ids=["video", "global", "no block", "instances", "camera", "infinite", "backwards", "clip", "error"],
)
def test_a_row_of_other_types_is_not_resumed(
    samples: Samples, tmp_path: Path, change: Callable[[dict[str, Any]], Any]
) -> None:
    row = _row(samples)
    path = tmp_path / "captions.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert len(EarlierRun.read(path).clips) == 1
    change(row)
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(OutputError, match="line 1"):
        EarlierRun.read(path)


def test_thousands_of_nested_lists(samples: Samples, tmp_path: Path) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_text(f"{NESTED}\n{json.dumps(_row(samples))}\n", encoding="utf-8")
    with pytest.raises(OutputError, match="line 1"):
        EarlierRun.read(path)
    assert read_stats(path).broken_lines == 1
    assert [source.fault is None for source in clip_sources(path)] == [False, True]
    (tmp_path / "events.jsonl").write_text(f"{NESTED}\n", encoding="utf-8")
    with (
        pytest.raises(OutputError, match="line 1"),
        EventSink(tmp_path / "events.jsonl", earlier=EarlierRun(tmp_path)),
    ):
        pass
    for text in (NESTED, f'{{"schema_version": {"9" * 5000}}}'):
        with pytest.raises(PackSchemaError, match="not JSON"):
            decode_pack(text, source="pack.json")


def test_a_long_value_is_cut_in_messages(samples: Samples, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        make_config(provider="x" * 5000)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 250
    row = _row(samples)
    row["meta"]["run"]["stages"] = "x" * 5000
    path = tmp_path / "captions.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        EarlierRun.read(path).check(lambda there: {"stages": "fast"})
    assert len(str(caught.value)) < 400


def test_a_clip_of_a_row_without_a_video_has_a_name(samples: Samples, tmp_path: Path) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_text(json.dumps(_row(samples) | {"Video": ""}) + "\n", encoding="utf-8")
    assert write_instancevid(path, tmp_path).rows == 1
    made = json.loads((tmp_path / "instancevid.jsonl").read_text(encoding="utf-8"))
    assert made["Video"].startswith("stream-")


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "header"])
def test_damaged_statistics_of_a_domain(samples: Samples, tmp_path: Path, damage: str) -> None:
    data = (samples.pack / "domain.npz").read_bytes()
    middle = len(data) // 2
    made = {
        "cut": data[:middle],
        "flipped": data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :],
        "empty": b"",
        "header": b"PK\3\4" + data[5:],
    }[damage]
    (tmp_path / "domain.npz").write_bytes(made)
    with pytest.raises(PackSchemaError, match="domain statistics"):
        DomainStats.load(tmp_path / "domain.npz")


def test_pictures_of_an_unknown_codec(samples: Samples, tmp_path: Path) -> None:
    """The box that names the codec is called something else."""
    data = samples.videos[0].read_bytes()
    start = next(start for start, _, kind in _boxes(data, 0, len(data)) if kind == b"stsd")
    path = tmp_path / "v.mp4"
    path.write_bytes(data[: start + 4] + b"stss" + data[start + 8 :])
    with pytest.raises(UnreadableVideoError):
        caption_video(path, detector="motion")


def test_what_an_encoder_refuses_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="can't be written"), _muxing(tmp_path / "v.mp4"):
        raise av.error.PatchWelcomeError(1, "not yet")


@pytest.mark.parametrize("size_wh", [(2, 2), (160, 10), (64, 14), (6, 200)], ids=str)
def test_a_picture_too_thin_for_optical_flow(tmp_path: Path, size_wh: tuple[int, int]) -> None:
    """OpenCV's flow ends the process for some of these sizes and raises for others."""
    width, height = size_wh
    grey = np.random.default_rng(0).integers(0, 255, (height, width), dtype=np.uint8)
    assert FlowEstimator().estimate(grey, np.roll(grey, 1, 1), np.zeros(grey.shape, bool)) is None
    path = tmp_path / "thin.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=8)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(20):
            picture = np.repeat(np.roll(grey, index, 1)[..., None], 3, 2)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 8)
            out.mux(stream.encode(frame.reformat(format="yuv420p")))
        out.mux(stream.encode(None))
    rows = caption_video(path, detector="motion")
    assert [row["meta"]["status"] for row in rows] == ["ok"]


def test_a_missing_file_of_rows_stays_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_stats(tmp_path / "none.jsonl")
