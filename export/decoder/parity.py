"""Does a decoder speak like another? One's greedy texts, replayed token by token on the other.

In: `SpokenText`s (by PyTorch in `speak_torch`, or by `speak` on an fp32 graph) and a decoder's port. Out: a
`GraphParity` with top-1 agreement and KL divergence. Graphs run through the runtime's own ports, so positions, memory
and contract are those of a real answer: the prompt in one piece, then one token a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import ParityError
from edgecap.engines.graph.onnx_session import open_onnx_session
from edgecap.engines.packs.specs import CaptionerSpec
from edgecap.export.decoder.config import WeightFormat
from edgecap.export.job import Limits
from edgecap.export.onnx.parity import GraphParity, compare_tensors
from edgecap.runtime.decode.open_port import Chunk, DecoderPort, open_port
from edgecap.runtime.decode.rotary import text_positions

TORCH = "PyTorch fp32"
DECODER_LIMITS: dict[WeightFormat, Limits] = {
    "fp32": {"relative_l2": ("max", 1e-3), "top1_agreement": ("min", 0.98)},
    "fp16": {"kl": ("max", 0.02)},
    "int8": {"kl": ("max", 0.05)},
    "int4": {"kl": ("max", 0.6)},
}
"""With room over what trained weights reach: KL 0.005 for 8-bit blocks, 0.29-0.35 for 4-bit ones (SmolLM2-135M,
docs/spec/measured.md part 2 section 3)."""


@dataclass(frozen=True, slots=True)
class TextPrompt:
    """`vectors` float32 [P, H], what is read; `positions` int64 [P, 3] its rotary coordinates; `next_position`: that of
    the token after it."""

    vectors: NDArray[np.float32]
    positions: NDArray[np.int64]
    next_position: int

    @classmethod
    def plain(cls, vectors: NDArray[np.float32]) -> TextPrompt:
        """Position = index."""
        return cls(vectors, text_positions(0, count=len(vectors)), len(vectors))


@dataclass(frozen=True, slots=True)
class SpokenText:
    """A greedy answer, not stopped at end tokens. `ids` int64 [N]; `logits` float32 [N, V]: row i chose ids[i];
    `vectors` float32 [N, H]: the embeddings of `ids`."""

    prompt: TextPrompt
    ids: NDArray[np.int64]
    logits: NDArray[np.float32]
    vectors: NDArray[np.float32]

    def __repr__(self) -> str:
        return f"SpokenText({self.prompt.vectors.shape = }, {self.logits.shape = })"


def speak(port: DecoderPort, prompt: TextPrompt, embedding: NDArray[Any], *, steps: int) -> SpokenText:
    """The greedy answer of a decoder, `steps` tokens long. `embedding`: [V, H]."""
    port.reserve(rows=1, capacity=len(prompt.vectors) + steps)
    logits = [_read(port, prompt)]
    ids = [int(logits[0].argmax())]
    while len(ids) < steps:
        vector = np.asarray(embedding[ids[-1]], np.float32)[None]
        logits.append(_step(port, prompt, vector, step=len(ids) - 1))
        ids.append(int(logits[-1].argmax()))
    vectors = np.asarray(embedding[np.array(ids)], np.float32)
    return SpokenText(prompt, np.array(ids, np.int64), np.stack(logits), vectors)


def speak_torch(
    text: Any, head: Any, table: NDArray[Any], prompt: TextPrompt, *, steps: int, coordinates: int = 1
) -> SpokenText:
    """Greedy answer of a transformers text model with the output matrix `head`, torch [V, H]. `table`: [V, H].
    `coordinates`: rotary positions of a token as the model takes them, 1, or 3 for M-RoPE."""
    import torch

    ids: list[int] = []
    logits: list[NDArray[np.float32]] = []
    vectors, positions = prompt.vectors, prompt.positions
    past = None
    with torch.inference_mode():
        for step in range(steps):
            by_coordinate = torch.from_numpy(np.ascontiguousarray(positions.T[:coordinates]))  # [1 or 3, S]
            given = text(
                inputs_embeds=torch.from_numpy(np.ascontiguousarray(vectors))[None],
                position_ids=by_coordinate if coordinates == 1 else by_coordinate[:, None],
                past_key_values=past,
                use_cache=True,
            )
            past = given.past_key_values
            row = head @ given.last_hidden_state[0, -1]
            ids.append(int(row.argmax()))
            logits.append(row.numpy())
            vectors = np.asarray(table[ids[-1:]], np.float32)
            positions = np.full((1, 3), prompt.next_position + step, np.int64)
    return SpokenText(prompt, np.array(ids, np.int64), np.stack(logits), np.asarray(table[ids], np.float32))


def decoder_parity(
    path: Path, captioner: CaptionerSpec, texts: Sequence[SpokenText], *, reference: str = TORCH
) -> GraphParity:
    """Distance of `captioner.decoder`, the file at `path`, from the original on the original's own texts.

    Raises `ParityError` where the graph gives values that are not finite.
    """
    port = open_port(captioner, open_onnx_session(path, captioner.decoder))
    return text_parity(port, texts, graph=path.name, reference=reference)


def replay(port: DecoderPort, text: SpokenText) -> NDArray[np.float32]:
    """Logits float32 [N, V] of a decoder behind the prompt and behind each token of `text` but the last."""
    steps = len(text.ids)
    port.reserve(rows=1, capacity=len(text.prompt.vectors) + steps)
    rows = [_read(port, text.prompt)]
    rows += [_step(port, text.prompt, text.vectors[i : i + 1], step=i) for i in range(steps - 1)]
    return np.stack(rows)


def text_parity(port: DecoderPort, texts: Sequence[SpokenText], *, graph: str, reference: str) -> GraphParity:
    """Distance of a decoder's logits from those of the texts, and two figures: "top1_agreement" (share of tokens chosen
    alike) and "kl" (mean over tokens of KL(reference || graph), nats).

    `graph`, `reference`: names for the report. Raises `ParityError` where a value is not finite.
    """
    got = [replay(port, text) for text in texts]
    expected = [text.logits for text in texts]
    try:
        tensor = compare_tensors("logits", expected, got)
    except ValueError as error:
        raise ParityError(f"{graph}: {error}; export with another --precision") from error
    figures = text_figures(np.concatenate(expected), np.concatenate(got))
    return GraphParity(graph, reference, sum(map(len, expected)), (tensor,), figures)


def text_figures(expected: NDArray[np.float32], got: NDArray[np.float32]) -> dict[str, float]:
    """top1_agreement and kl of logits `got` [N, V] against `expected` [N, V]."""
    log_p, log_q = (_log_softmax(x.astype(np.float64)) for x in (expected, got))
    divergence = (np.exp(log_p) * (log_p - log_q)).sum(1)
    agreement = (expected.argmax(1) == got.argmax(1)).mean()
    return {"top1_agreement": float(agreement), "kl": float(divergence.mean())}


def _read(port: DecoderPort, prompt: TextPrompt) -> NDArray[np.float32]:
    logits: NDArray[np.float32] = port.read(Chunk.join([prompt.vectors], [prompt.positions], begins=[0]))[0].copy()
    return logits


def _step(port: DecoderPort, prompt: TextPrompt, vector: NDArray[np.float32], *, step: int) -> NDArray[np.float32]:
    """Read the answer's token number `step`, [1, H]."""
    position = text_positions(prompt.next_position + step, count=1)
    chunk = Chunk.join([vector], [position], begins=[len(prompt.vectors) + step])
    logits: NDArray[np.float32] = port.read(chunk)[0].copy()
    return logits


def _log_softmax(x: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = x - x.max(1, keepdims=True)
    found: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return found
