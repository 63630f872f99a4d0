"""The numbers of a Qwen2.5-VL vision tower, out of config.json, and what they mean for picture sizes.

In: a checkpoint's config. Out: `VisionSizes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgecap.engines.errors import CheckpointError, UsageError

NORM_EPS = 1e-6
"""Of all norms of the tower; a constant of the architecture, not in config.json (transformers 5.23, modeling file)."""
ROPE_THETA = 10_000.0
"""Of the tower's two-axis rotary where the config gives none (transformers 5.23, axial rope)."""


@dataclass(frozen=True, slots=True)
class VisionSizes:
    """A tower of `depth` blocks over patches of `patch` x `patch` pixels.

    `merge`: patches per output token and side. `window`: side, in output tokens, of the square that a block attends
    within; the blocks in `full_blocks` attend to the whole picture. `frames`: temporal patch size (a still picture
    fills all of them). `width`, `mlp`, `out`: features of a patch, of the gated layer, of an output token.
    """

    depth: int
    width: int
    heads: int
    mlp: int
    out: int
    patch: int
    frames: int
    merge: int
    window: int
    full_blocks: tuple[int, ...]
    theta: float

    @property
    def head_dim(self) -> int:
        return self.width // self.heads

    @property
    def stride(self) -> int:
        """Pixels per output token and side: picture sides are multiples of it."""
        return self.patch * self.merge

    @property
    def window_pixels(self) -> int:
        return self.stride * self.window

    @property
    def window_patches(self) -> int:
        """Patches in one window."""
        return (self.window * self.merge) ** 2

    @classmethod
    def of(cls, held: Mapping[str, Any], *, source: str) -> VisionSizes:
        """Read the config's vision block, complete as transformers' class writes it.

        Raises `CheckpointError`, beginning with `source`, naming a key that is missing or has a value not handled.
        """
        if held.get("hidden_act") != "silu":
            raise CheckpointError(
                f"{source}: vision hidden_act is {held.get('hidden_act')!r}, this recipe knows silu only"
            )
        number = {key: _whole(held, key, source) for key in _NUMBERS}
        patch, merge = number["patch_size"], number["spatial_merge_size"]
        sizes = cls(
            depth=number["depth"],
            width=number["hidden_size"],
            heads=number["num_heads"],
            mlp=number["intermediate_size"],
            out=number["out_hidden_size"],
            patch=patch,
            frames=number["temporal_patch_size"],
            merge=merge,
            window=number["window_size"] // merge // patch,
            full_blocks=tuple(int(i) for i in held.get("fullatt_block_indexes", ())),
            theta=float((held.get("rope_parameters") or {}).get("rope_theta", ROPE_THETA)),
        )
        if sizes.width % sizes.heads or sizes.head_dim % 4 or sizes.window < 1:
            raise CheckpointError(
                f"{source}: vision_config can't be a tower (hidden_size {sizes.width}, num_heads {sizes.heads}, "
                f"window of {sizes.window} tokens); fetch config and weights again"
            )
        return sizes

    def tokens(self, size_wh: tuple[int, int]) -> int:
        """Output tokens of a picture of (width, height) pixels."""
        return (size_wh[0] // self.stride) * (size_wh[1] // self.stride)

    def check_buckets(self, buckets_wh: Sequence[tuple[int, int]]) -> None:
        """Raise `UsageError` for a side that is no multiple of `stride`."""
        for width, height in buckets_wh:
            if width <= 0 or height <= 0 or width % self.stride or height % self.stride:
                raise UsageError(
                    f"buckets: {width}x{height} asked, sides must be multiples of {self.stride} pixels; "
                    f"multiples of {self.window_pixels} waste nothing"
                )

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every stored tensor of the tower, name without prefix -> shape."""
        d, group = self.width, self.width * self.merge**2
        block = {
            "norm1.weight": (d,), "norm2.weight": (d,),
            "attn.qkv.weight": (3 * d, d), "attn.qkv.bias": (3 * d,),
            "attn.proj.weight": (d, d), "attn.proj.bias": (d,),
            "mlp.gate_proj.weight": (self.mlp, d), "mlp.gate_proj.bias": (self.mlp,),
            "mlp.up_proj.weight": (self.mlp, d), "mlp.up_proj.bias": (self.mlp,),
            "mlp.down_proj.weight": (d, self.mlp), "mlp.down_proj.bias": (d,),
        }  # fmt: skip
        blocks = {f"blocks.{i}.{name}": shape for i in range(self.depth) for name, shape in block.items()}
        return {
            "patch_embed.proj.weight": (d, 3, self.frames, self.patch, self.patch),
            **blocks,
            "merger.ln_q.weight": (d,),
            "merger.mlp.0.weight": (group, group),
            "merger.mlp.0.bias": (group,),
            "merger.mlp.2.weight": (self.out, group),
            "merger.mlp.2.bias": (self.out,),
        }


_NUMBERS = (
    "depth", "hidden_size", "num_heads", "intermediate_size", "out_hidden_size", "patch_size", "temporal_patch_size",
    "spatial_merge_size", "window_size",
)  # fmt: skip


def _whole(held: Mapping[str, Any], key: str, source: str) -> int:
    """A whole number of the config; a patch size may be given per axis, all alike."""
    value = held.get(key)
    if isinstance(value, list | tuple) and len(set(value)) == 1:
        value = value[0]
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise CheckpointError(f"{source}: vision_config.{key} is {value!r}, expected a whole number above 0")
    return value
