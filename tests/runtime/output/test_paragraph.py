"""The dense paragraph: golden ones, and rules that hold for any row."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest

from edgecap.runtime.data.evidence import Relation
from edgecap.runtime.measure.position import CELLS
from edgecap.runtime.output.paragraph import dense_paragraph, is_noun_phrase
from edgecap.runtime.output.reader import CaptionRow, InstanceTexts, caption_row
from edgecap.runtime.output.row import record_to_json
from tests.runtime.fake_records import make_record

PERSON = InstanceTexts(
    "No.0", "person", "A person in a red shirt and blue trousers.", "It walks. It moves to the right.",
    "The person moves from top-left to center-right and out of frame in the end.",
)  # fmt: skip
DOG = InstanceTexts("No.1", "dog", "A brown dog.", "It stands still.", "The dog stays at bottom-middle.")
MAN = InstanceTexts(
    "No.0", "person", "A man of about thirty wears a mustard jacket. His face is calm.", "He walks steadily.",
    "person moves from center-left to center-right.",
)  # fmt: skip


def _row(
    *instances: InstanceTexts, background: str = "A gray wall.", camera: str = "The camera pans left."
) -> CaptionRow:
    return CaptionRow(1, "a.mp4", "Someone is there.", instances, background, camera)


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?]) ", text)


def test_a_sentence_with_a_verb_is_carried_over_word_for_word() -> None:
    sentences = _sentences(dense_paragraph(_row(MAN, background="Late sun falls on the yard.")))
    assert sentences[:4] == [
        "A man of about thirty wears a mustard jacket.",
        "His face is calm.",
        "The person is on the left at first.",
        "He walks steadily.",
    ]
    assert sentences[4] in ("By the end, the person is on the right.", "The person ends up on the right.",
                            "At last the person is on the right.")  # fmt: skip
    assert sentences[5:] == ["Late sun falls on the yard.", "The camera pans left."]


def test_noun_phrases_get_a_verb_and_a_place_and_leaving_is_said() -> None:
    text = dense_paragraph(_row(PERSON, DOG))
    first, *rest = _sentences(text)
    assert "a person in a red shirt and blue trousers" in first.lower() and "in the upper left" in first.lower()
    assert rest[0] == "It walks." and rest[1] == "It moves to the right."
    assert re.search(
        r"(?:is|ends up) on the right\. (?:Then the person leaves the frame|The person then goes out of view)\.", text
    )
    assert re.search(r"a brown dog", text, re.IGNORECASE) and "lower middle" in text
    assert text.endswith("The camera pans left.") and re.search(r" a gray wall\. The camera", text)


def test_the_same_row_gives_the_same_words_and_others_vary() -> None:
    assert dense_paragraph(_row(PERSON, DOG)) == dense_paragraph(_row(PERSON, DOG))
    shapes = set()
    for n in range(60):
        text = dense_paragraph(_row(PERSON, camera=f"The camera pans left by {n} degrees."))
        shapes.add(re.sub(r"\d+", "N", text))
    assert len(shapes) >= 12  # 4 openings x 3 arrivals x 2 leavings x 3 settings are possible


def test_nothing_is_said_twice_and_no_action_is_lost() -> None:
    dogs = [replace(DOG, key=f"No.{n}") for n in range(3)]
    text = dense_paragraph(_row(*dogs, camera="The camera pans left. The camera pans left."))
    sentences = _sentences(text)
    assert len(sentences) == len({s.lower() for s in sentences})
    assert "second brown dog" in text and "third brown dog" in text
    assert [s for s in sentences if "stands still" in s] == [
        "It stands still.", "The second dog also stands still.", "The third dog also stands still.",
    ]  # fmt: skip


def test_what_is_unknown_is_left_out_and_an_empty_row_is_empty() -> None:
    row = _row(DOG, background="unknown", camera="The camera motion could not be measured.")
    assert "unknown" not in dense_paragraph(row).lower() and "measured" not in dense_paragraph(row)
    assert dense_paragraph(CaptionRow(1, "", "unknown", (), "", "")) == ""
    assert dense_paragraph(_row()).startswith("Someone is there. ")  # no instance: the global sentence speaks


def _with_relations(row: CaptionRow, *sentences: str) -> CaptionRow:
    return replace(row, meta={"relation_sentences": list(sentences)})


def test_relations_stand_between_the_instances_and_the_setting() -> None:
    row = _row(PERSON, DOG, background="Late sun falls on the yard.")
    beside = "The person is to the left of the dog."
    sentences = _sentences(dense_paragraph(_with_relations(row, beside)))
    assert sentences[-3:] == [beside, "Late sun falls on the yard.", "The camera pans left."]
    assert [s for s in sentences if s != beside] == _sentences(dense_paragraph(row)), "the rest is as without them"


@pytest.mark.parametrize(
    ("act", "sentence", "again"),
    [
        ("It crosses in front of the person.", "The dog crosses in front of the person.", False),
        ("It crosses behind the person.", "The dog crosses in front of the person.", True),
        ("It crosses behind the person.", "The dog follows the person, then crosses behind the person.", False),
        ("It and the person pass each other.", "The dog and the person pass each other.", False),
        ("It follows the red car and the person.", "The dog follows the red car and the person.", False),
        ("It follows the red car.", "The dog follows the red carriage.", True),
        ("It approaches the person.", "The dog moves away from the person.", True),
        ("It stands still.", "The dog and the person approach each other.", True),
        ("It stands still.", "The dog is in front of the person.", True),
    ],
)
def test_what_an_action_tells_of_is_not_told_again(act: str, sentence: str, again: bool) -> None:
    dog = replace(DOG, action=f"It walks. {act}")
    text = dense_paragraph(_with_relations(_row(dog, PERSON), sentence))
    assert act in text and (sentence in text) is again


def test_a_record_s_relations_reach_its_paragraph() -> None:
    record = make_record()
    near = Relation("left_of", 7, 9, 0.0, 1.75, 0.8)
    related = replace(record, evidence=replace(record.evidence, relations=(near,)))
    beside = " The person is to the left of the dog."
    text = dense_paragraph(caption_row(record_to_json(related, root=None)))
    assert text.replace(beside, "", 1) == dense_paragraph(caption_row(record_to_json(record, root=None))) != text


def test_missing_texts_leave_a_paragraph_of_the_rest() -> None:
    bare = InstanceTexts("No.0", "", "", "", "")
    text = dense_paragraph(_row(bare, background=""))
    assert re.search(r"an object", text, re.IGNORECASE) and text.endswith("The camera pans left.")


@pytest.mark.parametrize(
    ("sentence", "phrase"),
    [
        ("A red car.", True),
        ("A person in a red shirt and blue trousers.", True),
        ("An old man with glasses.", True),
        ("Two dogs.", True),
        ("A dog licks its paw.", False),
        ("A man wears a hat.", False),
        ("The wall is gray.", False),
        ("Trees.", False),
    ],
)
def test_noun_phrases_are_told_from_sentences(sentence: str, phrase: bool) -> None:
    assert is_noun_phrase(sentence) is phrase


def _positions() -> list[str]:
    moves = [f"The dog moves from {a} to {b}" for a, b in itertools.product(CELLS, CELLS) if a != b]
    stays = [f"The dog stays at {c}" for c in CELLS]
    away = [f"The dog moves from {c} to top-left and back to {c}" for c in CELLS[1:]]
    between = [
        "The dog stays between top-left and top-middle",
        "The dog is at top-left, then moves out of frame in the end",
    ]
    return [f"{p}{end}." for p in moves + stays for end in ("", " and out of frame in the end")] + [
        f"{p}." for p in away + between
    ]


def test_every_position_sentence_becomes_clean_prose() -> None:
    for position in _positions():
        text = dense_paragraph(_row(replace(DOG, position=position)))
        assert not re.search(r"(?:top|center|bottom)-", text), (position, text)
        assert not re.search(r"  |\.\.|None|\{|\bthe the\b|_", text), text
        assert all(s[0].isupper() and s[-1] == "." for s in _sentences(text)), text
        assert ("leaves the frame" in text or "out of view" in text) == ("out of frame" in position)


def test_what_the_camera_moves_in_the_picture_keeps_its_cause() -> None:
    position = "The dog moves from center-right to center-left in the picture because the camera pans right."
    text = dense_paragraph(_row(replace(DOG, position=position)))
    assert "on the left because the camera pans right." in text and "center-" not in text


def test_a_real_record_s_paragraph() -> None:
    text = dense_paragraph(caption_row(record_to_json(make_record(), root=None)))
    assert "unknown" not in text and text.endswith("The camera pans left slowly.") and "{" not in text
