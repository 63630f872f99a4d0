"""What a config may ask of a pack, decided before any graph is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import cv2
import pytest

from edgecap.engines.errors import PackError, UnknownPackError, UsageError
from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.specs import DomainSpec, PackSpec
from edgecap.runtime.config import PipelineConfig, StageThreads, make_config
from edgecap.runtime.perceive.motion.detector import MotionDetector
from edgecap.runtime.pipeline.open import build_stages


@pytest.fixture
def pack_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Make every pack that is opened the one of the given roles; roles are markers, since none may be opened."""

    def install(**roles: Any) -> None:
        given = {"detector": None, "segmenter": None, "captioner": None, "domain": None} | roles
        spec = PackSpec("fake", "1", "Apache-2.0", {}, {}, **given)
        monkeypatch.setattr(Pack, "open", classmethod(lambda cls, name, verify=True: Pack(tmp_path, spec)))

    return install


def test_motion_needs_no_pack() -> None:
    stages = build_stages(PipelineConfig(pack="not there", detector="motion", captioner="none"))
    assert stages.labels == MotionDetector.labels
    assert stages.used["pack"] == "none" and stages.used["detector"] == "motion" and stages.used["device"]
    first, second = stages.new_perceiver(), stages.new_perceiver()
    assert first is not second
    with pytest.raises(UnknownPackError):
        build_stages(PipelineConfig(pack="not there"))


def test_a_pack_without_the_role_asked_for(pack_of: Any) -> None:
    pack_of()
    with pytest.raises(PackError, match="has no detector; use --detector motion"):
        build_stages(PipelineConfig(pack="nano"))
    pack_of(detector=cast(Any, object()))
    with pytest.raises(PackError, match="has no segmenter"):
        build_stages(PipelineConfig(pack="nano"))
    pack_of()
    with pytest.raises(PackError, match="has no captioner"):
        build_stages(make_config(detector="motion", captioner="pack"))


def test_a_pack_without_a_captioner_asks_none_unless_named(pack_of: Any) -> None:
    pack_of()
    assert make_config(pack="nano").captioner == "none"
    assert make_config(pack="nano", captioner="pack").captioner == "pack"
    pack_of(captioner=cast(Any, object()))
    assert make_config(pack="nano").captioner == "pack"
    assert make_config(pack="no such pack").captioner == "pack", "where it is opened, it is reported"


def test_a_pack_without_memory_is_asked_for_masks_from_it() -> None:
    with pytest.raises(UsageError, match="'auto' chooses among others: name it"):
        make_config(masks="memory", captioner="none")
    config = make_config(pack="nano", masks="memory", captioner="none")
    with pytest.raises(PackError, match=r"'nano' has no segmenter with memory, .* edgecap export sam2"):
        build_stages(config)
    assert build_stages(make_config(pack="nano", captioner="none")).used["masks"] == "boxes"


def test_a_captioner_of_one_domain_is_not_asked_blindly(pack_of: Any) -> None:
    pack_of(captioner=cast(Any, object()), domain=DomainSpec("domain.npz", 3.0))
    with pytest.raises(UsageError, match="use --captioner none"):
        build_stages(make_config(detector="motion", captioner="pack"))


def test_opencv_gets_the_threads_of_perceive() -> None:
    before = cv2.getNumThreads()
    try:
        build_stages(make_config(detector="motion", threads=StageThreads(perceive=2)))
        assert cv2.getNumThreads() == 2
        build_stages(make_config(detector="motion"))
        assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(before)
