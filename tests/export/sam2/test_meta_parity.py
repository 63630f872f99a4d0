"""Our graphs against the reference's own modules (`make parity-sam2`), and what that comparison notices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecap.export.sam2.meta_names import meta_name, meta_weights
from edgecap.export.sam2.meta_parity import LIMIT, PYTHON, GraphRow, MetaParity, compare_with_meta, main

ROW = GraphRow("memory attention", 19, "conditioned", 4e-7)
SOUND = MetaParity((ROW,), 1.0, 1.0, 1.0, 0.4, 20, 3, 256, ("sam2 1.1.0",), "a machine")


@pytest.mark.slow
@pytest.mark.skipif(
    not PYTHON.is_file(), reason=f"{PYTHON} does not exist: the reference is set up by make parity-sam2"
)
def test_modules_agree_with_the_reference() -> None:
    """The files that the recipe writes from these modules are compared with them in test_sam2.py."""
    found = compare_with_meta(PYTHON, image_side=128, exported=False)
    assert found.misses() == [] and len(found.rows) == 5
    assert [row.calls for row in found.rows] == [20, 1, 19, 19, 20]
    assert 0.1 < found.covered < 0.9  # masks that depend on something
    assert found.iou_least > 0.99 and found.versions[0].startswith("sam2 ")


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
