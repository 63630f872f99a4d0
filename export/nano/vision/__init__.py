"""The two vision models of the `nano` pack: a dense anchor-free detector and a box-prompted segmenter.

`cache` renders the training frames once, `train_detector` and `train_segmenter` fit the models, `export_vision`
writes the ONNX files (fp32 and INT8) and `validate` measures them on held-out frames through ONNX Runtime.
"""
