"""A model's paragraph is used where it says what the caption says, no more and no less."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from edgecap.engines.errors import EngineError
from edgecap.runtime.output.aligned_paragraph import ParagraphWriter, paragraph_reasons
from edgecap.runtime.output.paragraph import dense_paragraph
from edgecap.runtime.output.reader import CaptionRow, InstanceTexts

ROW = CaptionRow(
    line_number=3,
    video="a.mp4",
    global_description="A person in red walks past a blue car.",
    instances=(
        InstanceTexts(
            "No.0",
            "person",
            "A person in a red coat.",
            "It walks to the left.",
            "The person moves from center-right to center-left.",
        ),
        InstanceTexts("No.1", "car", "A blue car.", "It stands still.", "The car stays at bottom-left."),
    ),
    background="A wide street with gray houses.",
    camera="The camera pans left.",
)
GOOD = (
    "On the right a person in a red coat walks to the left past a blue car that stands still in the lower left. "
    "Behind them lies a wide street with gray houses. The camera pans left."
)


class Says:
    name, mode = "scripted", "pack"

    def __init__(self, *texts: str) -> None:
        self._texts = iter(texts)
        self.asked: list[list[dict[str, str]]] = []

    def ask(self, messages: Sequence[dict[str, str]]) -> str:
        self.asked.append(list(messages))
        text = next(self._texts)
        if text == "!":
            raise EngineError("too long for the decoder")
        return text


def _write(*texts: str):
    model = Says(*texts)
    return ParagraphWriter(model, "Fold this: {caption}"), model


def test_a_true_paragraph_is_the_models() -> None:
    writer, model = _write(GOOD)
    paragraph = writer.write(ROW)
    assert (paragraph.text, paragraph.provenance, paragraph.rejections) == (GOOD, "model", ())
    told = json.loads(model.asked[0][0]["content"].removeprefix("Fold this: "))
    assert told["instances"][0]["appearance"] == "A person in a red coat." and told["camera"] == "The camera pans left."
    assert writer.write(ROW) is paragraph and len(model.asked) == 1, "asked once, however often it is wanted"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("blue car", "green car"), "colours: adds green"),
        (("blue car", "car"), "colours: leaves out blue"),
        (("a blue car that", "a blue dog that"), "things: adds dog"),
        (("a person in", "someone in"), "things: leaves out person"),
        (("pans left", "tilts up"), "camera: adds tilt_up"),
        (("stands still", "honks loudly"), "sound"),
        (("stands still", "seems to stand still"), "hedge"),
        ((". Behind", ".\n- Behind"), "list"),
        ((GOOD, "A red person, a blue car, gray."), "facts: 7 words"),
        ((GOOD, GOOD + " It is far away" * 60 + "."), "long"),
    ],
)
def test_what_it_adds_or_loses_is_named(change: tuple[str, str], reason: str) -> None:
    text = GOOD.replace(*change)
    assert text != GOOD and any(reason in r for r in paragraph_reasons(text, ROW)), paragraph_reasons(text, ROW)
    assert paragraph_reasons(GOOD, ROW) == []


def test_sides_that_nobody_measured_are_refused() -> None:
    row = CaptionRow(1, "a", "", (InstanceTexts("No.0", "dog", "A brown dog.", "It runs.", ""),), "", "")
    assert paragraph_reasons("A brown dog runs towards the left.", row) == ["sides: adds left"]


def test_a_refused_paragraph_is_asked_again_with_the_reasons_then_computed() -> None:
    bad = GOOD.replace("blue car", "green car")
    writer, model = _write(bad, GOOD)
    paragraph = writer.write(ROW)
    assert paragraph.provenance == "model" and paragraph.rejections[0] == "colours: adds green"
    again = model.asked[1][0]["content"]
    assert (
        again.startswith(model.asked[0][0]["content"]) and "colours: adds green" in again and len(model.asked[1]) == 1
    )
    writer, _ = _write(bad, bad)
    paragraph = writer.write(ROW)
    assert (
        paragraph.text == dense_paragraph(ROW) and paragraph.provenance == "fallback" and len(paragraph.rejections) == 4
    )


def test_a_caption_too_long_for_the_decoder_falls_back() -> None:
    writer, _ = _write("!")
    paragraph = writer.write(ROW)
    assert paragraph.provenance == "fallback" and paragraph.rejections == ("engine: too long for the decoder",)
