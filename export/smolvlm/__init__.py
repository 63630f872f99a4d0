"""SmolVLM and Idefics3 checkpoints -> the captioner of a pack. See `recipe`."""

from __future__ import annotations

from edgecap.export.smolvlm.recipe import SMOLVLM, SmolVlm

__all__ = ["SMOLVLM", "SmolVlm"]
