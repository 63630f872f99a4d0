"""What leaves the view builder: the pictures the captioner sees and the questions asked about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FieldName = Literal["global", "background", "appearance", "action"]


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one view. `field` names the slot it fills, `text` is the pack's template filled in.

    `hints` are the values that went into the template (class, motion...), kept for the record.
    `banned_words`: words the answer must not use (set by a retry after a check failed).
    """

    field: FieldName
    text: str
    max_tokens: int
    banned_words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VisualPrompt:
    """The frames of one subject and what is asked about them; they share one vision encode and one KV prefix.

    `track_id`: the instance, or None for the whole picture. `frames_rgb`: uint8 [F, H, W, 3], views in time order;
    (W, H) is one of the pack's `sizes_wh`. `pts_seconds`: [F] times of those views.
    """

    track_id: int | None
    frames_rgb: NDArray[np.uint8]
    pts_seconds: NDArray[np.float64]
    questions: tuple[Question, ...]

    def __repr__(self) -> str:
        return f"VisualPrompt(track_id={self.track_id}, {self.frames_rgb.shape = }, {len(self.questions)} questions)"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the captioner said to one question. `token_count` includes the end token; `confidence` is the mean
    probability (0-1) of the chosen tokens; `truncated`: the token limit was reached before an end token."""

    track_id: int | None
    field: FieldName
    text: str
    token_count: int
    confidence: float
    truncated: bool
