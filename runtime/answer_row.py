"""One question on its way to an answer, and which questions go together. Called by `captioner`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from edgecap.runtime.prompt import Question
from edgecap.runtime.wordban import WordBan


@dataclass(slots=True)
class AnswerRow:
    """`prompt`: index of its prompt; `slot`: its row in the pool; `length`: positions filled; `ids`: tokens chosen.

    `next_position` differs from `length` where pictures take fewer positions than tokens (M-RoPE).
    """

    prompt: int
    question: Question
    track_id: int | None
    text_ids: list[int]
    ban: WordBan
    slot: int = -1
    length: int = 0
    next_position: int = 0
    ids: list[int] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    ended: bool = False

    @property
    def done(self) -> bool:
        """No token is wanted any more."""
        return self.ended or len(self.ids) >= self.question.max_tokens


def take_slots(rows: list[AnswerRow]) -> list[AnswerRow]:
    """Give every row its row of the pool, the first question of each prompt in front; returns those."""
    first: dict[int, AnswerRow] = {}
    for row in rows:
        first.setdefault(row.prompt, row)
    leaders = list(first.values())
    for slot, row in enumerate([*leaders, *(row for row in rows if first[row.prompt] is not row)]):
        row.slot = slot
    return leaders


def capacity_for(pictures: int, rows: list[AnswerRow]) -> int:
    """Positions that a row needs at most, padding to the longest question included."""
    return pictures + max(len(row.text_ids) for row in rows) + max(row.question.max_tokens for row in rows)


def rounds_of(rows: list[AnswerRow], *, most_rows: int) -> Iterator[list[AnswerRow]]:
    """Runs of rows with whole prompts, at most `most_rows` together (one prompt at least)."""
    group: list[AnswerRow] = []
    for prompt in dict.fromkeys(row.prompt for row in rows):
        asked = [row for row in rows if row.prompt == prompt]
        if group and len(group) + len(asked) > most_rows:
            yield group
            group = []
        group += asked
    if group:
        yield group
