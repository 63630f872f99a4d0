"""What follows from a Qwen2.5-VL checkpoint's config, processor and tokenizer, before any weight is read.

In: a `Checkpoint` and the command's options. Out: `QwenPlan`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from edgecap.engines.errors import CheckpointError, UsageError
from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.packs.specs import CaptionerSpec, PromptLayout, RopeSpec
from edgecap.export.checkpoint.chat import chat_layout, end_ids, open_tokenizer, single_ids
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.checkpoint.image_stats import Triple, image_stats
from edgecap.export.decoder.captioner_role import captioner_spec
from edgecap.export.decoder.config import DecoderConfig
from edgecap.export.decoder.text_model import decoder_config, read_config
from edgecap.export.job import COUNT, Accepts, one_of
from edgecap.export.onnx.block_weights import BLOCK
from edgecap.export.prompts import prompt_data
from edgecap.export.prompts.prompt_data import PROMPT_FILE, book_for, longest_dialogue
from edgecap.export.qwen.style import STYLE_NAMES, STYLES, Style, StyleName
from edgecap.export.qwen.vision_sizes import VisionSizes

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ARCHITECTURES = ("Qwen2_5_VLForConditionalGeneration",)
VISION_START, PICTURE, VISION_END = "<|vision_start|>", "<|image_pad|>", "<|vision_end|>"
DEFAULT_BUCKETS_WH = ((448, 448), (616, 336), (336, 616))
"""Square crops of instances, and 16:9 and 9:16 whole pictures: 256 and 264 tokens."""
_QUESTION_TOKENS = 160
"""Positions kept for the question and the text around it."""
_BUCKETS = "WIDTHxHEIGHT,WIDTHxHEIGHT in pixels, e.g. 448x448,616x336"
_SIZE = re.compile(r"(\d+)x(\d+)")


def _buckets(text: str) -> tuple[tuple[int, int], ...]:
    found = [_SIZE.fullmatch(part.strip()) for part in text.split(",")]
    sizes = [(int(m[1]), int(m[2])) for m in found if m]
    if len(sizes) != len(found):
        raise ValueError(text)
    return tuple(dict.fromkeys(sizes))


@dataclass(frozen=True, slots=True)
class QwenOptions:
    """Read by `read_options`."""

    style: Annotated[StyleName, one_of(STYLE_NAMES)] = "instruct"
    views: Annotated[int, COUNT] = prompt_data.VIEWS
    """Pictures of a prompt."""
    buckets: Annotated[tuple[tuple[int, int], ...], Accepts(_BUCKETS, _buckets)] = DEFAULT_BUCKETS_WH
    """Picture sizes (width, height) in pixels."""
    context: Annotated[int | None, COUNT] = None
    """Positions; None = as many as pictures and text need."""
    parity_layers: Annotated[int | None, COUNT] = None
    """Decoder layers compared with PyTorch; None = as many as fit in memory."""


@dataclass(frozen=True, slots=True)
class QwenPlan:
    """`vision`, `decoder`: sizes of the two graphs. `buckets_wh`: picture sizes (width, height) in pixels.
    `eos_ids`: ids that end an answer, the likeliest first. `text_prefix`, `vision_prefix`: of names in the weight
    files; they differ between releases of transformers. `parity_layers`: decoder layers compared with PyTorch; None =
    as many as fit in memory."""

    vision: VisionSizes
    vision_config: dict[str, Any]
    text_config: dict[str, Any]
    decoder: DecoderConfig
    rope: RopeSpec
    buckets_wh: tuple[tuple[int, int], ...]
    views: int
    mean: Triple
    std: Triple
    layout: PromptLayout
    style: Style
    eos_ids: tuple[int, ...]
    text_prefix: str
    vision_prefix: str
    parity_layers: int | None

    def spec(self, *, vision: GraphSpec, decoder: GraphSpec, layers: int | None = None) -> CaptionerSpec:
        """The pack's captioner block over these two graphs; `layers`: of a decoder that was cut short for a check."""
        return captioner_spec(
            self.decoder,
            eos_ids=self.eos_ids,
            vision=vision,
            decoder=decoder,
            view_side=square_side(self.buckets_wh),
            views=self.views,
            tokens_per_view=max(self.vision.tokens(size) for size in self.buckets_wh),
            mean=self.mean,
            std=self.std,
            layers=layers or self.decoder.layers,
            prompts=dict(self.style.prompts),
            max_tokens=dict(self.style.max_tokens),
            layout=self.layout,
            rope=self.rope,
            buckets_wh=self.buckets_wh,
            prompt_file=PROMPT_FILE if self.style.book else None,
        )


def make_plan(checkpoint: Checkpoint, options: QwenOptions, *, recipe: str) -> QwenPlan:
    """Raises `CheckpointError` for a folder that isn't such a model or lacks a file, `UsageError` for options that
    don't fit together."""
    from transformers import Qwen2_5_VLConfig

    checkpoint.require(ARCHITECTURES, recipe=recipe)
    style, views, buckets = STYLES[options.style], options.views, options.buckets
    config, folder = read_config(checkpoint, Qwen2_5_VLConfig), checkpoint.folder
    vision_config, text_config = config.vision_config.to_dict(), config.text_config.to_dict()
    vision = VisionSizes.of(vision_config, source=str(folder / "config.json"))
    vision.check_buckets(buckets)
    tokenizer = open_tokenizer(folder)
    single_ids(tokenizer, (VISION_START, PICTURE, VISION_END), folder=folder)
    whole = VISION_START + PICTURE + VISION_END
    layout = chat_layout(folder, views=views, picture=whole, view_before=VISION_START, view_after=VISION_END)
    most_tokens = max(vision.tokens(b) for b in buckets)
    context = _context(options, need=views * (most_tokens + 2) + _text_positions(style, layout, tokenizer))
    text_prefix, vision_prefix = _prefixes(checkpoint)
    mean, std = image_stats(folder)
    decoder = _decoder_config(checkpoint, config, context=context)
    if vision.out != decoder.hidden_size:
        raise CheckpointError(
            f"{folder}: the vision tower gives {vision.out} features, the text model takes {decoder.hidden_size}; "
            "config.json is damaged, fetch it again"
        )
    return QwenPlan(
        vision=vision,
        vision_config=vision_config,
        text_config=text_config,
        decoder=decoder,
        rope=_rope(checkpoint, text_config, decoder, vision),
        buckets_wh=buckets,
        views=views,
        mean=mean,
        std=std,
        layout=style.layout(layout),
        style=style,
        eos_ids=end_ids(folder, checkpoint.config, tokenizer),
        text_prefix=text_prefix,
        vision_prefix=vision_prefix,
        parity_layers=options.parity_layers,
    )


def _context(options: QwenOptions, *, need: int) -> int:
    context = options.context or -(-need // BLOCK) * BLOCK
    if context < need:
        raise UsageError(
            f"context={context}: {options.views} views and the text need {need} positions; lower views, take smaller "
            "buckets, or leave context out"
        )
    return context


def square_side(buckets_wh: tuple[tuple[int, int], ...]) -> int:
    """Side of an instance's crop, which is square: that of the squarest bucket's shorter side."""
    return min(min(buckets_wh, key=lambda wh: (max(wh) / min(wh), -min(wh))))


def _prefixes(checkpoint: Checkpoint) -> tuple[str, str]:
    """Of the text model and the vision tower: as saved today, or (the hub's files) as transformers 4.49 did."""
    names = checkpoint.shapes()
    for text, vision in (("model.language_model.", "model.visual."), ("model.", "visual.")):
        if f"{text}embed_tokens.weight" in names:
            return text, vision
    raise CheckpointError(
        f"{checkpoint.folder}: no tensor model.embed_tokens.weight or model.language_model.embed_tokens.weight in its "
        "weight files; they are of another model: fetch the folder again"
    )


def _text_positions(style: Style, layout: PromptLayout, tokenizer: Tokenizer) -> int:
    """Positions of rules, questions and answers behind the pictures."""
    if style.book is None:
        return _QUESTION_TOKENS + max(style.max_tokens.values())
    return longest_dialogue(
        book_for(style.book, layout),
        layout,
        lambda text: tokenizer.encode(text, add_special_tokens=False).ids,
        prompts=style.prompts,
        max_tokens=style.max_tokens,
    )


def _decoder_config(checkpoint: Checkpoint, config: Any, *, context: int) -> DecoderConfig:
    text = config.text_config
    if context > int(text.max_position_embeddings):
        raise UsageError(
            f"{context} positions are needed, {checkpoint.folder} was trained for {text.max_position_embeddings}; "
            "lower views, context, or take smaller buckets"
        )
    return decoder_config(
        checkpoint,
        text,
        context=context,
        tied_head=bool(config.tie_word_embeddings),
        unlike={"use_sliding_window": (bool(text.use_sliding_window), False)},
        qkv_bias=True,
        rope_inputs=True,
    )


def _rope(checkpoint: Checkpoint, text: Mapping[str, Any], decoder: DecoderConfig, vision: VisionSizes) -> RopeSpec:
    sections = tuple(int(s) for s in (text.get("rope_parameters") or {}).get("mrope_section", ()))
    if len(sections) != 3 or sum(sections) != decoder.head_dim // 2:
        raise CheckpointError(
            f"{checkpoint.folder}: mrope_section {list(sections)} doesn't share out the {decoder.head_dim // 2} "
            "frequencies of a head over time, row and column; config.json is damaged, fetch it again"
        )
    return RopeSpec(theta=decoder.rope_theta, sections=sections, merge=vision.merge)
