"""The Qwen2.5-VL recipe. torch, transformers and onnx are imported when it runs, not when it is listed."""

from edgecap.export.qwen.recipe import QWEN2_5_VL

__all__ = ["QWEN2_5_VL"]
