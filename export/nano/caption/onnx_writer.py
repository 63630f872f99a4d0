"""Greedy answers straight from the exported graphs, in batches: the exporter's own check, without the runtime's engine.

In: the files of a pack part and prompts. Out: texts, and first-step logits for parity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.letterbox import normalise_views
from edgecap.engines.packs.specs import CaptionerSpec
from edgecap.export.nano.caption.tokenizer import decode, encode

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True)
class Prompted:
    """One question about one view set: `tokens` float32 [F*T, H] from the vision graph, and the question's text."""

    tokens: NDArray[np.float32]
    question: str


class OnnxWriter:
    """Vision and decoder sessions on one CPU thread, with a shared key/value buffer per batch."""

    def __init__(
        self, spec: CaptionerSpec, folder: Path, *, vision_file: Path | None = None, decoder_file: Path | None = None
    ) -> None:
        from tokenizers import Tokenizer

        self.spec = spec
        self._vision = _session(vision_file or folder / spec.vision.file)
        self._decoder = _session(decoder_file or folder / spec.decoder.file)
        self._embed: NDArray[np.float32] = np.load(folder / spec.embedding_file).astype(np.float32)
        self.tokenizer: Tokenizer = Tokenizer.from_file(str(folder / spec.tokenizer_file))

    def see(self, frames_rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [B, F, S, S, 3] -> vision tokens float32 [B, F*T, H]."""
        pixels = normalise_views(frames_rgb.reshape(-1, *frames_rgb.shape[2:]), mean=self.spec.mean, std=self.spec.std)
        tokens = self._vision.run(None, {"pixels": pixels})[0]
        return np.asarray(tokens, np.float32).reshape(len(frames_rgb), -1, self.spec.hidden_size)

    def write(self, prompts: Sequence[Prompted], *, max_tokens: int) -> tuple[list[str], NDArray[np.float32]]:
        """Greedy answers, and the logits float32 [B, V] of the first answer token.

        Every row is prefilled on its own prefix (ragged first prefill), then all rows decode together.
        """
        rows = [self._prompt_embeds(p) for p in prompts]
        lengths = np.array([len(r) for r in rows])
        width = int(lengths.max())
        embeds = np.stack([np.pad(r, ((0, width - len(r)), (0, 0))) for r in rows])
        cache = _Cache(self.spec, len(rows), capacity=width + max_tokens)
        first = logits = self._call(cache, embeds, lengths - 1, total=width, last=lengths - 1)
        answers: list[list[int]] = [[] for _ in rows]
        open_rows = np.ones(len(rows), bool)
        for step in range(max_tokens):
            chosen = logits.argmax(1)
            open_rows &= chosen != self.spec.eos_id
            for i in np.flatnonzero(open_rows):
                answers[i].append(int(chosen[i]))
            if not open_rows.any() or step == max_tokens - 1:
                break
            at = lengths + step
            logits = self._call(
                cache, self._embed[chosen][:, None], at, total=int(at.max()) + 1, last=np.zeros_like(at)
            )
        return [decode(self.tokenizer, a) for a in answers], first

    def _prompt_embeds(self, prompt: Prompted) -> NDArray[np.float32]:
        question = self._embed[encode(self.tokenizer, prompt.question)]
        assert self.spec.bos_id is not None  # nano's tokenizer has one
        return np.concatenate([self._embed[[self.spec.bos_id]], prompt.tokens, question])

    def _call(
        self, cache: _Cache, embeds: NDArray[np.float32], seqlens: NDArray[Any], *, total: int, last: NDArray[Any]
    ) -> NDArray[np.float32]:
        logits = np.empty((len(embeds), self.spec.vocab_size), np.float32)
        binding = self._decoder.io_binding()
        feeds = {
            "inputs_embeds": np.ascontiguousarray(embeds, np.float32),
            "seqlens_k": seqlens.astype(np.int32),
            "total_sequence_length": np.array(total, np.int32),
            "last_index": last.astype(np.int64),
        }
        for name, value in feeds.items():
            binding.bind_cpu_input(name, value)
        for name, value in cache.blocks.items():
            binding.bind_input(f"past_{name}", "cpu", 0, np.float32, value.shape, value.ctypes.data)
            binding.bind_output(f"present_{name}", "cpu", 0, np.float32, value.shape, value.ctypes.data)
        binding.bind_output("logits", "cpu", 0, np.float32, logits.shape, logits.ctypes.data)
        self._decoder.run_with_iobinding(binding)
        return logits


class _Cache:
    """Past and present of every layer in one place: "key_0" -> float32 [B, kv_heads, capacity, head_dim]."""

    def __init__(self, spec: CaptionerSpec, rows: int, *, capacity: int) -> None:
        shape = (rows, spec.kv_heads, capacity, spec.head_dim)
        names = [f"{kind}_{i}" for i in range(spec.layers) for kind in ("key", "value")]
        self.blocks = {name: np.zeros(shape, np.float32) for name in names}


def _session(file: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
