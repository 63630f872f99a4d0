"""The language model on ONNX Runtime's own attention: shared prefix, forked memory and batching change no
answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecap.engines.graph.onnx_session import OnnxSession, open_onnx_session
from edgecap.engines.graph.scripted_session import ScriptedSession
from edgecap.engines.packs.specs import CaptionerSpec
from edgecap.export.decoder.shared import DecoderConfig, WeightFormat, build_decoder, decoder_spec
from edgecap.runtime.data.question import Question, VisualPrompt
from edgecap.runtime.decode.language_model import LanguageModel
from tests.runtime.decode.letters_model import BOS, EOS, SIDE, SPEC, TOKENS, VIEWS, VISION, VOCAB, Letters

CONFIG = DecoderConfig(
    hidden_size=32,
    layers=2,
    heads=2,
    kv_heads=1,
    head_dim=16,
    mlp_size=64,
    vocab_size=VOCAB,
    max_positions=128,
    rope_theta=10_000.0,
    norm_eps=1e-5,
)
EMBEDDING = np.random.default_rng(3).normal(size=(VOCAB, CONFIG.hidden_size)).astype(np.float32)


def _weights() -> dict[str, NDArray[np.float32]]:
    rng, c = np.random.default_rng(4), CONFIG
    shapes = {"norm.weight": (c.hidden_size,), "lm_head.weight": (c.vocab_size, c.hidden_size)}
    for i in range(c.layers):
        at, mlp = f"layers.{i}.self_attn", f"layers.{i}.mlp"
        shapes |= {
            f"{at}.q_proj.weight": (c.heads * c.head_dim, c.hidden_size),
            f"{at}.k_proj.weight": (c.kv_heads * c.head_dim, c.hidden_size),
            f"{at}.v_proj.weight": (c.kv_heads * c.head_dim, c.hidden_size),
            f"{at}.o_proj.weight": (c.hidden_size, c.heads * c.head_dim),
            f"{mlp}.gate_proj.weight": (c.mlp_size, c.hidden_size),
            f"{mlp}.up_proj.weight": (c.mlp_size, c.hidden_size),
            f"{mlp}.down_proj.weight": (c.hidden_size, c.mlp_size),
            f"layers.{i}.input_layernorm.weight": (c.hidden_size,),
            f"layers.{i}.post_attention_layernorm.weight": (c.hidden_size,),
        }
    weights = {n: rng.normal(scale=0.4, size=s).astype(np.float32) for n, s in shapes.items()}
    weights["lm_head.weight"][EOS] *= 2.5  # so that answers end, at different lengths
    return weights


def _see(feeds: dict[str, NDArray]) -> dict[str, NDArray[np.float32]]:
    views = feeds["pixels"].reshape(len(feeds["pixels"]), -1)
    wide = np.resize(views, (len(views), TOKENS * CONFIG.hidden_size)).reshape(-1, TOKENS, CONFIG.hidden_size)
    for i, view in enumerate(views):
        wide[i] = np.resize(view, (TOKENS, CONFIG.hidden_size))
    return {"tokens": wide.astype(np.float32)}


def _spec(form: WeightFormat) -> CaptionerSpec:
    out = replace(VISION.outputs[0], axes=("n", TOKENS, CONFIG.hidden_size))
    return replace(
        SPEC,
        vision=replace(VISION, outputs=(out,)),
        hidden_size=CONFIG.hidden_size,
        layers=CONFIG.layers,
        kv_heads=CONFIG.kv_heads,
        head_dim=CONFIG.head_dim,
        decoder=decoder_spec(CONFIG, file="decoder.onnx", weight_format=form),
    )


def _prompts() -> list[VisualPrompt]:
    views = np.random.default_rng(6).integers(0, 255, (5, SIDE, SIDE, 3), np.uint8)
    return [
        VisualPrompt(
            i,
            views[[i, i + 1]],
            np.arange(float(VIEWS)),
            (
                Question("appearance", "what is number " + "abc"[i], 20),
                Question("action", "does it walk"[: 6 + 3 * i], 16),
            ),
        )
        for i in range(3)
    ]


def _one_by_one(session: OnnxSession, prompt: VisualPrompt, question: Question) -> list[int]:
    """Read the whole sequence into an empty memory again for every token, one question at a time."""
    pixels = (prompt.frames_rgb.astype(np.float32) / 255 - 0.5) / 0.5
    seen = _see({"pixels": pixels.transpose(0, 3, 1, 2)})["tokens"].reshape(-1, CONFIG.hidden_size)
    text = Letters().encode(question.text, add_special_tokens=False).ids
    read, ids = np.concatenate([EMBEDDING[[BOS]], seen, EMBEDDING[text]]), []
    while len(ids) < question.max_tokens and EOS not in ids:
        n = len(read)
        past = {
            t.name: np.zeros((1, CONFIG.kv_heads, n, CONFIG.head_dim), np.float32)
            for t in session.spec.inputs
            if t.name.startswith("past_")
        }
        logits = session.run(
            {
                "inputs_embeds": read[None],
                "seqlens_k": np.array([n - 1], np.int32),
                "total_sequence_length": np.array(n, np.int32),
                "last_index": np.array([n - 1]),
                **past,
            }
        )["logits"]
        ids.append(int(logits[0].argmax()))
        read = np.concatenate([read, EMBEDDING[[ids[-1]]]])
    return ids


@pytest.mark.parametrize("form", ["fp32", "int8"])
def test_answers_equal_full_prefill_one_by_one(form: WeightFormat, tmp_path: Path) -> None:
    spec = _spec(form)
    (tmp_path / "decoder.onnx").write_bytes(build_decoder(_weights(), CONFIG, weight_format=form).SerializeToString())
    session = open_onnx_session(tmp_path / "decoder.onnx", spec.decoder)
    model = LanguageModel(
        spec, vision=ScriptedSession(spec.vision, _see), decoder=session, embedding=EMBEDDING, tokenizer=Letters()
    )
    for _ in range(2):  # the second time the memory is full of the first
        answers = model.answer(_prompts()).answers
        expected = [_one_by_one(session, p, q) for p in _prompts() for q in p.questions]
        assert [a.token_count for a in answers] == [len(ids) for ids in expected]
        assert [a.text for a in answers] == [
            Letters().decode(ids, skip_special_tokens=True).strip() for ids in expected
        ]
    assert len({a.token_count for a in answers}) > 2, "rows that end apart are the point of the test"
