"""Words an answer must not use, as token ids to forbid while it is being written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Tokenizer(Protocol):
    """The two calls of `tokenizers.Tokenizer` that are used, so that a test can bring ten lines of its
    own."""

    def encode(self, sequence: str, *, add_special_tokens: bool) -> Any:
        """An object whose `.ids` is the list of token ids of `sequence`."""
        ...

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        """The text of token ids."""
        ...


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
