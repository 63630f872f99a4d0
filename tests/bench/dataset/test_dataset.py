"""Curation: hashes, scenes, caption sanity, rules over a set, figures. No model, no video, but for two small ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecap.bench.dataset.clip_facts import ClipFacts
from edgecap.bench.dataset.clip_hash import HashIndex, distance, frame_hash
from edgecap.bench.dataset.clip_source import caption_faults, clip_sources
from edgecap.bench.dataset.instance_motion import InstanceMotion
from edgecap.bench.dataset.rules import CurationRules, choose
from edgecap.bench.dataset.scenes import UNKNOWN, scene_of
from edgecap.bench.dataset.stats import read_stats
from edgecap.bench.dataset.stats_picture import SIZE_WH, draw_stats, write_picture
from edgecap.bench.world import BACKGROUNDS, Renderer, make_scene
from edgecap.engines.errors import InputError, MissingInputError, UsageError

GOOD_ROW = {
    "Video": "a.mp4",
    "Global Description": "A dog runs.",
    "Structural Description": {
        "Main Instance": {
            "No.0": {"Class": "dog", "Appearance": "A dog.", "Actions and Motion": "It runs.", "Position": "There."}
        },
        "Background Detail": "A quiet street.",
        "Camera Movement": "The camera is static.",
    },
}


def facts(name: str, *, motion: float | None = 0.2, seed: int = 0, **changes: object) -> ClipFacts:
    """A clip that passes every rule; `seed` draws its hashes."""
    drawn = np.random.default_rng(seed).integers(0, 2**63, 10, np.uint64).tolist()
    base = ClipFacts(
        name,
        duration_seconds=5.0,
        size_wh=(640, 360),
        instances=(InstanceMotion(1, "dog", 4.0, motion, 0.01),),
        hashes=tuple(drawn[:5]),
        mirror_hashes=tuple(drawn[5:]),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pictures() -> list[list[np.ndarray]]:
    """Three frames each of four scenes of the world."""
    found = []
    for seed in range(4):
        scene = make_scene(seed=seed, tier="moving", size_wh=(320, 180))
        renderer = Renderer(scene)
        found.append([renderer.render(k).image_rgb for k in range(0, scene.num_frames, scene.num_frames // 3)][:3])
    return found


def hashes(frames: list[np.ndarray]) -> list[int]:
    return [frame_hash(frame) for frame in frames]


def test_copies_are_near_and_other_scenes_far(pictures: list[list[np.ndarray]]) -> None:
    limit = CurationRules().duplicate_bits
    originals = [hashes(frames) for frames in pictures]
    for i, frames in enumerate(pictures):
        half = [cv2.resize(f, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for f in frames]
        crop = [np.ascontiguousarray(f[4:-5, 8:-8]) for f in frames]
        bright = [np.clip(f.astype(np.float32) * 1.2, 0, 255).astype(np.uint8) for f in frames]
        for copy in (half, crop, bright, frames[1:]):
            assert distance(hashes(copy), originals[i]) < limit
        for other in originals[:i]:
            assert distance(originals[i], other) > limit


def test_the_mirror_hash_is_the_hash_of_the_mirror(pictures: list[list[np.ndarray]]) -> None:
    frame = pictures[0][0]
    flipped = np.ascontiguousarray(frame[:, ::-1])
    assert (frame_hash(frame, mirrored=True) ^ frame_hash(flipped)).bit_count() <= 2
    assert (frame_hash(frame) ^ frame_hash(flipped)).bit_count() > 12


def test_the_index_agrees_with_pairwise_distance() -> None:
    rng = np.random.default_rng(3)
    clips = {f"c{n}": rng.integers(0, 2**63, n, np.uint64).tolist() for n in (1, 3, 7, 12)}
    index = HashIndex()
    assert index.nearest([1], [2]) is None
    for name, own in clips.items():
        index.add(name, own)
    index.add("empty", [])
    query = rng.integers(0, 2**63, 5, np.uint64).tolist()
    expected = min((distance(query, own), name) for name, own in clips.items())
    assert index.nearest(query, query) == (expected[1], pytest.approx(expected[0]), False)
    assert index.nearest(query, clips["c3"]) == ("c3", 0.0, True)


def test_every_background_of_the_world_has_its_scene() -> None:
    found = {b.name: scene_of(b.sentence) for b in BACKGROUNDS}
    assert UNKNOWN not in found.values() and len(set(found.values())) >= 7
    assert found["snow field"] == "snow" and found["desert"] == "desert" and found["street"] == "street"
    assert scene_of("unknown") == scene_of("") == UNKNOWN


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"Structural Description": None}, "an InstanceCap row holds"),
        ({"Global Description": " "}, "Global Description is empty"),
        ({"Global Description": 3}, "Global Description is missing or not text"),
        ({"Global Description": "a red dog runs " * 5}, "Global Description says 'a red dog runs' 5 times"),
        ({"Global Description": "w " * 401}, "Global Description has 401 words"),
        ({"Global Description": "The mosaic hides it."}, "mentions how it was made"),
        ({"meta": {"status": "error", "message": "no video"}}, "its captioner failed: no video"),
    ],
    ids=["no structure", "empty", "no text", "repeats", "long", "mosaic", "error row"],
)
def test_caption_faults(change: dict[str, object], fault: str) -> None:
    found = caption_faults(GOOD_ROW | change)
    assert found and fault in found[0]


def test_a_good_row_has_no_fault_in_either_spelling() -> None:
    other = {k: v for k, v in GOOD_ROW.items() if k != "Structural Description"}
    other["Structured Description"] = GOOD_ROW["Structural Description"]
    assert caption_faults(GOOD_ROW) == caption_faults(other) == []
    structure = GOOD_ROW["Structural Description"] | {"Main Instance": {"No.0": {"Class": "dog"}, "No.1": 3}}  # type: ignore[operator]
    found = caption_faults(GOOD_ROW | {"Structural Description": structure})
    assert "instance No.1 is not an object" in found and "No.0 Position is missing or not text" in found


@pytest.mark.parametrize(
    ("clip", "code"),
    [
        (facts("a", duration_seconds=1.5), "duration"),
        (facts("a", duration_seconds=10.3), "duration"),
        (facts("a", size_wh=(200, 640)), "resolution"),
        (facts("a", cut_seconds=(2.0,)), "cuts"),
        (facts("a", motion=0.059), "motion"),
        (facts("a", motion=None), "motion"),
        (facts("a", instances=()), "motion"),
        (facts("a", caption_faults=("it is empty",)), "caption"),
        (ClipFacts("a", error="no video"), "unreadable"),
    ],
    ids=["short", "long", "small", "cut", "still", "unmeasured", "nobody", "caption", "unreadable"],
)
def test_each_rule_drops_with_its_reason(clip: ClipFacts, code: str) -> None:
    (choice,) = choose([clip], CurationRules())
    assert not choice.keep and [r.partition(":")[0] for r in choice.reasons] == [code]


def test_edges_are_inside_and_all_reasons_are_given() -> None:
    edges = [facts("a", duration_seconds=2.0), facts("b", duration_seconds=10.01, seed=1, size_wh=(256, 256))]
    assert all(v.keep for v in choose(edges, CurationRules()))
    (choice,) = choose([facts("a", duration_seconds=60.0, size_wh=(64, 64), motion=0.0)], CurationRules())
    assert [r.partition(":")[0] for r in choice.reasons] == ["duration", "resolution", "motion"]


def test_of_copies_the_first_good_one_stays() -> None:
    clips = [facts("still", motion=0.0), facts("one"), facts("two"), facts("other", seed=1)]
    mirror = facts("mirror", hashes=clips[1].mirror_hashes, mirror_hashes=clips[1].hashes)
    choices = choose([*clips, mirror], CurationRules())
    assert [v.keep for v in choices] == [False, True, False, True, False]
    assert choices[2].reasons == ("duplicate: 0.0 of 64 bits from one",)
    assert choices[4].reasons == ("duplicate: 0.0 of 64 bits from the mirror of one",)
    assert all(v.keep for v in choose(clips[1:], CurationRules(duplicate_bits=0.0)))


def test_balance_keeps_the_liveliest_and_never_touches_the_unknown() -> None:
    clips = [facts(f"s{k}", seed=k, scene="street", motion=0.1 + 0.01 * k) for k in range(8)]
    clips += [facts(f"b{k}", seed=20 + k, scene="beach") for k in range(2)]
    clips += [facts(f"d{k}", seed=30 + k, scene="desert") for k in range(2)]
    clips += [facts("u", seed=40)]
    kept = [v.facts.name for v in choose(clips, CurationRules(max_scene_share=0.5)) if v.keep]
    assert kept == ["s4", "s5", "s6", "s7", "b0", "b1", "d0", "d1", "u"]
    assert all(v.keep for v in choose(clips, CurationRules(max_scene_share=1.0)))
    assert all(v.keep for v in choose(clips[:8], CurationRules(max_scene_share=0.2))), "one scene can't be balanced"


@pytest.mark.parametrize(
    "change", [{"min_seconds": 12.0}, {"min_side": -1}, {"max_scene_share": 0.0}, {"duplicate_bits": 65.0}]
)
def test_impossible_thresholds(change: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=r"--m|--d"):
        CurationRules(**change)  # type: ignore[arg-type]


def test_facts_come_back_from_json() -> None:
    clip = facts("a", cut_seconds=(1.5,), caption_faults=("x",), scene="street")
    assert ClipFacts.from_json(json.loads(json.dumps(clip.to_json()))) == clip


def test_rows_become_sources_and_broken_lines_faults(tmp_path: Path) -> None:
    window = GOOD_ROW | {"meta": {"clip": 1, "start_seconds": 5.0, "end_seconds": 10.0, "status": "ok"}}
    lines = [json.dumps(GOOD_ROW), "{broken", json.dumps(window), '{"Video": ""}', "[]", "", json.dumps(GOOD_ROW)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    sources = clip_sources(tmp_path / "rows.jsonl", videos=tmp_path / "v")
    assert [s.name for s in sources] == ["a.mp4", "line 2", "a.mp4#1", "line 4", "line 5", "a.mp4 (row 6)"]
    assert sources[0].video == tmp_path / "v" / "a.mp4" and sources[0].caption_faults == ()
    assert (sources[2].start_seconds, sources[2].end_seconds) == (5.0, 10.0)
    assert [s.fault is not None for s in sources] == [False, True, False, True, True, False]
    (tmp_path / "none.jsonl").write_text("\n")
    with pytest.raises(InputError, match="has no rows; expected one JSON object"):
        clip_sources(tmp_path / "none.jsonl")
    with pytest.raises(MissingInputError):
        clip_sources(tmp_path / "nowhere")


def test_stats_of_a_curation_and_of_captions(tmp_path: Path) -> None:
    choices = choose([facts("a", scene="street"), facts("b", seed=1, duration_seconds=12.0)], CurationRules())
    path = tmp_path / "curation.jsonl"
    path.write_text("".join(json.dumps(v.to_json()) + "\n" for v in choices) + "{broken\n")
    stats = read_stats(path)
    assert (stats.kept, stats.dropped, stats.broken_lines, stats.seconds_kept) == (1, 1, 1, 5.0)
    assert stats.durations["4-6 s"] == (1, 0) and stats.durations["10-15 s"] == (0, 1)
    assert stats.scenes == {"street": (1, 0), "unknown": (0, 1)} and stats.classes == {"dog": (1, 1)}
    assert stats.reasons == {"duration": 1} and stats.to_json()["instances"]["1"] == {"kept": 1, "dropped": 1}
    path.write_text(json.dumps(GOOD_ROW) + "\n" + json.dumps(GOOD_ROW | {"num_frames": 72, "fps": 24}) + "\n")
    captions = read_stats(path)
    assert (captions.kept, captions.unknown_durations, captions.scenes) == (2, 1, {"street": (2, 0)})
    path.write_text('{"a": 1}\n')
    with pytest.raises(InputError, match="none of its 1 lines is a row"):
        read_stats(path)


def test_the_picture_shows_more_for_more_clips(tmp_path: Path) -> None:
    def picture(count: int) -> np.ndarray:
        rows = [v.to_json() for v in choose([facts(f"c{k}", seed=k) for k in range(count)], CurationRules())]
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *rows[:1]]))
        return draw_stats(read_stats(path))

    one, many = picture(1), picture(30)
    assert one.shape == many.shape == (SIZE_WH[1], SIZE_WH[0], 3) and (one != many).any()
    stats = read_stats(tmp_path / "rows.jsonl")
    write_picture(stats, tmp_path / "p.png")
    assert (cv2.imread(str(tmp_path / "p.png"))[..., ::-1] == draw_stats(stats)).all()
    with pytest.raises(UsageError, match=r"\.png or \.jpg"):
        write_picture(stats, tmp_path / "p.gif")
