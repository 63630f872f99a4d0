"""Chat models, which write text from text, and a pack's own decoder as one: its language model without pictures.

In: messages. Out: the answer's text. A pack's answers are greedy: the same conversation gives the same text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from edgecap.engines.errors import UsageError
from edgecap.engines.graph.providers import Provider
from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.prompt_book import read_book
from edgecap.runtime.data.question import Question, VisualPrompt
from edgecap.runtime.decode.language_model import LanguageModel

MOST_TOKENS = 320
"""Of one answer: a story of 180 words is the longest that is asked for, at about 1.4 tokens a word."""
_LEAST_TOKENS = 64
"""A shorter answer is useless, and the decoder's own error says what it needs."""
_NO_PICTURES = np.zeros((0, 1, 1, 3), np.uint8)


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


class PackChat:
    """`model`: open. `name`: what rows call it. `dropped_turns`: exchanges that were left out so far, oldest first
    and never the first one (which has the enhancer's story), because the decoder has no room for the whole
    conversation."""

    mode = "pack"

    def __init__(self, model: LanguageModel, *, name: str, max_tokens: int = MOST_TOKENS) -> None:
        self._model, self.name, self._max_tokens = model, name, max_tokens
        self.dropped_turns = 0

    @classmethod
    def open(
        cls, pack: Pack, *, provider: Provider = "cpu", intra_threads: int = 1, max_tokens: int = MOST_TOKENS
    ) -> PackChat:
        """Raises `UsageError` for a pack that can't be asked without a picture, else as `LanguageModel.open`."""
        check_instructable(pack)
        model = LanguageModel.open(pack, provider=provider, intra_threads=intra_threads)
        return cls(model, name=f"{pack.spec.name} {pack.spec.version} {pack.digest}", max_tokens=max_tokens)

    def ask(self, messages: Sequence[Message]) -> str:
        """The answer's text. Raises `EngineError` where the last question is too long for the decoder on its own."""
        system = " ".join(m["content"] for m in messages if m["role"] == "system")
        turns = [m["content"] for m in messages if m["role"] != "system"]  # user, assistant, user...
        prompt = self._prompt(turns, system, self._max_tokens)
        while len(turns) > 3 and self._missing(prompt):
            del turns[2:4]
            self.dropped_turns += 1
            prompt = self._prompt(turns, system, self._max_tokens)
        if missing := self._missing(prompt):  # a shorter answer than asked for is better than none
            prompt = self._prompt(turns, system, max(_LEAST_TOKENS, self._max_tokens - missing))
        return self._model.answer([prompt]).answers[0].text

    def _missing(self, prompt: VisualPrompt) -> int:
        """Positions that the decoder is short of."""
        return max(0, -(self._model.room_for(prompt) or 0))

    def _prompt(self, turns: Sequence[str], system: str, max_tokens: int) -> VisualPrompt:
        """The conversation as one text without pictures."""
        layout = self._model.spec.layout
        text = turns[0]
        for answer, question in zip(turns[1::2], turns[2::2], strict=True):
            text += f"{layout.question_after}{answer}{layout.answer_after}{question}"
        return VisualPrompt(None, _NO_PICTURES, np.zeros(0), (Question("global", text, max_tokens),), system=system)


def check_instructable(pack: Pack) -> None:
    """Raise `UsageError` where the pack's decoder can't be asked without a picture."""
    book = read_book(pack)
    if pack.spec.captioner is None:
        problem = "has no captioner"
    elif book is None:
        problem = "was exported without rules and rounds for its captioner"
    elif not book.instruct:
        problem = "has a captioner that only answers about pictures"
    elif not pack.spec.captioner.layout.answer_after:
        problem = "has a captioner whose chat template takes one question only"
    else:
        return
    raise UsageError(
        f"pack {pack.spec.name!r} {problem}; use a pack exported from an instruct model, or go without a language model"
    )
