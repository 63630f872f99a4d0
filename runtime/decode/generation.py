"""One question on its way to an answer, and which questions go together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from edgecap.runtime.data.question import Question
from edgecap.runtime.decode.kv_cache import KvPool
from edgecap.runtime.decode.tokens import WordBan


@dataclass(slots=True)
class AnswerRow:
    """`prompt`: index of its prompt; `slot`: its row in the pool; `length`: positions filled; `ids`: tokens chosen.

    `next_position` differs from `length` where pictures take fewer positions than tokens (M-RoPE). `turn_ids`: the text
    of each turn; `turn`: the current one; `said`: the answers to those before it; `unread`: the last token of one
    that was cut off: it was chosen and not read yet; `pictures`: `length` and `next_position` behind the pictures,
    where turns without history start over.
    """

    prompt: int
    question: Question
    track_id: int | None
    turn_ids: list[list[int]]
    ban: WordBan
    slot: int = -1
    length: int = 0
    next_position: int = 0
    ids: list[int] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    ended: bool = False
    turn: int = 0
    said: list[list[int]] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)
    pictures: tuple[int, int] = (0, 0)

    @property
    def done(self) -> bool:
        """Whether this turn needs no further token."""
        current = self.question if self.last_turn else self.question.earlier[self.turn]
        return self.ended or len(self.ids) >= current.max_tokens

    @property
    def last_turn(self) -> bool:
        """Whether the current answer is the one that counts."""
        return self.turn == len(self.turn_ids) - 1

    @property
    def text_ids(self) -> list[int]:
        """What is read before this turn's answer."""
        return self.unread + self.turn_ids[self.turn]

    def begin_turn(self) -> None:
        """Go on to the next turn; without history, from behind the pictures."""
        self.unread = [] if self.ended or not self.question.history else self.ids[-1:]
        self.said.append(self.ids)
        self.turn += 1
        self.ids, self.probabilities, self.ended = [], [], False
        if not self.question.history:
            self.length, self.next_position = self.pictures

    def lengths(self, pictures: int) -> Iterator[int]:
        """Positions filled before each turn at most."""
        length = pictures
        for ids, turn in zip(self.turn_ids, self.question.turns, strict=True):
            yield length if self.question.history else pictures
            length += len(ids) + turn.max_tokens


def take_slots(rows: list[AnswerRow]) -> list[AnswerRow]:
    """Give every row its row of the pool, the first question of each prompt in front; returns those."""
    first: dict[int, AnswerRow] = {}
    for row in rows:
        first.setdefault(row.prompt, row)
    leaders = list(first.values())
    for slot, row in enumerate([*leaders, *(row for row in rows if first[row.prompt] is not row)]):
        row.slot = slot
    return leaders


def gather(rows: Sequence[AnswerRow], kept: Sequence[AnswerRow], kv: KvPool) -> list[AnswerRow]:
    """Bring `rows` to slots 0..n-1, in order of slot. A row of `kept` that occupies such a slot swaps with the one
    that comes; anything else there is overwritten."""
    at = {row.slot: row for row in kept}
    gaps = iter(sorted(set(range(len(rows))) - {row.slot for row in rows}))
    for row in rows:
        if row.slot >= len(rows):
            gap = next(gaps)
            if (other := at.get(gap)) is not None:
                kv.swap(row.slot, gap, length=max(row.length, other.length))
                other.slot = row.slot
            else:
                kv.copy(source=row.slot, target=gap, length=row.length)
            row.slot = gap
    return sorted(rows, key=lambda r: r.slot)


def capacity_for(pictures: int, rows: list[AnswerRow]) -> int:
    """Positions that a row needs at most, padding to the longest question of its turn included."""
    need = pictures
    for turn in range(max(len(row.turn_ids) for row in rows)):
        here = [row for row in rows if turn < len(row.turn_ids)]
        # One more: the last token of a turn that was cut off is read with the next text.
        longest = max(len(row.turn_ids[turn]) for row in here) + (turn > 0)
        begins = [list(row.lengths(pictures))[turn] for row in here]
        answers = [len(row.turn_ids[turn]) + row.question.turns[turn].max_tokens for row in here]
        need = max(need, max(begins) + longest, *(b + a for b, a in zip(begins, answers, strict=True)))
    return need


def batches_of(rows: list[AnswerRow], *, most_rows: int) -> Iterator[list[AnswerRow]]:
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
