"""The hub's three ONNX files as a captioner: small layers, random weights, no PyTorch in the recipe."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgecap.engines.errors import CheckpointError, UsageError
from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.prompt_book import read_book
from edgecap.engines.packs.specs import CaptionerSpec
from edgecap.export.onnx.graph import tensors_of
from edgecap.export.prompts.prompt_data import open_book
from edgecap.export.publish.gate import judge
from edgecap.export.ready_made import READY_MADE
from edgecap.export.ready_made.files import choose_files
from edgecap.export.ready_made.graphs import copy_decoder, read_table
from edgecap.export.recipes import load_recipe
from edgecap.export.smolvlm.plan import SmolVlmOptions, make_plan
from edgecap.export.specimens.hub_onnx import without_weights, write_hub_onnx
from edgecap.export.specimens.smolvlm import save_smolvlm
from edgecap.runtime.decode.language_model import LanguageModel
from tests.export.captioners.test_smolvlm import ask, export, generated

pytestmark = pytest.mark.slow

_VISION = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2, "image_size": 64, "patch_size": 8}
_TEXT = {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 2, "num_key_value_heads": 1,
         "head_dim": 32, "vocab_size": 512}  # fmt: skip


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A folder without safetensors, fp32 and int8 graphs; and the model they came from."""
    root = tmp_path_factory.mktemp("hub")
    model = save_smolvlm(root / "whole", vision=_VISION, text=_TEXT)
    write_hub_onnx(root / "whole", model)
    return without_weights(root / "whole", root / "onnx-only"), model


@pytest.fixture
def changeable(hub: tuple[Path, Any], tmp_path: Path) -> Path:
    return shutil.copytree(hub[0], tmp_path / "changed")


def _plan(folder: Path) -> Any:
    return make_plan(READY_MADE.open_checkpoint(folder), SmolVlmOptions(), recipe="ready-made")


def test_answers_are_those_of_transformers(hub: tuple[Path, Any], tmp_path: Path) -> None:
    made = export(load_recipe("ready-made"), hub[0], tmp_path / "pack", precision="fp32")
    assert judge(made.comparisons, allow_drift=False) == ()
    assert made.twins == {} and "smolvlm" in made.kept_high["twins"]
    pack = Pack.open(tmp_path / "pack")
    assert read_book(pack) == open_book("edge")
    captioner = LanguageModel.open(pack)
    prompt = ask(captioner.spec)
    said = [answer.text for answer in captioner.answer([prompt]).answers]
    hub[1].model.text_model.config._attn_implementation = "sdpa"
    assert said == generated(hub[1], pack, prompt) and said[0] != said[1]


def test_int8_files_are_compared_with_the_unrounded_ones(hub: tuple[Path, Any], tmp_path: Path) -> None:
    made = export(READY_MADE, hub[0], tmp_path / "pack", precision="int8")
    assert judge(made.comparisons, allow_drift=False) == ()
    spec = made.spec
    assert isinstance(spec, CaptionerSpec)
    assert (spec.vision.precision, spec.decoder.precision) == ("int8-dynamic", "int8-dynamic")
    decoder = made.comparisons[1].parity
    assert decoder.reference == "the hub's decoder_model_merged.onnx"
    assert 0 < decoder.figures["kl"] < 0.3 and decoder.tensors[0].max_abs > 1e-4  # it did compare two files


def test_alone_the_chosen_files_are_compared_with_a_plain_run(changeable: Path, tmp_path: Path) -> None:
    for name in ("vision_encoder", "decoder_model_merged"):
        (changeable / "onnx" / f"{name}.onnx").unlink()
    made = export(READY_MADE, changeable, tmp_path / "pack", precision="int8")
    assert made.comparisons[1].parity.reference == "the hub's decoder_model_merged_int8.onnx"
    assert judge(made.comparisons, allow_drift=False) == ()


def test_table_of_a_quantised_file_is_what_the_graph_looks_up(hub: tuple[Path, Any]) -> None:
    plan = _plan(hub[0])
    exact = read_table(choose_files(hub[0], "fp32", {}).embed, plan)
    rounded = read_table(choose_files(hub[0], "fp32", {"embed": "int8"}).embed, plan)
    expected = hub[1].get_input_embeddings().weight.detach().numpy()
    assert np.array_equal(exact, expected)
    assert 0 < np.abs(rounded - expected).max() < 0.02 * np.abs(expected).max()


def test_asked_precision_that_the_folder_lacks(hub: tuple[Path, Any]) -> None:
    with pytest.raises(CheckpointError, match=r"needs decoder_model_merged as q4 or q4f16 or bnb4.* has fp32, int8"):
        choose_files(hub[0], "int4", {})
    assert choose_files(hub[0], "int4", {"decoder": "int8"}).decoder.variant == "int8"


def test_folder_without_a_graph(changeable: Path) -> None:
    for path in (changeable / "onnx").glob("embed_tokens*"):
        path.unlink()
    with pytest.raises(CheckpointError, match=r"contains no onnx/embed_tokens"):
        choose_files(changeable, "fp32", {})


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"tiles": "4"}, "it takes views, context, vision, embed, decoder"),
        ({"decoder": "int2"}, "decoder='int2': expected fp32 or fp16 or int8"),
    ],
)
def test_options_that_cannot_be(hub: tuple[Path, Any], tmp_path: Path, option: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        export(READY_MADE, hub[0], tmp_path / "pack", precision="fp32", **option)


def test_graph_and_config_of_two_models(changeable: Path, tmp_path: Path) -> None:
    config = (changeable / "config.json").read_text()
    (changeable / "config.json").write_text(config.replace('"num_hidden_layers": 2', '"num_hidden_layers": 3'))
    files = choose_files(changeable, "fp32", {})
    with pytest.raises(CheckpointError, match=r"lacks \['past_key_values\.2\.key'"):
        copy_decoder(files.decoder, _plan(changeable), tmp_path / "d.onnx")
    (changeable / "config.json").write_text(config.replace('"vocab_size": 512', '"vocab_size": 500'))
    with pytest.raises(CheckpointError, match=r"logits is float32 .* config\.json asks for"):
        copy_decoder(files.decoder, _plan(changeable), tmp_path / "d.onnx")
    with pytest.raises(CheckpointError, match=r"table of shape \[512, 64\]"):
        read_table(files.embed, _plan(changeable))


def test_broken_file(changeable: Path) -> None:
    path = changeable / "onnx" / "embed_tokens.onnx"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CheckpointError, match="can't be read"):
        read_table(choose_files(changeable, "fp32", {}).embed, _plan(changeable))


def test_weights_beside_the_decoder_come_along_under_the_packs_name(changeable: Path, tmp_path: Path) -> None:
    source = changeable / "onnx" / "decoder_model_merged.onnx"
    onnx.save(
        onnx.load(str(source)), str(source), save_as_external_data=True, location="decoder.onnx_data", size_threshold=0
    )
    target = tmp_path / "captioner.decoder.onnx"
    copy_decoder(choose_files(changeable, "fp32", {}).decoder, _plan(changeable), target)
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {target.name, f"{target.name}.data"}
    assert tensors_of(target) == tensors_of(source)
    onnx.checker.check_model(str(target))
    hostile = onnx.load(str(source), load_external_data=False)
    for held in hostile.graph.initializer:
        for entry in held.external_data:
            if entry.key == "location":
                entry.value = "../secret"
    source.write_bytes(hostile.SerializeToString())
    with pytest.raises(CheckpointError, match="outside its folder"):
        copy_decoder(choose_files(changeable, "fp32", {}).decoder, _plan(changeable), tmp_path / "x.onnx")
