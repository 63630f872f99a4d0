"""The sentences that a language model of a closed corpus was trained to write, as data of its pack.

In: templates and slots. Out: whether a text is one of the sentences.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from edgecap.engines.errors import PackSchemaError

_SLOT = re.compile(r"\{(\w+)\}")
_MOST_CHARACTERS = 1_000_000
"""Of a field's pattern: slots inside slots multiply, and a pack is somebody else's data."""


@dataclass(frozen=True, slots=True)
class SlotWords:
    """What may stand for {name}: literal texts, which may contain the slots listed before this one."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnswerGrammar:
    """`sentences`: field -> templates of the whole answer; a field without an entry is free. `slots`: in the order in
    which they may use each other. The case of letters is not compared."""

    slots: tuple[SlotWords, ...]
    sentences: dict[str, tuple[str, ...]]

    def reads(self, field: str, text: str) -> bool:
        """Whether `text` is a sentence of `field`.

        >>> colours = SlotWords("colour", ("a red", "an orange"))
        >>> grammar = AnswerGrammar((colours,), {"appearance": ("{colour} car.",)})
        >>> grammar.reads("appearance", "An orange car."), grammar.reads("appearance", "An car in a red.")
        (True, False)
        """
        if field not in self.sentences:
            return True
        return _pattern(self.slots, self.sentences[field]).fullmatch(text.strip()) is not None

    def check(self) -> None:
        """Raise `PackSchemaError` for an unknown slot, an empty list, or slots that multiply beyond measure."""
        for i, slot in enumerate(self.slots):
            if not slot.words:
                raise PackSchemaError(f"$.grammar.slots[{i}].words: expected at least one text, got []")
        for field, templates in self.sentences.items():
            if not templates:
                raise PackSchemaError(f"$.grammar.sentences[{field!r}]: expected at least one template, got []")
            _pattern(self.slots, templates)


@lru_cache(maxsize=16)
def _pattern(slots: tuple[SlotWords, ...], templates: tuple[str, ...]) -> re.Pattern[str]:
    known: dict[str, str] = {}
    for slot in slots:
        known[slot.name] = _any_of(slot.words, known)
    return re.compile(_any_of(templates, known), re.IGNORECASE)


def _any_of(texts: tuple[str, ...], known: dict[str, str]) -> str:
    """A pattern of alternatives without repetition: nothing in it can take long to match."""
    alternatives = []
    for text in texts:
        parts = _SLOT.split(text)  # literal, slot, literal, ...
        for name in parts[1::2]:
            if name not in known:
                raise PackSchemaError(f"$.grammar: {{{name}}} in {text[:60]!r} is not a slot listed before its use")
        alternatives.append("".join(known[p] if i % 2 else re.escape(p) for i, p in enumerate(parts)))
    pattern = f"(?:{'|'.join(alternatives)})"
    if len(pattern) > _MOST_CHARACTERS:
        raise PackSchemaError(f"$.grammar: expected slots that fill at most {_MOST_CHARACTERS} characters")
    return pattern
