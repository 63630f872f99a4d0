"""Torch against ONNX fp32 against ONNX int8: figures that show what the export cost.

In: the network, the exported files and validation sets. Out: numbers by name, ready for JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.export.nano.caption.dataset import ViewStore
from edgecap.export.nano.caption.evaluate import shares
from edgecap.export.nano.caption.model import text_hidden
from edgecap.export.nano.caption.onnx_writer import OnnxWriter, Prompted
from edgecap.export.nano.caption.packing import Example, examples_of
from edgecap.export.nano.caption.tokenizer import encode

_BATCH = 16


@dataclass(frozen=True, slots=True)
class _Written:
    """What one engine did: answers beside their examples, vision tokens, and logits of the first answer tokens."""

    pairs: list[tuple[Example, str]]
    tokens: NDArray[np.float32]
    logits: NDArray[np.float32]


def captioner_parity(
    network: Any, engines: Mapping[str, OnnxWriter], *, store: ViewStore, limit: int
) -> dict[str, float]:
    """Differences of vision tokens and first-token logits from torch, agreement of whole greedy sentences, quality.

    `engines`: "fp32" and "int8" writers of the same network. `limit` sets of each kind, two questions each.
    """
    written = {name: _all_answers(writer, store, limit) for name, writer in engines.items()}
    tokens, logits = _torch_reference(network, engines["fp32"], store, limit)
    figures: dict[str, float] = {}
    for name, found in written.items():
        figures |= _difference(f"vision_{name}_vs_torch", found.tokens, tokens)
        figures |= _difference(f"decoder_{name}_vs_torch", found.logits, logits)
    same = [a[1] == b[1] for a, b in zip(written["int8"].pairs, written["fp32"].pairs, strict=True)]
    figures["sentences_int8_equal_fp32"] = float(np.mean(same))
    for name, found in written.items():
        figures |= {f"{name}_{k}": v for k, v in shares(found.pairs).items()}
    return figures


def _all_answers(writer: OnnxWriter, store: ViewStore, limit: int) -> _Written:
    pairs: list[tuple[Example, str]] = []
    tokens, logits = [], []
    for kind in ("instance", "picture"):
        numbers = np.arange(min(limit, store.count(kind)))
        for start in range(0, len(numbers), _BATCH):
            chunk = numbers[start : start + _BATCH]
            seen = writer.see(store.frames(kind, chunk))
            tokens.append(seen)
            asked = [
                (e, Prompted(seen[i], e.question))
                for i, n in enumerate(chunk)
                for e in examples_of(store.label(kind, int(n)), rng=None)
            ]
            texts, first = writer.write([p for _, p in asked], max_tokens=max(writer.spec.max_tokens.values()))
            pairs += [(e, t) for (e, _), t in zip(asked, texts, strict=True)]
            logits.append(first)
    return _Written(pairs, np.concatenate(tokens), np.concatenate(logits))


def _torch_reference(
    network: Any, writer: OnnxWriter, store: ViewStore, limit: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Vision tokens and first-answer-token logits by torch in fp32, in the order of `_all_answers`."""
    import torch

    from edgecap.engines.graph.letterbox import normalise_views
    from edgecap.export.nano.caption.model import vision_tokens

    tokens, logits = [], []
    bos = torch.tensor([[writer.spec.bos_id]])
    embed = network.model.text_model.embed_tokens
    with torch.inference_mode():
        for kind in ("instance", "picture"):
            for number in range(min(limit, store.count(kind))):
                views = store.frames(kind, np.array([number]))[0]
                pixels = normalise_views(views, mean=writer.spec.mean, std=writer.spec.std)
                seen = vision_tokens(network, torch.from_numpy(pixels)).reshape(1, -1, writer.spec.hidden_size)
                tokens.append(seen.numpy())
                for example in examples_of(store.label(kind, number), rng=None):
                    ids = torch.tensor([encode(writer.tokenizer, example.question)])
                    embeds = torch.cat([embed(bos), seen, embed(ids)], 1)
                    length = embeds.shape[1]
                    mask = torch.ones(1, 1, length, length, dtype=torch.bool).tril()
                    hidden = text_hidden(network, embeds, mask=mask, positions=torch.arange(length)[None])
                    logits.append(network.lm_head(hidden[:, -1]).numpy())
    return np.concatenate(tokens), np.concatenate(logits)


def _difference(name: str, got: NDArray[np.float32], expected: NDArray[np.float32]) -> dict[str, float]:
    """Largest absolute difference, relative L2, smallest cosine over rows, and agreement of the largest entry."""
    a, b = (
        got.reshape(-1, got.shape[-1]).astype(np.float64),
        expected.reshape(-1, expected.shape[-1]).astype(np.float64),
    )
    cosine = (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    out = {
        f"{name}_max_abs": float(np.abs(a - b).max()),
        f"{name}_relative_l2": float(np.linalg.norm(a - b) / np.linalg.norm(b)),
        f"{name}_least_cosine": float(cosine.min()),
    }
    if name.startswith("decoder"):
        out[f"{name}_top1_agreement"] = float((a.argmax(1) == b.argmax(1)).mean())
    return out
