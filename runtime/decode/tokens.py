"""What the language model reads before it answers, as token ids with room for pictures, and the ids it must not write.

In: the pack's `PromptLayout` and tokenizer. Out: the ids between pictures, and those of a question. The text around
the pictures is encoded once; what is between two pictures is encoded as one piece, so that tokens which span the
seam come out as in training. A seam between `view_after` and `question_before` has to lie at a special token, because
pictures are read once and questions apart from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from edgecap.engines.packs.specs import CaptionerSpec


class Tokenizer(Protocol):
    """The two calls of `tokenizers.Tokenizer` that are used, so that a test can bring ten lines of its
    own."""

    def encode(self, sequence: str, *, add_special_tokens: bool) -> Any:
        """An object whose `.ids` is the list of token ids of `sequence`."""
        ...

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        """The text of token ids."""
        ...


class PromptTokens:
    """Token ids of a pack's prompts."""

    def __init__(self, spec: CaptionerSpec, tokenizer: Tokenizer) -> None:
        self._tokenizer, self._layout = tokenizer, spec.layout
        self._start = [] if spec.bos_id is None else [spec.bos_id]
        self._between = self._encode(spec.layout.view_after + spec.layout.view_before)
        self._closing = self._encode(spec.layout.view_after)

    def around(self, *, views: int, system: str = "") -> list[list[int]]:
        """The ids in front of each of `views` pictures, and behind the last: `views` + 1 lists. Without pictures the
        start alone: what comes before the question is then encoded with it."""
        if views == 0:
            return [self._start]
        opening = self._start + self._encode(self._before(system) + self._layout.view_before)
        return [opening, *[self._between] * (views - 1), self._closing]

    def question(self, text: str, *, views: int = 1, system: str = "") -> list[int]:
        """The ids of a first question with what the layout puts around it."""
        layout = self._layout
        before = "" if views else self._before(system)
        rules = f"{system}\n" if system and not layout.before_system else ""
        return self._encode(before + layout.question_before + rules + text + layout.question_after)

    def further(self, text: str) -> list[int]:
        """The ids between an answer and the answer to a further question `text` of the same conversation."""
        return self._encode(self._layout.answer_after + text + self._layout.question_after)

    def _before(self, system: str) -> str:
        layout = self._layout
        return layout.before_system.replace("{system}", system) if system and layout.before_system else layout.before

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids if text else []
        return ids


class WordBan:
    """The spellings of some words, capitalised or not, at the head of an answer or after a space.

    A word of one token is forbidden outright; of a longer one the last token is, once the others have been
    written, so that a ban on "scarlet" does not forbid every word that begins with "s". A model that finds
    another way to spell the word is caught by the checks after decoding.
    """

    def __init__(self, words: Sequence[str], tokenizer: Tokenizer) -> None:
        spellings = {
            spelling for word in words for form in (word, word.capitalize()) for spelling in (form, f" {form}")
        }
        sequences = {tuple(tokenizer.encode(s, add_special_tokens=False).ids) for s in spellings}
        self._sequences = sorted(s for s in sequences if s)

    def next_ids(self, written: Sequence[int]) -> list[int]:
        """Ids that would complete a banned word after the tokens `written`."""
        return [s[-1] for s in self._sequences if len(s) == 1 or tuple(written[len(written) - len(s) + 1 :]) == s[:-1]]
