"""Greedy answers straight from the exported graphs, in batches: the exporter's own check.

In: the files of a pack part and prompts. Out: texts, and first-step logits for parity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.letterbox import normalise_views
from edgecap.engines.graph.onnx_session import open_onnx_session
from edgecap.engines.packs.specs import CaptionerSpec
from edgecap.export.nano.caption.tokenizer import decode, encode
from edgecap.export.onnx.graph import open_graph
from edgecap.runtime.decode.open_port import Chunk, open_port
from edgecap.runtime.decode.rotary import text_positions

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, slots=True)
class Prompted:
    """One question about one view set: `tokens` float32 [F*T, H] from the vision graph, and the question's text."""

    tokens: NDArray[np.float32]
    question: str


class OnnxWriter:
    """Vision and decoder sessions on one CPU thread."""

    def __init__(
        self, spec: CaptionerSpec, folder: Path, *, vision_file: Path | None = None, decoder_file: Path | None = None
    ) -> None:
        from tokenizers import Tokenizer

        self.spec = spec
        self._vision = open_graph(vision_file or folder / spec.vision.file)
        decoder = open_onnx_session(decoder_file or folder / spec.decoder.file, spec.decoder, intra_threads=1)
        self._port = open_port(spec, decoder)
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
        self._port.reserve(rows=len(rows), capacity=int(lengths.max()) + max_tokens)
        first = logits = self._read(rows, [0] * len(rows))
        answers: list[list[int]] = [[] for _ in rows]
        open_rows = np.ones(len(rows), bool)
        for step in range(max_tokens):
            chosen = logits.argmax(1)
            open_rows &= chosen != self.spec.eos_id
            for i in np.flatnonzero(open_rows):
                answers[i].append(int(chosen[i]))
            if not open_rows.any() or step == max_tokens - 1:
                break
            logits = self._read(list(self._embed[chosen][:, None]), list(lengths + step))
        return [decode(self.tokenizer, a) for a in answers], first

    def _read(self, rows: list[NDArray[np.float32]], begins: list[int]) -> NDArray[np.float32]:
        """Logits float32 [B, V] behind the vectors [n, H] of each row, which begin at these positions."""
        positions = [text_positions(begin, count=len(row)) for row, begin in zip(rows, begins, strict=True)]
        return np.array(self._port.read(Chunk.join(rows, positions, begins=begins)), np.float32)

    def _prompt_embeds(self, prompt: Prompted) -> NDArray[np.float32]:
        question = self._embed[encode(self.tokenizer, prompt.question)]
        assert self.spec.bos_id is not None  # nano's tokenizer has one
        return np.concatenate([self._embed[[self.spec.bos_id]], prompt.tokens, question])
