"""The enhancer by rules: what the prompt says stays, what is made up is marked, rows are the captioner's."""

from __future__ import annotations

import json
import re
from random import Random

import jsonschema
import pytest

from edgecap.engines.errors import InputError, UsageError
from edgecap.runtime.describe.sentences import position_sentence
from edgecap.runtime.english import plural
from edgecap.runtime.enhance import Enhanced, enhance, enhanced_to_json
from edgecap.runtime.enhance.parse import read
from edgecap.runtime.enhance.places import POSITION, choose_course
from edgecap.runtime.enhance.slots import slots_of, still_actions
from edgecap.runtime.enhance.words.nouns import coco_classes, noun_forms
from edgecap.runtime.enhance.words.verbs import verb_forms
from edgecap.runtime.output.row import structure_of
from edgecap.runtime.output.schema import record_schema, schema_errors
from edgecap.runtime.verify.words import lexicon
from tests.runtime.enhance.enhance_prompts import made_prompt
from tests.runtime.fake_records import make_record


def texts(enhanced: Enhanced) -> str:
    block = structure_of(enhanced_to_json(enhanced))
    return json.dumps(block, ensure_ascii=False)


def test_a_thousand_seeded_prompts_follow_the_schema() -> None:
    validator = jsonschema.Draft202012Validator(record_schema())
    for seed in range(1000):
        row = enhanced_to_json(enhance(made_prompt(seed).text, seed=seed, max_instances=1 + seed % 4))
        assert schema_errors(row) == [], made_prompt(seed).text
        if seed % 20 == 0:
            assert not list(validator.iter_errors(json.loads(json.dumps(row))))


def test_the_schema_refuses_a_row_without_provenance() -> None:
    row = enhanced_to_json(enhance("a dog runs"))
    del row["meta"]["instances"][0]["action"]["provenance"]
    assert schema_errors(row)


@pytest.mark.parametrize("block", range(4))
def test_what_a_prompt_says_is_in_the_caption(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        made = made_prompt(seed)
        enhanced = enhance(made.text, seed=seed)
        own = [i for i in enhanced.instances if i.class_name == made.class_name]
        if made.noun == "glorptang" and "red car" in made.text:  # an unknown word is a thing only where no known one is
            assert "glorptang" in enhanced.reading.text
            continue
        assert len(own) >= min(made.count, 2), made.text
        for one in own:
            assert made.colour in one.appearance.text and made.noun in one.appearance.text, made.text
            if made.colour:
                said = one.appearance.text.replace(made.colour, "").replace("blue collar", "")
                adjectives = said.split(made.noun)[0]
                assert not {*lexicon.COLOURS, "grey"} & set(re.findall(r"[a-z]+", adjectives)), said
            assert made.verb.replace("is sleeping", "sleep")[:4] in one.action.text, (made.text, one.action.text)


def test_every_position_is_one_the_captioner_writes() -> None:
    for seed in range(300):
        for one in enhance(made_prompt(seed).text, seed=seed).instances:
            assert POSITION.fullmatch(one.position.text) and one.position.text.startswith(f"The {one.class_name} ")
    for track in make_record(path="a.mp4").evidence.tracks:
        assert POSITION.fullmatch(position_sentence(track))


def test_no_two_instances_share_a_name_or_a_look() -> None:
    for prompt in (
        "three dogs run",
        "ten sheep",
        "two children and two wolves play",
        "a dog and a dog sleep",
        "five mugs",
    ):
        for seed in range(20):
            instances = enhance(prompt, seed=seed, max_instances=4).instances
            assert len({i.name for i in instances}) == len(instances) > 1
            assert len({i.appearance.text for i in instances}) == len(instances)
    ten = enhance("ten dogs", max_instances=10).instances
    assert len({i.appearance.text for i in ten}) == len({i.name for i in ten}) == 10


def test_the_cap_is_kept_and_what_it_drops_is_told() -> None:
    enhanced = enhance("seven dogs, two cats, a horse and a car", max_instances=3)
    assert len(enhanced.instances) == 3
    assert enhanced.omitted == {"dog": 6, "cat": 1, "car": 1} and "left out" in enhanced.notes[-1]
    assert [i.class_name for i in enhanced.instances] == ["dog", "cat", "horse"]


def test_every_kind_comes_before_a_second_of_a_kind() -> None:
    assert [i.class_name for i in enhance("five dogs chase a ball").instances] == ["dog", "dog", "sports ball"]


@pytest.mark.parametrize(
    ("prompt", "index", "action"),
    [
        ("a woman in a red dress rides a white horse", 1, "The horse is ridden by the woman."),
        ("two wolves chase each other", 0, "The first wolf chases the other wolf."),
        ("a dog, running fast", 0, "The dog runs fast."),
        ("a girl is not running, she sits on a chair reading a book", 0, "The girl sits on a chair and reads a book."),
        ("a man parks a car and a boy waves", 2, "The boy waves."),
        ("a parked car", 0, "The car is parked."),
        ("a sleeping cat on a couch", 0, "The cat sleeps."),
        ("a dog runs towards the camera", 0, "The dog runs towards the camera."),
        ("a yodelling axolotl", 0, "The axolotl is yodelling."),
        ("children play football", 2, "The football is played with by the children."),
    ],
)
def test_who_does_what(prompt: str, index: int, action: str) -> None:
    assert enhance(prompt).instances[index].action.text.startswith(action)


@pytest.mark.parametrize(
    ("prompt", "position"),
    [
        ("a man walks from left to right", r"moves from \w+-left to \w+-right"),
        ("a truck drives to the left", r"moves from \w+-right to \w+-(left|middle)"),
        ("a parked car on the right", r"stays at \w+-right"),
        ("a dog runs in circles", r"stays at"),
        ("a bird in the sky", r"stays at top-"),
        ("a cat runs out of the frame", r"moves from .* and out of frame in the end"),
    ],
)
def test_positions_follow_the_prompt(prompt: str, position: str) -> None:
    for seed in range(10):
        assert re.search(position, enhance(prompt, seed=seed).instances[0].position.text)


@pytest.mark.parametrize(
    ("prompt", "camera"),
    [
        ("a dog runs, the camera slowly pans left", "The camera pans left slowly."),
        ("static shot of a house", "The camera is static."),
        ("zoom in on a red car", "The camera zooms in."),
        ("handheld footage of a man", "The camera shakes."),
        ("close-up of a cat, zooming out", "The camera zooms out. It is a close-up."),
    ],
)
def test_camera_words_are_the_captioners(prompt: str, camera: str) -> None:
    field = enhance(prompt).camera
    assert field.text == camera and field.provenance == "prompt"


def test_what_is_denied_is_nowhere() -> None:
    for seed in range(30):
        assert "collar" not in texts(enhance("a dog without a collar runs", seed=seed))
        enhanced = enhance("a street with no cars, no people, a bus stops", seed=seed)
        assert {i.class_name for i in enhanced.instances} == {"bus"}
        assert "looks around" not in texts(enhance("a man who never looks at the sky", seed=seed))


def test_provenance_tells_the_prompt_from_the_seed() -> None:
    one = enhance("a small brown dog").instances[0]
    assert one.appearance.prompt_parts == ("small brown", "dog") and one.appearance.provenance == "mixed"
    assert one.action.provenance == one.position.provenance == "invented" and one.action.invented_parts
    for prompt in ("two dogs chase a red ball on a beach at sunset", "a red car"):
        for field in (f for i in enhance(prompt).instances for f in (i.appearance, i.action)):
            for part in (*field.prompt_parts, *field.invented_parts):
                assert part.rstrip(".") in field.text


def test_light_that_is_told_is_not_invented() -> None:
    for seed in range(20):
        text = enhance("a fox in the snow at night", seed=seed).background.text
        assert "at night" in text and "daylight" not in text and "evening" not in text


def test_the_seed_decides_and_nothing_else() -> None:
    prompt = "three children play in a garden"
    assert enhance(prompt, seed=5) == enhance(prompt, seed=5)
    assert len({texts(enhance(prompt, seed=s)) for s in range(8)}) > 4


def test_a_row_is_made_of_the_captioners_keys_in_order() -> None:
    row = enhanced_to_json(enhance("a dog and a cat"))
    assert list(row) == ["Video", "Global Description", "Structural Description", "meta"]
    assert list(structure_of(row)) == ["Main Instance", "Background Detail", "Camera Movement"]
    assert list(structure_of(row)["Main Instance"]) == ["No.0", "No.1"]
    one = structure_of(row)["Main Instance"]["No.0"]
    assert list(one) == ["Class", "Appearance", "Actions and Motion", "Position"]
    assert row["Global Description"] == "a dog and a cat"


def test_a_scene_without_things_has_no_instances() -> None:
    enhanced = enhance("waves on a rocky beach at sunrise")
    assert enhanced.instances == () and "rocky beach" in enhanced.background.text
    assert schema_errors(enhanced_to_json(enhanced)) == []


@pytest.mark.parametrize(
    ("prompt", "script"),
    [("한 남자가 개와 함께 걷는다", "HANGUL"), ("собака бежит по пляжу", "CYRILLIC"), ("一只狗在海滩上奔跑", "CJK")],
)
def test_another_script_is_kept_and_nothing_is_made_up(prompt: str, script: str) -> None:
    enhanced = enhance(prompt)
    row = enhanced_to_json(enhanced)
    assert row["Global Description"] == prompt and enhanced.instances == () and script in enhanced.notes[0]
    assert structure_of(row)["Background Detail"] == structure_of(row)["Camera Movement"] == "unknown"
    assert row["meta"]["not_understood"] and prompt[1:] in row["meta"]["paragraph"] and schema_errors(row) == []


@pytest.mark.parametrize("prompt", ["", "  \n\t", "\x00\x07", "...!?", "\u202e"])
def test_an_empty_prompt_is_said_so(prompt: str) -> None:
    with pytest.raises(InputError, match="empty"):
        enhance(prompt)


def test_a_long_prompt_is_refused_with_its_length() -> None:
    with pytest.raises(InputError, match="5000 words, at most 200"):
        enhance("dog " * 5000)


def test_control_characters_are_removed_and_told() -> None:
    enhanced = enhance("a \x1b[31mdog\x00 runs\u202e on\na beach")
    assert enhanced.reading.text == "a [31mdog runs on a beach" and "3 control characters" in enhanced.notes[0]
    assert schema_errors(enhanced_to_json(enhanced)) == []


@pytest.mark.parametrize("limit", [0, -1, 11])
def test_a_limit_out_of_range_is_refused(limit: int) -> None:
    with pytest.raises(UsageError, match="1 to 10"):
        enhance("a dog", max_instances=limit)


def test_any_text_gives_a_valid_row() -> None:
    random = Random(1)
    pool = ["a", "the", "and", "dog", "dogs", "runs", "not", ",", ".", "with", "in", "red", "camera", "of", "'s", "no",
            "is", "beach", "orange", "his", "skis", "9", "zoom", "hat", "left", "犬", "-", "who"]  # fmt: skip
    for seed in range(600):
        prompt = " ".join(random.choices(pool, k=random.randint(1, 14)))
        if any(c.isalnum() for c in prompt):
            assert schema_errors(enhanced_to_json(enhance(prompt, seed=seed))) == [], prompt


def test_the_lexicon_holds_the_80_classes_with_plurals() -> None:
    assert len(set(coco_classes())) == 80
    for name in coco_classes():
        assert noun_forms()[name].class_name == noun_forms()[plural(name)].class_name == name
        assert slots_of(name, noun_forms()[name].kind) and still_actions(noun_forms()[name].kind)
    assert (plural("wolf"), plural("fire truck"), plural("woman")) == ("wolves", "fire trucks", "women")


def test_verb_forms() -> None:
    forms = verb_forms()
    words = ("running", "rode", "lying", "carries", "watched", "stirring")
    assert [forms[w].present for w in words] == ["runs", "rides", "lies", "carries", "watches", "stirs"]


def test_a_moving_thing_ends_elsewhere() -> None:
    for seed in range(50):
        course = choose_course(words="", action="runs", kind="animal", travels=True, taken=set(), random=Random(seed))
        assert course.start != course.end and course.direction in ("left", "right")


def test_reading_keeps_every_word_it_cannot_place() -> None:
    reading = read("a dog grimbles under zorky flumes")
    assert reading.mentions[0].actions == ("grimbles under zorky flumes",)
    assert read("Zork! a dog").not_understood == ("Zork",)


@pytest.mark.parametrize(
    "prompt",
    [
        "an empty street at dawn",
        "a deserted beach",
        "a crooked alley at night",
        "a cozy kitchen",
        "an abandoned factory",
    ],
)
def test_what_describes_a_place_is_no_thing(prompt: str) -> None:
    enhanced = enhance(prompt)
    assert enhanced.instances == () and enhanced.background.text.startswith(prompt[0].upper() + prompt[1:])


def test_an_unknown_thing_is_still_taken_for_one() -> None:
    (axolotl,) = enhance("a yodelling axolotl in a deserted park").instances
    assert axolotl.class_name == "axolotl" or axolotl.name.endswith("axolotl")
