"""A torch module as an ONNX file whose batch really is free.

`torch.onnx.export` traces leniently; where that fails it falls back to a trace that freezes the batch of the example,
without a word (docs/spec/measured.md C: RT-DETR, D-FINE). Here the module is traced first, and what doesn't trace with
free axes is an error.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch

from edgecap.engines.errors import ExportError
from edgecap.engines.graph.spec import GraphSpec
from edgecap.export.onnx.graph import OPSET, check_graph, name_axes


def write_module(
    module: torch.nn.Module,
    examples: Sequence[torch.Tensor],
    path: Path,
    spec: GraphSpec,
    *,
    dynamic_shapes: Sequence[Mapping[int, Any]],
    opset: int = OPSET,
    strict: bool = True,
) -> None:
    """Trace, write, simplify with onnxslim, and check against `spec`.

    examples: one tensor per input; free axes need a size other than 0 and 1 there. dynamic_shapes: per input, axis ->
    torch.export Dim. strict: read the Python code instead of running it, at 2.5 times the seconds (yolo11n: 10.5
    against 4.0); an axis that the trace would freeze is an error either way. Raises `ExportError` where the network
    can't be traced, `GraphContractError` where the file says something else than `spec`.
    """
    import onnxslim

    with _quiet():
        try:
            traced = torch.export.export(
                module.eval(), tuple(examples), dynamic_shapes=tuple(dynamic_shapes), strict=strict
            )
            program = torch.onnx.export(
                traced,
                tuple(examples),
                dynamo=True,
                opset_version=opset,
                input_names=[t.name for t in spec.inputs],
                output_names=[t.name for t in spec.outputs],
                verbose=False,
            )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            line = next((text.strip() for text in str(error).splitlines() if text.strip()), type(error).__name__)
            raise ExportError(
                f"{spec.file}: {type(module).__name__} can't be traced ({line[:200]}); "
                "the versions that work are those of the extra [export]"
            ) from error
        assert program is not None
        onnx.save(onnxslim.slim(program.model_proto), str(path))
    name_axes(path, spec)
    check_graph(path, spec)


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporters' notes on themselves (no torchvision, deprecated internals) are nothing a user can act on."""
    names = ("torch.onnx", "onnxscript", "onnx_ir", "onnxslim")
    levels = {name: logging.getLogger(name).level for name in names}
    before = os.environ.get("TRANSFORMERS_DISABLE_TORCH_CHECK")
    os.environ["TRANSFORMERS_DISABLE_TORCH_CHECK"] = "1"  # its shape assertions have no ONNX operator
    try:
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        if before is None:
            os.environ.pop("TRANSFORMERS_DISABLE_TORCH_CHECK", None)
        else:
            os.environ["TRANSFORMERS_DISABLE_TORCH_CHECK"] = before
