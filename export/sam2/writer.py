"""The five modules -> ONNX files in the precision asked for, and how far each file is from its module.

In: modules with the calls that were noted while they ran (`TorchSession.calls`). Out: files, `GraphSpec`s, `Comparison`
rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import onnx
import torch
from torch.export import Dim

from edgecap.engines.errors import ExportError
from edgecap.engines.graph.onnx_session import open_onnx_session
from edgecap.engines.graph.spec import GraphSpec
from edgecap.export.job import Comparison, ExportJob, Limits
from edgecap.export.onnx.parity import GraphParity, compare_outputs
from edgecap.export.onnx.precision import dynamic_int8, to_fp16
from edgecap.export.onnx.torch_graph import write_module
from edgecap.export.sam2.contracts import GRAPHS, OBJECTS
from edgecap.export.sam2.settings import Sam2Settings
from edgecap.export.sam2.torch_sessions import TorchSession

LIMITS: dict[str, Limits] = {
    "fp32": {"relative_l2": ("max", 1e-4)},
    "fp16": {"relative_l2": ("max", 0.05), "cosine": ("min", 0.998)},
    "int8-dynamic": {"relative_l2": ("max", 0.15), "cosine": ("min", 0.99)},
}
"""Per graph, each fed with what the exact graphs before it give. What masks lose of it all is judged by mask IoU."""
KEPT_HIGH = {
    "segmenter.decoder": "2 % of the encoder's time; nothing to save",
    "segmenter.memory.attention": "its time goes into products of two activations, which INT8 weights don't shorten",
    "segmenter.memory.encoder, .decoder": "small; their errors come back through the memory",
}


@dataclass(slots=True)
class Written:
    """`graphs`: part -> what the pack uses. `twins`: part -> what TensorRT compiles. `kept_high`: node -> why."""

    graphs: dict[str, GraphSpec] = field(default_factory=dict)
    twins: dict[str, GraphSpec] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    kept_high: dict[str, str] = field(default_factory=dict)


def write_graphs(noted: dict[str, TorchSession], settings: Sam2Settings, job: ExportJob, *, work: Path) -> Written:
    """Files of the pack into `job.folder`; fp32 forms that it doesn't use into `work`."""
    written = Written()
    for part, graph in GRAPHS.items():
        job.say(f"exporting {part.replace('_', ' ')}")
        exact = graph(settings, "fp32")
        precision = _precision(part, job)
        source = (job.folder if precision == "fp32" else work) / exact.file
        write_exact(part, noted[part], source)
        written.comparisons.append(judge_file(source, exact, noted[part], "PyTorch"))
        written.graphs[part] = graph(settings, precision)
        if precision == "int8-dynamic":
            converted = dynamic_int8(onnx.load(str(source)))
            converted.save(job.folder / written.graphs[part].file, written.graphs[part])
            written.kept_high |= {f"{part}: {name}": why for name, why in converted.kept_high.items()} | KEPT_HIGH
            written.comparisons.append(
                judge_file(job.folder / written.graphs[part].file, written.graphs[part], noted[part], "PyTorch")
            )
        if job.with_twins or precision == "fp16":
            half = graph(settings, "fp16")
            converted = to_fp16(onnx.load(str(source)), feeds=[noted[part].calls[-1][0]])
            converted.save(job.folder / half.file, half)
            written.comparisons.append(judge_file(job.folder / half.file, half, noted[part], "PyTorch"))
            if job.with_twins:
                written.twins[part] = half
    return written


def write_exact(part: str, noted: TorchSession, path: Path) -> None:
    """The fp32 file of one module; the axis "objects" is free. Raises `ExportError`, `GraphContractError`."""
    objects = Dim("objects", min=OBJECTS[0], max=OBJECTS[2])
    feeds, _ = noted.calls[-1]
    examples, free = [], []
    for tensor in noted.spec.inputs:
        value = torch.from_numpy(feeds[tensor.name])
        dynamic = tensor.axes[0] == "objects"
        if dynamic and len(value) < 2:
            raise ExportError(f"{path.name}: the example has {len(value)} object; at least 2 keep the axis free")
        examples.append(value)
        free.append({0: objects} if dynamic else {})
    write_module(noted.module, examples, path, noted.spec, dynamic_shapes=free)


def judge_file(path: Path, spec: GraphSpec, noted: TorchSession, reference: str) -> Comparison:
    """The file on every noted call, once with all objects and once with the first alone, against what was noted."""
    session = open_onnx_session(path, spec)
    expected, got = [], []
    for feeds, outputs in noted.calls:
        expected.append(outputs)
        got.append(session.run(feeds))
    feeds, outputs = noted.calls[-1]
    free = {t.name for t in (*spec.inputs, *spec.outputs) if t.axes[0] == "objects"}
    if free:
        alone = {name: value[:1] if name in free else value for name, value in feeds.items()}
        expected.append({name: value[:1] if name in free else value for name, value in outputs.items()})
        got.append(session.run(alone))
    try:
        tensors = compare_outputs(expected, got)
    except ValueError as error:
        raise ExportError(f"{path.name}: {error}; export with another --precision") from error
    return Comparison(GraphParity(path.name, reference, len(expected), tensors), LIMITS[spec.precision])


def _precision(part: str, job: ExportJob) -> str:
    if job.precision == "int8":
        return "int8-dynamic" if part == "encoder" else "fp32"
    return job.precision
