"""Token vectors: the table that the runtime looks words up in, and a whole prompt as the decoder sees it.

In: the checkpoint's embedding weights, a plan, vision tokens. Out: an .npy file; float32 vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.packs.specs import PromptLayout

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def write_table(table: NDArray[Any], path: Path, *, exact: bool) -> NDArray[Any]:
    """Write [V, H] as float16 .npy (half the memory map) and return what was written.

    `exact`: float32 where float16 would lose a bit. Without it float32 is kept only where a value leaves float16's
    range. bfloat16 values of ordinary size are exact in float16 (7 bits of mantissa into 10).
    """
    half = table.astype(np.float16)
    lossless = np.array_equal(half.astype(np.float32), table)
    fits = bool(np.isfinite(half).all())
    kept = half if lossless or (fits and not exact) else np.asarray(table, np.float32)
    np.save(path, kept)
    return kept


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
