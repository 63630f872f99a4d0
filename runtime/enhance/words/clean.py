"""A prompt made fit to read: control characters out, limits kept, its script looked at.

In: what the user typed, or a line of a file. Out: clean text and notes.
"""

from __future__ import annotations

import unicodedata

from edgecap.engines.errors import InputError
from edgecap.runtime.english import printable

MOST_WORDS = 200
"""The method's long form has 151 to 196 words (docs/spec/instancecap.md 6, stage A): longer ones need no enhancing."""
_BIDI_CONTROLS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_MOSTLY = 0.5


def clean(prompt: str) -> tuple[str, tuple[str, ...]]:
    """(the prompt on one line, notes). Raises `InputError` where it is empty or over `MOST_WORDS` words."""
    text = printable(prompt)
    kept = "".join(" " if c.isspace() else c for c in text if c.isspace() or not _is_control(c))
    removed = sum(1 for c in text if _is_control(c) and not c.isspace())
    kept = " ".join(kept.split())
    if not any(c.isalnum() for c in kept):
        raise InputError("the prompt is empty: no letter in it; write a few words, such as 'a dog runs on a beach'")
    if (count := len(kept.split())) > MOST_WORDS:
        raise InputError(
            f"the prompt has {count} words, at most {MOST_WORDS} can be enhanced; a text of that length is a "
            "description already: shorten it to a sentence or two"
        )
    return kept, (f"{removed} control characters were removed",) if removed else ()


def foreign_script(text: str) -> str | None:
    """The script most letters are of, where that is not Latin: "HANGUL", "CYRILLIC", "CJK"; else None."""
    letters = [c for c in text if c.isalpha()]
    foreign = [c for c in letters if not unicodedata.name(c, "?").startswith("LATIN")]
    if len(foreign) <= _MOSTLY * len(letters):
        return None
    names = [unicodedata.name(c, "UNKNOWN").split()[0] for c in foreign]
    return max(sorted(set(names)), key=names.count)


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs", "Cn") or char in _BIDI_CONTROLS
