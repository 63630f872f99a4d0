"""The words a captioner is exported with: rules, rounds, hints and lists, and the room they need.

In: a name of `export/prompts/`. Out: a `PromptBook`, its file in a pack's folder, and how many positions the longest
dialogue takes. Called by the captioner recipes. `edge` is for models that follow instructions, `nano` for the shipped
one, which knows its four questions only. The stages are those of InstanceCap's improved chain of thought
(spec/instancecap.md 3.2), in our own words.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from edgecap.engines.prompt_book import PromptBook, Round, decode_book
from edgecap.engines.specs import PromptLayout

BookName = Literal["edge", "nano"]
PROMPT_FILE = "captioner.prompts.json"
FOLDER = Path(__file__).parent / "prompts"
_LONG = {
    "class": "baseball glove",
    "motion": "moving",
    "measured": "It moves up and to the left, then down and to the left, then stops, and the camera follows it.",
    "instances": "three people, two dogs, two bicycles, a car, a traffic light and an umbrella",
    "relations": "It approaches the second person, then crosses in front of the red car and follows the white dog.",
    "global": "Three people and two dogs walk past a red car at a wide crossing while the camera pans right slowly.",
    "camera_hint": "This was measured: The camera pans right and zooms in slowly, then pans back left, then tilts up "
    "while it shakes. Do not name any other movement.",
}
"""Hints about as long as the runtime makes them (words.py, relation_words.py, check_form.MOST_WORDS)."""


def open_book(name: BookName) -> PromptBook:
    """One of the books that edgecap ships."""
    path = FOLDER / f"{name}.json"
    return decode_book(path.read_text(encoding="utf-8"), source=str(path))


def write_book(folder: Path, name: BookName) -> None:
    """Put a book into a pack's folder, under `PROMPT_FILE`."""
    shutil.copyfile(FOLDER / f"{name}.json", folder / PROMPT_FILE)


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
    dialogues: list[tuple[Round, ...]] = [(Round(text, max_tokens[name]),) for name, text in prompts.items()]
    dialogues += book.full.values() if book.history else [(one,) for rounds in book.full.values() for one in rounds]
    rules = f"{book.system} {book.lexicon.sentence()}" if book.lexicon else book.system
    longest = max(_length(rounds, book, layout, encode) for rounds in dialogues)
    return len(encode(layout.before_system + rules)) + longest


def fill(text: str) -> str:
    """A question with plausible hints, for parity checks."""
    return " ".join(text.format(**_LONG, class_hint="Where they can be seen, name: colour, shape.").split())


def _length(
    rounds: Sequence[Round], book: PromptBook, layout: PromptLayout, encode: Callable[[str], Sequence[int]]
) -> int:
    hints = book.class_hints
    slots = max((*hints.by_class.values(), *hints.by_category.values()), key=len) if hints else ""
    values = _LONG | {"class_hint": hints.sentence.replace("{slots}", slots) if hints else ""}
    around = layout.question_before + layout.question_after, layout.answer_after + layout.question_after
    return sum(
        len(encode(around[k > 0] + one.text.format(**values))) + one.max_tokens + 1 for k, one in enumerate(rounds)
    )
