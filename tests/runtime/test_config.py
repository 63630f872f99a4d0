"""Options are checked once, with the option's name, what was got, and what is possible."""

from __future__ import annotations

import dataclasses

import pytest

from edgecap.engines.errors import UsageError
from edgecap.runtime.config import PipelineConfig, StageThreads, make_config


def test_defaults() -> None:
    config = PipelineConfig()
    assert (config.pack, config.detector, config.captioner, config.provider) == ("auto", "pack", "pack", "cpu")
    assert config.threads == StageThreads(1, 1, 1)
    assert config.needs_pack


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"window_seconds": 1.9}, "window_seconds must be 2 to 10 seconds; got 1.9"),
        ({"window_seconds": True}, "window_seconds must be 2 to 10 seconds; got True"),
        ({"sample_fps": 0}, "sample_fps must be 1 to 60"),
        ({"sample_fps": float("nan")}, "sample_fps must be 1 to 60"),
        ({"max_instances": 2.5}, "max_instances must be a whole number from 1 to 64; got 2.5"),
        ({"working_side": 2000}, "working_side must be a whole number from 64 to 1280"),
        ({"detector": "yolo"}, "detector must be one of pack, motion, callable; got 'yolo'"),
        ({"provider": "rocm"}, "provider must be one of cpu, cuda, tensorrt"),
        ({"engines": "cache"}, "engines must be one of auto, store, pack; got 'cache'"),
        ({"policy": "drop"}, "policy must be one of block, drop-oldest"),
        ({"masks": "sam"}, "masks must be one of boxes, memory; got 'sam'"),
        ({"masks": "memory", "mask_refresh": 1}, "mask_refresh must be a whole number from 2 to 1000; got 1"),
        ({"mask_refresh": 4}, "begins again from boxes; add masks='memory'"),
        ({"masks": "memory", "detector": "motion"}, "detector='motion' makes its own: leave one out"),
        ({"pack": ""}, "pack is the name of a shipped pack"),
        ({"threads": 0}, "threads.decode must be a whole number"),
        ({"threads": "2"}, "threads is a StageThreads"),
        ({"windows": 5}, "unknown option 'windows'; known options: pack, detector"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_options(options: dict[str, object], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint.replace("(", "\\(").replace(".", "\\.")):
        make_config(**options)


def test_whole_number_of_threads_and_motion_without_captioner() -> None:
    assert make_config(threads=2).threads == StageThreads(2, 2, 2)
    motion = make_config(detector="motion")
    assert motion.captioner == "none"
    assert not motion.needs_pack
    assert make_config(detector="motion", captioner="pack").needs_pack


def test_config_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PipelineConfig().pack = "edge"  # type: ignore[misc]
