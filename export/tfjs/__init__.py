"""TensorFlow.js graph models as ONNX graphs, and the roles of a pack that are made of them. Loads no torch."""
