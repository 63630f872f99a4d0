"""How often the captioner writes exactly the right sentence, and where it errs.

In: a network (or sentences that an engine wrote) and validation sets. Out: shares in 0-1 by name.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecap.bench.world import COLOURS
from edgecap.engines.graph.letterbox import normalise_views
from edgecap.export.nano.caption.dataset import ViewStore
from edgecap.export.nano.caption.model import MEAN, STD, packed_forward
from edgecap.export.nano.caption.packing import Example, examples_of, pack
from edgecap.export.nano.caption.tokenizer import decode

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_BATCH = 32


def teacher_forced(
    network: Any, tokenizer: Tokenizer, store: ViewStore, *, limit: int, prefix: int
) -> dict[str, float]:
    """Shares of exact sentences by field, and of right colours, on up to `limit` sets of each kind.

    Each token is predicted from the true beginning; the sentence is exact if all are right, which is the case exactly
    when greedy decoding would write it.
    """
    written = []
    for kind in ("instance", "picture"):
        numbers = np.arange(min(limit, store.count(kind)))
        for start in range(0, len(numbers), _BATCH):
            written += _written(network, tokenizer, store, kind, numbers[start : start + _BATCH], prefix=prefix)
    return shares(written)


def _written(
    network: Any, tokenizer: Tokenizer, store: ViewStore, kind: str, numbers: Any, *, prefix: int
) -> list[tuple[Example, str]]:
    import torch

    pairs = [examples_of(store.label(kind, int(i)), rng=None) for i in numbers]
    packed = pack(pairs, tokenizer, prefix=prefix)
    frames = store.frames(kind, numbers)
    pixels = normalise_views(frames.reshape(-1, *frames.shape[2:]), mean=MEAN, std=STD)
    with torch.inference_mode():
        best = packed_forward(network, torch.from_numpy(pixels), packed)[2].argmax(-1).numpy()
    out = []
    for row, pair in enumerate(pairs):
        for number, example in enumerate(pair):
            chosen = best[(packed.rows == row) & (packed.examples == number)]
            out.append((example, decode(tokenizer, chosen.tolist())))
    return out


def shares(written: list[tuple[Example, str]]) -> dict[str, float]:
    """Share right per measure: the exact sentence of each field, and class and colours of the appearance sentence."""
    hits: dict[str, list[bool]] = defaultdict(list)
    for example, text in written:
        hits[example.field].append(text == example.answer)
        if example.field == "appearance":
            expected, got = colours_in(example.answer), colours_in(text)
            hits["first_colour"].append(expected[:1] == got[:1])
            hits["second_colour"].append(expected[1:] == got[1:])
            hits["class"].append(_without_colours(example.answer) == _without_colours(text))
    return {name: float(np.mean(values)) for name, values in hits.items()}


def colours_in(sentence: str) -> list[str]:
    """Basic colour words in the order they are written."""
    return [w for w in sentence.lower().replace(".", "").split() if w in COLOURS]


def _without_colours(sentence: str) -> list[str]:
    """The words that say what it is; the article is left out because "an orange" and "a red" differ by colour."""
    return [w for w in sentence.lower().replace(".", "").split() if w not in COLOURS and w not in ("a", "an")]
