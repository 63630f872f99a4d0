"""Tokenizer, questions and packed rows of the nano captioner."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("tokenizers")

from edgecap.bench.world import CLASSES
from edgecap.bench.world.ground_truth import sentences
from edgecap.export.nano.caption.evaluate import shares
from edgecap.export.nano.caption.grammar import nano_grammar
from edgecap.export.nano.caption.packing import Example, attributes_of, examples_of, pack
from edgecap.export.nano.caption.prompts import BACKGROUNDS, CLASS_NAMES, MAX_TOKENS, fill
from edgecap.export.nano.caption.tokenizer import SPECIALS, VOCAB_LIMIT, corpus_words, decode, encode, train_tokenizer
from edgecap.export.prompts.prompt_data import open_book

INSTANCE = {
    "kind": "instance",
    "class": "person",
    "primary": "red",
    "secondary": "blue",
    "gesture": "wave",
    "moving": True,
}
PICTURE = {"kind": "picture", "background": "beach", "classes": ["dog", "person", "dog"]}
PREFIX = 5


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer()


def test_every_word_of_the_world_is_one_token(tokenizer: Any) -> None:
    assert tokenizer.get_vocab_size() <= VOCAB_LIMIT
    assert [w for w in corpus_words() if len(encode(tokenizer, w)) != 1] == []


def test_special_ids_come_first_and_never_out_of_text(tokenizer: Any) -> None:
    assert [tokenizer.token_to_id(s) for s in SPECIALS] == [0, 1, 2, 3]
    assert min(encode(tokenizer, "Describe <|eos|> the <|image|>.")) > 3


@pytest.mark.parametrize(
    "text",
    ["It walks and waves an arm.", "Zoë, 漢字\n\ttabs  and 2 blanks", "", "<|eos|>"],
    ids=["own", "foreign", "empty", "special"],
)
def test_any_text_round_trips(tokenizer: Any, text: str) -> None:
    assert decode(tokenizer, encode(tokenizer, text)) == text


def test_answers_fit_their_limits(tokenizer: Any) -> None:
    answers: dict[str, list[str]] = {
        "appearance": [sentences.appearance(c.name, "orange", "purple") for c in CLASSES],
        "action": [
            sentences.action(c.name, moving, g.name) for c in CLASSES for g in c.gestures for moving in (True, False)
        ],
        "background": [sentences.background(name) for name in BACKGROUNDS],
        "global": [sentences.global_sentence(CLASS_NAMES[:n] * 2, name) for name in BACKGROUNDS for n in range(6)],
    }
    longest = {field: max(len(encode(tokenizer, a)) + 1 for a in lines) for field, lines in answers.items()}
    assert all(longest[field] <= MAX_TOKENS[field] for field in MAX_TOKENS), longest


def test_the_grammar_reads_what_the_captioner_was_trained_to_write() -> None:
    grammar = nano_grammar()
    assert open_book("nano").grammar == grammar
    for c in CLASSES:
        for first, second in [("orange", "purple"), ("red", None), ("blue", "orange")]:
            assert grammar.reads("appearance", sentences.appearance(c.name, first, second))
        for gesture in (None, *(g.name for g in c.gestures)):
            assert grammar.reads("action", sentences.action(c.name, True, gesture))
    for name in BACKGROUNDS:
        assert grammar.reads("background", sentences.background(name))
        for n in range(8):
            assert grammar.reads("global", sentences.global_sentence(CLASS_NAMES[:n] * 2, name))
            assert grammar.reads("global", sentences.global_sentence(CLASS_NAMES[:n], name))


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("appearance", "An stands in a yellow sail."),
        ("global", "A giraffe is in a lowers and a sports."),
        ("action", "It waves a red wheel."),
        ("background", "A sandy beach lies."),
        ("appearance", "A red car. A red car."),
    ],
)
def test_the_grammar_reads_nothing_else(field: str, text: str) -> None:
    assert not nano_grammar().reads(field, text)


def test_questions_and_answers_of_an_instance() -> None:
    look, act = examples_of(INSTANCE, rng=None)
    assert look == Example("appearance", "Describe the person.", "A person in a red shirt and blue trousers.")
    assert act == Example("action", "The person is moving. What does it do?", "It walks and waves an arm.")


def test_questions_and_answers_of_a_picture() -> None:
    place, whole = examples_of(PICTURE, rng=None)
    assert place == Example("background", fill("background"), sentences.background("beach"))
    assert whole == Example(
        "global", "The video shows two dogs and a person. Describe it.", "Two dogs and a person are on a beach."
    )


def test_training_variations_keep_question_and_answer_consistent() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        act = examples_of(INSTANCE, rng=rng)[1]
        assert ("moving" in act.question) == act.answer.startswith("It walks")
        whole = examples_of(PICTURE, rng=rng)[1]
        assert ("no objects" in whole.question) == whole.answer.startswith("Nothing")


def test_packed_questions_see_the_prefix_and_themselves_only(tokenizer: Any) -> None:
    packed = pack([examples_of(INSTANCE, rng=None), examples_of(PICTURE, rng=None)], tokenizer, prefix=PREFIX)
    mask, segments = packed.mask()[:, 0], packed.segments
    for row in range(2):
        first, second = np.flatnonzero(segments[row] == 1), np.flatnonzero(segments[row] == 2)
        assert mask[row, second][:, :PREFIX].all() and not mask[row, second][:, first].any()
        assert packed.positions[row, first[0]] == packed.positions[row, second[0]] == PREFIX
        assert not np.triu(mask[row], 1).any() and mask[row].any(1).all()


def test_packed_targets_spell_the_answers(tokenizer: Any) -> None:
    pairs = [examples_of(INSTANCE, rng=None), examples_of(PICTURE, rng=None)]
    packed = pack(pairs, tokenizer, prefix=PREFIX)
    for row, pair in enumerate(pairs):
        for number, example in enumerate(pair):
            chosen = (packed.rows == row) & (packed.examples == number)
            assert decode(tokenizer, packed.targets[chosen].tolist()) == example.answer
            assert packed.targets[chosen][-1] == tokenizer.token_to_id("<|eos|>")
            assert (packed.ids[row, packed.columns[chosen][1:]] == packed.targets[chosen][:-1]).all()


def test_attributes_are_absent_where_the_label_has_none() -> None:
    values = attributes_of([INSTANCE, PICTURE])
    assert values["class"].tolist() == [0, -1] and values["background"][0] == -1 and values["background"][1] >= 0


def test_shares_tell_colour_errors_from_class_errors() -> None:
    truth = Example("appearance", "", "A red car with a blue door.")
    found = shares(
        [
            (truth, "A red car with a blue door."),
            (truth, "A red car with a green door."),
            (truth, "An orange bus with a blue stripe."),
            (truth, "A red car."),
        ]
    )
    assert found == {"appearance": 0.25, "first_colour": 0.75, "second_colour": 0.5, "class": 0.5}
