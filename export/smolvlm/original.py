"""What the original says of the job's pictures: the reference of every comparison.

In: the PyTorch model (or, in `ready_made`, the hub's own graphs), the plan, pictures. Out: `Original`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.letterbox import normalise_views
from edgecap.export.checkpoint.chat import open_tokenizer
from edgecap.export.decoder.parity import TORCH, SpokenText, TextPrompt, speak_torch
from edgecap.export.job import ExportJob
from edgecap.export.prompts.prompt_data import PROMPTS, fill
from edgecap.export.smolvlm.plan import CaptionerPlan
from edgecap.export.smolvlm.vectors import prompt_vectors, square_views

STEPS = 24
"""Tokens per text."""
_ASKED = (("appearance", 1), ("background", -1))
"""Field, and the order in which its prompt shows the views."""


@dataclass(frozen=True, slots=True)
class Original:
    """`pixels` float32 [n,3,S,S] -> `tokens` float32 [n,T,H]; `texts`: greedy answers to two questions. `reference`:
    what said so, e.g. "PyTorch fp32"."""

    pixels: NDArray[np.float32]
    tokens: NDArray[np.float32]
    texts: tuple[SpokenText, ...]
    reference: str = TORCH


def original_pixels(job: ExportJob, plan: CaptionerPlan) -> NDArray[np.float32]:
    """As many of the job's pictures as a prompt shows, two at least, as the vision graph takes them."""
    return normalise_views(
        square_views(job.pictures, count=max(2, plan.views), side=plan.side), mean=plan.mean, std=plan.std
    )


def original_prompts(
    job: ExportJob, plan: CaptionerPlan, table: NDArray[Any], tokens: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    """Two prompts [P, H] over the pictures' tokens [n,T,H]; `table` [V,H] as the pack has it."""
    tokenizer = open_tokenizer(job.checkpoint.folder)
    return [
        prompt_vectors(plan.layout, tokenizer, table, tokens[: plan.views][::order], fill(PROMPTS[name]))
        for name, order in _ASKED
    ]


def original_of_torch(
    model: Any, module: Any, table: NDArray[Any], pixels: NDArray[np.float32], job: ExportJob, plan: CaptionerPlan
) -> Original:
    """`module`: the model's picture side as `vision.vision_module` wraps it."""
    import torch

    job.say(f"PyTorch on {len(pixels)} views and {len(_ASKED)} questions, for the parity check")
    with torch.no_grad():
        tokens = np.concatenate([module(torch.from_numpy(view[None])).numpy() for view in pixels])
    prompts = original_prompts(job, plan, table, tokens)
    head, own = model.lm_head.weight.detach(), model.get_input_embeddings().weight.detach().numpy()
    texts = (speak_torch(model.model.text_model, head, own, TextPrompt.plain(p), steps=STEPS) for p in prompts)
    return Original(pixels, tokens, tuple(texts))
