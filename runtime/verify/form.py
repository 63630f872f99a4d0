"""Checks that need no Evidence: is the answer a whole plain sentence about what can be seen?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache

from edgecap.engines.packs.grammar import AnswerGrammar
from edgecap.runtime.data.question import Answer
from edgecap.runtime.english import PERSON_NOUNS
from edgecap.runtime.verify.reasons import Reason, ReasonCode
from edgecap.runtime.verify.words import lexicon

MOST_WORDS: dict[str, int] = {"appearance": 60, "action": 60, "background": 80, "camera": 40, "global": 20}
"""Words a field may have. The method's captions have 157 words with up to three instances
(docs/spec/instancecap.md 8.4); its global sentence has 20 (1.3)."""
_MOST_WORDS_ELSEWHERE = 60
_LEAST_LATIN = 0.8
_REPEATS = ((8, 1), (5, 2))
"""(words, times they may be said): "towards the left side of the frame" may be said twice."""

_LIST = re.compile(r"\n|^\s*(?:[-*\u2022#]|\(?\d+[.)])\s|[.:;]\s+(?:[-*\u2022]|\(?\d+[.)])\s")
_MARKUP = re.compile(
    r"\*\*|__|`|<[^>]*>|[{}|\\]|\[[^\]]*\]|&[a-z]+;|^#+|https?://|"
    r"\b(?:assistant|user|system)\s*:|^\s*[A-Za-z][\w ]{1,24}:\s",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"\"[^\"]*\"|\u201c[^\u201d]*\u201d|\u2018[^\u2019]*\u2019")
_ENDS = re.compile(r"[.!][\"'\u201d\u2019)]?$|[\"\u201d]\.$")


def check_form(answer: Answer) -> tuple[Reason, ...]:
    """Reasons that need no Evidence: empty, cut off, too long, repeating, list-like, marked up, in another script, or
    about what cannot be seen."""
    most = MOST_WORDS.get(answer.field, _MOST_WORDS_ELSEWHERE)
    return form_reasons(answer.text, most_words=most, truncated=answer.truncated)


def grammar_reasons(answer: Answer, grammar: AnswerGrammar | None) -> tuple[Reason, ...]:
    """A reason against an answer that its model was never trained to write: words of a closed corpus in another order
    mean nothing."""
    if grammar is None or grammar.reads(answer.field, answer.text):
        return ()
    return (Reason("grammar", f"{answer.text.strip()[:60]!r} is not a sentence of its closed corpus"),)


def form_reasons(text: str, *, most_words: int, truncated: bool = False) -> tuple[Reason, ...]:
    """As `check_form`, of any text that may have `most_words`."""
    text = text.strip()
    if not text:
        return (Reason("empty", "the answer has no words"),)
    reasons: list[Reason] = []
    if truncated or not _ENDS.search(text):
        reasons.append(Reason("unfinished", f"it ends with {text[-12:]!r}"))
    if (count := len(text.split())) > most_words:
        reasons.append(Reason("long", f"{count} words, at most {most_words}"))
    if _LIST.search(text):
        reasons.append(Reason("list", "list markers or line breaks"))
    if mark := _MARKUP.search(text):
        reasons.append(Reason("markup", f"says {mark.group()!r}"))
    letters = [c for c in text if c.isalpha()]
    latin = sum(c < "\u0250" for c in letters)
    if latin < _LEAST_LATIN * len(letters):
        reasons.append(Reason("script", f"{len(letters) - latin} of {len(letters)} letters are not Latin"))
    if repeated := _repeated(text):
        reasons.append(Reason("repeated", f"says {repeated!r} again"))
    return (*reasons, *_person_reasons(unquoted(text)), *_lexicon_reasons(unquoted(text)))


def unquoted(text: str) -> str:
    """The text without what is in quotation marks: lettering read off a thing states nothing."""
    return _QUOTED.sub("", text)


def _person_reasons(text: str) -> Iterable[Reason]:
    """People are not described by a colour of theirs, their skin or origin: clothing has colours."""
    for pattern in _person_patterns():
        for hit in pattern.finditer(text):
            word = hit.group(1).lower()
            yield Reason("colour", f"{hit.group()!r} describes a person by {word!r}; clothing has colours", (word,))


@cache
def _person_patterns() -> tuple[re.Pattern[str], ...]:
    """ "a black man", "two white and young women"; "dark-skinned", "pale skin"; "an Asian woman". Group 1: the word."""
    colours = "|".join((*lexicon.COLOURS, "grey", "dark", "pale", "fair", "light", "tanned", "olive"))
    origins = "caucasian|african|asian|hispanic|latino|latina|european|indian"
    between = (
        rf"(?:,? (?:and )?(?:{colours}|american|young|old|elderly|little|small|tall|short|haired|middle-aged|adult))"
    )
    people = "|".join(sorted(PERSON_NOUNS, key=len, reverse=True))
    return (
        re.compile(rf"\b({colours}|{origins}){between}{{0,2}} (?:{people})\b(?![-'])", re.IGNORECASE),
        re.compile(rf"\b({colours})(?:[- ]skinned| skin| complexion)\b", re.IGNORECASE),
    )


@cache
def pattern_of(phrases: tuple[str, ...], more: tuple[str, ...] = ()) -> re.Pattern[str]:
    """Any of `phrases` as whole words, longest first, or any of the patterns `more`; any case."""
    words = "|".join(re.escape(p) for p in sorted(phrases, key=len, reverse=True))
    return re.compile("|".join([rf"\b(?:{words})\b", *more]), re.IGNORECASE)


def _lexicon_reasons(text: str) -> Iterable[Reason]:
    lists: tuple[tuple[ReasonCode, re.Pattern[str]], ...] = (
        ("sound", pattern_of(lexicon.SOUND)),
        ("hedge", pattern_of((*lexicon.HEDGES, *lexicon.HEDGE_PHRASES), (*lexicon.HEDGE_PATTERNS, _alternative()))),
        ("absent", pattern_of(lexicon.ABSENT_PHRASES, lexicon.ABSENT_PATTERNS)),
        ("picture", pattern_of(lexicon.PICTURE_WORDS, lexicon.PICTURE_PATTERNS)),
    )
    for code, pattern in lists:
        found = tuple(dict.fromkeys(m.group().lower() for m in pattern.finditer(text)))
        if found:
            yield Reason(code, f"says {', '.join(map(repr, found))}", found)


def _alternative() -> str:
    """ "red or orange": a colour that was not decided on."""
    colours = "|".join((*lexicon.COLOURS, *lexicon.COLOUR_SYNONYMS))
    return rf"\b(?:{colours}) or (?:{colours})\b"


def _repeated(text: str) -> str:
    """A sentence said twice, eight words said twice, five said three times, or one said three times running; "" where
    there is none."""
    sentences = Counter(s.strip().lower() for s in re.split(r"[.!]", text) if s.strip())
    words = re.findall(r"[^\s.,;!]+", text.lower())
    for length, most in _REPEATS:
        runs = Counter(" ".join(words[i : i + length]) for i in range(len(words) - length + 1))
        sentences.update({run: n for run, n in runs.items() if n > most})
    for i in range(len(words) - 2):
        if words[i] == words[i + 1] == words[i + 2]:
            return str(words[i])
    return next((said for said, count in sentences.items() if count > 1), "")
