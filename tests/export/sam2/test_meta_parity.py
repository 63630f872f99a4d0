"""Our graphs against the reference's own modules (`make parity-sam2`), and what that comparison notices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecap.bench.speed.world_clip import world_clip
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.sam2.contracts import segmenter_spec
from edgecap.export.sam2.meta_names import meta_name, meta_weights
from edgecap.export.sam2.meta_parity import (
    FRAMES,
    LIMIT,
    OBJECTS,
    PYTHON,
    GraphRow,
    MetaParity,
    compare_graphs,
    judge_against,
    main,
    run_meta,
)
from edgecap.export.sam2.settings import read_settings, sized_config
from edgecap.export.sam2.specimen import save_specimen
from edgecap.runtime.perceive.memory.ring import MemoryRing

ROW = GraphRow("memory attention", 19, "conditioned", 4e-7)
SOUND = MetaParity((ROW,), 1.0, 1.0, 1.0, 0.4, 20, 3, 256, ("sam2 1.1.0",), "a machine")


needs_reference = pytest.mark.skipif(
    not PYTHON.is_file(), reason=f"{PYTHON} does not exist: the reference is set up by make parity-sam2"
)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """What `judge_against` takes. Ours are the modules: the files are compared with them in test_sam2.py."""
    work = tmp_path_factory.mktemp("meta")
    checkpoint = Checkpoint.open(save_specimen(work / "specimen", size="tiny", image_side=128))
    clip, boxes = world_clip(FRAMES, OBJECTS)
    reference = run_meta(PYTHON, checkpoint, read_settings(checkpoint), clip, boxes, work=work)
    return reference, *_modules(checkpoint), clip, boxes


def _modules(checkpoint: Checkpoint) -> tuple[Any, Any]:
    from transformers import Sam2VideoModel

    from edgecap.export.sam2.recipe import QUERY_CHUNK
    from edgecap.export.sam2.torch_sessions import modules_of, sessions, torch_sessions

    settings = read_settings(checkpoint)
    model = checkpoint.load(Sam2VideoModel, config=sized_config(checkpoint, settings.image_side))
    noted = torch_sessions(modules_of(model, settings, query_chunk=QUERY_CHUNK), settings)
    return segmenter_spec(settings, dict.fromkeys(noted, "fp32")), sessions(noted)


@pytest.mark.slow
@needs_reference
def test_modules_agree_with_the_reference(judged: tuple[Any, ...]) -> None:
    found = judge_against(*judged)
    assert found.misses() == [] and [row.calls for row in found.rows] == [20, 1, 19, 19, 20]
    assert 0.1 < found.covered < 0.9  # masks that depend on something
    assert found.iou_least > 0.99 and found.versions[0].startswith("sam2 ")


@pytest.mark.slow
@needs_reference
def test_wrong_memory_is_noticed(judged: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(MemoryRing):
        def memory_ages(self, frame: int) -> NDArray[np.int32]:
            return np.minimum(super().memory_ages(frame) + 1, 6).astype(np.int32)

    monkeypatch.setattr("edgecap.export.sam2.meta_parity.MemoryRing", Late)
    reference, spec, sessions, clip, boxes = judged
    rows = compare_graphs(spec, sessions, reference, clip, boxes)
    assert [row.graph for row in rows if row.relative_l2 > LIMIT] == ["memory attention"]


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"rows": (replace(ROW, relative_l2=2 * LIMIT),)}, "memory attention: relative L2 of conditioned is 2.0e-04"),
        ({"rows": (replace(ROW, relative_l2=float("nan")),)}, "relative L2 of conditioned is nan"),
        ({"iou_mean": 0.98}, "masks: mean IoU over 20 frames is 0.9800"),
    ],
    ids=["graph", "not-finite", "masks"],
)
def test_what_is_beyond_a_limit_is_named(changed: dict[str, object], line: str) -> None:
    assert SOUND.misses() == []
    assert len(found := replace(SOUND, **changed).misses()) == 1 and line in found[0]  # type: ignore[arg-type]


def test_a_miss_is_a_failing_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for parity, code in ((SOUND, 0), (replace(SOUND, iou_mean=0.5), 1)):
        monkeypatch.setattr("edgecap.export.sam2.meta_parity.compare_with_meta", lambda *a, p=parity, **k: p)
        assert main([]) == code
    assert "beyond its limit: masks: mean IoU" in capsys.readouterr().err


def test_without_the_environment_the_command_says_how_to_make_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--python", str(tmp_path / "python")]) == 7
    assert "set up the reference with make parity-sam2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("mask_decoder.iou_prediction_head.layers.0.bias", "sam_mask_decoder.iou_prediction_head.layers.1.bias"),
        ("object_pointer_proj.proj_out.weight", "obj_ptr_proj.layers.2.weight"),
        (
            "memory_encoder.mask_downsampler.layers.2.layer_norm.bias",
            "memory_encoder.mask_downsampler.encoder.7.bias",
        ),
        ("vision_encoder.backbone.blocks.1.mlp.proj_out.bias", "image_encoder.trunk.blocks.1.mlp.layers.1.bias"),
    ],
)
def test_names_of_the_reference(ours: str, theirs: str) -> None:
    assert meta_name(ours) == theirs


def test_two_tables_of_places_are_refused() -> None:
    places = np.ones((2, 4), np.float32)
    weights = {
        "shared_image_embedding.positional_embedding": places,
        "prompt_encoder.shared_embedding.positional_embedding": places,
        "prompt_encoder.point_embed.weight": np.arange(8, dtype=np.float32).reshape(4, 2),
    }
    found = meta_weights(weights)
    assert found["sam_prompt_encoder.point_embeddings.3.weight"].tolist() == [[6, 7]]
    assert "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix" in found and len(found) == 5
    with pytest.raises(ValueError, match="the reference has one"):
        meta_weights(weights | {"shared_image_embedding.positional_embedding": 2 * places})
