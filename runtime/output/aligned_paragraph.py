"""A structured caption as one paragraph, written by a language model and checked against the caption it was given.

In: a `CaptionRow`. Out: `Paragraph`. The aligning step of docs/spec/instancecap.md 9; the prompt is data of the pack
(`PromptBook.paragraph`). What the model adds or loses is refused, asked once more, and then the deterministic
paragraph is used, with that provenance.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from edgecap.engines.errors import EngineError, UsageError
from edgecap.engines.graph.providers import Provider
from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.prompt_book import PromptTurn, read_book
from edgecap.runtime.decode.chat import ChatModel, PackChat, check_instructable
from edgecap.runtime.output.paragraph import Paragraph, dense_paragraph
from edgecap.runtime.output.reader import CaptionRow
from edgecap.runtime.verify.appearance import mentions
from edgecap.runtime.verify.form import form_reasons
from edgecap.runtime.verify.place import camera_claims
from edgecap.runtime.verify.words import lexicon
from edgecap.runtime.verify.words import names as lexicon_names

MOST_WORDS = 220
"""Asked for are 110 to 160; CogVideoX takes 226 tokens, about this many words."""
_LEAST_SHARE = 0.3
"""Words that a paragraph may have fewer than the caption it was made of: under this share facts are lost."""
_SIDES = ("left", "right")
_LABELS = tuple(sorted({*lexicon_names.NAME_SYNONYMS.values()}))
_AGAIN = " An earlier paragraph can't be used: {reasons}. Write it again without these mistakes."
"""Behind the caption, in a question of its own: with the refused paragraph before it the conversation would need twice
the room."""


class ParagraphWriter:
    """`template`: contains {caption}. Each row is asked about once; its paragraph is kept."""

    def __init__(self, model: ChatModel, template: str) -> None:
        self._model, self._template = model, template
        self._known: dict[int, Paragraph] = {}

    @classmethod
    def open(cls, pack: Pack, *, provider: Provider = "cpu", intra_threads: int = 1) -> ParagraphWriter:
        """Raises as `check_writes_paragraphs` and `PackChat.open`."""
        prompt = check_writes_paragraphs(pack)
        chat = PackChat.open(pack, provider=provider, intra_threads=intra_threads, max_tokens=prompt.max_tokens)
        return cls(chat, prompt.text)

    def write(self, row: CaptionRow) -> Paragraph:
        """The paragraph of a row, by its line number. A caption that is too long for the decoder falls back too."""
        if row.line_number not in self._known:
            self._known[row.line_number] = self._write(row)
        return self._known[row.line_number]

    def _write(self, row: CaptionRow) -> Paragraph:
        question = again = self._template.replace("{caption}", json.dumps(_facts(row), ensure_ascii=False))
        rejections: list[str] = []
        for _ in range(2):
            try:
                text = self._model.ask([{"role": "user", "content": again}]).strip()
            except EngineError as error:
                rejections.append(f"engine: {error}")
                break
            reasons = paragraph_reasons(text, row)
            if not reasons:
                return Paragraph(text, "model", tuple(rejections))
            rejections += reasons
            again = question + _AGAIN.format(reasons="; ".join(reasons))
        return Paragraph(dense_paragraph(row), "fallback", tuple(rejections))


def check_writes_paragraphs(pack: Pack) -> PromptTurn:
    """The pack's aligning prompt. Raises `UsageError` where its captioner has none."""
    check_instructable(pack)
    book = read_book(pack)
    if book is None or book.paragraph is None:
        raise UsageError(f"pack {pack.spec.name!r} has no prompt for paragraphs; leave --paragraph-by pack out")
    return book.paragraph


def paragraph_reasons(text: str, row: CaptionRow) -> list[str]:
    """What of a paragraph contradicts the row or its form: () for nothing. Colours, classes, sides and camera movements
    must be those of the row, all of its colours and classes must be there."""
    source = " ".join(_texts(row))
    reasons = [str(r) for r in form_reasons(text, most_words=MOST_WORDS)]
    if len(text.split()) < _LEAST_SHARE * len(source.split()):
        reasons.append(f"facts: {len(text.split())} words for a caption of {len(source.split())}")
    for name, said, there in (
        ("colours", _colours(text), _colours(source)),
        ("things", _things(text, row), _things(source, row)),
    ):
        if added := sorted(said - there):
            reasons.append(f"{name}: adds {', '.join(added)}")
        if lost := sorted(there - said):
            reasons.append(f"{name}: leaves out {', '.join(lost)}")
    words = set(re.findall(r"[a-z]+", text.lower()))
    if sides := sorted(words & set(_SIDES) - set(re.findall(r"[a-z]+", source.lower()))):
        reasons.append(f"sides: adds {', '.join(sides)}")
    if moves := sorted(camera_claims(text) - camera_claims(source)):
        reasons.append(f"camera: adds {', '.join(moves)}")
    return reasons


def _facts(row: CaptionRow) -> dict[str, object]:
    instances = [
        {"class": i.class_name, "appearance": i.appearance, "action": i.action, "position": i.position}
        for i in row.instances
    ]
    scene = {"summary": row.global_description, "background": row.background, "camera": row.camera}
    return {"instances": instances} | {k: v for k, v in scene.items() if v and v != "unknown"}


def _texts(row: CaptionRow) -> Sequence[str]:
    texts = [row.global_description, row.background, row.camera]
    for i in row.instances:
        texts += [i.class_name, i.appearance, i.action, i.position]
    return texts


def _colours(text: str) -> set[str]:
    words = re.findall(r"[a-z]+", text.lower())
    return {lexicon.COLOUR_SYNONYMS.get(w, w) for w in words} & set(lexicon.COLOURS)


def _things(text: str, row: CaptionRow) -> set[str]:
    labels = tuple(dict.fromkeys((*(i.class_name for i in row.instances if i.class_name), *_LABELS)))
    return {m.label for m in mentions(text, labels)}
