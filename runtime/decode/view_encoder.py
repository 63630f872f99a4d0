"""Pictures to vision tokens: every distinct view once, views of one size together.

In: views uint8 [H, W, 3]. Out: their tokens and the grid they form. What the last call encoded
is kept, so that a retry encodes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.errors import GraphContractError
from edgecap.engines.graph.letterbox import normalise_views
from edgecap.engines.graph.session import Session
from edgecap.engines.packs.specs import CaptionerSpec

_MOST_VIEWS_PER_RUN = 32

_Key = tuple[tuple[int, ...], bytes]


@dataclass(frozen=True, slots=True)
class EncodedView:
    """`tokens` float32 [T, H]; `grid_hw`: rows and columns of tokens, T = rows * columns, row by row."""

    tokens: NDArray[np.float32]
    grid_hw: tuple[int, int]


class ViewEncoder:
    """`runs`: graph runs so far."""

    def __init__(self, spec: CaptionerSpec, session: Session) -> None:
        self._spec, self._session = spec, session
        self._seen: dict[_Key, EncodedView] = {}
        count = session.spec.inputs[0].axes[0]
        self._fixed = count if isinstance(count, int) else None
        ranges = session.spec.ranges
        most = ranges[count][2] if isinstance(count, str) and count in ranges else _MOST_VIEWS_PER_RUN
        self._most = self._fixed or min(most, _MOST_VIEWS_PER_RUN)
        self.runs = 0

    def __getitem__(self, view: NDArray[np.uint8]) -> EncodedView:
        """A view that `encode` was given last."""
        return self._seen[_key(view)]

    def encode(self, views: Iterable[NDArray[np.uint8]]) -> None:
        """Encode those that are new, and forget those that are not among `views`. Raises `EngineError` when the graph
        fails, `GraphContractError` when it gives tokens that fill no grid of the picture's shape."""
        wanted = {_key(view): view for view in views}
        known = {key: self._seen[key] for key in wanted if key in self._seen}
        new = {key: view for key, view in wanted.items() if key not in known}
        for keys in self._batches(new):
            views_rgb = np.stack([new[key] for key in keys])
            if self._fixed is not None and len(keys) < self._fixed:
                views_rgb = np.concatenate([views_rgb, *[views_rgb[-1:]] * (self._fixed - len(keys))])
            pixels = normalise_views(views_rgb, mean=self._spec.mean, std=self._spec.std)
            tokens = self._session.run({"pixels": pixels})["tokens"]  # [n, T, H]
            grid_hw = self._grid(views_rgb.shape[1:3], count=tokens.shape[1])
            known |= {key: EncodedView(row, grid_hw) for key, row in zip(keys, tokens, strict=False)}
            self.runs += 1
        self._seen = known

    def _batches(self, views: dict[_Key, NDArray[np.uint8]]) -> Iterator[list[_Key]]:
        """Keys of one picture size, at most `_most` together."""
        for shape in dict.fromkeys(shape for shape, _ in views):
            keys = [key for key in views if key[0] == shape]
            for start in range(0, len(keys), self._most):
                yield keys[start : start + self._most]

    def _grid(self, size_hw: tuple[int, ...], *, count: int) -> tuple[int, int]:
        """Tokens are square and cover the picture, so their number tells their side. Models whose tokens form no such
        grid have no use for it: without rotary sections it is one row."""
        if self._spec.rope is None or not self._spec.rope.sections:
            return (1, count)
        height, width = size_hw
        side = math.sqrt(height * width / count)
        rows, columns = round(height / side), round(width / side)
        if rows * columns != count:
            raise GraphContractError(
                f"{self._session.spec.file}: {count} tokens fill no grid of a picture of {width}x{height}; "
                "correct the pack's buckets_wh, or export the captioner again"
            )
        return rows, columns


def _key(view: NDArray[np.uint8]) -> _Key:
    return view.shape, view.tobytes()
