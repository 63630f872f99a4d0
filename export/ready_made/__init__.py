"""ONNX files of a model hub (vision_encoder, embed_tokens, decoder_model_merged) -> the captioner of a pack. See
`recipe`."""

from __future__ import annotations

from edgecap.export.ready_made.recipe import READY_MADE, ReadyMade

__all__ = ["READY_MADE", "ReadyMade"]
