"""Answers of a closed corpus must be sentences of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from edgecap.engines.errors import PackSchemaError
from edgecap.engines.packs.grammar import AnswerGrammar, SlotWords
from edgecap.engines.packs.prompt_book import decode_book
from edgecap.runtime.data.question import Question
from edgecap.runtime.describe.captioner import Captioner
from tests.runtime.describe.test_captioner import GOOD, INSIDE, Scripted
from tests.runtime.fake_records import make_evidence, make_window

BOOK = {"schema_version": 1, "history": False, "instruct": False, "system": "", "full": {}}
COLOURS = SlotWords("look", ("red shirt", "blue trousers"))
GRAMMAR = AnswerGrammar(
    (COLOURS, SlotWords("two", ("{look} and {look}",))), {"appearance": ("a person in a {two}.", "a blue dog.")}
)


class ClosedCorpus(Scripted):
    """A model whose pack lists what it may write."""

    book = replace(decode_book(json.dumps(BOOK), source="book"), grammar=GRAMMAR)  # type: ignore[assignment]


def test_an_answer_that_does_not_parse_gives_way_to_the_rules() -> None:
    """Words of the corpus in another order are refused with a reason, not asked again, and what was measured speaks."""

    def say(track_id: int | None, question: Question) -> str:
        jumbled = (track_id, question.field) == (7, "appearance")
        return "A person in a dog." if jumbled else GOOD[(track_id, question.field)]

    window = make_window()
    model = ClosedCorpus(say)
    person, dog = Captioner(model).describe(window, make_evidence(window), INSIDE).instances
    assert person.appearance.provenance == "fallback" and person.appearance.text != "A person in a dog."
    assert any(r.startswith("grammar: 'A person in a dog.' is not a sentence") for r in person.appearance.rejections)
    assert dog.appearance.text == "A blue dog." and dog.appearance.provenance == "model"
    assert person.action.provenance == "model"  # a field without templates is free


def test_slots_inside_slots_and_either_case() -> None:
    assert GRAMMAR.reads("appearance", "A person in a red shirt and blue trousers.")
    assert not GRAMMAR.reads("appearance", "A person in a red shirt.")
    assert not GRAMMAR.reads("appearance", "A blue dog. A blue dog.")


@pytest.mark.parametrize(
    ("slots", "templates", "words"),
    [
        ([], ["a {colour} car."], "{colour} in 'a {colour} car.' is not a slot listed before its use"),
        ([{"name": "colour", "words": []}], ["x."], "expected at least one text"),
        ([], [], "expected at least one template"),
        (
            [{"name": f"s{k}", "words": ["ha" if k == 0 else f"{{s{k - 1}}}{{s{k - 1}}}"]} for k in range(40)],
            ["{s39}."],
            "expected slots that fill at most 1000000 characters",
        ),
    ],
    ids=["unknown slot", "no words", "no template", "multiplies"],
)
def test_a_grammar_that_can_not_be_read(slots: list[object], templates: list[str], words: str) -> None:
    with pytest.raises(PackSchemaError, match=re.escape(words)):
        decode_book(json.dumps(BOOK | {"grammar": {"slots": slots, "sentences": {"global": templates}}}), source="book")
