"""One pass of questions: asked, checked, and what was refused asked once more with the offending words forbidden.

In: `VisualPrompt`s and the `Evidence` that the answers are checked against. Out: `Replies`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from edgecap.engines.packs.prompt_book import PromptBook
from edgecap.engines.packs.specs import CaptionerSpec
from edgecap.runtime.data.evidence import Evidence
from edgecap.runtime.data.question import Answer, FieldName, VisualPrompt
from edgecap.runtime.data.window import Window
from edgecap.runtime.decode.language_model import Answers
from edgecap.runtime.verify.form import grammar_reasons
from edgecap.runtime.verify.verifier import Reason, check_instance, check_scene, seen_classes

Slot = tuple[int | None, FieldName]


class Answerer(Protocol):
    """What describe needs of a language model (`LanguageModel` is one)."""

    @property
    def spec(self) -> CaptionerSpec:
        """Prompts, limits and view sizes."""
        ...

    @property
    def book(self) -> PromptBook | None:
        """Rules, turns and hints; None where the pack has single questions only."""
        ...

    def answer(self, prompts: Sequence[VisualPrompt]) -> Answers:
        """See `LanguageModel.answer`."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """The outcome of one question: the accepted words or None, and why earlier ones were refused."""

    text: str | None = None
    confidence: float | None = None
    rejections: tuple[str, ...] = ()
    kept_from_clip: int | None = None


@dataclass(frozen=True, slots=True)
class Replies:
    """Replies by (track id or None, field), and what they cost."""

    by_slot: dict[Slot, Reply]
    model_calls: int = 0
    prefill_tokens: int = 0
    decode_tokens: int = 0
    generations: int = 0

    def plus(self, by_slot: dict[Slot, Reply], cost: Answers) -> Replies:
        """With the replies of one more call."""
        return Replies(
            self.by_slot | by_slot,
            self.model_calls + cost.model_calls,
            self.prefill_tokens + cost.prefill_tokens,
            self.decode_tokens + cost.decode_tokens,
            self.generations + cost.generations,
        )


def ask(
    model: Answerer, prompts: Sequence[VisualPrompt], window: Window, evidence: Evidence, before: Replies
) -> Replies:
    """`before` with the replies to `prompts`. Raises `EngineError` when the model's engine fails."""
    if not prompts:
        return before
    grammar = model.book.grammar if model.book else None

    def against(answer: Answer) -> tuple[Reason, ...]:
        return *grammar_reasons(answer, grammar), *reasons_against(answer, evidence, window)

    first = model.answer(prompts)
    reasons = {slot_of(a): against(a) for a in first.answers}
    replies = before.plus({slot_of(a): _reply(a, reasons[slot_of(a)]) for a in first.answers}, first)
    again = _retries(prompts, reasons)
    if not again:
        return replies
    second = model.answer(again)
    better = {slot_of(a): _reply(a, against(a), replies.by_slot[slot_of(a)].rejections) for a in second.answers}
    return replies.plus(better, second)


def slot_of(answer: Answer) -> Slot:
    """Which question an answer is to."""
    return answer.track_id, answer.field


def reasons_against(answer: Answer, evidence: Evidence, window: Window) -> tuple[Reason, ...]:
    """What the checks object to, () for nothing."""
    track = next((t for t in evidence.tracks if t.track_id == answer.track_id), None)
    seen = seen_classes(window, evidence)
    if track is None:
        return check_scene(answer, evidence, window.labels, seen=seen)
    return check_instance(answer, track, window.labels, camera=evidence.camera, seen=seen)


def unanswered(prompts: Sequence[VisualPrompt], kept: dict[Slot, Reply]) -> list[VisualPrompt]:
    """The prompts with the questions that still need an answer; without those that have none left."""
    left = []
    for prompt in prompts:
        questions = tuple(q for q in prompt.questions if (prompt.track_id, q.field) not in kept)
        if questions:
            left.append(replace(prompt, questions=questions))
    return left


def _reply(answer: Answer, reasons: tuple[Reason, ...], earlier: tuple[str, ...] = ()) -> Reply:
    if reasons:
        return Reply(rejections=(*earlier, *map(str, reasons)))
    return Reply(answer.text, answer.confidence, earlier)


def _retries(prompts: Sequence[VisualPrompt], reasons: dict[Slot, tuple[Reason, ...]]) -> list[VisualPrompt]:
    """The prompts again, with only the questions whose refusal a ban on words can remedy.

    Decoding is greedy: asked again without a new ban, the model would say the same again.
    """
    again = []
    for prompt in prompts:
        bans = {
            q.field: tuple(dict.fromkeys(w for r in reasons[(prompt.track_id, q.field)] for w in r.banned_words))
            for q in prompt.questions
        }
        questions = tuple(replace(q, banned_words=bans[q.field]) for q in prompt.questions if bans[q.field])
        if questions:
            again.append(replace(prompt, questions=questions))
    return again
