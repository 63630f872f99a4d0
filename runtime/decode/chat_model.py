"""What writes text from text: a server, or a pack's own decoder. Asked by the enhancer and the paragraph writer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

Message = dict[str, str]
"""role ("system", "user" or "assistant") and content."""


class ChatModel(Protocol):
    """Anything that answers a conversation. `name` and `mode` are what a row says was used."""

    @property
    def name(self) -> str:
        """The model's name."""
        ...

    @property
    def mode(self) -> str:
        """The kind of model: "endpoint" or "pack"."""
        ...

    def ask(self, messages: Sequence[Message]) -> str:
        """The answer's text. Raises `EndpointError` or `EngineError`."""
        ...
