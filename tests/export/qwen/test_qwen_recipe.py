"""A Qwen2.5-VL checkpoint becomes a captioner whose words are transformers' words."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecap.engines.errors import CheckpointError, UsageError
from edgecap.engines.graph.letterbox import normalise_views
from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.prompt_book import read_book
from edgecap.engines.packs.specs import CaptionerSpec, PackSpec
from edgecap.engines.packs.writer import write_pack
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.job import ExportJob, Precision, RoleExport
from edgecap.export.prompts.prompt_data import open_book
from edgecap.export.publish.gate import failures, judge
from edgecap.export.qwen import QWEN2_5_VL
from edgecap.export.qwen.reference import cut_patches
from edgecap.export.specimens.qwen import IMAGE_ID, MEAN, SPECIALS, STD, save_qwen
from edgecap.runtime.data.question import Question, VisualPrompt
from edgecap.runtime.decode.language_model import LanguageModel

pytestmark = pytest.mark.slow

OPTIONS = {"buckets": "112x112,168x84,84x140", "views": "2"}
_ANSWER = 12


def pictures() -> Iterator[np.ndarray]:
    """Coarse coloured cells, every picture different."""
    rng = np.random.default_rng(0)
    while True:
        yield np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((20, 20, 1))).astype(np.uint8)


def export(checkpoint: Path, out: Path, *, precision: Precision, options: dict[str, str] | None = None) -> RoleExport:
    out.mkdir()
    job = ExportJob(Checkpoint.open(checkpoint), out, precision, pictures, options=OPTIONS | (options or {}))
    return QWEN2_5_VL(job)


def write(out: Path, exported: RoleExport) -> Pack:
    """The folder as a pack of its own."""
    assert isinstance(exported.spec, CaptionerSpec)
    spec = PackSpec(
        "qwen",
        "1",
        exported.licence,
        {"captioner": exported.source},
        {},
        None,
        None,
        exported.spec,
        None,
        exported.twins,
    )
    write_pack(out, spec)
    return Pack.open(out)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path, RoleExport, Pack]:
    """(transformers' model, checkpoint folder, fp32 export, its pack)."""
    root = tmp_path_factory.mktemp("qwen")
    model = save_qwen(root / "checkpoint")
    exported = export(root / "checkpoint", root / "pack", precision="fp32")
    return model, root / "checkpoint", exported, write(root / "pack", exported)


def test_fp32_and_its_twins_pass_the_gate(made: tuple[Any, Path, RoleExport, Pack]) -> None:
    _, folder, exported, _ = made
    assert judge(exported.comparisons, allow_drift=False) == ()
    assert [row.parity.graph for row in exported.comparisons] == [
        "captioner.vision.fp32.onnx",
        "captioner.vision.fp16.onnx",
        "captioner.decoder.fp32.onnx",
        "captioner.decoder.twin-fp16.onnx",
    ]
    assert exported.comparisons[2].parity.figures["top1_agreement"] == 1.0
    assert set(exported.twins) == {"captioner.vision", "captioner.decoder"}
    assert exported.licence == "apache-2.0"
    assert exported.source.startswith(str(folder))


def test_the_spec_says_what_the_runtime_needs(made: tuple[Any, Path, RoleExport, Pack]) -> None:
    spec = made[3].spec.captioner
    assert spec is not None and spec.rope is not None
    assert spec.buckets_wh == ((112, 112), (168, 84), (84, 140))
    assert (spec.view_side, spec.tokens_per_view, spec.bos_id) == (112, 18, None)
    assert (spec.rope.theta, spec.rope.sections, spec.rope.merge) == (1e6, (4, 6, 6), 2)
    assert {spec.eos_id, *spec.eos_ids} == {SPECIALS.index("<|im_end|>"), SPECIALS.index("<|endoftext|>")}
    assert spec.layout.before == "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
    assert (spec.layout.view_before, spec.layout.view_after) == ("<|vision_start|>", "<|vision_end|>")
    assert spec.layout.question_after == "<|im_end|>\n<|im_start|>assistant\n"
    assert spec.layout.answer_after == "<|im_end|>\n<|im_start|>user\n"
    assert spec.layout.before_system == "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n"
    assert spec.prompt_file == "captioner.prompts.json" and read_book(made[3]) == open_book("edge")
    assert not {"rules", "further questions"} & set(made[2].kept_high)


def views_of(size_wh: tuple[int, int], *, seed: int) -> np.ndarray:
    """Coarse coloured cells, uint8 [2, h, w, 3]."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, 255, (2, size_wh[1] // 28, size_wh[0] // 28, 3))
    return np.kron(cells, np.ones((1, 28, 28, 1))).astype(np.uint8)


def generate(model: Any, spec: CaptionerSpec, tokenizer: Any, views: np.ndarray, question: str) -> list[int]:
    """Greedy ids of transformers' own `generate` on the same pictures and words, end token included."""
    import torch

    pixels = normalise_views(views, mean=tuple(MEAN), std=tuple(STD))
    cut = [cut_patches(picture, patch=14, merge=2, frames=2) for picture in pixels]
    tokens = [rows * columns // 4 for _, (_, rows, columns) in cut]
    layout = spec.layout
    seen = "".join(layout.view_before + "<|image_pad|>" * count + layout.view_after for count in tokens)
    text = layout.before + seen + layout.question_before + question + layout.question_after
    ids = torch.tensor([tokenizer.encode(text, add_special_tokens=False).ids])
    said = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        mm_token_type_ids=(ids == IMAGE_ID).int(),
        pixel_values=torch.from_numpy(np.concatenate([patches for patches, _ in cut])),
        image_grid_thw=torch.tensor([grid for _, grid in cut]),
        max_new_tokens=_ANSWER,
        do_sample=False,
    )
    return [int(i) for i in said[0, ids.shape[1] :]]


def test_answers_are_those_of_transformers(made: tuple[Any, Path, RoleExport, Pack]) -> None:
    """Every picture shape, two questions over one reading of the pictures, both prompts in one round."""
    from tokenizers import Tokenizer

    model, folder, _, pack = made
    spec = pack.spec.captioner
    assert spec is not None
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    asked = ("Describe the person.", "What does it do? Say only what is visible.")
    prompts = [
        VisualPrompt(
            track, views_of(size, seed=i), np.zeros(2), tuple(Question("appearance", q, _ANSWER) for q in asked)
        )
        for i, (track, size) in enumerate(zip((1, 2, 3), spec.buckets_wh, strict=True))
    ]
    answers = LanguageModel.open(pack).answer(prompts).answers
    wanted = [generate(model, spec, tokenizer, p.frames_rgb, q.text) for p in prompts for q in p.questions]
    assert len({tuple(ids) for ids in wanted}) == len(wanted), "the pictures and questions must make a difference"
    assert len(set(itertools.chain(*wanted))) > 15
    for answer, ids in zip(answers, wanted, strict=True):
        ended = ids[-1] in {spec.eos_id, *spec.eos_ids}
        assert answer.text == tokenizer.decode(ids[:-1] if ended else ids, skip_special_tokens=True).strip()
        assert (answer.token_count, answer.truncated) == (len(ids), not ended)


@pytest.mark.parametrize("layout", ["saved", "nested"])
def test_names_and_configs_of_all_releases_are_read(
    made: tuple[Any, Path, RoleExport, Pack], tmp_path: Path, layout: str
) -> None:
    save_qwen(tmp_path / "checkpoint", layout=layout)
    exported = export(tmp_path / "checkpoint", tmp_path / "out", precision="fp32")
    assert exported.spec == made[2].spec
    assert exported.comparisons == made[2].comparisons


def test_bfloat16_shards_with_a_tied_head_in_8_and_4_bits(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    save_qwen(folder, tied=True, dtype="bfloat16", shard_size="300KB")
    assert len(Checkpoint.open(folder).weight_files) > 1
    assert "lm_head.weight" not in Checkpoint.open(folder).shapes()
    exported = export(folder, tmp_path / "int4", precision="int4")
    assert [f for row in exported.comparisons for f in failures(row)] == []
    files = {p.name for p in (tmp_path / "int4").iterdir()}
    assert files == {
        "captioner.vision.int8.onnx", "captioner.vision.fp16.onnx", "captioner.decoder.int4.onnx",
        "captioner.decoder.twin-int4.onnx", "captioner.embedding.npy", "captioner.tokenizer.json",
        "captioner.prompts.json",
    }  # fmt: skip
    assert np.load(tmp_path / "int4" / "captioner.embedding.npy").dtype == np.float16
    assert {row["layers"] for row in exported.sensitivity if row["graph"] == "captioner.vision"} == {
        "qkv", "proj", "gate_up", "down", "merger",
    }  # fmt: skip
    spoken = {row["weights"]: row["kl"] for row in exported.sensitivity if row["graph"] == "captioner.decoder"}
    assert spoken["fp32"] < spoken["int8"] < spoken["int4"]


def test_a_check_over_some_layers_says_so(made: tuple[Any, Path, RoleExport, Pack], tmp_path: Path) -> None:
    exported = export(made[1], tmp_path / "out", precision="fp16", options={"parity_layers": "1"})
    assert judge(exported.comparisons, allow_drift=False) == ()
    names = [row.parity.graph for row in exported.comparisons]
    assert names[-1] == "captioner.decoder.twin-fp16.onnx, first 1 of 2 layers"
    assert "first 1 of 2 layers" in exported.kept_high["decoder parity"]
    assert exported.spec.layers == 2  # type: ignore[union-attr]


def test_the_captioner_style_asks_once_for_prose(made: tuple[Any, Path, RoleExport, Pack], tmp_path: Path) -> None:
    exported = export(made[1], tmp_path / "out", precision="fp32", options={"style": "captioner"})
    spec = exported.spec
    assert isinstance(spec, CaptionerSpec)
    assert set(spec.prompts) == {"global"} and spec.max_tokens["global"] >= 512
    assert "helpful assistant" not in spec.layout.before and "captions" in spec.layout.before
    assert "prose" in exported.kept_high["style"] and "rules" not in exported.kept_high
    assert spec.prompt_file is None and spec.layout.before_system == ""
    assert not (tmp_path / "out" / "captioner.prompts.json").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stile": "instruct"}, "has no option 'stile'; it takes style, views, buckets"),
        ({"style": "poem"}, "expected instruct or captioner"),
        ({"views": "0"}, "whole number of at least 1"),
        ({"buckets": "112"}, "expected WIDTHxHEIGHT"),
        ({"buckets": "112x100"}, "multiples of 28 pixels"),
        ({"context": "64"}, "the text need"),
        ({"views": "200"}, "was trained for 2048"),
    ],
)
def test_options_that_cannot_be(
    made: tuple[Any, Path, RoleExport, Pack], tmp_path: Path, options: dict[str, str], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        export(made[1], tmp_path / "out", precision="fp32", options=options)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ({"architectures": ["SmolVLMForConditionalGeneration"]}, "use edgecap export smolvlm"),
        ({"rope_scaling": {"type": "mrope", "mrope_section": [4, 6, 5]}}, r"mrope_section \[4, 6, 5\]"),
        ({"hidden_size": 64}, "gives 128 features, the text model takes 64"),
        ({"num_hidden_layers": 3}, "no tensor model.layers.2"),
        ({"tie_word_embeddings": False, "vocab_size": 512}, "has shape"),
    ],
)
def test_a_checkpoint_that_does_not_fit_its_config(
    made: tuple[Any, Path, RoleExport, Pack], tmp_path: Path, edit: dict[str, Any], words: str
) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for path in made[1].iterdir():
        (folder / path.name).symlink_to(path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps(config | edit))
    with pytest.raises(CheckpointError, match=words):
        export(folder, tmp_path / "out", precision="fp32")


def test_wrong_pictures_or_positions_would_show(made: tuple[Any, Path, RoleExport, Pack]) -> None:
    """The end-to-end comparison is no tautology: pictures in another order, and positions that count a picture's tokens
    like words (M-RoPE left out), give other words."""
    pack = made[3]
    spec = pack.spec.captioner
    assert spec is not None and spec.rope is not None
    plain = replace(spec, rope=replace(spec.rope, sections=()))
    views, questions = views_of((168, 84), seed=0), (Question("appearance", "Describe the person.", _ANSWER),)

    def said(spec: CaptionerSpec, views: np.ndarray) -> str:
        captioner = LanguageModel.open(replace(pack, spec=replace(pack.spec, captioner=spec)))
        return captioner.answer([VisualPrompt(1, views, np.zeros(2), questions)]).answers[0].text

    assert len({said(spec, views), said(spec, views[::-1].copy()), said(plain, views)}) == 3
