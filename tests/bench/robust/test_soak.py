"""The verdict on made-up minutes, and a real soak of a few short ones."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecap.bench.robust.long_video import long_videos
from edgecap.bench.robust.process_state import cpu_seconds, read_process_state, rss_mb
from edgecap.bench.robust.soak import SoakReport, check_soak, measure_soak
from edgecap.bench.robust.soak_picture import check_picture, write_soak_picture
from edgecap.bench.robust.trend import trends_of
from edgecap.cli.bench.robust import soak_lines
from edgecap.engines.errors import UsageError
from edgecap.runtime.config import make_config
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.pipeline.pipeline import Pipeline


def _minutes(**columns: list[float]) -> list[dict[str, float]]:
    count = len(next(iter(columns.values())))
    flat = {"rss_mb": 300.0, "threads": 6.0, "handles": 10.0, "tracks_alive": 4.0, "frames_alive": 30.0}
    return [{**flat, **{name: column[i] for name, column in columns.items()}} for i in range(count)]


@pytest.mark.parametrize(
    ("column", "values", "growth", "flat"),
    [
        ("rss_mb", [300, 301, 302, 303, 304, 305], 0.0133, True),
        ("rss_mb", [300, 306, 312, 318, 324, 330], 0.0792, False),
        ("rss_mb", [330, 320, 310, 300, 290, 280], -0.1231, True),
        ("threads", [6, 6, 6, 7, 7, 7], 0.1667, False),
        ("handles", [10, 10, 10, 11, 11, 11], 0.1, True),
        ("handles", [10, 10, 11, 12, 13, 13], 0.3, False),
        ("tracks_alive", [2, 4, 0, 3, 5, 3], 0.3333, True),
        ("tracks_alive", [4, 8, 12, 16, 20, 24], 2.6667, False),
        ("frames_alive", [0, 0, 0, 0, 40, 40], 1.0, False),
    ],
)
def test_a_measure_may_grow_by_five_percent_or_by_what_is_noise(
    column: str, values: list[float], growth: float, flat: bool
) -> None:
    names = ["rss_mb", "threads", "handles", "tracks_alive", "frames_alive"]
    position = names.index(column)
    trends = trends_of(_minutes(**{column: values}))
    assert [t.flat for i, t in enumerate(trends) if i != position] == [True] * 4
    trend = trends[position]
    assert (trend.flat, round(trend.growth, 4)) == (flat, growth)
    assert ("stayed flat" if flat else " grew: ") in trend.words


def test_the_words_say_what_grew_by_how_much() -> None:
    words = trends_of(_minutes(rss_mb=[300, 306, 312, 318, 324, 330]))[0].words
    assert words == "memory grew: 303 to 327 MiB (+24 MiB, +7.9%)"


@pytest.mark.parametrize(("minutes", "warm"), [(2, 0), (7, 5), (10, -1), (0, 0)])
def test_too_few_minutes_to_compare(minutes: float, warm: int) -> None:
    with pytest.raises(UsageError, match="at least 3"):
        check_soak(minutes=minutes, warm_minutes=warm)


def test_the_process_state_counts_what_is_there(tmp_path: Path) -> None:
    before = read_process_state()
    frames = [Frame(index=i, pts_seconds=i / 4, image_rgb=np.zeros((2, 2, 3), np.uint8)) for i in range(9)]
    with (tmp_path / "a").open("w"), (tmp_path / "b").open("w"):
        now = read_process_state()
    assert (now.frames_alive - before.frames_alive, now.handles - before.handles) == (9, 2)
    del frames[:]
    assert read_process_state().frames_alive == before.frames_alive
    assert now.threads >= 1 and 20 < now.rss_mb < 20_000
    assert rss_mb(2**30) == cpu_seconds(2**30) == 0.0


def test_a_picture_is_a_png() -> None:
    check_picture(Path("a.PNG"))
    with pytest.raises(UsageError, match=r"must end in \.png"):
        check_picture(Path("a.jpg"))


@pytest.mark.slow
def test_a_soak_of_three_minutes(tmp_path: Path) -> None:
    videos = long_videos(tmp_path, files=2, minutes=3, fps=1, seed=21, clips=2, clip_seconds=2.0)
    assert (
        videos == long_videos(tmp_path, files=2, minutes=3, fps=1, seed=21, clips=2, clip_seconds=2.0)
        and len(videos) == 2
    )
    out = tmp_path / "out"
    out.mkdir()
    seen: list[int] = []
    report = measure_soak(
        Pipeline(make_config(detector="motion", captioner="none", sample_fps=1.0)),
        videos,
        out,
        fps=1,
        warm_minutes=0,
        on_minute=lambda minute: seen.append(minute.minute),
    )
    assert seen == [1, 2, 3] and len(report.minutes) == 3
    assert (report.files, report.size_wh, report.video_seconds) == (2, (320, 180), pytest.approx(180, abs=4))
    ids = [minute.ids_given for minute in report.minutes]
    assert ids == sorted(ids)
    rows = (out / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    assert (
        len(rows) == report.clips == (out / "report.html").read_text(encoding="utf-8").count('<section class="clip">')
    )
    assert json.loads(json.dumps(dataclasses.asdict(report)))["trends"][0]["name"] == "memory"
    _check_texts(report, tmp_path)


def _check_texts(report: SoakReport, folder: Path) -> None:
    lines = soak_lines(report)
    assert len(lines) == 5 + 5 + 2 and lines[-1].startswith("flat: " if report.flat else "not flat: ")
    write_soak_picture(report, folder / "soak.png")
    picture = cv2.imread(str(folder / "soak.png"))
    assert picture is not None and picture.shape == (900, 1600, 3) and picture.std() > 10
