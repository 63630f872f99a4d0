"""Text decoders as ONNX graphs, from weights."""
