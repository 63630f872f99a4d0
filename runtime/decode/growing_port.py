"""The model hub's ready-made decoder: a past goes in, a longer present comes out.

In: chunks. Out: logits; new keys and values are copied back to the pool. Made by `decoder_ports.open_port`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.decode.port import Chunk, Port, columns


class GrowingPort(Port):
    """The hub's decoder_model_merged. Rows of unequal length share a run: the gap behind a short one is masked.

    Some of these files hide GroupQueryAttention, which reads a mask as a mere count and would look into the gap. So
    the first such run is compared with the short row's own; where they differ, rows of one length run together.
    """

    inputs = frozenset({"inputs_embeds", "attention_mask", "position_ids"})
    past = "past_key_values."
    _gaps_work: bool | None = None

    def read(self, chunk: Chunk) -> NDArray[np.float32]:
        """See `DecoderPort.read`."""
        batch, new = chunk.embeds.shape[:2]
        logits = np.empty((batch, self._spec.vocab_size), np.float32)
        if new == 1:
            for rows in self._together(chunk):
                logits[rows] = self._run(chunk, rows)
            return logits
        for b in range(batch):  # the file gives logits of every position, so a batch of prompts would be a lot of them
            count = int(chunk.counts[b])
            for part in columns(count, most=self._most_new, bytes_each=4 * self._spec.vocab_size):
                logits[b] = self._run(chunk.piece(slice(None), part), np.array([b]))[0]
        return logits

    def _together(self, chunk: Chunk) -> list[NDArray[np.int64]]:
        """Rows (indices) that step in one run."""
        everyone = np.arange(len(chunk.begins))
        lengths = np.unique(chunk.begins)
        if len(lengths) > 1 and self._gaps_work is None:
            short = int(np.argmin(chunk.begins))
            alone = self._made(chunk, np.array([short]), short)
            masked = self._made(chunk, everyone, short)
            # A row's logits may move a little with its company: 8-bit activations with one scale a tensor do that.
            distances = [np.linalg.norm(m - a) / np.linalg.norm(a) for m, a in zip(masked, alone, strict=True)]
            self._gaps_work = bool(max(distances) <= 0.1)
        if self._gaps_work is not False:
            return [everyone]
        return [np.flatnonzero(chunk.begins == length) for length in lengths]

    def _made(self, chunk: Chunk, rows: NDArray[np.int64], row: int) -> list[NDArray[Any]]:
        """The logits of one row, and the key of its new position in each layer, from a run over some rows."""
        made = [self._run(chunk, rows)[list(rows).index(row)]]
        begin, row = int(chunk.begins[row]), row + chunk.first_row
        return made + [block[row, :, begin].copy() for name, block in self.kv.blocks() if name.startswith("key")]

    def _run(self, chunk: Chunk, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """One graph run over some rows: logits [rows, V] after the chunk's last column."""
        embeds, begins = chunk.embeds[rows], chunk.begins[rows]
        new, past = embeds.shape[1], int(begins.max())
        mask = np.ones((len(rows), past + new), np.int64)
        mask[:, :past] = np.arange(past) < begins[:, None]
        feeds = {"inputs_embeds": embeds, "attention_mask": mask} | self._places(chunk.positions[rows])
        feeds = {n: np.ascontiguousarray(feeds[n], dtype=t.dtype) for n, t in self._inputs.items()}
        for name, block in self.kv.blocks():
            feeds[_hub_name("past_key_values", name)] = np.ascontiguousarray(block[rows + chunk.first_row, :, :past])
        outputs = self._session.run(feeds)
        self.runs += 1
        for name, block in self.kv.blocks():
            grown = outputs[_hub_name("present", name)]
            for row, begin, got in zip(rows, begins, grown, strict=True):
                block[row + chunk.first_row, :, begin : begin + new] = got[:, past:]
        return np.asarray(outputs["logits"][:, -1], np.float32)


def _hub_name(tense: str, block: str) -> str:
    kind, layer = block.split("_")
    return f"{tense}.{layer}.{kind}"
