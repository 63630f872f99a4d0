"""SAM2 and SAM2.1 (transformers' Sam2VideoModel) -> a segmenter with memory: five graphs that a video runs through."""

from edgecap.export.sam2.recipe import SAM2

__all__ = ["SAM2"]
