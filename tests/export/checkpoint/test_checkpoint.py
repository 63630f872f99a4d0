"""Checkpoint folders: what is read of them, and one clear line for each way in which they can't be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from edgecap.engines.errors import CheckpointError
from edgecap.export.checkpoint.checkpoint import Checkpoint

_COMMIT = "0123456789abcdef0123456789abcdef01234567"
_WEIGHTS = {
    "model.norm.weight": np.arange(6, dtype=np.float32),
    "model.table": np.linspace(-2, 2, 12, dtype=np.float16).reshape(3, 4),
    "count": np.array([7, -1], np.int64),
}


def _folder(path: Path, *, config: Any = None, weights: bool = True) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    stated = {"architectures": ["Sam2VideoModel"], "model_type": "sam2_video"} if config is None else config
    (path / "config.json").write_text(json.dumps(stated))
    if weights:
        save_file(_WEIGHTS, path / "model.safetensors")
    return path


def _sharded(path: Path) -> Path:
    _folder(path, weights=False)
    placed = {}
    for i, (name, value) in enumerate(_WEIGHTS.items(), start=1):
        file = f"model-{i:05d}-of-00003.safetensors"
        save_file({name: value}, path / file)
        placed[name] = file
    (path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": placed}))
    return path


def _refusal(path: Path, **arguments: Any) -> str:
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.open(path, **arguments)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("make", [_folder, _sharded], ids=["one file", "shards"])
def test_tensors_are_read_by_name_as_float32(tmp_path: Path, make: Any) -> None:
    checkpoint = Checkpoint.open(make(tmp_path / "m"))
    tensors = checkpoint.tensors()
    assert set(tensors) == set(_WEIGHTS) and len(tensors) == 3 and "model.table" in tensors and "x" not in tensors
    for name, expected in _WEIGHTS.items():
        assert np.array_equal(tensors[name], expected)
    assert tensors["model.table"].dtype == np.float32 and tensors["count"].dtype == np.int64
    assert checkpoint.shapes("model.") == {"norm.weight": (6,), "table": (3, 4)}
    assert list(checkpoint.tensors("model.")) == ["norm.weight", "table"]
    with pytest.raises(KeyError):
        tensors["model.head"]


def test_bfloat16_is_decoded_exactly(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file as save_torch

    values = torch.tensor([[1.5, -3.0e38, 1e-40], [float("inf"), -0.0, 3.14159]]).to(torch.bfloat16)
    _folder(tmp_path, weights=False)
    save_torch({"a": values}, tmp_path / "model.safetensors")
    got = Checkpoint.open(tmp_path).tensors()["a"]
    assert got.dtype == np.float32 and np.array_equal(got, values.float().numpy())


def test_origin_of_a_hub_snapshot(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "models--org--some--name" / "snapshots" / _COMMIT)
    (folder / "README.md").write_text(
        "---\nlibrary_name: x\nlicense: other\nlicense_name: 'qwen-research'\n---\nlicense: mit\n"
    )
    checkpoint = Checkpoint.open(folder)
    assert (checkpoint.source, checkpoint.revision) == ("org/some--name".replace("--", "/"), _COMMIT)
    assert checkpoint.licence == "qwen-research"
    assert _COMMIT in checkpoint.label and "qwen-research" in checkpoint.label


def test_origin_of_a_download_into_a_folder(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "m")
    note = folder / ".cache" / "huggingface" / "download" / "config.json.metadata"
    note.parent.mkdir(parents=True)
    note.write_text(f"{_COMMIT}\netag\n1700000000.0\n")
    assert Checkpoint.open(folder).revision == _COMMIT
    stated = Checkpoint.open(folder, source="org/name", revision="f" * 40)
    assert (stated.source, stated.revision) == ("org/name", "f" * 40)


def test_folder_without_a_card(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(_folder(tmp_path / "m"))
    assert checkpoint.licence is None and checkpoint.revision is None and checkpoint.source == str(tmp_path / "m")
    (tmp_path / "m" / "README.md").write_text("# No front matter\nlicense: mit\n")
    assert Checkpoint.open(tmp_path / "m").licence is None


def test_require_names_what_it_is_and_the_recipe_that_takes_it(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(_folder(tmp_path / "m"))
    checkpoint.require(("Sam2Model", "Sam2VideoModel"), recipe="sam2")
    with pytest.raises(CheckpointError, match=r"dfine takes DFineX, this is Sam2VideoModel; use edgecap export sam2"):
        checkpoint.require(("DFineX",), recipe="dfine")
    other = Checkpoint.open(_folder(tmp_path / "n", config={"architectures": ["BertModel"]}))
    with pytest.raises(CheckpointError, match="this is BertModel; no recipe takes it"):
        other.require(("DFineX",), recipe="dfine")


def test_require_shapes(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(_folder(tmp_path / "m"))
    checkpoint.require_shapes({"table": (3, 4)}, prefix="model.")
    with pytest.raises(CheckpointError, match=r"model\.table has shape \[3, 4\], config\.json asks for \[4, 4\]"):
        checkpoint.require_shapes({"table": (4, 4)}, prefix="model.")
    with pytest.raises(CheckpointError, match=r"no tensor model\.head in its 1 weight file"):
        checkpoint.require_shapes({"head": (4, 4)}, prefix="model.")


def test_no_folder_and_no_config(tmp_path: Path) -> None:
    assert "no such folder" in _refusal(tmp_path / "nowhere")
    assert "contains no config.json" in _refusal(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '"x"', "\x00"])
def test_config_that_is_no_json_object(tmp_path: Path, text: str) -> None:
    _folder(tmp_path)
    (tmp_path / "config.json").write_text(text)
    assert "JSON" in _refusal(tmp_path)


@pytest.mark.parametrize("named", [None, [], "X", [1]])
def test_config_without_an_architecture(tmp_path: Path, named: Any) -> None:
    assert "names no architecture" in _refusal(_folder(tmp_path, config={"architectures": named}))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "x.ckpt"])
def test_pickle_is_refused_unread(tmp_path: Path, name: str) -> None:
    _folder(tmp_path, weights=False)
    (tmp_path / name).write_bytes(b"\x80\x04cos\nsystem\n")
    text = _refusal(tmp_path)
    assert name in text and "safetensors are needed" in text and "save_pretrained" in text


def test_no_weights_at_all(tmp_path: Path) -> None:
    _folder(tmp_path, weights=False)
    assert "fetch the weights" in _refusal(tmp_path)
    assert Checkpoint.open(tmp_path, needs_weights=False).weight_files == ()
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "embed_tokens.onnx").write_bytes(b"")
    assert "edgecap export ready-made" in _refusal(tmp_path)


def test_missing_shard_is_named(tmp_path: Path) -> None:
    folder = _sharded(tmp_path)
    (folder / "model-00002-of-00003.safetensors").unlink()
    assert "shard model-00002-of-00003.safetensors of 3 is missing" in _refusal(folder)


def test_shard_without_the_tensor_that_the_index_places_there(tmp_path: Path) -> None:
    folder = _sharded(tmp_path)
    save_file({"other": np.zeros(2, np.float32)}, folder / "model-00001-of-00003.safetensors")
    assert "lacks tensor model.norm.weight" in _refusal(folder)


def test_index_that_leads_out_of_the_folder(tmp_path: Path) -> None:
    folder = _sharded(tmp_path)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../x.safetensors"}}))
    assert "not a file of this folder" in _refusal(folder)


@pytest.mark.parametrize("keep", [0, 5, 40, -1], ids=["empty", "length", "header", "last byte"])
def test_truncated_file(tmp_path: Path, keep: int) -> None:
    path = _folder(tmp_path) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    assert str(path) in _refusal(tmp_path)


def test_file_that_is_longer_than_its_header_says(tmp_path: Path) -> None:
    path = _folder(tmp_path) / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole + b"more")
    assert f"expected {len(whole)} bytes as its header says, got {len(whole) + 4}" in _refusal(tmp_path)


def test_git_lfs_pointer_instead_of_weights(tmp_path: Path) -> None:
    (_folder(tmp_path) / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert "git lfs pull" in _refusal(tmp_path)


def test_shape_and_bytes_that_contradict_each_other(tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}).encode()
    (_folder(tmp_path) / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    assert "needs 12 bytes, its header gives 8" in _refusal(tmp_path)


def test_tensor_of_a_type_that_numpy_has_not(tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}).encode()
    (_folder(tmp_path) / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(CheckpointError, match="tensor a is stored as F8_E4M3; give the unquantised checkpoint"):
        Checkpoint.open(tmp_path).tensors()["a"]


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A real transformers checkpoint, small enough to be changed per test."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, vocab_size=16
    )
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("llama")
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(folder)
    return folder, model


def _copied(folder: Path, target: Path, change: Any) -> Checkpoint:
    import torch
    from safetensors.torch import load_file
    from safetensors.torch import save_file as save_torch

    target.mkdir()
    held: dict[str, torch.Tensor] = load_file(folder / "model.safetensors")
    change(held)
    save_torch(held, target / "model.safetensors", metadata={"format": "pt"})
    (target / "config.json").write_text((folder / "config.json").read_text())
    return Checkpoint.open(target)


def test_load_gives_float32_in_eval_mode(small_model: tuple[Path, Any]) -> None:
    import torch
    from transformers import LlamaForCausalLM

    folder, model = small_model
    loaded = Checkpoint.open(folder).load(LlamaForCausalLM)
    assert not loaded.training
    for name, value in loaded.state_dict().items():
        assert value.dtype == torch.float32 and torch.equal(value, model.state_dict()[name].float())


def test_load_refuses_a_missing_tensor_that_transformers_would_invent(
    small_model: tuple[Path, Any], tmp_path: Path
) -> None:
    from transformers import LlamaForCausalLM

    checkpoint = _copied(small_model[0], tmp_path / "m", lambda held: held.pop("model.norm.weight"))
    with pytest.raises(CheckpointError, match=r"lacks model\.norm\.weight"):
        checkpoint.load(LlamaForCausalLM)


def test_load_refuses_weights_of_other_shapes_than_the_config(small_model: tuple[Path, Any], tmp_path: Path) -> None:
    import torch
    from transformers import LlamaForCausalLM

    checkpoint = _copied(
        small_model[0], tmp_path / "m", lambda held: held.update({"lm_head.weight": torch.zeros(15, 32)})
    )
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(LlamaForCausalLM)
    assert "\n" not in str(caught.value) and "of one model" in str(caught.value)
