"""TensorRT at run time: the library found, an engine opened, its profile, CUDA memory."""
