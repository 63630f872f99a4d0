"""Decoders whose past and present are one memory: ONNX Runtime's GroupQueryAttention, and standard operators.

In: chunks. Out: logits; keys and values are written where they stay. Made by `decoder_ports.open_port`.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.session import Binding, Session
from edgecap.engines.packs.specs import CaptionerSpec
from edgecap.runtime.decode.port import Chunk, Port, columns

HIDDEN = np.float32(-30000.0)
"""Added to the score of a position that must not be seen: its weight becomes 0, and it fits float16."""


@dataclass(frozen=True, slots=True)
class _Bound:
    """Buffers of one shape over some rows of the pool."""

    inputs: dict[str, NDArray[Any]]
    logits: NDArray[Any]
    binding: Binding


class InPlacePort(Port):
    """Past and present are the pool's own memory. Buffers of decode steps (one position a row) stay bound."""

    def __init__(self, spec: CaptionerSpec, session: Session) -> None:
        super().__init__(spec, session)
        self._logits = next(t for t in session.spec.outputs if t.name == "logits").dtype
        self._steps: dict[int, _Bound] = {}

    def _moved(self) -> None:
        self._steps.clear()

    def _run(self, chunk: Chunk) -> NDArray[np.float32]:
        batch, new, row = *chunk.embeds.shape[:2], chunk.first_row
        feeds: dict[str, NDArray[Any]] = {"inputs_embeds": chunk.embeds, "last_index": chunk.counts - 1}
        feeds |= self._feeds(chunk) | self._places(chunk.positions)
        bound = self._steps.get(batch) if new == 1 and row == 0 else None
        if bound is None:
            bound = self._bind(feeds, row=row, batch=batch)
            if new == 1 and row == 0:
                self._steps[batch] = bound
        else:
            for name, array in bound.inputs.items():
                array[...] = feeds[name]
        bound.binding.run()
        self.runs += 1
        return bound.logits.astype(np.float32, copy=False)

    def _bind(self, feeds: dict[str, NDArray[Any]], *, row: int, batch: int) -> _Bound:
        inputs = {name: np.array(feeds[name], dtype=t.dtype, order="C") for name, t in self._inputs.items()}
        logits = np.empty((batch, self._spec.vocab_size), self._logits)
        stop = row + batch
        outputs = {"logits": logits} | self.kv.present(row, stop)
        return _Bound(inputs, logits, self._session.bind(inputs | self.kv.past(row, stop), outputs))

    @abstractmethod
    def _feeds(self, chunk: Chunk) -> dict[str, NDArray[Any]]:
        """What the graph is fed beside embeddings, positions and memory."""


class SharedPort(InPlacePort):
    """GroupQueryAttention. On the CPU it takes several new positions after a past for one row only."""

    inputs = frozenset(
        {"inputs_embeds", "last_index", "seqlens_k", "total_sequence_length", "rope_cos", "rope_sin"},
    )

    def read(self, chunk: Chunk) -> NDArray[np.float32]:
        """See `DecoderPort.read`."""
        if chunk.embeds.shape[1] == 1 or not chunk.begins.any():
            return self._run(chunk)
        rows = [
            self._run(chunk.piece(slice(b, b + 1), slice(0, int(count))))[0].copy()
            for b, count in enumerate(chunk.counts)
        ]
        return np.stack(rows)

    def _feeds(self, chunk: Chunk) -> dict[str, NDArray[Any]]:
        lengths = chunk.begins + chunk.counts
        return {"seqlens_k": lengths - 1, "total_sequence_length": lengths.max()}


class ScatterPort(InPlacePort):
    """TensorScatter and Attention. Any rows, any lengths; where a position may look is in `attention_bias`."""

    inputs = frozenset(
        {"inputs_embeds", "last_index", "write_indices", "position_ids", "attention_bias", "rope_cos", "rope_sin"},
    )

    def read(self, chunk: Chunk) -> NDArray[np.float32]:
        """See `DecoderPort.read`."""
        batch, new = chunk.embeds.shape[:2]
        logits = np.empty((batch, self._spec.vocab_size), np.float32)
        for part in columns(new, most=self._most_new, bytes_each=4 * batch * self.kv.capacity):
            got = self._run(chunk.piece(slice(None), part))
            ends_here = (chunk.counts > part.start) & (chunk.counts <= part.stop)
            logits[ends_here] = got[ends_here]
        return logits

    def _feeds(self, chunk: Chunk) -> dict[str, NDArray[Any]]:
        seen_until = chunk.begins[:, None] + np.arange(chunk.embeds.shape[1])  # [B, S]
        hidden = np.arange(self.kv.capacity) > seen_until[..., None]
        bias = np.where(hidden, HIDDEN, np.float32(0))[:, None]  # [B, 1, S, M]
        return {"write_indices": chunk.begins, "attention_bias": bias}
