"""Which of the hub's ONNX files are used: three graphs, each in one of several variants.

In: the folder and the precision. Out: `HubFiles`. The hub's layout is onnx/vision_encoder.onnx,
onnx/embed_tokens.onnx, onnx/decoder_model_merged.onnx, and beside each the same graph with a suffix: _fp16, _int8,
_uint8, _quantized, _q4, _q4f16, _bnb4 (huggingface.co/onnx-community; transformers.js).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgecap.engines.errors import CheckpointError
from edgecap.export.job import Precision

FOLDER = "onnx"
PARTS = {"vision": "vision_encoder", "embed": "embed_tokens", "decoder": "decoder_model_merged"}
VARIANTS: dict[str, str] = {
    "fp32": "fp32",
    "fp16": "fp16",
    "int8": "int8-dynamic",
    "uint8": "int8-dynamic",
    "quantized": "int8-dynamic",
    "q4": "int4-weights",
    "q4f16": "int4-weights",
    "bnb4": "int4-weights",
}
"""The hub's suffix ("fp32": none) -> precision as a pack says it."""
_TAKEN: dict[Precision, dict[str, tuple[str, ...]]] = {
    "fp32": dict.fromkeys(PARTS, ("fp32",)),
    "fp16": {"vision": ("fp16",), "embed": ("fp16", "fp32"), "decoder": ("fp16",)},
    "int8": {
        "vision": ("int8", "quantized", "uint8"),
        "embed": ("fp32", "fp16", "int8", "quantized", "uint8"),
        "decoder": ("int8", "quantized", "uint8"),
    },
    "int4": {
        "vision": ("int8", "quantized", "uint8", "q4"),
        "embed": ("fp32", "fp16", "int8", "quantized", "q4"),
        "decoder": ("q4", "q4f16", "bnb4"),
    },
}
"""--precision -> part -> variants that answer it, the first one there is taken. The table of words is copied out of its
graph, so the least rounded one is best whatever the rest is. A vision tower gains nothing from 4-bit weights."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """One graph. `variant`: a key of `VARIANTS`."""

    path: Path
    variant: str

    @property
    def precision(self) -> str:
        """As a `GraphSpec` says it."""
        return VARIANTS[self.variant]


@dataclass(frozen=True, slots=True)
class HubFiles:
    """The three graphs that were chosen, and the unrounded ones to compare with, None where the folder lacks them."""

    vision: HubFile
    embed: HubFile
    decoder: HubFile
    exact_vision: HubFile | None
    exact_decoder: HubFile | None


def choose_files(folder: Path, precision: Precision, options: Mapping[str, str | None]) -> HubFiles:
    """`options`: part -> key of `VARIANTS`, instead of what `precision` would take.

    Raises `CheckpointError` where such a graph isn't there; the message lists the variants that are.
    """
    chosen = {part: _choose(folder, part, precision, options.get(part)) for part in PARTS}
    exact = {part: _found(folder, part).get("fp32") for part in PARTS}
    return HubFiles(**chosen, exact_vision=exact["vision"], exact_decoder=exact["decoder"])


def _choose(folder: Path, part: str, precision: Precision, asked: str | None) -> HubFile:
    found = _found(folder, part)
    variants = (asked,) if asked is not None else _TAKEN[precision][part]
    for variant in variants:
        if variant in found:
            return found[variant]
    if not found:
        raise CheckpointError(
            f"{folder}: contains no {FOLDER}/{PARTS[part]}*.onnx; it is not the hub's three-file layout"
        )
    raise CheckpointError(
        f"{folder}: --precision {precision} needs {PARTS[part]} as {' or '.join(variants)}, the folder has "
        f"{', '.join(found)}; fetch that file, or choose with --option {part}={next(iter(found))}"
    )


def _found(folder: Path, part: str) -> dict[str, HubFile]:
    out = {}
    for variant in VARIANTS:
        path = folder / FOLDER / f"{PARTS[part]}{'' if variant == 'fp32' else '_' + variant}.onnx"
        if path.is_file():
            out[variant] = HubFile(path, variant)
    return out
