"""People are never described by a colour of theirs: in no computed sentence, no output format, no accepted answer."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace

import pytest

from edgecap.runtime.data.evidence import ColourShare, Evidence
from edgecap.runtime.data.person import PARTS, PartColours, PersonEvidence
from edgecap.runtime.data.record import DomainVerdict
from edgecap.runtime.describe.captioner import Captioner
from edgecap.runtime.describe.person_sentences import worn_sentence
from edgecap.runtime.describe.relation_sentences import instance_names
from edgecap.runtime.describe.sentences import appearance_sentence, global_sentence
from edgecap.runtime.english import PERSON_NOUNS, is_person, plural
from edgecap.runtime.measure.palette import TERMS
from edgecap.runtime.output.coco import coco_dataset
from edgecap.runtime.output.event_sink import EventSink
from edgecap.runtime.output.instancevid import write_instancevid, write_paragraphs
from edgecap.runtime.output.jsonl import JsonLinesSink
from edgecap.runtime.output.pictures.report import HtmlReportSink
from edgecap.runtime.output.reader import read_captions
from edgecap.runtime.output.srt import SrtSink
from edgecap.runtime.verify.form import form_reasons
from tests.runtime.fake_records import make_record, make_track, make_window

CLASSES = ("person", "man", "woman", "child", "baseball player", "police officer", "man with hat", "pedestrian")
PALETTES = (
    *(((term, 0.95),) for term in TERMS),
    *(((term, 0.6), ("white" if term != "white" else "black", 0.3)) for term in TERMS),
    *(((term, 0.4), ("blue" if term != "blue" else "red", 0.38)) for term in TERMS),
)
_NOUNS = "|".join(sorted({*PERSON_NOUNS, *(plural(name) for name in CLASSES)}, key=len, reverse=True))
COLOURED = re.compile(rf"\b(?:{'|'.join(TERMS)})(?: and [a-z]+)? (?:baseball |police )?(?:{_NOUNS})\b", re.IGNORECASE)


def _evidence(class_name, *palettes):
    """A window and its evidence: up to two people, the third and later ones without pictures of their own."""
    window = make_window()
    ids = (7, 9, *range(20, 40))
    tracks = tuple(
        replace(make_track(window, min(i, 9), class_name=class_name, palette=palette), track_id=i)
        for i, palette in zip(ids, palettes, strict=False)
    )
    return window, Evidence(make_record().evidence.camera, tracks)


def test_the_search_finds_what_it_is_for():
    for text in ("A black person.", "Six black people; the camera is static.", "a red and white man", "two pink women"):
        assert COLOURED.search(text)
    assert not COLOURED.search("A person in black and white clothes near a red car.")


@pytest.mark.parametrize("class_name", CLASSES)
def test_no_computed_sentence_gives_a_person_a_colour(class_name):
    for palette in PALETTES:
        _, evidence = _evidence(class_name, palette, palette, palette)
        texts = [appearance_sentence(evidence.tracks[0]), global_sentence(evidence)]
        _, two = _evidence(class_name, palette, (("green", 0.9),))
        texts += instance_names(two.tracks).values()
        assert not [text for text in texts if COLOURED.search(text)]


@pytest.mark.parametrize(
    ("palette", "expected"),
    [
        ((("red", 0.9),), "A person in red clothes."),
        ((("black", 0.6), ("blue", 0.3)), "A person in mostly dark clothes with some blue."),
        ((("red", 0.45), ("white", 0.4)), "A person in red and white clothes."),
        ((("brown", 0.4), ("pink", 0.3)), "A person."),  # skin and hair
        ((("blue", 0.6), ("brown", 0.3)), "A person in mostly blue clothes."),
        ((("gray", 0.45), ("blue", 0.3)), "A person in partly blue clothes."),  # gray may be shade
        ((("pink", 0.43), ("black", 0.36), ("blue", 0.2)), "A person in partly dark and blue clothes."),
        ((("pink", 0.43), ("black", 0.34), ("blue", 0.2)), "A person in partly blue clothes."),  # hair, shoes, folds
        ((("gray", 0.64), ("black", 0.35)), "A person in mostly gray clothes with dark parts."),
        ((("gray", 0.64), ("black", 0.34)), "A person in mostly gray clothes."),
        ((("black", 0.34), ("brown", 0.3)), "A person in mostly dark clothes."),
        ((("orange", 0.7),), "A person in mostly orange clothes."),
        ((("orange", 0.59),), "A person."),  # bare arms and legs
        ((("orange", 0.6),), "A person in mostly orange clothes."),
        ((), "A person."),
    ],
)
def test_clothes_have_the_colour(palette, expected):
    _, evidence = _evidence("person", palette)
    track = evidence.tracks[0]
    assert appearance_sentence(replace(track, palette=tuple(ColourShare(*c) for c in palette))) == expected


def test_clothes_tell_two_people_apart():
    _, evidence = _evidence("person", (("red", 0.9),), (("blue", 0.9),))
    assert list(instance_names(evidence.tracks).values()) == ["the person in red", "the person in blue"]


@pytest.mark.parametrize("class_name", ["person", "man", "baseball player"])
def test_no_output_format_gives_a_person_a_colour(class_name, tmp_path):
    record, captioner = make_record(), Captioner(None)
    captions = tmp_path / "captions.jsonl"
    with (
        JsonLinesSink(captions) as rows,
        HtmlReportSink(tmp_path / "report.html") as report,
        EventSink(tmp_path / "events.jsonl") as events,
        SrtSink(tmp_path) as subtitles,
    ):
        for index, palette in enumerate(PALETTES):
            window, evidence = _evidence(class_name, palette, palette)
            window = replace(window, clip_index=index, start_seconds=2.0 * index, end_seconds=2.0 * index + 2)
            caption = captioner.describe(window, evidence, DomainVerdict("unchecked", None, None))
            for sink in (rows, report, events, subtitles):
                sink.write(replace(record, window=window, evidence=evidence, caption=caption))
    write_instancevid(captions, tmp_path)
    write_paragraphs(captions, tmp_path)
    (tmp_path / "coco.json").write_text(json.dumps(coco_dataset(read_captions(captions))))
    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert len(written) >= 8 and "clothes" in written["captions.jsonl"]
    for name, text in written.items():
        assert not COLOURED.search(re.sub(r"<[^>]+>", " ", text)), name


@pytest.mark.parametrize(
    "text",
    [
        "A black man walks a dog.",
        "Two white and young women stand there.",
        "A dark-skinned person in a red shirt.",
        "An Asian woman rides a bicycle.",
        "A person with pale skin.",
        "A red person with some blue.",
    ],
)
def test_an_answer_that_colours_people_is_refused(text):
    assert [r.code for r in form_reasons(text, most_words=60)] == ["colour"]


@pytest.mark.parametrize(
    "text",
    [
        "A man in a black coat walks a white dog.",
        "A person with a red umbrella and dark trousers.",
        "An African elephant walks beside a man.",
        "A woman in red and white, people behind her.",
        "A black horse, a rider in white.",
        "A child holds a kite with a banana skin pattern.",
    ],
)
def test_clothes_and_things_may_have_colours(text):
    assert [r.code for r in form_reasons(text, most_words=60)] == []


def test_names_of_people():
    assert all(is_person(name) for name in (*CLASSES, "Man", "people"))
    names = ("dog", "teddy bear", "person detector", "traffic light", "snowman", "mannequin", "")
    assert not any(is_person(name) for name in names)
    assert all(is_person(plural(name)) for name in ("person", "man", "woman", "child", "player"))
    assert len(list(itertools.chain(PALETTES))) == 33


def test_clothes_by_part_give_a_person_no_colour():
    for class_name, first, second in itertools.product(CLASSES, TERMS, TERMS):
        parts = [PartColours(part, (ColourShare(first, 0.6), ColourShare(second, 0.3))) for part in PARTS]
        _, evidence = _evidence(class_name, (("red", 0.9),))
        for count in range(1, len(parts) + 1):
            person = PersonEvidence(4, 0.0, 1.0, clothes=tuple(parts[-count:]))
            text = worn_sentence(replace(evidence.tracks[0], person=person))
            assert text and not COLOURED.search(text)
            assert not form_reasons(text, most_words=60)
