"""M-RoPE of the runtime against transformers' Qwen2.5-VL: positions, angles, and whole answers with shared prefixes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("onnxruntime")

from edgecap.engines.graph.onnx_session import open_onnx_session
from edgecap.engines.graph.scripted_session import ScriptedSession
from edgecap.engines.graph.spec import GraphSpec, TensorSpec
from edgecap.engines.packs.specs import CaptionerSpec, PromptLayout, RopeSpec
from edgecap.export.decoder.shared import DecoderConfig, build_decoder, decoder_spec
from edgecap.runtime.data.question import Question, VisualPrompt
from edgecap.runtime.decode.language_model import LanguageModel
from edgecap.runtime.decode.rotary import Rotary, positions_of
from tests.runtime.decode.letters_model import SPEC, Letters

VOCAB, HIDDEN, END, OTHER_END = 40, 64, 1, 3
ROPE = RopeSpec(theta=1000.0, sections=(2, 3, 3), merge=2)
CONFIG = DecoderConfig(
    hidden_size=HIDDEN,
    layers=2,
    heads=4,
    kv_heads=2,
    head_dim=16,
    mlp_size=96,
    vocab_size=VOCAB,
    max_positions=128,
    rope_theta=1000.0,
    norm_eps=1e-6,
    qkv_bias=True,
    rope_inputs=True,
)
LAYOUT = PromptLayout("hi ", "see ", ".", "ask ", "?")
BUCKETS = ((32, 16), (16, 24))
PATCH = 8
"""Pixels of one token's side: a 32x16 picture has 2 rows of 4."""


@pytest.fixture(scope="module")
def network() -> Any:
    import torch
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    torch.manual_seed(0)
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": VOCAB,
            "hidden_size": HIDDEN,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 256,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1000.0, "mrope_section": [2, 3, 3]},
        },
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": HIDDEN,
        },
        image_token_id=5,
        video_token_id=6,
        tie_word_embeddings=False,
    )
    model = Qwen2_5_VLForConditionalGeneration(config).eval()
    for name, parameter in model.named_parameters():
        if not name.startswith("model.visual"):
            wide = 0.3 if name.split(".")[-2] in ("q_proj", "k_proj", "v_proj", "o_proj", "embed_tokens") else 0.12
            torch.nn.init.normal_(parameter, 1.0 if "norm" in name else 0.0, wide)
    with torch.no_grad():
        for end in (END, OTHER_END):
            model.lm_head.weight[end] *= 2.5  # so that answers end, at different lengths and with either
    return model


@pytest.mark.parametrize(
    "parts", [[4, (2, 3), 5], [(5, 1), 1, (2, 2), 2, (3, 7), 6], [9]], ids=["one picture", "three", "text alone"]
)
def test_positions_and_angles_are_those_of_transformers(network: Any, parts: list[Any]) -> None:
    import torch

    kinds = [kind for part in parts for kind in ([0] * part if isinstance(part, int) else [1] * (part[0] * part[1]))]
    grids = [(1, 2 * h, 2 * w) for h, w in (p for p in parts if not isinstance(p, int))]
    ids = torch.zeros((1, len(kinds)), dtype=torch.int64)
    index, delta = network.model.get_rope_index(
        ids, torch.tensor([kinds], dtype=torch.int32), torch.tensor(grids) if grids else None
    )
    positions, after = positions_of(parts, rope=ROPE)
    np.testing.assert_array_equal(positions, index[:, 0].T.numpy())
    assert after - len(kinds) == int(delta)
    rotary = network.model.language_model.rotary_emb
    wanted = rotary(torch.zeros(1), index)
    for got, expected in zip(Rotary(ROPE, head_dim=16).angles(positions), wanted, strict=True):
        np.testing.assert_allclose(got, expected[0].numpy(), atol=2e-6)


def _spec(graph: GraphSpec) -> CaptionerSpec:
    vision = GraphSpec(
        "vision",
        "fp32",
        (TensorSpec("pixels", "float32", ("n", 3, "h", "w")),),
        (TensorSpec("tokens", "float32", ("n", "T", HIDDEN)),),
    )
    return replace(
        SPEC,
        vision=vision,
        decoder=graph,
        view_side=32,
        views=2,
        tokens_per_view=8,
        hidden_size=HIDDEN,
        layers=2,
        kv_heads=2,
        head_dim=16,
        vocab_size=VOCAB,
        bos_id=None,
        eos_id=END,
        layout=LAYOUT,
        eos_ids=(OTHER_END,),
        rope=ROPE,
        buckets_wh=BUCKETS,
    )


def _see(feeds: dict[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
    """Each token is its patch's first pixels, enlarged."""
    pixels = feeds["pixels"]
    n, _, height, width = pixels.shape
    patches = pixels.reshape(n, 3, height // PATCH, PATCH, width // PATCH, PATCH).transpose(0, 2, 4, 1, 3, 5)
    return {"tokens": np.ascontiguousarray(patches.reshape(n, -1, 3 * PATCH * PATCH)[..., :HIDDEN] * 2)}


def _prompts() -> list[VisualPrompt]:
    rng = np.random.default_rng(2)

    def prompt(track: int | None, size_wh: tuple[int, int], *questions: Question) -> VisualPrompt:
        frames = rng.integers(0, 255, (2, size_wh[1], size_wh[0], 3), np.uint8)
        return VisualPrompt(track, frames, np.arange(2.0), questions)

    return [
        prompt(1, BUCKETS[0], Question("appearance", "what is it", 14), Question("action", "go", 9)),
        prompt(2, BUCKETS[1], Question("appearance", "and this one", 14), Question("action", "why so", 9)),
        prompt(None, BUCKETS[0], Question("background", "where", 14), Question("global", "who is there then", 16)),
    ]


def _by_transformers(network: Any, prompt: VisualPrompt, question: Question) -> list[int]:
    """The whole sequence read again for every token, with transformers' own positions."""
    import torch

    height, width = prompt.frames_rgb.shape[1:3]
    table = network.get_input_embeddings().weight.detach().numpy()
    pixels = ((prompt.frames_rgb.astype(np.float32) / 255 - 0.5) / 0.5).transpose(0, 3, 1, 2)
    first, second = _see({"pixels": pixels})["tokens"]

    def text(words: str) -> list[int]:
        return list(Letters().encode(words, add_special_tokens=False).ids)

    opening, between, rest = text("hi see "), text(".see "), text(".ask " + question.text + "?")
    answer: list[int] = []
    while len(answer) < question.max_tokens and not {END, OTHER_END} & set(answer):
        parts = [table[opening], first, table[between], second, table[rest + answer]]
        kinds = np.repeat([0, 1, 0, 1, 0], [len(p) for p in parts])[None]
        grid = [1, 2 * height // PATCH, 2 * width // PATCH]
        index, _ = network.model.get_rope_index(
            torch.zeros(kinds.shape, dtype=torch.int64), torch.from_numpy(kinds).int(), torch.tensor([grid, grid])
        )
        embeds = torch.from_numpy(np.concatenate(parts))[None]
        with torch.inference_mode():
            hidden = network.model.language_model(inputs_embeds=embeds, position_ids=index, use_cache=False)
            logits = network.lm_head(hidden.last_hidden_state[0, -1])
        answer.append(int(logits.argmax()))
    return answer


@pytest.mark.parametrize("form", ["shared", "scatter"])
def test_answers_with_shared_prefixes_are_those_of_transformers(form: str, network: Any, tmp_path: Path) -> None:
    state = {k: v.detach().numpy() for k, v in network.state_dict().items()}
    weights = {k.removeprefix("model.language_model."): v for k, v in state.items()}
    graph = decoder_spec(CONFIG, file="decoder.onnx", weight_format="fp32", form=form)
    build_decoder(weights, CONFIG, weight_format="fp32", form=form, path=tmp_path / graph.file)
    spec = _spec(graph)
    vision = ScriptedSession(spec.vision, _see)
    captioner = LanguageModel(
        spec,
        vision=vision,
        decoder=open_onnx_session(tmp_path / graph.file, graph),
        embedding=weights["embed_tokens.weight"],
        tokenizer=Letters(),
    )
    prompts = _prompts()
    wanted = [_by_transformers(network, p, q) for p in prompts for q in p.questions]
    for _ in range(2):
        answers = captioner.answer(prompts).answers
        assert [a.token_count for a in answers] == [len(ids) for ids in wanted]
        for answer, ids in zip(answers, wanted, strict=True):
            said = ids[:-1] if ids[-1] in (END, OTHER_END) else ids
            assert answer.text == Letters().decode(said, skip_special_tokens=True).strip()
            assert answer.truncated == (ids[-1] not in (END, OTHER_END))
    assert [c["pixels"].shape[2:] for c in vision.calls] == [(16, 32), (24, 16)], "one run a size, none for the retry"
    assert len({tuple(ids) for ids in wanted}) > 3 and len({len(ids) for ids in wanted}) > 2
    assert {ids[-1] for ids in wanted} >= {END, OTHER_END}


def test_prompts_of_another_size_are_refused(network: Any) -> None:
    graph = decoder_spec(replace(CONFIG), file="d", weight_format="fp32")
    spec = _spec(graph)
    captioner = LanguageModel(
        spec,
        vision=ScriptedSession(spec.vision, []),
        decoder=ScriptedSession(graph, []),
        embedding=np.zeros((VOCAB, HIDDEN), np.float32),
        tokenizer=Letters(),
    )
    wrong = VisualPrompt(1, np.zeros((2, 32, 16, 3), np.uint8), np.arange(2.0), (Question("action", "a", 2),))
    with pytest.raises(ValueError, match=r"want views \[2, 16, 32, 3\] or \[2, 24, 16, 3\], got .* \(2, 32, 16, 3\)"):
        captioner.answer([wrong])
