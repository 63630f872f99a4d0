"""The minute of crossings: everybody meets everyone, twins are twins, and ids are counted over all windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecap.bench.quality.studies.crossings import crossing_scene
from edgecap.bench.quality.studies.long_identity import (
    _never_leaves,
    changes_by_window,
    ids_by_window,
    measure_clip,
    said_ids,
    table,
)
from edgecap.runtime.config import make_config
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.pipeline.pipeline import Pipeline


@pytest.mark.parametrize("seed", [3000, 3001, 3003])
def test_actors_go_back_and_forth_all_the_time_and_meet(seed: int) -> None:
    scene = crossing_scene(seed=seed)
    assert scene.num_frames == 1440 and len(scene.actors) >= 4 and not scene.props
    one, twin = scene.actors[:2]
    assert (one.class_name, one.primary_colour, one.id) == (twin.class_name, twin.primary_colour, scene.actors[0].id)
    assert one.id != twin.id and twin.z_order > one.z_order
    times = np.arange(0, 60, 0.25)
    tracks = [actor.path.at(times)[0][:, 0] for actor in scene.actors]
    for a in range(len(tracks)):
        for b in range(a + 1, len(tracks)):
            order = np.sign(tracks[a] - tracks[b])
            assert np.count_nonzero(np.diff(order)) >= 4, "any two change sides again and again"
        assert np.abs(np.diff(tracks[a])).max() / 640 / 0.25 < 0.2, "no actor jumps"
    assert not _never_leaves(scene, scene.actors[-1].id)


def _mask(x: int) -> Mask:
    return Mask((x, 0), np.ones((4, 4), bool), (40, 10))


class _Record:
    """`ids` per frame are seen, captions name `named`."""

    def __init__(self, frames: int, *, ids: tuple[int, ...] = (), named: tuple[int, ...] = ()) -> None:
        one = type("O", (), {"instances": tuple(_named(i) for i in ids)})
        self.window = type("W", (), {"observations": (one,) * frames})
        self.caption = type("C", (), {"instances": tuple(_named(i) for i in named)})


def _named(track_id: int) -> object:
    return type("I", (), {"track_id": track_id})


def test_an_instance_has_the_id_that_covers_most_of_each_window() -> None:
    records = [_Record(4), _Record(4), _Record(4)]
    true = {f: _mask(f) for f in range(12) if f != 9}
    same = {7: {f: _mask(f) for f in range(12)}, 8: {0: _mask(0)}}
    assert ids_by_window(true, same, records) == {7}  # type: ignore[arg-type]
    swapped = {7: {f: _mask(f) for f in range(5)}, 8: {f: _mask(f) for f in range(5, 12)}}
    assert ids_by_window(true, swapped, records) == {7, 8}  # type: ignore[arg-type]
    far = {7: {f: _mask(f + 20) for f in range(12)}}
    assert ids_by_window(true, far, records) == set()  # type: ignore[arg-type]


def test_captions_name_it_under_the_ids_that_are_on_it() -> None:
    true = {f: _mask(f) for f in range(8)}
    said = {
        7: {f: _mask(f) for f in range(5)},
        8: {f: _mask(f) for f in range(4, 8)},
        9: {f: _mask(25) for f in range(8)},
    }
    quiet = [_Record(4, named=(7, 9)), _Record(4, named=(9,))]
    assert said_ids(true, said, quiet) == {7}, "the second caption does not name it"  # type: ignore[arg-type]
    assert said_ids(true, said, [_Record(4, named=(7,)), _Record(4, named=(8,))]) == {7, 8}  # type: ignore[list-item]
    assert said_ids(true, said, [_Record(4), _Record(4)]) == set()  # type: ignore[list-item]


def test_births_and_losses_are_counted_inside_the_clip() -> None:
    records = [_Record(2, ids=(1, 2)), _Record(2, ids=(2, 3)), _Record(2, ids=(1, 3, 4))]
    assert changes_by_window(records) == ((0, 1, 1), (0, 1, 0))  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_short_clip_from_end_to_end(tmp_path: Path) -> None:
    scene = crossing_scene(seed=3000, duration_seconds=4.0, num_actors=2)
    pipeline = Pipeline(make_config(captioner="none", window_seconds=2.0))
    row, everyone, stay = measure_clip(pipeline, scene, tmp_path)
    assert (row.windows, row.instances) == (2, 2) and 0.5 < row.idf1 <= 1 and 0.4 < row.hota <= 1
    assert row.idf1 == everyone.idf1 and row.staying <= 2 and stay.idtp <= everyone.idtp
    assert row.said_one_id <= row.spoken_of <= 2 and len(row.births) == len(row.losses) == 2
    assert "never leaving" in table([row], everyone, stay)
