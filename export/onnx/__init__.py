"""ONNX graphs: writing, walking, precision, quantisation, parity."""
