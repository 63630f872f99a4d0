"""What the original says of the job's pictures: the reference of every comparison.

In: the PyTorch model (or, in `ready_made`, the hub's own graphs), the plan, pictures. Out: `Original`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.letterbox import normalise_views
from edgecap.engines.packs.specs import PromptLayout
from edgecap.export.checkpoint.chat import open_tokenizer
from edgecap.export.decoder.parity import TORCH, SpokenText, TextPrompt, speak_torch
from edgecap.export.job import ExportJob
from edgecap.export.prompts.prompt_data import PROMPTS, fill
from edgecap.export.smolvlm.plan import CaptionerPlan

if TYPE_CHECKING:
    from tokenizers import Tokenizer

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


def prompt_vectors(
    layout: PromptLayout, tokenizer: Tokenizer, table: NDArray[Any], views: NDArray[np.float32], question: str
) -> NDArray[np.float32]:
    """The prompt of `PromptLayout` as float32 [P, H]; `views`: vision tokens [V, T, H]."""

    def said(text: str) -> NDArray[np.float32]:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        return np.asarray(table[ids], np.float32).reshape(-1, table.shape[1])

    parts = [said(layout.before)]
    for view in views:
        parts += [said(layout.view_before), np.asarray(view, np.float32), said(layout.view_after)]
    parts.append(said(layout.question_before + question + layout.question_after))
    return np.concatenate(parts)


def square_views(pictures: Callable[[], Any], *, count: int, side: int) -> NDArray[np.uint8]:
    """The first `count` pictures, the middle square of each as uint8 [count, side, side, 3]; repeated where fewer."""
    import cv2

    out: list[NDArray[Any]] = []
    for picture in pictures():
        if len(out) == count:
            break
        height, width = picture.shape[:2]
        edge = min(height, width)
        top, left = (height - edge) // 2, (width - edge) // 2
        crop = np.ascontiguousarray(picture[top : top + edge, left : left + edge])
        out.append(cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA if edge > side else cv2.INTER_LINEAR))
    if not out:
        raise ValueError("job.pictures() gave no picture; give at least one")
    return np.stack([out[i % len(out)] for i in range(count)]).astype(np.uint8)
