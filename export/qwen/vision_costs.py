"""What each kind of layer of the vision tower loses in 8 bits, tried one kind at a time inside the PyTorch tower.

In: the loaded tower, one view. Out: rows of the sensitivity table. The rounding is that of `vision_linears`, done in
float32 before each product: same loss, no graph written per row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.export.onnx.block_weights import BLOCK
from edgecap.export.qwen.reference import tower_tokens
from edgecap.export.qwen.vision_linears import BLOCKED, LINEAR_KINDS


def vision_costs(tower: Any, pixels: NDArray[np.float32], tokens: NDArray[np.float32]) -> tuple[dict[str, Any], ...]:
    """Rows, the most damaging first. `pixels` float32 [1,3,h,w], `tokens`: what the tower makes of them.

    Kinds kept in blocks are also tried with one scale per row, which is why they are kept.
    """
    rows = []
    for kind in LINEAR_KINDS:
        modules = _modules(tower, kind)
        for form in ("blocks of 32", "per row") if kind in BLOCKED else ("per row",):
            with _rounded(modules, BLOCK if form == "blocks of 32" else None):
                got = tower_tokens(tower, pixels)
            damage = float(np.linalg.norm(got - tokens) / np.linalg.norm(tokens))
            rows.append(
                {
                    "graph": "captioner.vision",
                    "layers": kind,
                    "weights": sum(m.weight.numel() for m in modules),
                    "form": f"int8 {form}",
                    "chosen": form == "blocks of 32" or kind not in BLOCKED,
                    "relative_l2": damage,
                    "output": "tokens",
                }
            )
    return tuple(sorted(rows, key=lambda row: -row["relative_l2"]))


def _modules(tower: Any, kind: str) -> list[Any]:
    of_block: dict[str, Callable[[Any], list[Any]]] = {
        "qkv": lambda b: [b.attn.qkv],
        "proj": lambda b: [b.attn.proj],
        "gate_up": lambda b: [b.mlp.gate_proj, b.mlp.up_proj],
        "down": lambda b: [b.mlp.down_proj],
    }
    if kind == "merger":
        return [tower.merger.mlp[0], tower.merger.mlp[2]]
    return [module for block in tower.blocks for module in of_block[kind](block)]


@contextmanager
def _rounded(modules: list[Any], block: int | None) -> Iterator[None]:
    """Let these linear layers round input and weight to 8 bits: one scale per row, or per `block` of a row."""
    import torch

    def forward_of(module: Any) -> Callable[[Any], Any]:
        return lambda x: torch.nn.functional.linear(_round(x, block), _round(module.weight, block), module.bias)

    for module in modules:
        module.forward = forward_of(module)
    try:
        yield
    finally:
        for module in modules:
            del module.forward


def _round(x: Any, block: int | None) -> Any:
    """x [..., K] to 255 levels around 0."""
    import torch

    width = x.shape[-1]
    step = block or width
    padded = torch.nn.functional.pad(x, (0, -width % step))
    cells = padded.reshape(*padded.shape[:-1], -1, step)
    scale = cells.abs().amax(-1, keepdim=True).clamp_min(1e-10) / 127
    return ((cells / scale).round() * scale).flatten(-2)[..., :width]
