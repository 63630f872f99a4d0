"""The picture side of SmolVLM and Idefics3: one square view -> T vectors in the text model's space.

In: the loaded model. Out: ONNX files with `pixels float32 [n,3,S,S] -> tokens float32 [n,T,H]`. Views are single
pictures of the tower's own size, never tiled: all patches are real, so the patch mask falls away and the position of
every patch is a constant of the graph.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgecap.engines.errors import ExportError
from edgecap.engines.graph.onnx_session import open_onnx_session
from edgecap.engines.graph.spec import GraphSpec, TensorSpec
from edgecap.export.decoder.captioner_role import PartExport
from edgecap.export.job import Comparison, ExportJob, Limits
from edgecap.export.onnx.parity import GraphParity, compare_tensors
from edgecap.export.smolvlm.original import Original
from edgecap.export.smolvlm.plan import CaptionerPlan

OPSET = 23
"""First opset with Attention, which ONNX Runtime and TensorRT (10.14 on) run as one fused node."""
RANGES = {"n": (1, 4, 32)}
"""Views per run; the runtime never sends more than 32."""
KEPT_HIGH = {
    "vision: Conv (patch embedding)": "one product of the whole tower; dynamic INT8 convolutions are slow on CPUs",
    "vision: Attention, LayerNormalization, Gelu": "no weights to shrink; softmax and norms need the float range",
}
"""What dynamic INT8 leaves alone, and why."""
VISION_LIMITS: dict[str, Limits] = {
    "fp32": {"relative_l2": ("max", 1e-4), "cosine": ("min", 0.99999)},
    "fp16": {"cosine": ("min", 0.999)},
    "int8": {"cosine": ("min", 0.99)},
}
"""Trained SigLIP-B/16 weights would give 0.9997 at INT8 (random ones did, docs/spec/measured.md part 2 section 5)."""


def vision_spec(*, file: str, precision: str, side: int, tokens: int, width: int) -> GraphSpec:
    """The graph as pack data; inputs and outputs are float32 at every precision."""
    return GraphSpec(
        file=file,
        precision=precision,
        inputs=(TensorSpec("pixels", "float32", ("n", 3, side, side)),),
        outputs=(TensorSpec("tokens", "float32", ("n", tokens, width)),),
        ranges=dict(RANGES),
    )


def vision_module(model: Any) -> Any:
    """A torch module pixels [n,3,S,S] -> tokens [n,T,H] out of the model's own layers."""
    import torch

    tower, connector = model.model.vision_model, model.model.connector
    tower.config._attn_implementation = "sdpa"

    class Views(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches, self.layers = tower.embeddings.patch_embedding, tower.encoder.layers
            self.norm, self.connector = tower.post_layernorm, connector
            self.register_buffer("positions", _positions(tower))

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            x = self.patches(pixels).flatten(2).transpose(1, 2) + self.positions  # [n, patches, width]
            for layer in self.layers:
                x = layer(x, None)
            tokens: torch.Tensor = self.connector(self.norm(x))
            return tokens

    return Views().eval()


def _positions(tower: Any) -> Any:
    """Position vectors [1, patches, width] of a picture without padding, as the model's own arithmetic picks them."""
    import torch

    embeddings = tower.embeddings
    patches = embeddings.num_patches_per_side
    seen: list[torch.Tensor] = []
    handle = embeddings.position_embedding.register_forward_hook(lambda module, given, found: seen.append(found))
    try:
        side = embeddings.image_size
        picture = torch.zeros(1, 3, side, side)
        with torch.no_grad():
            embeddings(picture, patch_attention_mask=torch.ones(1, patches, patches, dtype=torch.bool))
    finally:
        handle.remove()
    return seen[0].detach().clone()


def write_vision(module: Any, spec: GraphSpec, path: Path) -> None:
    """Export, simplify and check. Raises `ExportError` where torch can't trace the tower."""
    import torch

    from edgecap.export.onnx.torch_graph import write_module

    side = spec.inputs[0].axes[2]
    assert isinstance(side, int)
    views = torch.export.Dim("views", min=1, max=4096)
    write_module(module, (torch.zeros(2, 3, side, side),), path, spec, dynamic_shapes=({0: views},), opset=OPSET)


def export_vision(module: Any, original: Original, plan: CaptionerPlan, job: ExportJob, *, work: Path) -> PartExport:
    """Write the graphs of `job.precision` and the twin into `job.folder`, the fp32 form into `work` unless it is asked
    for; all are compared with `original`."""
    import onnx

    from edgecap.export.onnx.precision import dynamic_int8, to_fp16
    from edgecap.export.onnx.scan_over_batch import one_by_one

    def spec(precision: str) -> GraphSpec:
        file = f"captioner.vision.{precision.partition('-')[0]}.onnx"
        return vision_spec(
            file=file, precision=precision, side=plan.side, tokens=plan.tokens_per_view, width=plan.decoder.hidden_size
        )

    graph, kept, exact = spec("fp32"), {}, spec("fp32")
    source = (job.folder if job.precision == "fp32" else work) / exact.file
    write_vision(module, exact, source)
    comparisons = [judge_vision(source, exact, original, VISION_LIMITS["fp32"])]
    twin = spec("fp16") if job.with_twins or job.precision == "fp16" else None
    if twin is not None:
        # pictures are run so that what comes near the end of float16 stays float32: no CPU would show the overflow
        to_fp16(onnx.load(str(source)), feeds=[{"pixels": original.pixels[:1]}]).save(job.folder / twin.file, twin)
        comparisons.append(judge_vision(job.folder / twin.file, twin, original, VISION_LIMITS["fp16"]))
    if job.precision == "fp16" and twin is not None:
        graph = twin
    elif job.precision in ("int8", "int4"):
        graph, kept = spec("int8-dynamic"), dict(KEPT_HIGH)
        job.say("quantising the vision tower to dynamic INT8")
        small = one_by_one(dynamic_int8(onnx.load(str(source))).model)
        onnx.save(small, str(job.folder / graph.file))
        check_file(job.folder / graph.file, graph)
        comparisons.append(judge_vision(job.folder / graph.file, graph, original, VISION_LIMITS["int8"]))
    return PartExport(graph, twin if job.with_twins else None, tuple(comparisons), kept)


def check_file(path: Path, spec: GraphSpec) -> None:
    """Name the free axis as `spec` does and check the file. Raises `GraphContractError`."""
    from edgecap.export.onnx.graph import check_graph, name_axes

    name_axes(path, spec)
    check_graph(path, spec)


def judge_vision(path: Path, spec: GraphSpec, original: Original, limits: Limits) -> Comparison:
    """One view alone, then the rest in one batch: another batch size than the export's example. Raises `ExportError`
    where the graph gives values that are not finite."""
    session = open_onnx_session(path, spec)
    pixels, tokens = original.pixels, original.tokens
    got = [session.run({"pixels": part})["tokens"] for part in (pixels[:1], pixels[1:])]
    try:
        tensor = compare_tensors("tokens", [tokens[:1], tokens[1:]], got)
    except ValueError as error:
        raise ExportError(f"{path.name}: {error}; export with another --precision") from error
    return Comparison(GraphParity(path.name, original.reference, len(pixels), (tensor,)), limits)
