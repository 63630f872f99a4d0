"""Three kinds of decoder graph behind one call: read new positions of some rows, get the logits after each row's last.

In: a `Chunk` of embeddings. Out: logits; keys and values lie in the port's `KvPool`. Which kind a graph is, its input
names say (see `CaptionerSpec`):

    shared   ONNX Runtime's GroupQueryAttention: past and present are one memory; lengths go in as numbers
    scatter  standard operators: one memory too; positions to write and to read go in as arrays
    growing  the model hub's ready-made file: past goes in, a longer present comes out; new positions are copied back
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import GraphContractError
from edgecap.engines.graph.session import Session
from edgecap.engines.packs.specs import CaptionerSpec
from edgecap.runtime.decode.growing_port import GrowingPort
from edgecap.runtime.decode.in_place_ports import ScatterPort, SharedPort
from edgecap.runtime.decode.kv_cache import KvPool
from edgecap.runtime.decode.port import Chunk, Port

__all__ = ["Chunk", "DecoderPort", "GrowingPort", "ScatterPort", "SharedPort", "open_port"]


class DecoderPort(Protocol):
    """What a language model knows of a decoder. `kv`: its memory. `runs`: graph runs so far. `most_rows`: rows that one
    call takes at most, None where the graph sets no bound."""

    kv: KvPool
    runs: int
    most_rows: int | None

    def reserve(self, *, rows: int, capacity: int) -> None:
        """Make room; what was stored is void if memory moves. Raises `EngineError` for more than the graph takes."""
        ...

    def read(self, chunk: Chunk) -> NDArray[np.float32]:
        """Store the chunk's keys and values behind each row's `begins`; logits float32 [B, V] after each row's last
        real position, valid until the next call. Raises `EngineError` when the graph fails."""
        ...


def open_port(spec: CaptionerSpec, session: Session) -> DecoderPort:
    """The port that fits the session's inputs. Raises `GraphContractError` where none does."""
    names = {t.name for t in session.spec.inputs}
    kinds: dict[str, type[Port]] = {
        "seqlens_k": SharedPort,
        "write_indices": ScatterPort,
        "past_key_values.0.key": GrowingPort,
    }
    found = [kind for name, kind in kinds.items() if name in names]
    if len(found) != 1:
        raise GraphContractError(
            f"{session.spec.file}: inputs {sorted(names)} match no known decoder (expected one of {', '.join(kinds)}); "
            "export the captioner again"
        )
    return found[0](spec, session)
