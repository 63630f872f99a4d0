"""What follows from a SmolVLM or Idefics3 checkpoint's config, processor and tokenizer, before any weight is read.

In: a `Checkpoint` and the command's options. Out: `CaptionerPlan`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from edgecap.engines.errors import CheckpointError, UsageError
from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.packs.specs import CaptionerSpec, PromptLayout
from edgecap.export.checkpoint.chat import chat_layout, end_ids, open_tokenizer, single_ids
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.checkpoint.image_stats import image_stats
from edgecap.export.decoder.captioner_role import captioner_spec
from edgecap.export.decoder.config import DecoderConfig
from edgecap.export.decoder.text_model import HEAD, decoder_config, read_config
from edgecap.export.job import COUNT
from edgecap.export.prompts import prompt_data
from edgecap.export.prompts.prompt_data import PROMPT_FILE, book_for, longest_dialogue, paragraph_positions

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ARCHITECTURES = ("SmolVLMForConditionalGeneration", "Idefics3ForConditionalGeneration")
IMAGE, AROUND, WHOLE_PICTURE = "<image>", "<fake_token_around_image>", "<global-img>"
"""The processor writes AROUND WHOLE_PICTURE, T times IMAGE and AROUND for a picture that it does not tile."""
DEFAULT_CONTEXT = 1024
"""Positions of a pack that needs fewer."""
_BLOCK = 128


@dataclass(frozen=True, slots=True)
class SmolVlmOptions:
    """Read by `read_options`."""

    views: Annotated[int, COUNT] = prompt_data.VIEWS
    """Pictures of a prompt."""
    context: Annotated[int | None, COUNT] = None
    """Positions; None = 1024, or more where the longest dialogue or a paragraph takes more."""


@dataclass(frozen=True, slots=True)
class CaptionerPlan:
    """`side`: pixels of a view. `tokens_per_view`: T. `views`: pictures of one prompt. `eos_ids`: ids that end an
    answer, the likeliest first. `decoder`: sizes of the text model, with the positions that the pack allows."""

    side: int
    tokens_per_view: int
    views: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    layout: PromptLayout
    eos_ids: tuple[int, ...]
    decoder: DecoderConfig

    def spec(self, *, vision: GraphSpec, decoder: GraphSpec) -> CaptionerSpec:
        """The pack's captioner block over these two graphs."""
        return captioner_spec(
            self.decoder,
            eos_ids=self.eos_ids,
            vision=vision,
            decoder=decoder,
            view_side=self.side,
            views=self.views,
            tokens_per_view=self.tokens_per_view,
            mean=self.mean,
            std=self.std,
            layers=self.decoder.layers,
            prompts=dict(prompt_data.PROMPTS),
            max_tokens=dict(prompt_data.MAX_TOKENS),
            layout=self.layout,
            prompt_file=PROMPT_FILE,
        )


def make_plan(checkpoint: Checkpoint, options: SmolVlmOptions, *, recipe: str) -> CaptionerPlan:
    """Raises `CheckpointError` for a folder that isn't such a model or lacks a file, `UsageError` for options that
    don't fit together."""
    checkpoint.require(ARCHITECTURES, recipe=recipe)
    import transformers

    kinds = {ARCHITECTURES[0]: transformers.SmolVLMConfig, ARCHITECTURES[1]: transformers.Idefics3Config}
    config = read_config(checkpoint, kinds[checkpoint.architecture])
    vision, folder = config.vision_config, checkpoint.folder
    patches, factor = int(vision.image_size) // int(vision.patch_size), int(config.scale_factor)
    if patches % factor:
        raise CheckpointError(
            f"{folder}: {patches} patches a side can't be merged {factor} by {factor}; config.json is damaged"
        )
    tokens = (patches // factor) ** 2
    views = options.views
    tokenizer = open_tokenizer(folder)
    single_ids(tokenizer, (IMAGE, AROUND, WHOLE_PICTURE), folder=folder)
    layout = chat_layout(folder, views=views, picture=IMAGE, view_before=AROUND + WHOLE_PICTURE, view_after=AROUND)
    dialogue, paragraph = _text_positions(layout, tokenizer)
    need = views * (tokens + 3) + dialogue
    roomy = max(DEFAULT_CONTEXT, -(-max(need, paragraph) // _BLOCK) * _BLOCK)
    decoder = _decoder_config(checkpoint, config, context=options.context or roomy)
    if need > decoder.max_positions:
        raise UsageError(
            f"{views} views of {tokens} tokens and the longest dialogue need {need} positions, the pack would have "
            f"{decoder.max_positions}; lower --option views or raise --option context"
        )
    mean, std = image_stats(checkpoint.folder)
    return CaptionerPlan(
        side=int(vision.image_size),
        tokens_per_view=tokens,
        views=views,
        mean=mean,
        std=std,
        layout=layout,
        eos_ids=end_ids(folder, checkpoint.config, tokenizer),
        decoder=decoder,
    )


def _text_positions(layout: PromptLayout, tokenizer: Tokenizer) -> tuple[int, int]:
    """Positions of the longest dialogue behind the pictures, and those of an aligning round of its own."""

    def encode(text: str) -> list[int]:
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    book = book_for("edge", layout)
    dialogue = longest_dialogue(book, layout, encode, prompts=prompt_data.PROMPTS, max_tokens=prompt_data.MAX_TOKENS)
    return dialogue, paragraph_positions(book, layout, encode)


def _decoder_config(checkpoint: Checkpoint, config: Any, *, context: int) -> DecoderConfig:
    text = config.text_config
    unlike = {
        "model_type": (text.model_type, "llama"),
        "attention_bias": (bool(getattr(text, "attention_bias", False)), False),
        "mlp_bias": (bool(getattr(text, "mlp_bias", False)), False),
    }
    return decoder_config(
        checkpoint,
        text,
        context=min(context, int(text.max_position_embeddings)),
        tied_head=bool(config.tie_word_embeddings) and HEAD not in checkpoint.shapes(),
        unlike=unlike,
    )
