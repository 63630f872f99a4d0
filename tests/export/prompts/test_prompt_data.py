"""The books that packs are exported with: complete, our own lists kept apart, and room for the longest dialogue."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.prompt_book import BOOK_FIELDS, ROUND_PLACEHOLDERS, decode_book, read_book
from edgecap.engines.packs.specs import PromptLayout
from edgecap.export.checkpoint.labels import COCO_LABELS
from edgecap.export.nano.caption.prompts import MAX_TOKENS, PROMPTS
from edgecap.export.prompts import prompt_data
from edgecap.export.prompts.prompt_data import (
    FOLDER,
    PROMPT_FILE,
    book_for,
    fill,
    longest_dialogue,
    open_book,
    paragraph_positions,
    write_book,
)
from edgecap.runtime.output.aligned_paragraph import paragraph_reasons
from edgecap.runtime.output.reader import CaptionRow, InstanceTexts
from edgecap.runtime.verify.form import MOST_WORDS, form_reasons
from edgecap.runtime.verify.words import lexicon

EDGE, NANO = open_book("edge"), open_book("nano")
_BEHAVIOUR = re.compile(
    r"\b(?:behaviou?r|action|activity|doing|does|motion|movement|moving|pose|posture|gesture|gait|position|location)\b"
)


def test_every_class_of_coco_has_a_hint_of_its_own_and_a_category() -> None:
    hints = EDGE.class_hints
    assert hints is not None and tuple(sorted(hints.by_class)) == tuple(sorted(COCO_LABELS)) and len(COCO_LABELS) == 80
    assert set(COCO_LABELS) <= set(hints.category) and set(hints.category.values()) == set(hints.by_category)
    assert len(hints.by_category) == 12 and hints.default


def test_hints_ask_for_looks_and_never_for_behaviour() -> None:
    """The reference asks animals for behaviour inside the appearance (docs/spec/instancecap.md 10.2, 11)."""
    hints = EDGE.class_hints
    assert hints is not None
    for slots in (*hints.by_class.values(), *hints.by_category.values(), hints.default):
        assert not _BEHAVIOUR.search(slots), slots
        assert 3 <= len(slots.split(", ")) <= 9, slots
    assert hints.slots_for("zeppelin") == hints.default and hints.slots_for("puppy") == hints.by_category["animal"]


def test_word_lists_are_apart_and_forbid_no_fact() -> None:
    """In the reference one word stands in both lists and true words are forbidden (docs/spec/instancecap.md 3.1)."""
    words = EDGE.lexicon
    assert words is not None
    assert 30 <= len(words.prefer) <= 40 and 20 <= len(words.avoid) <= 30
    facts = {*lexicon.COLOURS, *lexicon.COLOUR_SYNONYMS, *COCO_LABELS, *lexicon.SCENERY}
    assert not set(words.prefer) & set(words.avoid) and not (set(words.prefer) | set(words.avoid)) & facts
    assert len(set(words.prefer)) == len(words.prefer) and len(set(words.avoid)) == len(words.avoid)
    for true in ("rusty", "faded", "uneven", "rough", "blurry", "dull", "torn", "dirty", "cracked"):
        assert true not in words.avoid
    assert "may be used" in words.guidance
    for word in words.prefer:  # what is preferred may not be what the verifier refuses
        assert not form_reasons(f"A {word} wall.", most_words=20), word


def test_stages_and_rounds_are_the_papers() -> None:
    """docs/spec/instancecap.md 3.2: two rounds for appearance, action and background, one for global and camera;
    actions get the global text and the measured motion, the background lists the front first, the camera gets the
    measurement."""
    assert {name: len(rounds) for name, rounds in EDGE.full.items()} == {
        "global": 1,
        "appearance": 2,
        "action": 2,
        "background": 2,
        "camera": 1,
    }
    assert set(EDGE.full) == set(BOOK_FIELDS)
    texts = {name: " ".join(one.text for one in rounds) for name, rounds in EDGE.full.items()}
    assert all("{class_hint}" in one.text for one in EDGE.full["appearance"])
    assert {"{global}", "{measured}", "{relations}"} <= set(re.findall(r"\{\w+\}", texts["action"]))
    assert "{measured}" in EDGE.full["action"][-1].text
    assert "{instances}" in EDGE.full["background"][0].text and "{camera_hint}" in texts["camera"]
    assert EDGE.history and EDGE.instruct and EDGE.paragraph is not None


def test_the_rules_forbid_what_the_verifier_refuses() -> None:
    for word in ("sound", "times", "picture numbers", "guess", "missing", "cover"):
        assert word in EDGE.system, word
    assert len(EDGE.system.split()) <= 90


@pytest.mark.parametrize("text", [*prompt_data.PROMPTS.values(), *(r.text for f in EDGE.full.values() for r in f)])
def test_templates_fill_without_leftovers(text: str) -> None:
    filled = fill(text)
    assert "{" not in filled and "}" not in filled and "  " not in filled


def test_answers_have_room_for_what_the_checks_allow() -> None:
    for name, rounds in EDGE.full.items():
        assert rounds[-1].max_tokens >= 1.1 * min(MOST_WORDS[name], 60), name
    assert set(prompt_data.PROMPTS) == set(prompt_data.MAX_TOKENS) == set(BOOK_FIELDS)


def test_nano_is_asked_only_what_it_was_trained_on() -> None:
    rounds = [one for field in NANO.full.values() for one in field]
    assert {one.text for one in rounds} == set(PROMPTS.values())
    assert {name: NANO.full[name][-1].text for name in NANO.full} == PROMPTS
    assert {name: NANO.full[name][-1].max_tokens for name in NANO.full} == MAX_TOKENS
    assert not NANO.history and not NANO.instruct and NANO.system == ""


def test_the_shipped_pack_holds_the_book_of_its_recipe() -> None:
    assert read_book(Pack.open("nano")) == NANO


def test_room_is_counted_with_hints_and_answers(tmp_path: Path) -> None:
    layout = PromptLayout(question_before="q ", question_after=" a", answer_after=" u ", before_system="s {system} ")
    count = longest_dialogue(EDGE, layout, str.split, prompts=prompt_data.PROMPTS, max_tokens=prompt_data.MAX_TOKENS)
    rules = len(f"s {{system}} {EDGE.system} {EDGE.lexicon.sentence()}".split()) if EDGE.lexicon else 0
    actions = [len(fill(one.text).split()) + one.max_tokens for one in EDGE.full["action"]]
    assert count >= rules + sum(actions) and count < rules + sum(actions) + 120
    room = paragraph_positions(EDGE, layout, str.split)
    assert EDGE.paragraph is not None
    assert room > len(EDGE.paragraph.text.split()) + EDGE.paragraph.max_tokens + 157 * 1.4
    assert paragraph_positions(NANO, layout, str.split) == 0
    said: list[str] = []
    write_book(tmp_path, "edge", layout, say=said.append)
    assert (tmp_path / PROMPT_FILE).read_bytes() == (FOLDER / "edge.json").read_bytes() and said == []


def test_without_a_second_question_there_are_no_rounds(tmp_path: Path) -> None:
    """--stages full is then refused by the runtime in words; hints, rules and lists stay."""
    layout = PromptLayout(question_before="q ", question_after=" a")
    said: list[str] = []
    write_book(tmp_path, "edge", layout, say=said.append)
    book = decode_book((tmp_path / PROMPT_FILE).read_text(), source="x")
    assert book == replace(EDGE, full={}) == book_for("edge", layout)
    assert ["one question only" in said[0], "no system turn" in said[1]] == [True, True] and len(said) == 2
    single = longest_dialogue(book, layout, str.split, prompts=prompt_data.PROMPTS, max_tokens=prompt_data.MAX_TOKENS)
    assert single < longest_dialogue(
        EDGE, layout, str.split, prompts=prompt_data.PROMPTS, max_tokens=prompt_data.MAX_TOKENS
    )
    write_book(tmp_path, "nano", layout, say=said.append)  # asks single questions without rules anyway
    assert decode_book((tmp_path / PROMPT_FILE).read_text(), source="x") == NANO and len(said) == 2


def test_the_examples_of_the_paragraph_keep_its_own_rules() -> None:
    """What the model is shown passes the checks that its own paragraphs have to pass."""
    assert EDGE.paragraph is not None
    shown = re.findall(r"Caption: (.+?) Paragraph: (.+?)(?= Example two| The caption: )", EDGE.paragraph.text)
    rows = (
        CaptionRow(1, "", "", (), "A pebble beach under a gray sky.", "The camera is static."),
        CaptionRow(
            2,
            "",
            "",
            (
                InstanceTexts(
                    "No.0",
                    "person",
                    "A woman in a green raincoat.",
                    "She walks slowly. It moves to the left.",
                    "The person moves from center-right to center-middle.",
                ),
                InstanceTexts(
                    "No.1", "dog", "A small white dog with a red collar.", "It sits.", "The dog stays at bottom-left."
                ),
            ),
            "A narrow brick lane.",
            "The camera pans left slowly.",
        ),
    )
    assert len(shown) == 2
    for (caption, paragraph), row in zip(shown, rows, strict=True):
        for text in (row.background, row.camera, *(x for i in row.instances for x in (i.appearance, i.action))):
            assert text in caption, text
        assert paragraph_reasons(paragraph, row) == []


def test_the_longest_hints_are_as_long_as_the_runtimes() -> None:
    """Words of words.py at their longest: room is reserved for them."""
    filled = fill("{measured}|{relations}|{instances}|{global}|{camera_hint}").split("|")
    assert [len(text.split()) >= least for text, least in zip(filled, (35, 18, 20, 20, 25), strict=True)] == [True] * 5


def test_placeholders_are_known_to_the_runtime() -> None:
    from edgecap.engines.packs.schema import PROMPT_PLACEHOLDERS

    assert set(PROMPT_PLACEHOLDERS) == set(ROUND_PLACEHOLDERS) - {"global"}
