"""Questions from a pack's prompts: rounds in order, hints where they belong, ablations that leave out one thing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from edgecap.engines.errors import PackSchemaError, UsageError
from edgecap.engines.packs.prompt_book import ClassHints, decode_book
from edgecap.runtime.config import AskOptions
from edgecap.runtime.data.evidence import CameraEvidence
from edgecap.runtime.data.question import Question
from edgecap.runtime.describe.captioner import Captioner
from edgecap.runtime.describe.questions import Questions
from tests.runtime.describe.test_captioner import GOOD, INSIDE, SPEC, Scripted
from tests.runtime.fake_records import make_evidence, make_window

BOOK: dict[str, Any] = {
    "schema_version": 1,
    "history": True,
    "instruct": True,
    "system": "Only what is seen.",
    "full": {
        "global": [{"text": "One sentence about {instances}.", "max_tokens": 30}],
        "appearance": [
            {"text": "Is a {class} there? {class_hint}", "max_tokens": 50},
            {"text": "Its look. {class_hint}", "max_tokens": 60},
        ],
        "action": [
            {"text": "All of it: {global} Which part is the {class}?", "max_tokens": 50},
            {"text": "{measured} {relations} What does it do?", "max_tokens": 40},
        ],
        "background": [
            {"text": "In front: {instances}. What else?", "max_tokens": 50},
            {"text": "The place.", "max_tokens": 70},
        ],
        "camera": [{"text": "{camera_hint} Which shot?", "max_tokens": 40}],
    },
    "class_hints": {
        "sentence": "Look at {slots}.",
        "by_class": {"person": "clothes, hair"},
        "category": {"dog": "animal", "cat": "animal"},
        "by_category": {"animal": "fur, collar"},
        "default": "colour, shape",
    },
    "camera_hints": {"unknown": "Not measured.", "static": "It rests.", "moving": "Measured: {camera}"},
    "lexicon": {"guidance": "Rather {prefer}, not {avoid}.", "prefer": ["striped"], "avoid": ["lovely"]},
}
CAMERA: dict[tuple[int | None, str], str] = {(None, "camera"): "It is a medium shot at eye level."}


def _book(**changes: Any) -> Any:
    return decode_book(json.dumps(BOOK | changes), source="book")


class Booked(Scripted):
    def __init__(self, say: Any = None, book: Any = None) -> None:
        super().__init__(say or (lambda track, q: (GOOD | CAMERA)[(track, q.field)]))
        self.book = book or _book()


def _describe(model: Any, camera: CameraEvidence | None = None, **options: Any) -> Any:
    window = make_window()
    evidence = make_evidence(window)
    if camera is not None:
        evidence = replace(evidence, camera=camera)
    return Captioner(model, options=AskOptions(**options)).describe(window, evidence, INSIDE)


def _turns(question: Question) -> list[tuple[str, int]]:
    return [(t.text, t.max_tokens) for t in question.turns]


def test_full_asks_the_global_sentence_first_then_the_rest_with_it() -> None:
    model = Booked()
    _describe(model, stages="full")
    first, second = model.batches
    assert [(p.track_id, [_turns(q) for q in p.questions]) for p in first] == [
        (None, [[("One sentence about a person and a dog.", 30)]])
    ]
    person, dog, scene = second
    assert [q.field for q in person.questions] == ["appearance", "action"]
    assert _turns(person.questions[0]) == [
        ("Is a person there? Look at clothes, hair.", 50),
        ("Its look. Look at clothes, hair.", 60),
    ]
    assert _turns(dog.questions[0])[1] == ("Its look. Look at fur, collar.", 60)
    assert _turns(person.questions[1]) == [
        (f"All of it: {GOOD[(None, 'global')]} Which part is the person?", 50),
        ("It moves to the right. What does it do?", 40),
    ]
    assert [q.field for q in scene.questions] == ["background", "camera"]
    assert all(p.system == "Only what is seen." for r in model.batches for p in r)
    assert all(q.history for p in second for q in p.questions)


def test_the_rounds_of_n_instances_are_4_plus_4n_generations() -> None:
    """docs/spec/instancecap.md 3.2; two instances."""
    model = Booked()
    _describe(model, stages="full")
    assert sum(len(q.turns) for r in model.batches for p in r for q in p.questions) == 4 + 4 * 2


def test_a_refused_global_sentence_is_not_told_to_the_actions() -> None:
    def say(track: int | None, question: Question) -> str:
        return "A loud engine." if question.field == "global" else (GOOD | CAMERA)[(track, question.field)]

    model = Booked(say)
    _describe(model, stages="full")
    assert len(model.batches) == 3, "global, global again, the rest"
    told = _turns(model.batches[-1][0].questions[1])[0][0]
    assert "engine" not in told and "person" in told


def test_the_camera_field_is_the_measured_sentence_and_the_models_shot() -> None:
    caption = _describe(Booked(), stages="full")
    measured = caption.camera.computed_part
    assert caption.camera.text == f"{measured} It is a medium shot at eye level."
    assert measured.startswith("The camera ") and caption.camera.provenance == "model"


def test_what_the_model_says_of_camera_movement_is_held_against_the_measurement() -> None:
    def say(track: int | None, question: Question) -> str:
        return "The camera tilts up." if question.field == "camera" else GOOD[(track, question.field)]

    caption = _describe(Booked(say), stages="full")
    assert caption.camera.provenance == "fallback" and "tilts up" in caption.camera.rejections[0]
    assert "tilt" not in caption.camera.text


def test_no_movement_is_guessed_where_none_was_measured() -> None:
    unmeasured = CameraEvidence((), 0, 0, 0, 0, 0, "", 0.2)

    def say(track: int | None, question: Question) -> str:
        return "The camera pans left." if question.field == "camera" else GOOD[(track, question.field)]

    model = Booked(say)
    caption = _describe(model, camera=unmeasured, stages="full")
    asked = [q.text for p in model.batches[1] for q in p.questions if q.field == "camera"]
    assert asked == ["Not measured. Which shot?"]
    assert caption.camera.text == "The camera motion could not be measured."
    assert "nothing could be measured" in caption.camera.rejections[0]


@pytest.mark.parametrize(
    ("labels", "hint"), [(("static",), "It rests."), (("pan_right",), "Measured: The camera pans right.")]
)
def test_the_camera_hint_has_a_branch_for_stillness_and_one_for_movement(labels: Any, hint: str) -> None:
    phases = () if labels == ("static",) else (labels,)
    camera = CameraEvidence(labels, 0.3, 0, 0, 0, 0, "", 0.9, phases)
    assert Questions(SPEC, _book(), AskOptions("full")).camera_hint(camera) == hint


def test_without_the_class_hint_only_the_hint_is_gone() -> None:
    model = Booked()
    _describe(model, stages="full", class_hint=False)
    assert _turns(model.batches[1][0].questions[0]) == [("Is a person there?", 50), ("Its look.", 60)]


def test_without_the_camera_hint_the_models_words_stand_alone() -> None:
    model = Booked()
    caption = _describe(model, stages="full", camera_hint=False)
    asked = [q.text for p in model.batches[1] for q in p.questions if q.field == "camera"]
    assert asked == ["Which shot?"] and caption.camera.text == "It is a medium shot at eye level."
    assert caption.camera.computed_part == ""


def test_the_lexicon_is_guidance_in_the_rules() -> None:
    model = Booked()
    _describe(model, stages="full", lexicon=True)
    prompt = model.batches[0][0]
    assert prompt.system == "Only what is seen. Rather striped, not lovely."
    assert all(not q.banned_words for r in model.batches for p in r for q in p.questions)


def test_listed_words_that_were_said_are_counted_and_never_refused() -> None:
    def say(track: int | None, question: Question) -> str:
        looks = "A lovely person in a red striped shirt."
        return looks if (track, question.field) == (7, "appearance") else (GOOD | CAMERA)[(track, question.field)]

    caption = _describe(Booked(say), stages="full", lexicon=True)
    assert caption.lexicon_used == (("striped",), ("lovely",))
    assert caption.instances[0].appearance.text == "A lovely person in a red striped shirt."
    assert _describe(Booked(say), stages="full").lexicon_used is None


def test_rounds_without_history_are_marked() -> None:
    model = Booked(book=_book(history=False))
    _describe(model, stages="full")
    assert not any(q.history for r in model.batches for p in r for q in p.questions)


def test_fast_asks_everything_at_once_with_the_rules() -> None:
    model = Booked()
    caption = _describe(model)
    [prompts] = model.batches
    assert all(not q.earlier for p in prompts for q in p.questions) and prompts[0].system == "Only what is seen."
    assert caption.camera.provenance == "computed", "SPEC has no camera question"


@pytest.mark.parametrize(
    ("options", "book", "words"),
    [
        ({"stages": "full"}, False, "no rounds"),
        ({"class_hint": False}, True, "--no-class-hint: .* no class hint"),
        ({"camera_hint": False}, True, "no camera hint"),
        ({"lexicon": True}, False, "no word lists"),
    ],
)
def test_what_the_prompts_cannot_follow_is_refused(options: dict, book: bool, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Questions(SPEC, _book() if book else None, AskOptions(**options))


def test_hints_of_classes_nobody_listed() -> None:
    hints = ClassHints("{slots}", **{k: v for k, v in BOOK["class_hints"].items() if k != "sentence"})
    assert hints.slots_for("young person") == "clothes, hair" and hints.slots_for("cat") == "fur, collar"
    assert hints.slots_for("big dog") == "fur, collar" and hints.slots_for("submarine") == "colour, shape"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"full": {"sound": [{"text": "a", "max_tokens": 2}]}}, r"\$.full\['sound'\]"),
        ({"full": {"global": []}}, "at least one round"),
        ({"full": {"global": [{"text": "{global}", "max_tokens": 2}]}}, r"\$.full\['global'\]\[0\].text"),
        ({"full": {"global": [{"text": "a", "max_tokens": 0}]}}, "at least 1, got 0"),
        ({"full": {"global": [{"text": "a {", "max_tokens": 2}]}}, "expected a template"),
        ({"camera_hints": BOOK["camera_hints"] | {"moving": "It moves."}}, r"all of \{camera\}"),
        ({"lexicon": BOOK["lexicon"] | {"avoid": ["striped"]}}, "'striped' in both"),
        ({"schema_version": 2}, "expected 1, got 2"),
        ({"colour": 1}, "unknown key"),
    ],
)
def test_a_broken_book_says_where(change: dict, place: str) -> None:
    with pytest.raises(PackSchemaError, match=f"^book: .*{place}"):
        _book(**change)
