"""What a pack says of itself: the typed content of pack.json, read by exporter, sessions, runtime and tests alike.

A role (detector, segmenter, captioner) names its graphs; every tensor is declared once here-by-data and checked when a
session opens. Pre-processing constants are data of the pack; the code that applies them is `engines.preprocess`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DType = Literal["uint8", "int8", "int32", "int64", "float16", "float32", "bool"]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output. `axes`: an int where the size is fixed, a name where it is free, in order."""

    name: str
    dtype: DType
    axes: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """One ONNX file. `precision` as written by the exporter: fp32, fp16, int8-static, int8-weights, int4-weights."""

    file: str
    precision: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """images uint8 [B,3,H,W] RGB -> boxes_xyxy float32 [B,N,4] relative, scores [B,N], class_ids int64 [B,N],
    embedding float32 [B,C] (a description of the whole frame for the domain check; optional).

    The picture is resized (aspect kept) so that its long side is `image_side`, then padded right and bottom with
    `pad_value` to multiples of `stride`; boxes are relative to the *padded* picture and mapped back by
    `engines.preprocess`. `score_threshold`: below it a box is ignored; `nms_iou`: class-agnostic, on the host.
    `labels`: class names, COCO spelling.
    """

    graph: GraphSpec
    image_side: int
    stride: int
    pad_value: int
    score_threshold: float
    nms_iou: float
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SegmenterSpec:
    """encode: images uint8 [1,3,H,W] -> one or more embeddings; decode: the embeddings, boxes_xyxy float32 [K,4]
    -> mask_logits float32 [K,h,w], quality float32 [K] (predicted IoU, 0-1).

    Same resize and padding rule as the detector. Boxes given to decode are relative to the padded picture.
    `mask_frame`: "box" = logits cover the prompt box enlarged on each side by `box_margin` of its own width/height
    (nano); "image" = logits cover the whole padded picture (SAM2). Mask = logit > `mask_threshold`.
    """

    encoder: GraphSpec
    decoder: GraphSpec
    image_side: int
    stride: int
    pad_value: int
    mask_frame: Literal["box", "image"]
    box_margin: float
    mask_threshold: float


@dataclass(frozen=True, slots=True)
class CaptionerSpec:
    """vision: pixels float32 [n,3,S,S] -> tokens float32 [n,T,H]; embed: embedding_file (.npy float32 [V,H]);
    decoder: inputs_embeds float32 [B,S,H], seqlens_k int32 [B] (valid length after this call, minus 1),
    total_sequence_length int32 [], last_index int64 [B] (position inside S of each row's last real token),
    past_key_i / past_value_i float32 [B,kv_heads,M,head_dim] (i < layers; M = the preallocated capacity)
    -> logits float32 [B,V] at last_index, present_key_i / present_value_i (bind to the same buffers as past).

    `view_side`: S in pixels; views are uint8 RGB, pixels = (x/255 - mean) / std per channel. `tokens_per_view`: T.
    `views`: frames per VisualPrompt (F). The prefix of a prompt is: BOS, then T vision tokens per view; then the
    question's text tokens; the answer follows until EOS. `view_gap_seconds`: wanted time between an instance's views.
    `view_margin`: the square crop is this many times the box's long side. `prompts`: field -> template;
    placeholders {class}, {motion} ("moving"/"still"), {instances} ("two dogs and a person").
    `max_tokens`: field -> answer limit.
    """

    vision: GraphSpec
    decoder: GraphSpec
    embedding_file: str
    tokenizer_file: str
    view_side: int
    views: int
    tokens_per_view: int
    view_gap_seconds: float
    view_margin: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    hidden_size: int
    layers: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    bos_id: int
    eos_id: int
    prompts: dict[str, str]
    max_tokens: dict[str, int]


@dataclass(frozen=True, slots=True)
class DomainSpec:
    """Calibrated on held-out scenes of the pack's training world (statistics in `file`, .npz).

    mean float32 [C], components float32 [k, C] (PCA, orthonormal rows), scales float32 [k], residual_scale float32 []:
    distance(e) = sqrt(mean over k of ((components @ (e-mean))/scales)^2 + (|residual of e-mean| / residual_scale)^2);
    a window's distance is the median over its analysed frames; outside when > `threshold`.
    """

    file: str
    threshold: float


@dataclass(frozen=True, slots=True)
class FileEntry:
    """SHA-256 (hex) and size of one file of the pack."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class PackSpec:
    """The whole of pack.json (schema_version 1). A role that the pack lacks is None."""

    name: str
    version: str
    licence: str
    source: dict[str, str]
    files: dict[str, FileEntry]
    detector: DetectorSpec | None
    segmenter: SegmenterSpec | None
    captioner: CaptionerSpec | None
    domain: DomainSpec | None
