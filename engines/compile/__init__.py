"""Compilers: ONNX Runtime and TensorRT builders, the target GPU, parity of what was built."""
