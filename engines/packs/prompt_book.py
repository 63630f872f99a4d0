"""What a language model gets beyond its plain questions: rules, turns, hints and word lists, as data of the pack.

In: the text of a pack's `CaptionerSpec.prompt_file`. Out: `PromptBook`. The stages are those of the method's improved
chain of thought (docs/spec/instancecap.md 3.2); the words are our own.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass, field

from edgecap.engines.errors import PackError, PackSchemaError
from edgecap.engines.packs.grammar import AnswerGrammar
from edgecap.engines.packs.pack import Pack
from edgecap.engines.packs.schema import decode_strictly

BOOK_FIELDS = ("global", "appearance", "action", "background", "camera")
ROUND_PLACEHOLDERS = (
    "class",
    "motion",
    "measured",
    "instances",
    "class_hint",
    "camera_hint",
    "relations",
    "global",
)
"""What a question may ask the runtime to fill in. class: the instance's class; motion: "moving" or "still"; measured:
its motion as a sentence; instances: what is there, counted; class_hint, camera_hint, relations: whole sentences, or
nothing; global: the accepted global sentence (only behind the global stage)."""
_BOOK_VERSION = 1


@dataclass(frozen=True, slots=True)
class PromptTurn:
    """One question of a dialogue and the most tokens of its answer."""

    text: str
    max_tokens: int


@dataclass(frozen=True, slots=True)
class CameraHints:
    """How the measured camera movement is phrased: `unknown` where it could not be measured, `static`, else `moving`,
    which contains {camera} (docs/spec/instancecap.md 2.6)."""

    unknown: str
    static: str
    moving: str


@dataclass(frozen=True, slots=True)
class ClassHints:
    """What to look at, by class: comma-separated attribute slots, never behaviour (that is the action's).

    `sentence` contains {slots}. `by_class`: class name -> slots. `category`: class name -> super-category.
    `by_category`: the same for classes that have no entry of their own. `default`: for every other class.
    """

    sentence: str
    by_class: dict[str, str]
    category: dict[str, str]
    by_category: dict[str, str]
    default: str

    def sentence_for(self, class_name: str) -> str:
        """The hint sentence of any class: its own slots, else those of its last word ("sports car" -> "car"), else of
        its super-category, else the default.

        >>> ClassHints("See {slots}.", {"car": "colour"}, {}, {}, "shape").sentence_for("sports car")
        'See colour.'
        """
        return self.sentence.replace("{slots}", self.slots_for(class_name))

    def slots_for(self, class_name: str) -> str:
        """As `sentence_for`, the slots alone."""
        last = class_name.rsplit(" ", 1)[-1]
        for name in (class_name, last):
            if name in self.by_class:
                return self.by_class[name]
            if name in self.by_category:
                return self.by_category[name]
            if self.category.get(name) in self.by_category:
                return self.by_category[self.category[name]]
        return self.default


@dataclass(frozen=True, slots=True)
class WordLists:
    """Word lists that guide and never forbid: `guidance` contains {prefer} and {avoid} and says that a true word is
    always allowed. They don't constrain decoding."""

    guidance: str
    prefer: tuple[str, ...]
    avoid: tuple[str, ...]

    def sentence(self) -> str:
        """The guidance with the words filled in."""
        return self.guidance.replace("{prefer}", ", ".join(self.prefer)).replace("{avoid}", ", ".join(self.avoid))

    def used(self, text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The words of either list that occur in a text, in the lists' order: (prefer, avoid).

        >>> WordLists("{prefer}{avoid}", ("striped", "tall"), ("lovely",)).used("A tall, lovely tree.")
        (('tall',), ('lovely',))
        """
        words = f" {' '.join(re.findall(r'[a-z-]+', text.lower()))} "
        prefer, avoid = (tuple(w for w in listed if f" {w} " in words) for listed in (self.prefer, self.avoid))
        return prefer, avoid


@dataclass(frozen=True, slots=True)
class PromptBook:
    """`full`: field -> the turns of `--stages full`, of which the last one's answer is kept; a field without an entry
    is not asked. `history`: earlier turns and their answers stay in the conversation; False for a decoder that was
    trained on single questions: each turn is then asked on the pictures alone. `instruct`: the decoder follows
    instructions without a picture too (enhancer, paragraph). `system`: rules that come before everything; "" for none.
    `paragraph`: the aligning turn, which contains {caption}; None where the decoder can't do it. `grammar`: the
    sentences of a decoder that was trained on a closed corpus; None for any other.
    """

    schema_version: int
    history: bool
    instruct: bool
    system: str
    full: dict[str, tuple[PromptTurn, ...]]
    class_hints: ClassHints | None = None
    camera_hints: CameraHints | None = None
    lexicon: WordLists | None = None
    paragraph: PromptTurn | None = None
    grammar: AnswerGrammar | None = None
    notes: str = field(default="")


def decode_book(text: str, *, source: str) -> PromptBook:
    """JSON text -> `PromptBook`. Raises `PackSchemaError` that names `source` and the field."""
    try:
        book = decode_strictly(text, PromptBook)
        _check(book)
    except PackSchemaError as error:
        raise PackSchemaError(f"{source}: {error}; undo the edit, or export the pack again") from None
    return book


def read_book(pack: Pack) -> PromptBook | None:
    """The book of a pack's captioner, None where it has none. Raises `PackSchemaError`, and `PackError` where the file
    can't be read."""
    name = pack.spec.captioner.prompt_file if pack.spec.captioner else None
    if name is None:
        return None
    path = pack.path(name)
    try:
        return decode_book(path.read_text(encoding="utf-8"), source=str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise PackError(f"{path}: can't be read ({error}); export the pack again") from error


def placeholders(text: str, *, at: str) -> set[str]:
    """The {names} in a template. Raises `PackSchemaError` for a broken template or a format."""
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise PackSchemaError(f"{at}: expected a template ({error}), got {text[:60]!r}") from None
    if any(form or conversion for _, name, form, conversion in parts if name is not None):
        raise PackSchemaError(f"{at}: expected bare {{names}} in a template, got {text[:60]!r}")
    return {name for _, name, _, _ in parts if name is not None}


def _check(book: PromptBook) -> None:
    if book.schema_version != _BOOK_VERSION:
        raise PackSchemaError(f"$.schema_version: expected {_BOOK_VERSION}, got {book.schema_version}")
    for name, turns in book.full.items():
        at = f"$.full[{name!r}]"
        if name not in BOOK_FIELDS:
            raise PackSchemaError(f"{at}: expected one of {', '.join(BOOK_FIELDS)}, got {name!r}")
        if not turns:
            raise PackSchemaError(f"{at}: expected at least one round, got []")
        allowed = set(ROUND_PLACEHOLDERS) - ({"global"} if name == "global" else set())
        for i, one in enumerate(turns):
            _check_text(one.text, allowed, at=f"{at}[{i}].text")
            if one.max_tokens < 1:
                raise PackSchemaError(f"{at}[{i}].max_tokens: expected at least 1, got {one.max_tokens}")
    if book.class_hints is not None:
        _check_text(book.class_hints.sentence, {"slots"}, at="$.class_hints.sentence", needed=True)
    if book.camera_hints is not None:
        for name in ("unknown", "static"):
            _check_text(getattr(book.camera_hints, name), set(), at=f"$.camera_hints.{name}")
        _check_text(book.camera_hints.moving, {"camera"}, at="$.camera_hints.moving", needed=True)
    if book.lexicon is not None:
        _check_text(book.lexicon.guidance, {"prefer", "avoid"}, at="$.lexicon.guidance", needed=True)
        if both := set(book.lexicon.prefer) & set(book.lexicon.avoid):
            raise PackSchemaError(f"$.lexicon: expected each word in one list, got {min(both)!r} in both")
    if book.grammar is not None:
        book.grammar.check()
    if book.paragraph is not None:
        _check_text(book.paragraph.text, {"caption"}, at="$.paragraph.text", needed=True)


def _check_text(text: str, allowed: set[str], *, at: str, needed: bool = False) -> None:
    """`needed`: all of `allowed` must be there."""
    found = placeholders(text, at=at)
    if not found <= allowed or (needed and found != allowed):
        want = ", ".join(f"{{{name}}}" for name in sorted(allowed)) or "no placeholder"
        raise PackSchemaError(f"{at}: expected {'all of ' if needed else ''}{want}, got {text[:60]!r}")
