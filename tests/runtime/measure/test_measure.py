"""A window's Evidence as a whole: who is reported, in which order, and what a pure function promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecap.bench.world import Renderer, make_scene
from edgecap.runtime.data.evidence import Evidence
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.data.window import Observation, TrackedInstance, Window
from edgecap.runtime.measure.measure import measure
from edgecap.runtime.measure.motion import octant
from edgecap.runtime.measure.ranking import importance
from edgecap.runtime.measure.tracklet import tracklets
from tests.runtime.drawn_windows import LABELS, SIZE_WH, Body, View, layered, straight, window

STILL = straight(0.5, 0.28)


def _ids(evidence: Evidence):
    return [t.track_id for t in evidence.tracks]


def test_evidence_of_one_walker_under_a_pan():
    drawn = window([Body(straight(0.3, 0.3, vx=0.12), class_id=1)], lambda t: View(x=0.5 + 0.06 * t))
    evidence = measure(drawn)
    assert evidence.camera.labels == ("pan_right",)
    (track,) = evidence.tracks
    assert (track.class_name, track.class_confidence) == ("dog", 1.0)
    assert track.motion_world.direction == "right"
    assert (
        len(track.pts_seconds)
        == len(track.centroids_xy)
        == len(track.boxes_xyxy)
        == len(track.areas)
        == len(track.cells)
        == 40
    )
    assert (track.position_start, track.position_end) == ("center-left", "center-middle")
    assert not track.out_of_frame_at_end and not track.born and not track.lost
    assert [c.name for c in track.palette] == ["gray"]


@pytest.mark.parametrize(("tier", "seed"), [("clean", 900_004), ("moving", 900_005), ("moving", 900_012)])
def test_agrees_with_the_synthetic_world_on_its_exact_masks_and_camera(tier, seed):
    scene = make_scene(seed=seed, tier=tier, size_wh=(320, 180), duration_seconds=5.0)
    renderer, observations, before = Renderer(scene), [], np.eye(3)
    relative = np.diag([1 / 320, 1 / 180, 1.0])
    for k in range(0, scene.num_frames, 3):
        frame = renderer.render(k)
        masks = [Mask.from_full(m) for m in frame.visible_masks]
        rows = [r for r, m in enumerate(masks) if m.area_pixels >= 15 and frame.visible_fractions[r] >= 0.3]
        instances = tuple(TrackedInstance(int(frame.actor_ids[r]), masks[r].box_xyxy, 0.9, 0, masks[r]) for r in rows)
        step = relative @ frame.camera @ np.linalg.inv(before)
        observations.append(
            Observation(Frame(k, k / 24, frame.image_rgb), instances, step if k else None, 1.0 if k else 0.0)
        )
        before = relative @ frame.camera
    evidence = measure(Window(0, 0, 0.0, 5.0, tuple(observations), LABELS, True, 0.0))
    assert evidence.camera.labels == scene.camera_path.labels
    assert evidence.tracks
    for track in evidence.tracks:
        actor = scene.actors[track.track_id]
        centres, _ = actor.path.at(track.pts_seconds[[0, -1]])
        net = (centres[1] - centres[0]) / 640
        assert track.motion_world.moving == (np.hypot(*net) > 0.02)
        assert track.motion_world.direction == (octant(net) if np.hypot(*net) > 0.02 else "static")
        assert track.palette[0].name in {actor.primary_colour, actor.secondary_colour}


def test_measuring_twice_gives_the_same():
    drawn = window([Body(straight(0.3, 0.3, vx=0.06), jitter=0.003), Body(STILL)], lambda t: View(zoom=1.1**t))
    one, two = measure(drawn), measure(drawn)
    assert one.camera == two.camera and one.relations == two.relations != ()
    for a, b in zip(one.tracks, two.tracks, strict=True):
        assert a.motion_world == b.motion_world and a.palette == b.palette and a.cells == b.cells
        assert np.array_equal(a.centroids_xy, b.centroids_xy)


def test_order_by_size_motion_and_centrality_and_the_cap():
    small = Body(straight(0.2, 0.1), size=(0.05, 0.05))
    large = Body(straight(0.7, 0.35), size=(0.2, 0.2))
    assert _ids(measure(window([small, large]))) == [2, 1]
    moving = Body(lambda t: (0.45 + 0.02 * t, 0.28))
    assert _ids(measure(window([Body(straight(0.5, 0.12)), moving]))) == [2, 1]
    corner = Body(straight(0.1, 0.45))
    assert _ids(measure(window([corner, Body(straight(0.55, 0.25))]))) == [2, 1]
    assert _ids(measure(window([small, large]), max_instances=1)) == [2]
    assert measure(window([small, large]), max_instances=0).tracks == ()
    with pytest.raises(ValueError, match="max_instances must be >= 0"):
        measure(window([small]), max_instances=-1)


def test_a_near_duplicate_is_reported_once_and_a_neighbour_twice():
    twin = Body(straight(0.502, 0.281), score=0.6)
    assert _ids(measure(window([twin, Body(STILL)]))) == [2]
    assert sorted(_ids(measure(window([Body(straight(0.55, 0.28)), Body(STILL)])))) == [1, 2]
    # Same place, but one after the other: two tracks.
    early, late = Body(lambda t: (0.5, 0.28) if t < 2 else None), Body(lambda t: (0.5, 0.28) if t > 2 else None)
    assert len(measure(window([early, late])).tracks) == 2


def test_a_double_whose_pixels_are_divided_is_reported_once():
    """A segmenter that gives each pixel to one instance leaves no masks that overlap: the boxes tell."""
    drawn = window([Body(STILL, size=(0.2, 0.2)), Body(STILL, size=(0.2, 0.2), score=0.6)])
    striped = []
    for o in drawn.observations:
        halves = []
        for k, i in enumerate(o.instances):
            bits = i.mask.full()
            bits[:, k::2] = False
            mask = Mask.from_full(bits)
            halves.append(replace(i, mask=mask, box_xyxy=mask.box_xyxy))
        striped.append(replace(o, instances=tuple(halves)))
    split = replace(drawn, observations=tuple(striped))
    assert len(measure(split).tracks) == 1
    other = replace(
        split,
        observations=tuple(
            replace(o, instances=(o.instances[0], replace(o.instances[1], class_id=1))) for o in split.observations
        ),
    )
    assert len(measure(other).tracks) == 2, "of another class it is a thing of its own"


def test_what_another_holds_comes_after_what_stands_for_itself():
    """A tie on a person loses its slot to a smaller ball beside them; without the person it would win."""
    person = Body(straight(0.3, 0.28, vx=0.05), size=(0.2, 0.3))
    tie = Body(straight(0.3, 0.25, vx=0.05), size=(0.06, 0.1), class_id=1)
    ball = Body(straight(0.7, 0.28, vx=0.05), size=(0.06, 0.07), class_id=2)
    drawn = layered(window([person, tie, ball]), front=2, back=1)
    assert _ids(measure(drawn, max_instances=2)) == [1, 3] and _ids(measure(drawn)) == [1, 3, 2]
    assert _ids(measure(window([replace(person, size=(0.01, 0.01)), tie, ball]), max_instances=1)) == [2]


def test_one_that_walks_through_a_larger_one_is_not_held():
    crossing = layered(
        window(
            [
                Body(STILL, size=(0.4, 0.3)),
                Body(straight(0.42, 0.28, vx=0.03), size=(0.06, 0.08)),
                Body(straight(0.85, 0.28), size=(0.06, 0.08)),
            ]
        ),
        front=2,
        back=1,
    )
    assert _ids(measure(crossing)) == [1, 2, 3], "it moves inside the other's box, so it is its own"


def test_flicker_is_not_reported_but_a_one_frame_video_is():
    assert measure(window([Body(lambda t: (0.5, 0.28) if t < 0.2 else None)])).tracks == ()
    assert len(measure(window([Body(STILL)], seconds=1 / 8)).tracks) == 1
    sparse = Body(lambda t: (0.5, 0.28) if t in (1.0, 1.5) else None)
    assert len(measure(window([sparse])).tracks) == 1


def test_born_and_lost_inside_the_window():
    (track,) = measure(window([Body(lambda t: (0.5, 0.28) if 1 < t < 4 else None)])).tracks
    assert track.born and track.lost
    (track,) = measure(window([Body(lambda t: (0.5, 0.28) if 0.2 < t < 4.8 else None)])).tracks
    assert not track.born and not track.lost


def test_empty_masks_are_not_used():
    drawn = window([Body(straight(0.2, 0.28, vx=0.1))])
    empty = Mask.from_full(np.zeros(SIZE_WH[::-1], bool))
    observations = [
        replace(o, instances=tuple(replace(i, mask=empty) for i in o.instances)) if k < 8 or k == 20 else o
        for k, o in enumerate(drawn.observations)
    ]
    (track,) = measure(replace(drawn, observations=tuple(observations))).tracks
    assert len(track.cells) == 31
    assert track.position_start == "center-left"
    assert track.pts_seconds[0] == 1.0
    nothing = [replace(o, instances=tuple(replace(i, mask=empty) for i in o.instances)) for o in drawn.observations]
    assert measure(replace(drawn, observations=tuple(nothing))).tracks == ()


def test_a_window_without_observations():
    evidence = measure(replace(window(), observations=()))
    assert evidence.tracks == () and evidence.camera.labels == ()


def test_the_class_is_a_vote_weighted_by_score():
    drawn = window([Body(STILL)])
    observations = [
        replace(
            o,
            instances=tuple(replace(i, class_id=2 if k % 3 else 0, score=0.5 if k % 3 else 0.8) for i in o.instances),
        )
        for k, o in enumerate(drawn.observations)
    ]
    (track,) = measure(replace(drawn, observations=tuple(observations))).tracks
    assert track.class_name == LABELS[2]
    assert track.class_confidence == pytest.approx(26 * 0.5 / (26 * 0.5 + 14 * 0.8), abs=0.01)


def test_importance_is_the_documented_product():
    (tracklet,) = tracklets(window([Body(STILL, size=(0.1, 0.1), score=0.8)]))
    still = importance(tracklet, moving=False, observation_count=40)
    assert still == pytest.approx(float(tracklet.areas.mean()) * 0.8, rel=0.02)
    assert importance(tracklet, moving=True, observation_count=80) == pytest.approx(0.75 * still)


def test_movers_only_drops_what_rests_and_claims_nothing_without_the_camera():
    mover, rester = Body(straight(0.2, 0.28, vx=0.1)), Body(straight(0.6, 0.15))
    assert sorted(_ids(measure(window([mover, rester])))) == [1, 2]
    assert _ids(measure(window([mover, rester]), movers_only=True)) == [1]
    drawn = window([mover])
    doubtful = tuple(replace(o, camera_inliers=0.4) for o in drawn.observations)
    evidence = measure(replace(drawn, observations=doubtful), movers_only=True)
    assert evidence.camera.labels == () and evidence.tracks == ()


def test_a_short_life_inside_the_window_is_flicker_and_one_at_its_border_is_not():
    def shown(first: float, last: float) -> list[int]:
        return _ids(measure(window([Body(lambda t: (0.5, 0.28) if first <= t <= last else None)])))

    assert shown(1.0, 1.375) == []  # 4 observations
    assert shown(1.0, 1.5) == [1]
    assert shown(0.0, 0.375) == [1]
    assert shown(4.625, 5.0) == [1]
