"""The typed content of pack.json.

A role (detector, segmenter, captioner) names its graphs; every tensor is declared once and checked when a session
opens. Pre-processing constants are data of the pack; `engines.graph.letterbox` applies them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from edgecap.engines.graph.spec import GraphSpec


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """images uint8 [B,3,H,W] RGB -> boxes_xyxy float32 [B,N,4] relative, scores [B,N], class_ids int64 [B,N],
    embedding float32 [B,C] (a description of the whole frame for the domain check; optional).

    The picture is resized (aspect kept) so that its long side is `image_side`, then padded right and bottom with
    `pad_value` to multiples of `stride`; boxes are relative to the *padded* picture and mapped back by
    `engines.graph.letterbox`. `score_threshold`: below it a box is ignored; `nms_iou`: class-agnostic, on the host.
    `labels`: class names, COCO spelling. `scores`: whether a score is the share of boxes of its kind that are right,
    measured on footage of the kind the pack is for ("probability"), or the network's own ("raw").
    """

    graph: GraphSpec
    image_side: int
    stride: int
    pad_value: int
    score_threshold: float
    nms_iou: float
    labels: tuple[str, ...]
    scores: Literal["raw", "probability"] = "raw"


@dataclass(frozen=True, slots=True)
class MemorySpec:
    """Video propagation of a SAM2-like segmenter (Ravi et al. 2024): masks carried from frame to frame, no new prompts.

    K objects at once; S = `memory_frames` slots (the first holds the prompted frame), P = `pointers` (likewise), T
    tokens a frame, C and M channels. Sizes never change with time: an empty slot has age -1, whatever it contains. An
    age is the number of frames since; the first slot of memories always has age 0, that of pointers its true age. All
    learned tables are inside the graphs.
      `attention`: features [1,C,h,w] (of the segmenter's encoder), memories float32 [K,S,T,M], memory_ages int32
        [K,S], pointers float32 [K,P,C], pointer_ages int32 [K,P] -> conditioned float32 [K,C,h,w].
      `decoder`: conditioned and the segmenter's other embeddings -> mask_logits [K,h4,w4], quality [K], pointer [K,C],
        presence [K] (a logit; not above 0 = the object is not in the picture, its mask logits mean nothing).
      `encoder`: features, mask_logits, presence and prompted bool [K] (was the mask made from a box?) -> memory
        [K,T,M].
    The segmenter's own decoder gives pointer and presence too. Only `mask_frame` "image" can have a memory.
    """

    attention: GraphSpec
    encoder: GraphSpec
    decoder: GraphSpec
    memory_frames: int
    pointers: int


@dataclass(frozen=True, slots=True)
class SegmenterSpec:
    """encode: images uint8 [1,3,H,W] -> one or more embeddings; decode: the embeddings, boxes_xyxy float32 [K,4]
    -> mask_logits float32 [K,h,w], quality float32 [K] (predicted IoU, 0-1). A decoder that treats classes differently
    takes class_ids int64 [K] too (the detector's; -1 = not known).

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
    memory: MemorySpec | None = None


@dataclass(frozen=True, slots=True)
class PoseSpec:
    """images uint8 [1,3,H,W] RGB, boxes_xyxy float32 [K,4] -> keypoints_xy float32 [K,J,2], scores float32 [K,J] (0-1).

    Same resize and padding rule as the detector; boxes and keypoints are relative to the padded picture.
    """

    graph: GraphSpec
    image_side: int
    """Long side of the picture, pixels."""
    stride: int
    pad_value: int
    keypoints: tuple[str, ...]
    """Names of the J keypoints, in order; the left and right are the person's own."""
    label: str
    """The detector's class whose boxes it takes, e.g. "person"."""
    score_threshold: float
    """Below it a keypoint is not seen."""


@dataclass(frozen=True, slots=True)
class PromptLayout:
    """Text around the pictures and the question, special tokens written out; "" where a model has none.

    The prompt is: BOS (if the pack has one), `before`, then per view `view_before` T vision tokens `view_after`; then
    `question_before` the question `question_after`, and the answer follows. A further question of the same
    conversation is between `answer_after` (which ends the answer's turn and begins the user's) and
    `question_after`; "" where the model takes one question only. `before_system`: `before` with a system turn,
    "{system}" instead of its text; "" where the template has none: the rules then come before the first
    question.
    """

    before: str = ""
    view_before: str = ""
    view_after: str = ""
    question_before: str = ""
    question_after: str = ""
    answer_after: str = ""
    before_system: str = ""


@dataclass(frozen=True, slots=True)
class RopeSpec:
    """Rotary angles that the runtime computes and feeds as `rope_cos`, `rope_sin` float32 [B,S,head_dim]; the second
    half of the last axis repeats the first.

    `sections`: how many of the head_dim / 2 frequencies follow time, row and column (M-RoPE of Qwen2-VL, Wang et al.
    2024); () where all follow the plain position. `merge`: vision patches per token and side (what the export used; the
    runtime takes the token grid from picture size and token count).
    """

    theta: float
    sections: tuple[int, ...]
    merge: int


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
    `view_margin`: the square crop is this many times the box's long side. `prompts`: field -> template of its one
    question (`--stages fast`); placeholders as in `prompt_book.ROUND_PLACEHOLDERS`, {global} excepted. `max_tokens`:
    field -> answer limit. `prompt_file`: rules, rounds of `--stages full`, hints and word lists (`PromptBook`); None
    where the pack has single questions only.

    Larger models differ by data alone. `layout`: the text around pictures and question. `eos_ids`: further tokens that
    end an answer. `rope`: see `RopeSpec`; the decoder has its own angles where None. `buckets_wh`: picture sizes
    (width, height) in pixels that the vision graph takes as pixels float32 [n,3,h,w]; a view is given the bucket
    nearest to its shape; () = always view_side x view_side. `tokens_per_view` is then that of the largest bucket.
    A `rope` with sections needs rope_cos and rope_sin among the decoder's inputs ("shared" and "scatter"), or
    position_ids int64 [3,B,S] ("growing").
    The decoder follows one of three contracts, recognised by its input names; a twin may follow another than the
    pack's own.
      "shared"    the one above (ONNX Runtime's GroupQueryAttention);
      "scatter"   past and present as above, but instead of seqlens_k and total_sequence_length: write_indices int64 [B]
                  (where the S new positions go), position_ids int64 [B,S] (absent where `rope` is given) and
                  attention_bias float32 [B,1,S,M] (0 or -30000): standard operators of opset 24 only; TensorRT needs M
                  to be a number in the file, and then every row has that capacity;
      "growing"   the model hub's ready-made decoder_model_merged: attention_mask int64 [B,P+S], position_ids int64
                  [B,S], past_key_values.i.key/value [B,kv_heads,P,head_dim] -> logits [B,S,V], present.i.key/value
                  [B,kv_heads,P+S,head_dim].
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
    bos_id: int | None
    eos_id: int
    prompts: dict[str, str]
    max_tokens: dict[str, int]
    layout: PromptLayout = PromptLayout()
    eos_ids: tuple[int, ...] = ()
    rope: RopeSpec | None = None
    buckets_wh: tuple[tuple[int, int], ...] = ()
    prompt_file: str | None = None

    @property
    def sizes_wh(self) -> tuple[tuple[int, int], ...]:
        """Picture sizes (width, height) in pixels that the vision graph takes."""
        return self.buckets_wh or ((self.view_side, self.view_side),)


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
    """The whole of pack.json (schema_version 1). A role that the pack lacks is None.

    `source`: what each role was made from. `twins`: path of a graph ("detector.graph", "segmenter.encoder",
    "captioner.decoder", ...) -> the graph that TensorRT compiles instead: same role, standard operators only,
    precision in the types (fp16, symmetric Q/DQ). CPU INT8 and TensorRT INT8 are two files.
    """

    name: str
    version: str
    licence: str
    source: dict[str, str]
    files: dict[str, FileEntry]
    detector: DetectorSpec | None
    segmenter: SegmenterSpec | None
    captioner: CaptionerSpec | None
    domain: DomainSpec | None
    twins: dict[str, GraphSpec] = field(default_factory=dict)
    pose: PoseSpec | None = None
