"""SmolVLM and Idefics3 checkpoints as captioners: true layer widths, two layers each, random weights.

The decisive test: a pack's answers are, token by token, those of transformers' own `generate` on the same pictures.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecap.engines import write_pack
from edgecap.engines.errors import CheckpointError, UsageError
from edgecap.engines.graph.letterbox import normalise_views
from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.specs import CaptionerSpec, PackSpec
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.job import ExportJob, Precision, RoleExport, read_options
from edgecap.export.onnx.graph import open_graph
from edgecap.export.prompts.prompt_data import fill
from edgecap.export.publish.gate import judge
from edgecap.export.recipes import load_recipe, open_checkpoint
from edgecap.export.smolvlm import SMOLVLM
from edgecap.export.smolvlm.plan import SmolVlmOptions, make_plan
from edgecap.export.specimens.smolvlm import IMAGE_ID, save_smolvlm
from edgecap.runtime.data.question import Question, VisualPrompt
from edgecap.runtime.decode.language_model import LanguageModel

pytestmark = pytest.mark.slow

_SMALL_PICTURE = {"image_size": 128}
_SMALL_VOCABULARY = {"vocab_size": 2048}


def pictures() -> Iterator[NDArray[np.uint8]]:
    """Soft coloured noise, another one each."""
    import cv2

    random = np.random.default_rng(0)
    for _ in range(5):
        blocks = random.integers(0, 255, (5, 8, 3), np.uint8)
        yield cv2.resize(blocks, (192, 120), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def export(recipe: Any, folder: Path, out: Path, *, precision: Precision, **options: str) -> RoleExport:
    """Run a recipe and write its pack into `out`."""
    out.mkdir()
    checkpoint = open_checkpoint(recipe, folder)
    made: RoleExport = recipe(ExportJob(checkpoint, out, precision, pictures, options=options))
    assert isinstance(made.spec, CaptionerSpec)
    write_pack(out, PackSpec("test", "1", made.licence, {"captioner": made.source}, {}, None, None, made.spec, None,
                             made.twins))  # fmt: skip
    return made


def ask(spec: CaptionerSpec, *, most: int = 12) -> VisualPrompt:
    """One prompt with two questions about random views."""
    random = np.random.default_rng(3)
    frames = random.integers(0, 255, (spec.views, spec.view_side, spec.view_side, 3), np.uint8)
    questions = []
    for name in ("appearance", "camera"):
        questions.append(Question(name, fill(spec.prompts[name]), most))
    return VisualPrompt(1, frames, np.arange(spec.views, dtype=np.float64), tuple(questions))


def generated(model: Any, pack: Pack, prompt: VisualPrompt) -> list[str]:
    """What transformers answers: pictures through the model's own forward, greedy `generate`."""
    import torch
    from tokenizers import Tokenizer

    spec = pack.spec.captioner
    assert spec is not None
    tokenizer = Tokenizer.from_file(str(pack.path(spec.tokenizer_file)))
    picture = "<fake_token_around_image><global-img>" + "<image>" * spec.tokens_per_view + "<fake_token_around_image>"
    pixels = torch.from_numpy(normalise_views(prompt.frames_rgb, mean=spec.mean, std=spec.std))[None]
    texts = []
    for question in prompt.questions:
        text = f"<|im_start|>User:{picture * spec.views}{question.text}<end_of_utterance>\nAssistant:"
        ids = torch.tensor([tokenizer.encode(text, add_special_tokens=False).ids])
        assert int((ids == IMAGE_ID).sum()) == spec.views * spec.tokens_per_view
        said = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values=pixels,
            max_new_tokens=question.max_tokens,
            do_sample=False,
        )
        texts.append(tokenizer.decode(said[0, ids.shape[1] :].tolist(), skip_special_tokens=True).strip())
    return texts


@pytest.fixture(scope="module")
def smolvlm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("smolvlm")
    return folder, save_smolvlm(folder, vision=_SMALL_PICTURE, text=_SMALL_VOCABULARY)


@pytest.fixture(scope="module")
def fp32(smolvlm: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[RoleExport, Path]:
    out = tmp_path_factory.mktemp("packs") / "fp32"
    return export(load_recipe("smolvlm"), smolvlm[0], out, precision="fp32"), out


@pytest.fixture(scope="module")
def int4(tmp_path_factory: pytest.TempPathFactory) -> tuple[RoleExport, Path]:
    """Idefics3's classes, bfloat16 shards, the head tied to the table."""
    folder = tmp_path_factory.mktemp("idefics3")
    save_smolvlm(folder, family="idefics3", vision=_SMALL_PICTURE, text=_SMALL_VOCABULARY, tied=True,
                 dtype="bfloat16", shard_size="20MB", seed=1)  # fmt: skip
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    out = tmp_path_factory.mktemp("packs") / "int4"
    return export(SMOLVLM, folder, out, precision="int4", views="2", context="2048"), out


def test_answers_are_those_of_transformers(smolvlm: tuple[Path, Any], fp32: tuple[RoleExport, Path]) -> None:
    pack = Pack.open(fp32[1])
    captioner = LanguageModel.open(pack)
    prompt = ask(captioner.spec)
    said = [answer.text for answer in captioner.answer([prompt]).answers]
    assert said == generated(smolvlm[1], pack, prompt)
    assert said[0] != said[1] and len(set(said[0].split())) > 3  # not one token repeated


def test_fp32_passes_its_gate_and_is_compared_with_pytorch_first(fp32: tuple[RoleExport, Path]) -> None:
    made = fp32[0]
    assert judge(made.comparisons, allow_drift=False) == ()
    first = made.comparisons[0].parity
    assert (first.graph, first.reference) == ("captioner.vision.fp32.onnx", "PyTorch fp32")
    decoder = next(row.parity for row in made.comparisons if row.parity.graph == "captioner.decoder.fp32.onnx")
    assert decoder.figures["top1_agreement"] == 1.0 and decoder.tensors[0].max_abs < 1e-4
    assert made.sensitivity == () and "tiling of pictures" in made.kept_high


def test_pack_says_what_it_is_made_from(smolvlm: tuple[Path, Any], fp32: tuple[RoleExport, Path]) -> None:
    made, out = fp32
    assert made.licence == "apache-2.0" and str(smolvlm[0]) in made.source
    files = {path.name for path in out.iterdir()}
    assert all(name.startswith("captioner.") for name in files - {"pack.json"})
    assert not any(path.is_dir() for path in out.iterdir())  # no work folder left
    spec = made.spec
    assert isinstance(spec, CaptionerSpec)
    assert (spec.view_side, spec.tokens_per_view, spec.bos_id, spec.eos_id) == (128, 4, None, 6)
    assert set(spec.prompts) == set(spec.max_tokens) == {"appearance", "action", "background", "global", "camera"}
    assert spec.prompt_file == "captioner.prompts.json" and spec.prompt_file in files


def test_every_free_axis_has_a_range(int4: tuple[RoleExport, Path]) -> None:
    spec = int4[0].spec
    assert isinstance(spec, CaptionerSpec)
    for graph in (spec.vision, spec.decoder, *int4[0].twins.values()):
        free = {axis for tensor in (*graph.inputs, *graph.outputs) for axis in tensor.axes if isinstance(axis, str)}
        assert free == set(graph.ranges), graph.file


def test_int4_passes_its_gate_and_speaks(int4: tuple[RoleExport, Path]) -> None:
    made, out = int4
    assert judge(made.comparisons, allow_drift=False) == ()
    spec = made.spec
    assert isinstance(spec, CaptionerSpec)
    assert (spec.vision.precision, spec.decoder.precision) == ("int8-dynamic", "int4-weights")
    assert {place: twin.precision for place, twin in made.twins.items()} == {
        "captioner.vision": "fp16",
        "captioner.decoder": "int4-weights",
    }
    kl = {row["weights"]: row["kl"] for row in made.sensitivity}
    size = {row["weights"]: row["bytes"] for row in made.sensitivity}
    assert kl["fp32"] < kl["int8"] < kl["int4"] and size["fp32"] > size["int8"] > size["int4"]
    captioner = LanguageModel.open(Pack.open(out))
    answers = captioner.answer([ask(captioner.spec)]).answers
    assert [answer.field for answer in answers] == ["appearance", "camera"] and all(a.token_count for a in answers)
    assert np.load(out / spec.embedding_file).dtype == np.float16  # bfloat16 of ordinary size fits


def test_twins_use_standard_operators_only(int4: tuple[RoleExport, Path]) -> None:
    import onnx

    for twin in int4[0].twins.values():
        graph = onnx.load(str(int4[1] / twin.file)).graph
        assert {node.domain for node in graph.node} <= {"", "ai.onnx"}


def test_int8_tokens_of_a_view_do_not_depend_on_the_batch(int4: tuple[RoleExport, Path]) -> None:
    spec = int4[0].spec
    assert isinstance(spec, CaptionerSpec)
    session = open_graph(int4[1] / spec.vision.file)
    views = np.random.default_rng(0).normal(0, 1, (3, 3, 128, 128)).astype(np.float32)
    views[1] *= 5  # would widen the range of the whole batch
    together = session.run(None, {"pixels": views})[0]
    alone = np.concatenate([session.run(None, {"pixels": view[None]})[0] for view in views])
    assert np.array_equal(together, alone)


def _plan_error(folder: Path, **options: str) -> str:
    with pytest.raises((CheckpointError, UsageError)) as caught:
        make_plan(Checkpoint.open(folder), read_options(SmolVlmOptions, options, recipe="smolvlm"), recipe="smolvlm")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def changeable(smolvlm: tuple[Path, Any], tmp_path: Path) -> Path:
    return shutil.copytree(smolvlm[0], tmp_path / "changed")


def _set(folder: Path, name: str, **values: Any) -> None:
    held = json.loads((folder / name).read_text())
    for key, value in values.items():
        at, _, rest = key.partition("__")
        if rest:
            held[at][rest] = value
        else:
            held[at] = value
    (folder / name).write_text(json.dumps(held))


def test_options_are_checked(smolvlm: tuple[Path, Any]) -> None:
    assert "views, context" in _plan_error(smolvlm[0], tiles="4")
    assert "whole number" in _plan_error(smolvlm[0], views="-1")
    assert "lower --option views or raise --option context" in _plan_error(smolvlm[0], views="8", context="256")
    assert make_plan(Checkpoint.open(smolvlm[0]), SmolVlmOptions(views=2), recipe="smolvlm").views == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text_config__hidden_act": "gelu"}, "hidden_act 'gelu'"),
        ({"text_config__attention_bias": True}, "attention_bias True"),
        ({"text_config__head_dim": 40}, "head_dim % 16"),
        ({"scale_factor": 3}, "can't be merged 3 by 3"),
        ({"text_config__rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}}, "rope_type"),
    ],
)
def test_text_models_that_the_decoder_cannot_be_built_for(changeable: Path, change: dict[str, Any], words: str) -> None:
    _set(changeable, "config.json", **change)
    assert words in _plan_error(changeable)


def test_files_that_are_missing(changeable: Path) -> None:
    (changeable / "preprocessor_config.json").rename(changeable / "kept")
    assert "fetch preprocessor_config.json too" in _plan_error(changeable)
    (changeable / "kept").rename(changeable / "preprocessor_config.json")
    (changeable / "chat_template.json").unlink()
    assert "contains no chat template" in _plan_error(changeable)


def test_normalisation_from_a_processor_config(changeable: Path) -> None:
    (changeable / "preprocessor_config.json").unlink()
    stated = {"image_processor": {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}}
    (changeable / "processor_config.json").write_text(json.dumps(stated))
    plan = make_plan(Checkpoint.open(changeable), SmolVlmOptions(), recipe="smolvlm")
    assert plan.mean == (0.1, 0.2, 0.3) and plan.std == (0.4, 0.5, 0.6)


def test_weights_of_another_depth_than_the_config_says(changeable: Path, tmp_path: Path) -> None:
    _set(changeable, "config.json", text_config__num_hidden_layers=3)
    (tmp_path / "out").mkdir()
    job = ExportJob(Checkpoint.open(changeable), tmp_path / "out", "int8", pictures)
    with pytest.raises(CheckpointError, match=r"no tensor .*layers\.2\."):
        SMOLVLM(job)


def test_a_gate_that_is_missed_is_seen(fp32: tuple[RoleExport, Path]) -> None:
    row = fp32[0].comparisons[0]
    impossible = replace(row, limits={"max_abs": ("max", 0.0)})
    assert len(judge([impossible], allow_drift=True)) == 1
