"""What is asked, asked again, computed, and abstained from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgecap.runtime.config import AskOptions
from edgecap.runtime.data.evidence import Relation
from edgecap.runtime.data.question import Answer, Question, VisualPrompt
from edgecap.runtime.data.record import DomainVerdict
from edgecap.runtime.decode.language_model import Answers
from edgecap.runtime.describe.captioner import Captioner
from edgecap.runtime.describe.prompts import build_prompts
from edgecap.runtime.describe.questions import Questions
from edgecap.runtime.describe.views import spread_times
from tests.runtime.fake_records import make_evidence, make_window

INSIDE, OUTSIDE = DomainVerdict("inside", 0.4, 1.0), DomainVerdict("outside", 3.0, 1.0)
UNCHECKED = DomainVerdict("unchecked", None, None)
GOOD = {
    (7, "appearance"): "A person in a red shirt and blue trousers.",
    (7, "action"): "It walks.",
    (9, "appearance"): "A blue dog.",
    (9, "action"): "It stands still.",
    (None, "background"): "A gray wall.",
    (None, "global"): "A person and a dog are by a wall.",
}
SPEC: Any = SimpleNamespace(
    views=4,
    view_side=32,
    sizes_wh=((32, 32),),
    view_gap_seconds=0.5,
    view_margin=1.3,
    prompts={
        "appearance": "Describe the {class}.",
        "action": "The {class} is {motion}. What does it do?",
        "background": "Describe the background.",
        "global": "The video shows {instances}. Describe it.",
    },
    max_tokens={"appearance": 24, "action": 20, "background": 28, "global": 40},
)


class Scripted:
    """A model that says what a function says and remembers every batch."""

    spec, book = SPEC, None

    def __init__(self, say: Callable[[int | None, Question], str]) -> None:
        self.batches: list[list[VisualPrompt]] = []
        self._say = say

    def answer(self, prompts: Sequence[VisualPrompt]) -> Answers:
        self.batches.append(list(prompts))
        said = tuple(
            Answer(p.track_id, q.field, self._say(p.track_id, q), 5, 0.9, False) for p in prompts for q in p.questions
        )
        return Answers(said, 10, 100, 5 * len(said))


def _good(track_id: int | None, question: Question) -> str:
    return GOOD[(track_id, question.field)]


def _describe(model: Scripted | None, verdict: DomainVerdict = INSIDE, **options: Any) -> Any:
    window = make_window()
    return Captioner(model, **options).describe(window, make_evidence(window), verdict)


def test_one_round_asks_everything_with_its_hints() -> None:
    model = Scripted(_good)
    _describe(model)
    [prompts] = model.batches
    assert [(p.track_id, [q.text for q in p.questions]) for p in prompts] == [
        (7, ["Describe the person.", "The person is moving. What does it do?"]),
        (9, ["Describe the dog.", "The dog is still. What does it do?"]),
        (None, ["Describe the background.", "The video shows a person and a dog. Describe it."]),
    ]
    assert [q.max_tokens for q in prompts[0].questions] == [24, 20]


def test_good_answers_become_the_caption() -> None:
    caption = _describe(Scripted(_good))
    person, dog = caption.instances
    assert person.appearance.text == GOOD[(7, "appearance")] and person.appearance.provenance == "model"
    assert person.action.text == "It walks. It moves to the right."
    assert person.action.computed_part == "It moves to the right." and person.action.provenance == "model"
    assert dog.action.text == "It stands still." and dog.action.computed_part == ""
    name = person.class_name
    assert (name.text, name.provenance, name.confidence) == ("person", "detector", 0.97)
    assert person.position.provenance == caption.camera.provenance == "computed"
    assert caption.global_description.text == GOOD[(None, "global")]
    assert caption.background.provenance == "model"
    assert (caption.model_calls, caption.prefill_tokens, caption.decode_tokens) == (10, 100, 30)


def test_refused_answer_is_asked_once_more_with_the_words_forbidden() -> None:
    def say(track_id: int | None, question: Question) -> str:
        if (track_id, question.field) == (9, "appearance"):
            return "A blue dog." if question.banned_words else "A yellow dog."
        return _good(track_id, question)

    model = Scripted(say)
    dog = (caption := _describe(model)).instances[1]
    assert [[(p.track_id, [q.field for q in p.questions]) for p in r] for r in model.batches[1:]] == [
        [(9, ["appearance"])]
    ]
    assert model.batches[1][0].questions[0].banned_words == ("yellow",)
    assert model.batches[1][0].frames_rgb is model.batches[0][1].frames_rgb
    assert dog.appearance.text == "A blue dog." and dog.appearance.provenance == "model"
    assert len(dog.appearance.rejections) == 2 and dog.appearance.rejections[0].startswith("colour: yellow")
    assert (caption.model_calls, caption.prefill_tokens, caption.decode_tokens) == (20, 200, 35)


def test_refused_twice_becomes_a_computed_sentence_with_both_reasons() -> None:
    def say(track_id: int | None, question: Question) -> str:
        if (track_id, question.field) == (9, "appearance"):
            return "A red dog." if question.banned_words else "A yellow dog."
        return _good(track_id, question)

    dog = _describe(Scripted(say)).instances[1]
    assert dog.appearance.provenance == "fallback" and "blue dog" in dog.appearance.text
    said = " ".join(dog.appearance.rejections)
    assert "yellow" in said and "red" in said


def test_what_no_ban_can_cure_is_not_asked_again() -> None:
    def say(track_id: int | None, question: Question) -> str:
        return "A gray wall without an end" if question.field == "background" else _good(track_id, question)

    model = Scripted(say)
    background = _describe(model).background
    assert len(model.batches) == 1
    assert (background.text, background.provenance) == ("unknown", "abstained")
    assert background.rejections[0].startswith("unfinished")


def test_refused_action_falls_back_to_one_motion_sentence() -> None:
    def say(track_id: int | None, question: Question) -> str:
        return "It stands still." if question.field == "action" else _good(track_id, question)

    person = _describe(Scripted(say)).instances[0]
    assert person.action.provenance == "fallback" and person.action.text == "The person moves to the right."
    assert person.action.computed_part == ""


def test_without_a_captioner_everything_is_computed() -> None:
    caption = _describe(None)
    fields = [caption.global_description, caption.camera]
    fields += [f for i in caption.instances for f in (i.appearance, i.action, i.position)]
    assert {f.provenance for f in fields} == {"computed"} and all(f.text.endswith(".") for f in fields)
    assert caption.instances[1].appearance.text == "A blue dog."
    assert (caption.background.text, caption.background.provenance) == ("unknown", "abstained"), "nothing measures it"
    assert caption.model_calls == 0


def test_outside_the_domain_nothing_is_invented_and_nobody_is_asked() -> None:
    model = Scripted(_good)
    caption = _describe(model, OUTSIDE)
    assert model.batches == [] and caption.instances == ()
    for field in (caption.global_description, caption.background):
        assert (field.text, field.provenance) == ("unknown", "abstained")
    assert caption.camera.provenance == "computed" and "pans left" in caption.camera.text


@pytest.mark.parametrize(("asks", "batches", "provenance"), [(False, 0, "fallback"), (True, 1, "model")])
def test_unchecked_windows_are_asked_about_only_on_request(asks: bool, batches: int, provenance: str) -> None:
    model = Scripted(_good)
    caption = _describe(model, UNCHECKED, asks_unchecked=asks)
    assert len(model.batches) == batches
    assert caption.instances[0].appearance.provenance == provenance


def test_motion_detector_s_class_is_computed() -> None:
    from dataclasses import replace

    window = replace(make_window(), labels=("object",))
    evidence = make_evidence(window)
    evidence = replace(evidence, tracks=tuple(replace(t, class_name="object") for t in evidence.tracks))
    caption = Captioner(None).describe(window, evidence, UNCHECKED)
    name = caption.instances[0].class_name
    assert (name.text, name.provenance, name.confidence) == ("object", "computed", None)


def test_views_show_the_instance_and_the_whole_picture() -> None:
    window = make_window()
    person, dog, scene = build_prompts(window, make_evidence(window), Questions(SPEC, None, AskOptions()))
    assert person.frames_rgb.shape == (4, 32, 32, 3) and scene.frames_rgb.shape == (4, 32, 32, 3)
    middles = person.frames_rgb[:, 16, 16].tolist()
    assert middles == [[220, 30, 30]] * 4, "the red block in the middle of every view"
    assert dog.frames_rgb[0, 16, 16].tolist() == [30, 60, 220]
    np.testing.assert_allclose(np.diff(person.pts_seconds), 0.5)
    np.testing.assert_allclose(scene.pts_seconds, [0.25, 0.75, 1.25, 1.75])


def test_a_track_without_a_mask_is_not_asked_about() -> None:
    window, evidence = make_window(), make_evidence(make_window())
    empty = make_window(track_ids=(9,))
    assert [p.track_id for p in build_prompts(empty, evidence, Questions(SPEC, None, AskOptions()))] == [9, None]
    caption = Captioner(Scripted(_good)).describe(empty, make_evidence(window), INSIDE)
    assert caption.instances[0].appearance.provenance == "fallback"


@pytest.mark.parametrize(
    ("total", "expected"), [(1, [0, 0, 0, 0]), (2, [0, 0, 1, 1]), (4, [0, 1, 2, 3]), (40, [5, 15, 25, 35])]
)
def test_spread_times(total: int, expected: list[int]) -> None:
    assert spread_times(total, count=4) == expected


def _related() -> tuple[Any, Any]:
    window = make_window()
    row = Relation("follows", 9, 7, 0.0, 1.5, 0.9)
    return window, replace(make_evidence(window), relations=(row,))


def test_what_an_instance_does_to_others_stands_behind_the_models_words() -> None:
    window, evidence = _related()
    model = Scripted(lambda t, q: "It walks." if (t, q.field) == (9, "action") else GOOD[(t, q.field)])
    right = evidence.tracks[0].motion_world
    moving = replace(evidence.tracks[1], motion_world=right, motion_image=right)
    evidence = replace(evidence, tracks=(evidence.tracks[0], moving))
    dog = Captioner(model).describe(window, evidence, INSIDE).instances[1]
    assert dog.action.text == "It walks. It moves to the right. It follows the person."
    assert dog.action.computed_part == "It moves to the right. It follows the person."


def test_relations_are_part_of_a_caption_without_a_model() -> None:
    window, evidence = _related()
    person, dog = Captioner(None).describe(window, evidence, INSIDE).instances
    assert dog.action.text.endswith(" It follows the person.") and dog.action.provenance == "computed"
    assert "follows" not in person.action.text
