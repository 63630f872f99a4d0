"""The graphs' torch modules behind the `Session` protocol: the runtime's own code runs them, and what passed is noted.

In: a loaded Sam2VideoModel. Out: `MemorySessions` of modules, each with the feeds and outputs of every call: what an
exported file is compared with afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgecap.engines.errors import EngineError
from edgecap.engines.graph.session import Arrays, Binding, check_feeds, check_outputs
from edgecap.engines.graph.spec import GraphSpec
from edgecap.export.sam2.contracts import GRAPHS
from edgecap.export.sam2.memory_graphs import MemoryAttention, MemoryEncoder
from edgecap.export.sam2.picture_graphs import BoxDecoder, ImageEncoder, MemoryDecoder
from edgecap.export.sam2.settings import Sam2Settings
from edgecap.runtime.perceive.memory.segmenter import MemorySessions


@dataclass(slots=True)
class TorchSession:
    """One module. `calls`: feeds and outputs of each run, in order."""

    spec: GraphSpec
    module: torch.nn.Module
    provider: str = "torch"
    calls: list[tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]] = field(default_factory=list)

    def run(self, feeds: Arrays) -> dict[str, NDArray[Any]]:
        """See `Session.run`."""
        check_feeds(self.spec, feeds)
        held = {name: np.array(value) for name, value in feeds.items()}  # the ring changes after the call
        with torch.no_grad():
            found = self.module(*(torch.from_numpy(held[tensor.name]) for tensor in self.spec.inputs))
        values = found if isinstance(found, tuple) else (found,)
        outputs = {t.name: v.numpy().copy() for t, v in zip(self.spec.outputs, values, strict=True)}
        check_outputs(self.spec, outputs)
        self.calls.append((held, outputs))
        return outputs

    def bind(self, inputs: Arrays, outputs: Arrays) -> Binding:
        """Not for modules: raises `EngineError`."""
        raise EngineError(f"{self.spec.file}: a torch module has no buffers to bind; call run")


def modules_of(model: Any, settings: Sam2Settings, *, query_chunk: int) -> dict[str, torch.nn.Module]:
    """The module of each part of `GRAPHS`, in eval mode."""
    with torch.no_grad():
        made: dict[str, torch.nn.Module] = {
            "encoder": ImageEncoder(model, settings),
            "decoder": BoxDecoder(model, settings),
            "memory_attention": MemoryAttention(model, settings, query_chunk=query_chunk),
            "memory_encoder": MemoryEncoder(model, settings),
            "memory_decoder": MemoryDecoder(model),
        }
    return {part: module.eval() for part, module in made.items()}


def torch_sessions(modules: dict[str, torch.nn.Module], settings: Sam2Settings) -> dict[str, TorchSession]:
    """A session over each module."""
    return {part: TorchSession(graph(settings), modules[part]) for part, graph in GRAPHS.items()}


def sessions(by_part: dict[str, Any]) -> MemorySessions:
    """Sessions by part -> as the runtime takes them."""
    return MemorySessions(
        encoder=by_part["encoder"],
        decoder=by_part["decoder"],
        attention=by_part["memory_attention"],
        memory_encoder=by_part["memory_encoder"],
        memory_decoder=by_part["memory_decoder"],
    )
