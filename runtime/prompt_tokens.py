"""What the captioner reads before it answers, as token ids with places for pictures.

In: the pack's `PromptLayout` and tokenizer. Out: the ids between pictures, and those of a question. Called by
`captioner`. The text around the pictures is encoded once; what stands between two pictures is encoded as one piece, so
that tokens which span the seam come out as in training. A seam between `view_after` and `question_before` has to lie at
a special token, because pictures are read once and questions apart from them.
"""

from __future__ import annotations

from edgecap.engines.specs import CaptionerSpec
from edgecap.runtime.wordban import Tokenizer


class PromptTokens:
    """Token ids of a pack's prompts. `opening`: before the first picture. `between`: after each picture but the last.
    `closing`: after the last."""

    def __init__(self, spec: CaptionerSpec, tokenizer: Tokenizer) -> None:
        self._tokenizer, self._layout = tokenizer, spec.layout
        layout = spec.layout
        start = [] if spec.bos_id is None else [spec.bos_id]
        self.opening = start + self._encode(layout.before + layout.view_before)
        self.between = self._encode(layout.view_after + layout.view_before)
        self.closing = self._encode(layout.view_after)

    def around(self, *, views: int) -> list[list[int]]:
        """The ids in front of each of `views` pictures, and behind the last: `views` + 1 lists."""
        return [self.opening, *[self.between] * (views - 1), self.closing]

    def question(self, text: str) -> list[int]:
        """The ids of a question with what the layout puts around it."""
        return self._encode(self._layout.question_before + text + self._layout.question_after)

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids if text else []
        return ids
