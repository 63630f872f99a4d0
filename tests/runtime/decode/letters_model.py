"""A language model with known arithmetic on scripted sessions, and the reference that reads everything again for every
token."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.scripted_session import ScriptedSession
from edgecap.engines.graph.spec import GraphSpec, TensorSpec
from edgecap.engines.packs.specs import CaptionerSpec, PromptLayout
from edgecap.runtime.decode.language_model import LanguageModel

HIDDEN, VOCAB, SIDE, VIEWS, TOKENS = 8, 40, 4, 2, 3
BOS, EOS = 0, 1
_RANDOM = np.random.default_rng(5)
EMBEDDING = _RANDOM.normal(size=(VOCAB, HIDDEN)).astype(np.float32)
HEAD = _RANDOM.normal(size=(HIDDEN, VOCAB)).astype(np.float32)
HEAD[:, EOS] *= 1.6  # so that answers end, at different lengths


class Letters:
    """A tokenizer of single characters; token 2 + k is the k-th of `ALPHABET`."""

    ALPHABET = "abcdefghijklmnopqrstuvwxyz .?ABCDEFGHI"

    def encode(self, sequence: str, *, add_special_tokens: bool) -> Any:
        assert not add_special_tokens
        return SimpleNamespace(ids=[2 + self.ALPHABET.index(c) for c in sequence])

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        return "".join(self.ALPHABET[i - 2] for i in ids if i > 1)


def _graph(file: str, inputs: dict[str, tuple[str, tuple]], outputs: dict[str, tuple[str, tuple]]) -> GraphSpec:
    def specs(tensors: dict) -> tuple[TensorSpec, ...]:
        return tuple(TensorSpec(name, dtype, axes) for name, (dtype, axes) in tensors.items())

    return GraphSpec(file, "fp32", specs(inputs), specs(outputs))


KV = ("float32", ("B", 1, "M", HIDDEN))
DECODER = _graph(
    "decoder",
    {
        "inputs_embeds": ("float32", ("B", "S", HIDDEN)),
        "seqlens_k": ("int32", ("B",)),
        "total_sequence_length": ("int32", ()),
        "last_index": ("int64", ("B",)),
        "past_key_0": KV,
        "past_value_0": KV,
    },
    {"logits": ("float32", ("B", VOCAB)), "present_key_0": KV, "present_value_0": KV},
)
VISION = _graph("vision", {"pixels": ("float32", ("n", 3, SIDE, SIDE))}, {"tokens": ("float32", ("n", TOKENS, HIDDEN))})
SPEC = CaptionerSpec(
    vision=VISION,
    decoder=DECODER,
    embedding_file="e.npy",
    tokenizer_file="t.json",
    view_side=SIDE,
    views=VIEWS,
    tokens_per_view=TOKENS,
    view_gap_seconds=0.3,
    view_margin=1.3,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    hidden_size=HIDDEN,
    layers=1,
    kv_heads=1,
    head_dim=HIDDEN,
    vocab_size=VOCAB,
    bos_id=BOS,
    eos_id=EOS,
    prompts={},
    max_tokens={},
)


def see(feeds: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    mean = feeds["pixels"].mean((2, 3))  # [n, 3]
    tokens = np.stack([np.tile(mean[:, k : k + 1], HIDDEN) * np.arange(1, HIDDEN + 1) for k in range(TOKENS)], 1)
    return {"tokens": tokens.astype(np.float32)}


def decode(feeds: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Order-sensitive arithmetic on everything read so far; refuses what ONNX Runtime's CPU attention
    refuses."""
    embeds, keys, values = feeds["inputs_embeds"], feeds["past_key_0"].copy(), feeds["past_value_0"].copy()
    batch, new = embeds.shape[:2]
    total = int(feeds["total_sequence_length"])
    assert total == int(feeds["seqlens_k"].max()) + 1 <= keys.shape[2]
    assert batch == 1 or new == 1 or new == total, "several rows read several tokens after a past"
    logits = np.empty((batch, VOCAB), np.float32)
    for b in range(batch):
        length = int(feeds["seqlens_k"][b]) + 1
        keys[b, 0, length - new : length] = embeds[b]
        values[b, 0, length - new : length] = -embeds[b]
        assert int(feeds["last_index"][b]) == new - 1
        np.testing.assert_array_equal(keys[b, 0, :length], -values[b, 0, :length])
        logits[b] = logits_of(keys[b, 0, :length])
    return {"logits": logits, "present_key_0": keys, "present_value_0": values}


def logits_of(read: NDArray[np.float32]) -> NDArray[np.float32]:
    weights = np.cos(np.arange(len(read), dtype=np.float32) * 1.7)[:, None]
    return (np.tanh((read * weights).sum(0)) @ HEAD).astype(np.float32)


CHAT_LAYOUT = PromptLayout("h ", "s ", ".", "q ", "?", answer_after=". and ", before_system="rule {system}. h ")
"""With further questions and rules."""


def open_model(
    spec: CaptionerSpec = SPEC, *, decoder: GraphSpec | None = None, vision: Callable[..., Any] = see
) -> tuple[LanguageModel, ScriptedSession, ScriptedSession]:
    """The model and its sessions, vision first. `decoder`: in place of the spec's."""
    eye, reader = ScriptedSession(spec.vision, vision), ScriptedSession(decoder or spec.decoder, decode)
    return LanguageModel(spec, vision=eye, decoder=reader, embedding=EMBEDDING, tokenizer=Letters()), eye, reader


def ids_of(text: str) -> list[int]:
    return list(Letters().encode(text, add_special_tokens=False).ids)


def text_of(ids: Sequence[int]) -> str:
    return Letters().decode([i for i in ids if i != EOS], skip_special_tokens=True).strip()


def seen_tokens(frames_rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Of frames [V, H, W, 3]: float32 [V, TOKENS, HIDDEN]."""
    pixels = (frames_rgb.astype(np.float32) / 255 - 0.5) / 0.5
    return see({"pixels": pixels.transpose(0, 3, 1, 2)})["tokens"]


def answer_again(
    read: NDArray[np.float32], most: int, *, banned: Collection[int] = frozenset()
) -> tuple[list[int], list[float]]:
    """The reference: the whole sequence `read` [S, HIDDEN] again for every token. Ids with the end, probabilities."""
    ids: list[int] = []
    probabilities: list[float] = []
    while len(ids) < most and EOS not in ids:
        free = logits_of(read)
        ids.append(int(np.argmax(np.where([i in banned for i in range(VOCAB)], -np.inf, free))))
        probabilities.append(float(np.exp(free[ids[-1]]) / np.exp(free).sum()))
        read = np.concatenate([read, EMBEDDING[[ids[-1]]]])
    return ids, probabilities
