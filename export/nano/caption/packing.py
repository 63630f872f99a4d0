"""Labels to token rows: both questions of a view set in one row behind one shared visual prefix.

In: labels of `view_sets`. Out: numpy arrays for one training step.

    column    0    1 ... F*T    P ...            ...            ... S-1
    token     BOS  <image> ...  question answer EOS  question answer EOS  PAD
    segment   0    0 ...        1        1      1    2        2      2    3
    position  0    1 ...        P ... (counted on)   P ... (again)        P
    A token sees segment 0 and its own segment, up to itself: what each question sees is exactly the run-time prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.world import CLASSES, COLOURS
from edgecap.bench.world.ground_truth import sentences
from edgecap.export.nano.caption.prompts import BACKGROUNDS, CLASS_NAMES, fill
from edgecap.export.nano.caption.tokenizer import BOS, EOS, IMAGE, PAD, encode, special_id
from edgecap.runtime.english import instances_phrase

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_OTHER_HINT_SHARE = 0.15  # the verb follows the hint: Evidence measures motion better than four views show it
_NO_CLASS_SHARE = 0.02
_OTHER_LIST_SHARE = 0.15  # the sentence names what the prompt lists, whatever the picture shows
_LABEL_ORDER_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Example:
    """One question with the answer it should get; `field` as in runtime.prompt."""

    field: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class PackedRows:
    """`ids`, `positions`, `segments` int64 [B, S]; `rows`, `columns`, `targets`, `examples` int64 [A] for the A answer
    tokens:
    the hidden state at (row, column) must predict target; it belongs to the row's example 0 or 1."""

    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    segments: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    targets: NDArray[np.int64]
    examples: NDArray[np.int64]

    def mask(self) -> NDArray[np.bool_]:
        """bool [B, 1, S, S], True where a query (axis 2) may look at a key (axis 3)."""
        seg = self.segments
        allowed = (seg[:, None, :] == 0) | (seg[:, None, :] == seg[:, :, None])
        causal = np.tril(np.ones((seg.shape[1],) * 2, bool))
        visible: NDArray[np.bool_] = (allowed & causal)[:, None]
        return visible


def examples_of(label: dict[str, Any], *, rng: np.random.Generator | None) -> tuple[Example, Example]:
    """Both questions of a view set; `rng` adds the variations of training, None gives the plain run-time questions."""
    return _of_instance(label, rng) if label["kind"] == "instance" else _of_picture(label, rng)


def _of_instance(label: dict[str, Any], rng: np.random.Generator | None) -> tuple[Example, Example]:
    name, moving = label["class"], label["moving"]
    shown = "object" if rng is not None and rng.random() < _NO_CLASS_SHARE else name
    if rng is not None and rng.random() < _OTHER_HINT_SHARE:
        moving = bool(rng.integers(2))
    look = sentences.appearance(name, label["primary"], label["secondary"])
    question = fill("action", **{"class": shown, "motion": "moving" if moving else "still"})
    return (
        Example("appearance", fill("appearance", **{"class": shown}), look),
        Example("action", question, sentences.action(name, moving, label["gesture"])),
    )


def _of_picture(label: dict[str, Any], rng: np.random.Generator | None) -> tuple[Example, Example]:
    names, order = list(label["classes"]), CLASS_NAMES
    if rng is not None:
        if rng.random() < _OTHER_LIST_SHARE:
            names = [str(n) for n in rng.choice(rng.choice(CLASS_NAMES, 4), int(rng.integers(0, 8)))]
        rng.shuffle(names)
        order = CLASS_NAMES if rng.random() < _LABEL_ORDER_SHARE else ()
    question = fill("global", instances=instances_phrase(names, label_order=order))
    return (
        Example("background", fill("background"), sentences.background(label["background"])),
        Example("global", question, sentences.global_sentence(names, label["background"])),
    )


def pack(pairs: Sequence[tuple[Example, ...]], tokenizer: Tokenizer, *, prefix: int) -> PackedRows:
    """Rows of one step, one or two questions each; `prefix` = 1 + F*T, the length of the shared part."""
    bos, eos, image, pad = (special_id(tokenizer, t) for t in (BOS, EOS, IMAGE, PAD))
    coded = [[(encode(tokenizer, e.question), [*encode(tokenizer, e.answer), eos]) for e in pair] for pair in pairs]
    width = prefix + max(sum(len(q) + len(a) for q, a in row) for row in coded)
    ids = np.full((len(pairs), width), pad, np.int64)
    ids[:, 0], ids[:, 1:prefix] = bos, image
    segments = np.full_like(ids, 3)
    segments[:, :prefix] = 0
    positions = np.full_like(ids, prefix)
    positions[:, :prefix] = np.arange(prefix)
    answer_tokens: list[tuple[int, int, int, int]] = []
    for r, row in enumerate(coded):
        at = prefix
        for number, (question, answer) in enumerate(row):
            end = at + len(question) + len(answer)
            ids[r, at:end] = question + answer
            segments[r, at:end] = number + 1
            positions[r, at:end] = prefix + np.arange(end - at)
            answer_tokens += [(r, end - len(answer) + i - 1, token, number) for i, token in enumerate(answer)]
            at = end
    rows, columns, targets, numbers = np.array(answer_tokens, np.int64).T
    return PackedRows(ids, positions, segments, rows, columns, targets, numbers)


def attribute_sizes() -> dict[str, int]:
    """Number of values of each auxiliary attribute."""
    return {name: len(names) for name, names in _attribute_names().items()}


def attributes_of(labels: Sequence[dict[str, Any]]) -> dict[str, NDArray[np.int64]]:
    """int64 [B] per attribute, -1 where the label has no such attribute (pictures have no class, instances no
    background)."""
    out = {}
    for key, names in _attribute_names().items():
        index = {n: i for i, n in enumerate(names)}
        out[key] = np.array([index[lb[key]] if key in lb else -1 for lb in labels], np.int64)
    return out


def _attribute_names() -> dict[str, tuple[Any, ...]]:
    gestures = sorted({g.name for c in CLASSES for g in c.gestures})
    return {
        "class": CLASS_NAMES,
        "primary": tuple(COLOURS),
        "secondary": (None, *COLOURS),
        "gesture": (None, *gestures),
        "background": BACKGROUNDS,
    }
