"""The words a captioner is exported with: rules, rounds, hints and lists, and the room they need.

In: a name of `export/prompts/`. Out: a `PromptBook`, its file in a pack's folder, and how many positions the longest
dialogue takes. `edge` is for models that follow instructions, `nano` for the shipped one, which knows its four
questions only. The stages are those of InstanceCap's improved chain of thought (docs/spec/instancecap.md 3.2), in our
own words.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

from edgecap.engines.packs.prompt_book import PromptBook, PromptTurn, decode_book
from edgecap.engines.packs.specs import PromptLayout
from edgecap.export.checkpoint.chat import layout_notes

BookName = Literal["edge", "nano"]
PROMPT_FILE = "captioner.prompts.json"
FOLDER = Path(__file__).parent
PROMPTS: dict[str, str] = {
    "appearance": (
        "Every picture shows the same {class}. Write one short sentence about how the {class} looks: colours, "
        "clothing or surface, shape. {class_hint} Name only what is visible."
    ),
    "action": (
        "The pictures follow one {class} over time, and it is {motion}. Measured: {measured} {relations} Write one "
        "short sentence about what the {class} does. Name only what is visible."
    ),
    "background": (
        "Write one short sentence about the place: the ground, what stands around, the light. Leave out people, "
        "animals and vehicles. Name only what is visible."
    ),
    "global": (
        "The video shows {instances}. Write one sentence of at most twenty words that sums up the scene. "
        "Name only what is visible."
    ),
    "camera": (
        "{camera_hint} Write one short sentence about the shot: how much of the subject it takes in, and from which "
        "height and angle."
    ),
}
"""What a general vision-language model is asked for each field with `--stages fast`; the rounds of `--stages full` are
in prompts/edge.json. What is in braces are hints that the runtime fills in from what it measured, as the method
injects its detector's and tracker's findings into the questions (InstanceCap, CVPR 2025, section 3). The rules in the
words match what `runtime.verify` refuses: several sentences, more words than the field allows, things that can't be
seen."""
MAX_TOKENS: dict[str, int] = {"appearance": 56, "action": 48, "background": 72, "global": 40, "camera": 48}
"""About 1.4 tokens a word of the longest answer that `runtime.checks` lets pass, and the end token."""
VIEWS = 4
VIEW_GAP_SECONDS = 0.375
VIEW_MARGIN = 1.25
"""Crop side over the box's long side: the surroundings help a general model to tell what a thing is doing."""
_LONG = {
    "class": "baseball glove",
    "motion": "moving",
    "measured": "It stays in place at first, then moves up and to the left, then down and to the left, then down and "
    "to the right, going farther away, then stops, and the camera follows it.",
    "instances": "a person, a fire hydrant, a traffic light, a baseball glove, a tennis racket, a potted plant, a "
    "dining table and a teddy bear",
    "relations": "It crosses in front of the seventh person, then crosses behind the turquoise baseball glove and "
    "moves away from the third teddy bear.",
    "global": "Three people and two dogs walk past a red car at a wide crossing while the camera pans right slowly.",
}
"""The longest hints that the runtime makes of eight instances, its default limit (words.py,
relation_words.py, check_form.MOST_WORDS)."""
_LONG_CAMERA = (
    "The camera pans right and zooms in moderately fast, then pans back left and tilts up, then rolls to the left, "
    "and so on while it shakes."
)
_MOST_TOLD = 3
"""Instances of a caption whose paragraph must have room: the method's own limit (docs/spec/instancecap.md 1.3)."""
_AROUND_FIELDS = 64
"""Tokens of one instance in the caption as JSON beside its two answers: names of fields, class, position."""


def open_book(name: BookName) -> PromptBook:
    """One of the books that edgecap ships."""
    path = FOLDER / f"{name}.json"
    return decode_book(path.read_text(encoding="utf-8"), source=str(path))


def book_for(name: BookName, layout: PromptLayout) -> PromptBook:
    """As `open_book`, without rounds where the conversation has no place for a second question: `--stages full` is then
    refused in words, instead of asking what the model can't tell from its own answer."""
    book = open_book(name)
    return replace(book, full={}) if book.history and not layout.answer_after else book


def write_book(
    folder: Path, name: BookName, layout: PromptLayout, *, say: Callable[[str], None] = lambda line: None
) -> None:
    """Put the book of `book_for` into a pack's folder, under `PROMPT_FILE`. `say`: gets what the layout has no place
    for."""
    for note in layout_notes(layout).values() if open_book(name).system else ():
        say(note)
    book, path = book_for(name, layout), folder / PROMPT_FILE
    if book == open_book(name):
        shutil.copyfile(FOLDER / f"{name}.json", path)
    else:
        path.write_text(json.dumps(asdict(book), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def longest_dialogue(
    book: PromptBook,
    layout: PromptLayout,
    encode: Callable[[str], Sequence[int]],
    *,
    prompts: Mapping[str, str],
    max_tokens: Mapping[str, int],
) -> int:
    """Positions of the rules and the longest dialogue behind the pictures, every answer at full length.

    `encode`: text -> ids of the checkpoint's tokenizer. `prompts`, `max_tokens`: the questions of `--stages fast`.
    """
    dialogues: list[tuple[PromptTurn, ...]] = [(PromptTurn(text, max_tokens[name]),) for name, text in prompts.items()]
    dialogues += book.full.values() if book.history else [(one,) for rounds in book.full.values() for one in rounds]
    rules = f"{book.system} {book.lexicon.sentence()}" if book.lexicon else book.system
    longest = max(_length(rounds, book, layout, encode) for rounds in dialogues)
    return len(encode(layout.before_system + rules)) + longest


def paragraph_positions(book: PromptBook, layout: PromptLayout, encode: Callable[[str], Sequence[int]]) -> int:
    """Positions of the aligning round over a caption of three instances, its fields half as long as they may be (the
    method's captions have 157 words, docs/spec/instancecap.md 8.4: a third); 0 where the book has none. No pictures
    are read there, and a caption that is longer gets the deterministic paragraph."""
    if book.paragraph is None:
        return 0
    around = layout.before + layout.question_before + book.paragraph.text + layout.question_after
    last = {name: rounds[-1].max_tokens for name, rounds in book.full.items()}
    instance = sum(last.get(name, 0) for name in ("appearance", "action"))
    scene = sum(last.get(name, 0) for name in ("global", "background", "camera"))
    caption = _MOST_TOLD * (instance // 2 + _AROUND_FIELDS) + scene // 2 + _AROUND_FIELDS
    return len(encode(around)) + caption + book.paragraph.max_tokens


def fill(text: str) -> str:
    """A question with plausible hints, for parity checks."""
    camera = f"This was measured: {_LONG_CAMERA}"
    return " ".join(
        text.format(**_LONG, camera_hint=camera, class_hint="Where they can be seen, name: colour, shape.").split()
    )


def _length(
    rounds: Sequence[PromptTurn], book: PromptBook, layout: PromptLayout, encode: Callable[[str], Sequence[int]]
) -> int:
    hints, camera = book.class_hints, book.camera_hints
    slots = max((*hints.by_class.values(), *hints.by_category.values()), key=len) if hints else ""
    values = _LONG | {
        "class_hint": hints.sentence.replace("{slots}", slots) if hints else "",
        "camera_hint": camera.moving.replace("{camera}", _LONG_CAMERA) if camera else "",
    }
    around = layout.question_before + layout.question_after, layout.answer_after + layout.question_after
    return sum(
        len(encode(around[k > 0] + one.text.format(**values))) + one.max_tokens + 1 for k, one in enumerate(rounds)
    )
