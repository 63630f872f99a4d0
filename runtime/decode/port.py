"""What the decoder ports have in common: new positions to read, the memory, the bounds of the graph, rotary angles."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import GraphContractError
from edgecap.engines.graph.session import Session
from edgecap.engines.graph.spec import TensorSpec
from edgecap.engines.packs.specs import CaptionerSpec
from edgecap.runtime.decode.kv_cache import KvPool
from edgecap.runtime.decode.rotary import Rotary

_MOST_ARRAY_BYTES = 1 << 26
"""Of one bias or logits array; a longer chunk is read in pieces."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """New positions of rows first_row ... first_row+B-1 of the pool.

    `embeds` float32 [B, S, H], right-padded; `counts` int64 [B]: how many of the S are real, 1 at least; `begins` int64
    [B]: valid positions of the row before; `positions` int64 [B, S, 3]: rotary coordinates. The pool needs room for
    begins + S, padding too.
    """

    embeds: NDArray[np.float32]
    counts: NDArray[np.int64]
    begins: NDArray[np.int64]
    positions: NDArray[np.int64]
    first_row: int = 0

    @classmethod
    def join(
        cls,
        embeds: Sequence[NDArray[np.float32]],
        positions: Sequence[NDArray[np.int64]],
        *,
        begins: Sequence[int],
        first_row: int = 0,
    ) -> Chunk:
        """One array [S_b, H] and one [S_b, 3] a row, padded to the longest."""
        counts = np.array([len(e) for e in embeds], np.int64)
        shape = (len(embeds), int(counts.max()))
        padded = np.zeros((*shape, embeds[0].shape[1]), np.float32)
        places = np.zeros((*shape, 3), np.int64)
        for b, count in enumerate(counts):
            padded[b, :count], places[b, :count] = embeds[b], positions[b]
        return cls(padded, counts, np.array(begins, np.int64), places, first_row)

    def piece(self, rows: slice, columns: slice) -> Chunk:
        """The same for some rows and columns; counts end where the columns do."""
        start, stop, _ = columns.indices(self.embeds.shape[1])
        return Chunk(
            self.embeds[rows, columns],
            np.clip(self.counts[rows] - start, 1, stop - start),
            self.begins[rows] + start,
            self.positions[rows, columns],
            self.first_row + (rows.start or 0),
        )


class Port(ABC):
    """Base of the three ports; see `DecoderPort` for what they promise."""

    inputs: frozenset[str]
    """Inputs of this kind, keys and values left out."""
    past = "past_"

    def __init__(self, spec: CaptionerSpec, session: Session) -> None:
        graph = session.spec
        self._session, self._spec = session, spec
        self._inputs = {t.name: t for t in graph.inputs if not t.name.startswith(self.past)}
        if unknown := sorted(set(self._inputs) - self.inputs):
            raise GraphContractError(f"{graph.file}: unknown inputs {unknown} beside {sorted(self.inputs)}; {_FIX}")
        past = next(t for t in graph.inputs if t.name.startswith(self.past))
        self.kv = KvPool(
            layers=spec.layers,
            kv_heads=spec.kv_heads,
            head_dim=spec.head_dim,
            dtype=past.dtype,
            fixed_capacity=past.axes[2] if isinstance(past.axes[2], int) else None,
            most_capacity=self._most(past, axis=2),
        )
        embeds = self._inputs["inputs_embeds"]
        self.most_rows, self._most_new = self._most(embeds, axis=0), self._most(embeds, axis=1)
        self.runs = 0
        self._rotary = Rotary(spec.rope, head_dim=spec.head_dim) if spec.rope is not None else None
        self._check_positions()

    def reserve(self, *, rows: int, capacity: int) -> None:
        """See `DecoderPort.reserve`."""
        if self.kv.reserve(rows=rows, capacity=capacity):
            self._moved()

    @abstractmethod
    def read(self, chunk: Chunk) -> NDArray[np.float32]:
        """See `DecoderPort.read`."""

    def _moved(self) -> None:  # noqa: B027 a port that binds nothing has nothing to do
        """Addresses of the pool have changed."""

    def _most(self, tensor: TensorSpec, *, axis: int) -> int | None:
        """The upper end of an axis, None where the graph names none."""
        name = tensor.axes[axis]
        if isinstance(name, int):
            return name
        return self._session.spec.ranges[name][2] if name in self._session.spec.ranges else None

    def _check_positions(self) -> None:
        """Angles have to come from the side that knows the positions."""
        takes = "rope_cos" in self._inputs
        if takes and self._rotary is None:
            raise GraphContractError(f"{self._session.spec.file}: takes rope_cos, but the pack has no rope; {_FIX}")
        ids = self._inputs.get("position_ids")
        threefold = takes or (ids is not None and len(ids.axes) == 3)
        if self._spec.rope is not None and self._spec.rope.sections and not threefold:
            raise GraphContractError(f"{self._session.spec.file}: M-RoPE, but no input rope_cos to bring it; {_FIX}")

    def _places(self, positions: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Positions [B,S,3] as the graph expects them: angles, ids, or nothing."""
        places: dict[str, NDArray[Any]] = {}
        if "rope_cos" in self._inputs and self._rotary is not None:
            places["rope_cos"], places["rope_sin"] = self._rotary.angles(positions)
        if "position_ids" in self._inputs:
            flat = len(self._inputs["position_ids"].axes) == 2
            places["position_ids"] = positions[..., 0] if flat else positions.transpose(2, 0, 1)
        return places


def columns(total: int, *, most: int | None, bytes_each: int) -> Iterator[slice]:
    """Runs of columns that the graph takes at once and that need no more than `_MOST_ARRAY_BYTES`."""
    step = max(1, min(most or total, _MOST_ARRAY_BYTES // bytes_each))
    for start in range(0, total, step):
        yield slice(start, min(start + step, total))


_FIX = "export the captioner again"
