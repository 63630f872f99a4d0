"""Who does what: verb clauses of a prompt, given to the things that do them.

In: chunks and noun phrases. Out: `Mention.actions`, `acted`, `travels` filled in. A clause keeps
the prompt's own words; only its verb is put into the captioner's tense and number ("run" -> "runs").
"""

from __future__ import annotations

from edgecap.runtime.enhance.plan import Mention
from edgecap.runtime.enhance.words.chunks import Chunk
from edgecap.runtime.enhance.words.phrase import Phrase
from edgecap.runtime.enhance.words.verbs import verb_forms

_ENDS = frozenset({"while", "as", "when", "then", "who", "which"})


def attach_actions(
    text: str, chunks: list[Chunk], phrases: list[Phrase], mentions: list[Mention]
) -> list[tuple[int, int]]:
    """Fill the mentions; returns the spans of text that became actions. `phrases[i]` is `mentions[i]`'s."""
    used: list[tuple[int, int]] = []
    covered = -1  # last chunk index of the clause before
    doers: list[int] = []
    for v, chunk in enumerate(chunks):
        if chunk.kind != "verb" or any(p.first <= v <= p.index for p in phrases) or v <= covered:
            continue
        doers = _doers(chunks, v, phrases, covered) or doers or _nearest(chunks, v, phrases)
        if v and is_not(chunks[v - 1]):
            continue  # "is not running": nothing it does
        if not doers:
            continue
        head = v - 1 if v and chunks[v - 1].kind == "be" else v
        end = _clause_end(chunks, v, phrases)
        clause = _present(text, chunks, head, v, end)
        verb = verb_forms().get(chunk.key)
        for i in doers:
            mentions[i].actions = (*mentions[i].actions, clause)
            if verb is not None and mentions[i].travels is not True:
                mentions[i].travels = verb.sense == "travel" and not (head < v and chunk.key == verb.participle)
        used.append((chunks[head].start, chunks[end].end))
        _mark_object(chunks, v, end, phrases, mentions, doers)
        covered = end
    return used


def is_not(chunk: Chunk) -> bool:
    """ "not", "never", "isn't"."""
    return chunk.key in ("not", "never") or chunk.key.endswith(("n't", "n’t"))


def _doers(chunks: list[Chunk], v: int, phrases: list[Phrase], covered: int) -> list[int]:
    """Mentions that do verb `v`: the thing before it and those joined to it by "and"; [] for "the same as before"."""
    left = v - 1
    while left >= 0 and (
        chunks[left].kind in ("be", "adverb") or is_not(chunks[left]) or chunks[left].key in ("who", "which", "that")
    ):
        left -= 1
    if (
        left < 0
        or chunks[left].key in ("then", "while", "he", "she", "it", "they")
        or chunks[left].kind in ("conj", "punct", "prep")
    ):
        return []
    before = [i for i, p in enumerate(phrases) if p.index <= left]
    if not before:
        return []
    at = before[-1]
    while at > 0 and _after_preposition(chunks, phrases[at]):
        at -= 1
    if phrases[at].index <= covered and phrases[at].index != left:
        return []  # "sits on a bench, reading": not the bench
    group = [at]
    while group[0] > 0 and _joined(chunks, phrases[group[0] - 1], phrases[group[0]], covered):
        group.insert(0, group[0] - 1)
    return group


def _nearest(chunks: list[Chunk], v: int, phrases: list[Phrase]) -> list[int]:
    """ "a dog, running fast": the thing before the comma, where no verb has had a subject yet."""
    before = [i for i, p in enumerate(phrases) if p.index < v]
    while len(before) > 1 and _after_preposition(chunks, phrases[before[-1]]):
        before.pop()
    return before[-1:]


def _after_preposition(chunks: list[Chunk], phrase: Phrase) -> bool:
    first = phrase.first - 1
    while first >= 0 and chunks[first].kind in ("number", "det"):
        first -= 1
    return first >= 0 and chunks[first].kind == "prep" and chunks[first].key != "of"


def _joined(chunks: list[Chunk], left: Phrase, right: Phrase, covered: int) -> bool:
    """Whether only "and", commas, articles and traits are between them, outside an earlier clause."""
    between = chunks[left.index + 1 : right.first]
    return (
        left.index > covered
        and any(c.kind == "conj" or c.key == "," for c in between)
        and all(c.kind in ("conj", "number", "det") or c.key == "," for c in between)
    )


def _clause_end(chunks: list[Chunk], v: int, phrases: list[Phrase]) -> int:
    """Index of the clause's last chunk: up to a stop, a comma, the camera, or the next verb with its subject."""
    for i in range(v + 1, len(chunks)):
        chunk = chunks[i]
        if chunk.kind in ("punct", "camera", "be") or chunk.key in _ENDS:
            return i - 1
        if chunk.kind == "verb" and not any(p.first <= i <= p.index for p in phrases):
            return i - 1
        if chunk.kind == "conj" and _opens_clause(chunks, i, phrases):
            return i - 1
    return len(chunks) - 1


def _opens_clause(chunks: list[Chunk], conj: int, phrases: list[Phrase]) -> bool:
    """Whether a verb follows the conjunction, with or without its own subject, before the next stop."""
    for i in range(conj + 1, len(chunks)):
        inside = any(p.first <= i <= p.index for p in phrases)
        if chunks[i].kind in ("verb", "be") and not inside:
            return True
        if chunks[i].kind in ("punct", "prep", "conj"):
            return False
    return False


def _present(text: str, chunks: list[Chunk], head: int, v: int, end: int) -> str:
    """The clause with its verb in the third person singular; "is parked by the road" stays as it is."""
    key, verb = chunks[v].key, verb_forms().get(chunks[v].key)
    rest = text[chunks[v].end : chunks[end].end]
    if verb is None:
        return f"is {key}{rest}" if key.endswith("ing") else f"{key}{rest}"
    passive = key in (verb.participle, verb.past) and key not in (verb.base, verb.present)
    if passive and (head < v or verb.sense == "rest" or key not in (verb.past,)):
        return f"is {key}{rest}"
    return f"{verb.present}{rest}"


def _mark_object(
    chunks: list[Chunk], v: int, end: int, phrases: list[Phrase], mentions: list[Mention], doers: list[int]
) -> None:
    """The thing right after the verb is acted upon: "rides a horse" makes a horse that is ridden."""
    verb = verb_forms().get(chunks[v].key)
    for i, phrase in enumerate(phrases):
        between = chunks[v + 1 : phrase.first]
        direct = v < phrase.index <= end and all(c.kind in ("number", "det", "adverb") for c in between)
        if verb is not None and direct and i not in doers and mentions[i].acted is None:
            mentions[i].acted = (f"{verb.participle} with" if verb.base == "play" else verb.participle, doers[0])
            mentions[i].travels = mentions[doers[0]].travels
