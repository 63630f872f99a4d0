"""A captioner's decoder file against the PyTorch model that it came from, on the model's own greedy texts.

In: the torch model and prompts as vectors; a decoder file of any of the three contracts. Out: `SpokenText`s and a
`GraphParity`. The comparison itself is `text_parity`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.onnx_session import open_onnx_session
from edgecap.engines.packs.specs import CaptionerSpec
from edgecap.export.decoder.parity import SpokenText, TextPrompt, text_parity
from edgecap.export.onnx.parity import GraphParity
from edgecap.runtime.decode.open_port import open_port

TORCH = "PyTorch fp32"


def speak_torch(model: Any, prompt: NDArray[np.float32], *, steps: int) -> SpokenText:
    """Greedy answer of the transformers model (`model.text_model` under `model.model`) to `prompt` [P, H]."""
    import torch

    text, head, table = model.model.text_model, model.lm_head, model.get_input_embeddings()
    ids, logits, vectors = [], [], []
    with torch.no_grad():
        given = text(inputs_embeds=torch.from_numpy(prompt)[None], use_cache=True)
        for _ in range(steps):
            row = head(given.last_hidden_state[:, -1]).float()[0]
            ids.append(int(row.argmax()))
            logits.append(row.numpy())
            vector = table(torch.tensor([[ids[-1]]]))
            vectors.append(vector[0, 0].numpy())
            given = text(inputs_embeds=vector, past_key_values=given.past_key_values, use_cache=True)
    return SpokenText(TextPrompt.plain(prompt), np.array(ids, np.int64), np.stack(logits), np.stack(vectors))


def decoder_parity(
    path: Path, captioner: CaptionerSpec, texts: Sequence[SpokenText], *, reference: str = TORCH
) -> GraphParity:
    """Distance of `captioner.decoder`, the file at `path`, from the original on the original's own texts.

    Raises `ParityError` where the graph gives values that are not finite.
    """
    port = open_port(captioner, open_onnx_session(path, captioner.decoder))
    return text_parity(port, texts, graph=path.name, reference=reference)
