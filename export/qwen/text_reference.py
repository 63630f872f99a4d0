"""transformers' own text model, loaded alone, and what it says to a prompt: the measure of our decoder.

In: text weights by name, the config's text block, a prompt as vectors. Out: `SpokenText`s.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.export.decoder.config import DecoderConfig
from edgecap.export.decoder.parity import SpokenText, TextPrompt
from edgecap.export.qwen.text_weights import HEAD

_MEMORY_SHARE = 0.4
"""Of the machine's memory, for float32 weights in PyTorch; then as much again for ONNX Runtime, which comes after."""


@dataclass(frozen=True, slots=True)
class TextReference:
    """`model`: the torch text model of the first `layers` layers, float32. `head` torch [V, H]. `table` [V, H]."""

    model: Any
    head: Any
    table: NDArray[Any]
    layers: int

    @classmethod
    def load(
        cls, weights: Mapping[str, NDArray[Any]], text_config: Mapping[str, Any], *, table: NDArray[Any], layers: int,
        tied_head: bool,
    ) -> TextReference:  # fmt: skip
        """The first `layers` layers with the final norm and the head; `table`: the pack's embedding table."""
        import torch
        from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLTextConfig
        from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLRotaryEmbedding, Qwen2_5_VLTextModel

        held = dict(text_config) | {"num_hidden_layers": layers, "layer_types": None}
        config = Qwen2_5_VLTextConfig.from_dict(held)
        config._attn_implementation = "sdpa"
        with torch.device("meta"):  # filled below; the embedding table stays empty, vectors come from the pack's
            model = Qwen2_5_VLTextModel(config)
        names = [name for name, _ in model.named_parameters() if not name.startswith("embed_tokens.")]
        state = {n: torch.from_numpy(np.array(weights[n], np.float32)) for n in names}
        missing = model.load_state_dict(state, strict=False, assign=True).missing_keys
        assert missing == ["embed_tokens.weight"], missing
        # its table is not a weight, so meta left it empty; the annotation of transformers names the outer config
        model.rotary_emb = Qwen2_5_VLRotaryEmbedding(config)  # type: ignore[arg-type]
        head = np.asarray(weights["embed_tokens.weight" if tied_head else HEAD], np.float32)
        model.eval()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
        return cls(model, torch.from_numpy(np.array(head)), table, layers)

    def speak(self, prompt: TextPrompt, *, steps: int) -> SpokenText:
        """Greedy answer, `steps` tokens long."""
        import torch

        ids: list[int] = []
        logits: list[NDArray[np.float32]] = []
        vectors, positions = prompt.vectors[None], prompt.positions[None]
        past = None
        with torch.inference_mode():
            for step in range(steps):
                given = self.model(
                    inputs_embeds=torch.from_numpy(np.ascontiguousarray(vectors)),
                    position_ids=torch.from_numpy(np.ascontiguousarray(positions.transpose(2, 0, 1))),
                    past_key_values=past,
                    use_cache=True,
                )
                past = given.past_key_values
                row = self.head @ given.last_hidden_state[0, -1]
                ids.append(int(row.argmax()))
                logits.append(row.numpy())
                vectors = np.asarray(self.table[ids[-1]], np.float32)[None, None]
                positions = np.full((1, 1, 3), prompt.next_position + step, np.int64)
        return SpokenText(prompt, np.array(ids, np.int64), np.stack(logits), np.asarray(self.table[ids], np.float32))


def layers_that_fit(config: DecoderConfig) -> int:
    """How many layers can be held in float32 on this machine: at least 1."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * _MEMORY_SHARE
    everything = config.weight_bytes("fp32")
    ends = 4 * config.vocab_size * config.hidden_size
    layer = (everything - ends) / config.layers
    return max(1, min(config.layers, int((memory - ends) / layer)))
