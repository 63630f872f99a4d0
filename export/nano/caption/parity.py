"""Torch against ONNX fp32 against ONNX int8: figures that show what the export cost.

In: the network, the exported files and validation sets. Out: numbers by name (JSON-ready). Called by `export_captioner`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.specs import CaptionerSpec
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


def captioner_parity(network: Any, spec: CaptionerSpec, folder: Path, *, fp32_decoder: Path, store: ViewStore,
                     limit: int) -> dict[str, float]:
    """Logit and token differences, agreement of whole greedy sentences, and quality of both on `limit` sets of each kind."""
    small = _all_answers(OnnxWriter(spec, folder), store, limit)
    exact_writer = OnnxWriter(spec, folder, decoder_file=fp32_decoder)
    exact = _all_answers(exact_writer, store, limit)
    torch_tokens, torch_logits = _torch_reference(network, exact_writer, store, limit)
    figures = {**_difference("vision_fp32_vs_torch", exact.tokens, torch_tokens),
               **_difference("decoder_fp32_vs_torch", exact.logits, torch_logits),
               **_difference("decoder_int8_vs_torch", small.logits, torch_logits)}
    same = [a[1] == b[1] for a, b in zip(small.pairs, exact.pairs, strict=True)]
    figures["sentences_int8_equal_fp32"] = float(np.mean(same))
    for name, written in (("int8", small), ("fp32", exact)):
        figures |= {f"{name}_{k}": v for k, v in shares(written.pairs).items()}
    return figures


def _all_answers(writer: OnnxWriter, store: ViewStore, limit: int) -> _Written:
    pairs: list[tuple[Example, str]] = []
    tokens, logits = [], []
    for kind in ("instance", "picture"):
        numbers = np.arange(min(limit, store.count(kind)))
        for start in range(0, len(numbers), _BATCH):
            chunk = numbers[start:start + _BATCH]
            seen = writer.see(store.frames(kind, chunk))
            tokens.append(seen)
            asked = [(e, Prompted(seen[i], e.question)) for i, n in enumerate(chunk)
                     for e in examples_of(store.label(kind, int(n)), rng=None)]
            texts, first = writer.write([p for _, p in asked], max_tokens=max(writer.spec.max_tokens.values()))
            pairs += [(e, t) for (e, _), t in zip(asked, texts, strict=True)]
            logits.append(first)
    return _Written(pairs, np.concatenate(tokens), np.concatenate(logits))


def _torch_reference(network: Any, writer: OnnxWriter, store: ViewStore,
                     limit: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Vision tokens and first-answer-token logits by torch in fp32, in the order of `_all_answers`."""
    import torch

    from edgecap.engines.preprocess import normalise_views
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


def _difference(name: str, got: NDArray[np.float32], want: NDArray[np.float32]) -> dict[str, float]:
    """Largest absolute difference, relative L2, smallest cosine over rows, and agreement of the largest entry."""
    a, b = got.reshape(-1, got.shape[-1]).astype(np.float64), want.reshape(-1, want.shape[-1]).astype(np.float64)
    cosine = (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    out = {f"{name}_max_abs": float(np.abs(a - b).max()), f"{name}_relative_l2": float(np.linalg.norm(a - b) / np.linalg.norm(b)),
           f"{name}_least_cosine": float(cosine.min())}
    if name.startswith("decoder"):
        out[f"{name}_top1_agreement"] = float((a.argmax(1) == b.argmax(1)).mean())
    return out
