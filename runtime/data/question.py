"""What leaves the view builder: the pictures the captioner sees and the questions asked about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FieldName = Literal["global", "background", "appearance", "action", "camera"]


@dataclass(frozen=True, slots=True)
class Turn:
    """A question whose answer is only context for the one that counts."""

    text: str
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one view. `field` names the slot it fills, `text` is the pack's template filled in.

    `banned_words`: words the answer must not use (set by a retry after a check failed). `earlier`: turns asked before
    it, in order. `history`: they and their answers stay in the conversation; False asks every turn on the pictures
    alone.
    """

    field: FieldName
    text: str
    max_tokens: int
    banned_words: tuple[str, ...] = ()
    earlier: tuple[Turn, ...] = ()
    history: bool = True

    @property
    def turns(self) -> tuple[Turn, ...]:
        """All turns in order; the last is the question itself."""
        return (*self.earlier, Turn(self.text, self.max_tokens))


@dataclass(frozen=True, slots=True)
class VisualPrompt:
    """The frames of one subject and what is asked about them; they share one vision encode and one KV prefix.

    `track_id`: the instance, or None for the whole picture. `frames_rgb`: uint8 [F, H, W, 3], views in time order;
    (W, H) is one of the pack's `sizes_wh`; F = 0 asks on text alone. `pts_seconds`: [F] times of those views.
    `system`: rules that come before everything, "" for none.
    """

    track_id: int | None
    frames_rgb: NDArray[np.uint8]
    pts_seconds: NDArray[np.float64]
    questions: tuple[Question, ...]
    system: str = ""

    def __repr__(self) -> str:
        return f"VisualPrompt(track_id={self.track_id}, {self.frames_rgb.shape = }, {len(self.questions)} questions)"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the captioner said to one question. `token_count` includes the end token; `confidence` is the mean
    probability (0-1) of the chosen tokens; `truncated`: the token limit was reached before an end token. `reasoning`:
    what it said in the earlier turns; `reasoning_tokens`: their tokens together."""

    track_id: int | None
    field: FieldName
    text: str
    token_count: int
    confidence: float
    truncated: bool
    reasoning: tuple[str, ...] = ()
    reasoning_tokens: int = 0
