"""The language model against a decoder with known arithmetic: batched, forked answers equal those of reading
everything again."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecap.runtime.data.question import Question, VisualPrompt
from edgecap.runtime.decode import kv_cache
from edgecap.runtime.decode.kv_cache import KvPool
from edgecap.runtime.decode.tokens import WordBan
from tests.runtime.decode.letters_model import (
    BOS,
    EMBEDDING,
    EOS,
    HIDDEN,
    SIDE,
    TOKENS,
    VIEWS,
    Letters,
    answer_again,
    ids_of,
    open_model,
    seen_tokens,
    text_of,
)

PREFIX = 1 + VIEWS * TOKENS


def _view(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, (SIDE, SIDE, 3), np.uint8)


def _prompt(track_id: int | None, seeds: tuple[int, int], *questions: Question) -> VisualPrompt:
    return VisualPrompt(track_id, np.stack([_view(s) for s in seeds]), np.arange(2.0), questions)


def _batch() -> list[VisualPrompt]:
    return [
        _prompt(4, (1, 2), Question("appearance", "what is it", 12), Question("action", "does it", 9)),
        _prompt(5, (2, 2), Question("appearance", "and this one here", 12), Question("action", "so", 9)),
        _prompt(None, (3, 4), Question("background", "where", 14), Question("global", "who is there then", 20)),
    ]


def _one_by_one(
    prompt: VisualPrompt, question: Question, banned: set[int] = frozenset()
) -> tuple[str, list[float], bool]:
    seen = seen_tokens(prompt.frames_rgb).reshape(-1, HIDDEN)
    read = np.concatenate([EMBEDDING[[BOS]], seen, EMBEDDING[ids_of(question.text)]])
    ids, probabilities = answer_again(read, question.max_tokens, banned=banned)
    return text_of(ids), probabilities, EOS in ids


def test_forked_and_batched_answers_equal_one_by_one() -> None:
    model, _, _ = open_model()
    answers = model.answer(_batch()).answers
    asked = [(p, q) for p in _batch() for q in p.questions]
    assert [(a.track_id, a.field) for a in answers] == [(p.track_id, q.field) for p, q in asked]
    for answer, (prompt, question) in zip(answers, asked, strict=True):
        text, probabilities, ended = _one_by_one(prompt, question)
        assert answer.text == text
        assert answer.token_count == len(probabilities) and answer.truncated == (not ended)
        assert answer.confidence == pytest.approx(np.mean(probabilities), abs=1e-5)
    lengths = [a.token_count for a in answers]
    assert len(set(lengths)) > 2, "rows that end at different times are the point of the test"


def test_order_and_company_do_not_change_an_answer() -> None:
    model, _, _ = open_model()
    together = {(a.track_id, a.field): a.text for a in model.answer(_batch()).answers}
    for prompt in reversed(_batch()):
        for answer in model.answer([prompt]).answers:
            assert answer.text == together[(answer.track_id, answer.field)]


def test_each_distinct_view_is_encoded_once_and_a_retry_encodes_none() -> None:
    model, vision, _ = open_model()
    model.answer(_batch())
    assert [c["pixels"].shape[0] for c in vision.calls] == [4], "views 1, 2, 3, 4; 2 is shown three times"
    model.answer(_batch()[1:2])
    assert len(vision.calls) == 1


def test_the_prefix_is_read_once_per_prompt_and_the_bill_is_right() -> None:
    model, _, decoder = open_model()
    answers = model.answer(_batch())
    shapes = [c["inputs_embeds"].shape[:2] for c in decoder.calls]
    questions = [len(q.text) for p in _batch() for q in p.questions]
    assert shapes[0] == (3, PREFIX) and sorted(s[1] for s in shapes[1:7]) == sorted(questions)
    assert all(new == 1 for _, new in shapes[7:])
    batches = [b for b, _ in shapes[7:]]
    assert batches == sorted(batches, reverse=True), "finished rows leave the batch"
    assert answers.prefill_tokens == 3 * PREFIX + sum(questions)
    assert answers.decode_tokens == sum(a.token_count for a in answers.answers)
    assert answers.model_calls == 1 + len(decoder.calls)
    assert sum(batches) == answers.decode_tokens - len(questions), "first tokens come of the questions"


def test_many_questions_take_several_batches_with_the_same_answers() -> None:
    model, vision, decoder = open_model()
    prompts = [
        _prompt(i, (i, i + 1), Question("appearance", "what", 6), Question("action", "does it", 6)) for i in range(20)
    ]
    answers = model.answer(prompts).answers
    assert max(c["inputs_embeds"].shape[0] for c in decoder.calls) <= 32
    assert [a.text for a in answers] == [_one_by_one(p, q)[0] for p in prompts for q in p.questions]
    assert sum(c["pixels"].shape[0] for c in vision.calls) == 21


def test_a_longer_batch_after_a_short_one_gets_room() -> None:
    model, _, _ = open_model()
    model.answer([_prompt(1, (1, 2), Question("appearance", "a", 2))])
    question = Question("global", "a much longer question " * 4, 30)
    [answer] = model.answer([_prompt(1, (1, 2), question)]).answers
    assert answer.text == _one_by_one(_prompt(1, (1, 2), question), question)[0]


def test_a_banned_word_is_not_said_and_nothing_else_changes() -> None:
    model, _, _ = open_model()
    prompt = _batch()[0]
    free = model.answer([prompt]).answers[0].text
    letter = free[0]
    banned = Question("appearance", prompt.questions[0].text, 12, banned_words=(letter,))
    [answer] = model.answer([_prompt(4, (1, 2), banned)]).answers
    ids = {ids_of(f)[0] for f in (letter, letter.capitalize()) if f in Letters.ALPHABET}
    assert letter not in answer.text
    assert answer.text == _one_by_one(prompt, banned, ids)[0]


def test_no_prompts_cost_nothing() -> None:
    model, vision, decoder = open_model()
    answers = model.answer([])
    assert answers.answers == () and answers.model_calls == 0 and not vision.calls and not decoder.calls


def test_views_of_another_size_are_refused() -> None:
    model, _, _ = open_model()
    bad = VisualPrompt(1, np.zeros((VIEWS, SIDE + 1, SIDE, 3), np.uint8), np.arange(2.0), (Question("action", "a", 2),))
    with pytest.raises(
        ValueError,
        match=r"want views \[2, 4, 4, 3\], got prompt.frames_rgb.shape = \(2, 5, "
        r"4, 3\)",
    ):
        model.answer([bad])


def test_word_ban_waits_for_the_last_token_of_a_longer_word() -> None:
    ban, ids = WordBan(("bed",), Letters()), ids_of("be")
    d = ids_of("d")[0]
    assert ban.next_ids([]) == [] and ban.next_ids(ids[:1]) == []
    assert ban.next_ids(ids) == [d] and ban.next_ids([9, *ids]) == [d]
    assert WordBan((), Letters()).next_ids(ids) == []


def test_many_short_questions_then_few_long_ones_stay_within_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = KvPool(layers=1, kv_heads=1, head_dim=4)
    monkeypatch.setattr(kv_cache, "MOST_KV_BYTES", 32 * pool.row_bytes(32))
    assert pool.reserve(rows=32, capacity=32) and pool.reserve(rows=2, capacity=500)
    assert (pool.rows, pool.capacity) == (2, 512)
    assert pool.reserve(rows=32, capacity=20) and (pool.rows, pool.capacity) == (32, 32)
    pool = KvPool(layers=1, kv_heads=1, head_dim=4)
    assert pool.reserve(rows=4, capacity=32) and pool.reserve(rows=2, capacity=64)
    assert (pool.rows, pool.capacity) == (4, 64) and not pool.reserve(rows=4, capacity=60)  # both fit: no more moves


def test_kv_pool_grows_keeps_and_forks() -> None:
    pool = KvPool(layers=2, kv_heads=1, head_dim=4)
    assert pool.reserve(rows=3, capacity=40) and pool.capacity == 64 and pool.bytes == 2 * 2 * 3 * 64 * 4 * 4
    assert not pool.reserve(rows=2, capacity=64)
    row = pool.present(1, 2)["present_key_1"]
    assert row.flags.c_contiguous and np.shares_memory(row, pool.past(0, 3)["past_key_1"])
    row[:, :, :5] = 7.0
    pool.copy(source=1, target=2, length=5)
    target = pool.past(2, 3)["past_key_1"]
    assert (target[:, :, :5] == 7.0).all() and (target[:, :, 5:] == 0.0).all()
