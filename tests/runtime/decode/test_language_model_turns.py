"""Turns of a question: the conversation read again for every token gives the same as the one that keeps its memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecap.runtime.data.question import Answer, Question, Turn, VisualPrompt
from edgecap.runtime.decode.tokens import PromptTokens
from tests.runtime.decode.letters_model import (
    BOS,
    CHAT_LAYOUT,
    EMBEDDING,
    EOS,
    SPEC,
    Letters,
    answer_again,
    ids_of,
    open_model,
    seen_tokens,
    text_of,
)

CHATTY = replace(SPEC, layout=CHAT_LAYOUT)


def _frames(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (2, 4, 4, 3), np.uint8)


def _prompts(*, history: bool = True) -> list[VisualPrompt]:
    def ask(field, text, most, *earlier) -> Question:
        return Question(field, text, most, earlier=tuple(Turn(*e) for e in earlier), history=history)

    return [
        VisualPrompt(
            1,
            _frames(1),
            np.arange(2.0),
            (
                ask("appearance", "now say it", 11, ("who is there", 3), ("and then", 14)),
                ask("action", "does it walk", 9),
            ),
        ),
        VisualPrompt(2, _frames(2), np.arange(2.0), (ask("appearance", "so", 12, ("look at this one", 12)),)),
        VisualPrompt(
            None, _frames(3), np.arange(2.0), (ask("background", "where", 14, ("list", 5)), ask("global", "sum", 20))
        ),
    ]


def _again(prompt: VisualPrompt, question: Question) -> list[list[int]]:
    """Ids of the answer to every turn, the whole conversation read again for every token."""
    tokens = PromptTokens(CHATTY, Letters())
    opening, between, closing = tokens.around(views=2, system=prompt.system)
    seen = seen_tokens(prompt.frames_rgb)
    pictures = np.concatenate([EMBEDDING[opening], seen[0], EMBEDDING[between], seen[1], EMBEDDING[closing]])
    read, said = pictures, []
    for k, turn in enumerate(question.turns):
        if k and not question.history:
            read = pictures
        first = k == 0 or not question.history
        text = tokens.question(turn.text, system=prompt.system) if first else tokens.further(turn.text)
        read = np.concatenate([read, EMBEDDING[text]])
        ids, _ = answer_again(read, turn.max_tokens)
        read = np.concatenate([read, EMBEDDING[[i for i in ids if i != EOS]]])  # the layout writes the end of a turn
        said.append(ids)
    return said


def _check(answers: tuple[Answer, ...], prompts: list[VisualPrompt]) -> None:
    asked = [(p, q) for p in prompts for q in p.questions]
    for answer, (prompt, question) in zip(answers, asked, strict=True):
        *earlier, last = _again(prompt, question)
        assert answer.text == text_of(last) and answer.reasoning == tuple(map(text_of, earlier))
        assert answer.truncated == (EOS not in last) and answer.token_count == len(last)
        assert answer.reasoning_tokens == sum(map(len, earlier))


@pytest.mark.parametrize("history", [True, False])
def test_turns_say_what_reading_everything_again_says(history: bool) -> None:
    model, _, _ = open_model(CHATTY)
    prompts = _prompts(history=history)
    answers = model.answer(prompts)
    _check(answers.answers, prompts)
    lengths = [len(ids) for p in prompts for q in p.questions for ids in _again(p, q)]
    assert len(set(lengths)) > 3, "turns that end at different times are the point of the test"
    assert any(EOS not in ids for p in prompts for q in p.questions for ids in _again(p, q)[:-1]), "one is cut off"
    assert answers.generations == 5 + 4 and answers.decode_tokens == sum(lengths)


def test_history_changes_what_is_said() -> None:
    model, _, _ = open_model(CHATTY)
    texts = [[a.text for a in model.answer(_prompts(history=h)).answers] for h in (True, False)]
    assert texts[0][0] != texts[1][0] and texts[0][1] == texts[1][1]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_company_and_order_change_no_turn(order: tuple[int, ...]) -> None:
    model, _, _ = open_model(CHATTY)
    prompts = [_prompts()[i] for i in order]
    _check(model.answer(prompts).answers, prompts)
    for prompt in prompts:
        _check(model.answer([prompt]).answers, [prompt])


def test_pictures_are_read_once_for_all_turns() -> None:
    model, _, decoder = open_model(CHATTY)
    prompts = _prompts()
    answers = model.answer(prompts)
    tokens = PromptTokens(CHATTY, Letters())
    pictures = sum(map(len, tokens.around(views=2))) + 2 * SPEC.tokens_per_view
    texts = [
        len(tokens.question(turn.text) if k == 0 else tokens.further(turn.text))
        for p in prompts
        for q in p.questions
        for k, turn in enumerate(q.turns)
    ]
    cut_off = sum(EOS not in ids for p in prompts for q in p.questions for ids in _again(p, q)[:-1])
    assert answers.prefill_tokens == 3 * pictures + sum(texts) + cut_off
    assert decoder.calls[0]["inputs_embeds"].shape[:2] == (3, pictures)


def test_rules_stand_before_pictures_where_the_template_has_a_place() -> None:
    tokens = PromptTokens(CHATTY, Letters())
    ids = ids_of("rule be true. h s ")
    assert tokens.around(views=2, system="be true")[0] == [BOS, *ids]
    assert tokens.question("who", system="be true") == ids_of("q who?")


def test_rules_stand_before_the_question_where_it_has_none() -> None:
    class Lines(Letters):
        ALPHABET = Letters.ALPHABET[:-1] + "\n"

    tokens = PromptTokens(replace(SPEC, layout=replace(CHAT_LAYOUT, before_system="")), Lines())
    assert tokens.around(views=1, system="be")[0] == tokens.around(views=1)[0]
    assert tokens.question("who", system="be") == Lines().encode("q be\nwho?", add_special_tokens=False).ids


def test_a_question_without_pictures_reads_text_alone() -> None:
    model, _, decoder = open_model(CHATTY)
    frames = np.zeros((0, 4, 4, 3), np.uint8)
    question = Question("global", "say it", 12, earlier=(Turn("who", 6),))
    prompt = VisualPrompt(None, frames, np.zeros(0), (question,), system="be true")
    answers = model.answer([prompt])
    text = ids_of("rule be true. h q who?")
    ids, _ = answer_again(EMBEDDING[[BOS, *text]], 6)
    assert answers.answers[0].reasoning == (text_of(ids),)
    assert not any(c["inputs_embeds"].shape[1] == 0 for c in decoder.calls)
