"""Names, dtypes and axes of the five graphs of SAM2, declared once. Imports no torch.

`MemorySpec` and `SegmenterSpec` (engines/packs/specs.py) say what the tensors mean.
"""

from __future__ import annotations

from edgecap.engines.graph.spec import GraphSpec, TensorSpec
from edgecap.engines.packs.specs import MemorySpec, SegmenterSpec
from edgecap.export.sam2.settings import Sam2Settings

OBJECTS = (1, 4, 32)
"""Objects in one call: least, usual, most."""
_AXIS = "objects"


def embeddings(s: Sam2Settings) -> tuple[TensorSpec, ...]:
    """What the encoder gives: features at stride 16, and the two finer maps as the mask decoder expects them."""
    return (
        TensorSpec("features", "float32", (1, s.hidden, s.grid, s.grid)),
        TensorSpec("middle", "float32", (1, s.hidden // 4, 2 * s.grid, 2 * s.grid)),
        TensorSpec("fine", "float32", (1, s.hidden // 8, 4 * s.grid, 4 * s.grid)),
    )


def encoder_graph(s: Sam2Settings, precision: str = "fp32") -> GraphSpec:
    """One padded picture."""
    image = TensorSpec("images", "uint8", (1, 3, s.image_side, s.image_side))
    return GraphSpec(_file("encoder", precision), precision, (image,), embeddings(s))


def decoder_graph(s: Sam2Settings, precision: str = "fp32") -> GraphSpec:
    """Boxes of one picture."""
    boxes = TensorSpec("boxes_xyxy", "float32", (_AXIS, 4))
    return _graph("decoder", precision, (*embeddings(s), boxes), _masks(s))


def memory_decoder_graph(s: Sam2Settings, precision: str = "fp32") -> GraphSpec:
    """Objects without a prompt, from features conditioned on their memories."""
    _, middle, fine = embeddings(s)
    return _graph("memory_decoder", precision, (_conditioned(s), middle, fine), _masks(s))


def attention_graph(s: Sam2Settings, precision: str = "fp32") -> GraphSpec:
    """One picture, seen with the memories of each object."""
    slots, tokens = s.memory_frames, s.grid * s.grid
    return _graph(
        "memory_attention",
        precision,
        (
            embeddings(s)[0],
            TensorSpec("memories", "float32", (_AXIS, slots, tokens, s.memory_dim)),
            TensorSpec("memory_ages", "int32", (_AXIS, slots)),
            TensorSpec("pointers", "float32", (_AXIS, s.pointers, s.hidden)),
            TensorSpec("pointer_ages", "int32", (_AXIS, s.pointers)),
        ),
        (_conditioned(s),),
    )


def memory_encoder_graph(s: Sam2Settings, precision: str = "fp32") -> GraphSpec:
    """Masks of one picture into memories."""
    mask, _, _, presence = _masks(s)
    prompted = TensorSpec("prompted", "bool", (_AXIS,))
    memory = TensorSpec("memory", "float32", (_AXIS, s.grid * s.grid, s.memory_dim))
    return _graph("memory_encoder", precision, (embeddings(s)[0], mask, presence, prompted), (memory,))


GRAPHS = {
    "encoder": encoder_graph,
    "decoder": decoder_graph,
    "memory_attention": attention_graph,
    "memory_encoder": memory_encoder_graph,
    "memory_decoder": memory_decoder_graph,
}
"""Part -> its declaration."""


def segmenter_spec(s: Sam2Settings, precisions: dict[str, str]) -> SegmenterSpec:
    """The role. `precisions`: of each part of `GRAPHS`."""
    graphs = {part: graph(s, precisions[part]) for part, graph in GRAPHS.items()}
    return SegmenterSpec(
        encoder=graphs["encoder"],
        decoder=graphs["decoder"],
        image_side=s.image_side,
        stride=s.image_side,
        pad_value=s.pad_value,
        mask_frame="image",
        box_margin=0.0,
        mask_threshold=0.0,
        memory=MemorySpec(
            attention=graphs["memory_attention"],
            encoder=graphs["memory_encoder"],
            decoder=graphs["memory_decoder"],
            memory_frames=s.memory_frames,
            pointers=s.pointers,
        ),
    )


def _file(part: str, precision: str) -> str:
    return f"segmenter_{part}.{precision.split('-')[0]}.onnx"


def _graph(part: str, precision: str, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> GraphSpec:
    return GraphSpec(_file(part, precision), precision, inputs, outputs, {_AXIS: OBJECTS})


def _conditioned(s: Sam2Settings) -> TensorSpec:
    return TensorSpec("conditioned", "float32", (_AXIS, s.hidden, s.grid, s.grid))


def _masks(s: Sam2Settings) -> tuple[TensorSpec, ...]:
    return (
        TensorSpec("mask_logits", "float32", (_AXIS, s.mask_side, s.mask_side)),
        TensorSpec("quality", "float32", (_AXIS,)),
        TensorSpec("pointer", "float32", (_AXIS, s.hidden)),
        TensorSpec("presence", "float32", (_AXIS,)),
    )
