"""The Qwen2.5-VL vision tower as one ONNX file for pictures of every size: pixels in, tokens in reading order out.

In: weights by name and `VisionSizes`. Out: an .onnx file with `pixels float32 [n,3,h,w] -> tokens float32 [n,T,H]`.
Written node by node, not traced: transformers cuts its attention by lists made on the host, which no exporter follows
(docs/spec/measured.md part 2 section 2). Source of the arithmetic: Qwen2.5-VL report (Bai et al. 2025, arXiv
2502.13923) and transformers 5.23 modeling_qwen2_5_vl.

Where the original sorts tokens by window and back with index tables, here the picture is padded to whole windows and
patches are laid out window by window, so that everything is a reshape; what was padded is masked as a key and cut off
at the end. One window of 2 x 2 tokens (k = 2), each of 2 x 2 patches (m = 2):

    [n, D, wy,k,m, wx,k,m]  ->  [n, wy,wx, k,k, m,m, D]     patches of a token together, tokens of a window together
     rows . . .  columns         window     ^    ^
                                 token in it   patch of the token

A still picture fills all frames of a temporal patch, so its 3-D convolution is a 2-D one with summed weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.spec import GraphSpec, TensorSpec
from edgecap.export.qwen.graph_file import GraphFile
from edgecap.export.qwen.vision_linears import Linears
from edgecap.export.qwen.vision_sizes import NORM_EPS, VisionSizes

VisionFormat = Literal["fp32", "fp16", "int8"]
PRECISIONS: dict[VisionFormat, str] = {"fp32": "fp32", "fp16": "fp16", "int8": "int8-dynamic"}
_BYTES: dict[VisionFormat, float] = {"fp32": 4.0, "fp16": 2.0, "int8": 1.1}
MOST_VIEWS = 8
"""Views in one run: the blocks that see the whole picture hold 85 MB of attention weights per view of 1152 patches."""
_MASKED = -3e4  # as good as -inf in a softmax, and inside float16


def vision_spec(
    sizes: VisionSizes, *, file: str, vision_format: VisionFormat, buckets_wh: Sequence[tuple[int, int]]
) -> GraphSpec:
    """The graph as pack data. h and w are free; the ranges are those of `buckets_wh` (width, height in pixels)."""
    widths, heights = sorted(w for w, _ in buckets_wh), sorted(h for _, h in buckets_wh)
    middle = len(buckets_wh) // 2
    return GraphSpec(
        file=file,
        precision=PRECISIONS[vision_format],
        inputs=(TensorSpec("pixels", "float32", ("n", 3, "h", "w")),),
        outputs=(TensorSpec("tokens", "float32", ("n", "T", sizes.out)),),
        ranges={
            "n": (1, 4, MOST_VIEWS),
            "h": (heights[0], heights[middle], heights[-1]),
            "w": (widths[0], widths[middle], widths[-1]),
        },
    )


def write_vision(
    weights: Mapping[str, NDArray[Any]],
    sizes: VisionSizes,
    path: Path,
    spec: GraphSpec,
    *,
    vision_format: VisionFormat,
) -> None:
    """Write the tower. `weights`: float32 by the names of `VisionSizes.shapes`, each read once, in order.

    Pictures up to the largest side in `spec.ranges`; larger ones fail in ONNX Runtime with a shape error.
    """
    total = sum(int(np.prod(shape)) for shape in sizes.shapes().values())
    with GraphFile(path, weight_bytes=int(_BYTES[vision_format] * total)) as file:
        net = _Net(file, weights, sizes, Linears(file, vision_format))
        grid = _add_grid(net)
        layout = _add_tables(net, grid, most_pixels=max(spec.ranges["h"][2], spec.ranges["w"][2]))
        x = _add_patches(net, grid)
        for i in range(sizes.depth):
            x = _add_block(net, x, i, grid, layout)
        _add_merger(net, x, grid)
        file.finish(spec)


@dataclass(frozen=True, slots=True)
class _Net:
    """What every part of the graph is made with."""

    file: GraphFile
    weights: Mapping[str, NDArray[Any]]
    sizes: VisionSizes
    linears: Linears

    def norm(self, x: str, name: str, out: str) -> str:
        """Root mean square norm in float32: squares of this tower's outliers leave float16 (lablup/mlxcel #1601)."""
        scale = self.file.constant(name, self.weights[name])
        return self.file.node("RMSNormalization", [x, scale], out, axis=-1, epsilon=NORM_EPS, stash_type=1)

    def linear(self, x: str, names: Sequence[str], out: str, kind: str) -> str:
        """x @ concat(weights).T + concat(biases)."""
        weight = np.concatenate([self.weights[f"{n}.weight"] for n in names])
        bias = np.concatenate([self.weights[f"{n}.bias"] for n in names])
        return self.linears.add(x, weight, bias, out, kind=kind)


@dataclass(frozen=True, slots=True)
class _Grid:
    """Names of int64 [1] tensors: views, windows down and across, tokens down and across, patches likewise, padded
    pixels down and across."""

    views: str
    window_rows: str
    window_columns: str
    token_rows: str
    token_columns: str
    patch_rows: str
    patch_columns: str
    padding: str


@dataclass(frozen=True, slots=True)
class _Layout:
    """Names: rotary angles [n, N, head_dim/2], key masks [N] (whole picture) and [windows, 1, patches of a window]."""

    cos: str
    sin: str
    full_mask: str
    window_mask: str


def _add_grid(net: _Net) -> _Grid:
    file, sizes = net.file, net.sizes
    shape = file.node("Shape", ["pixels"], "picture")
    height, width = (
        file.node("Slice", [shape, file.ints(i), file.ints(i + 1)], name) for i, name in ((2, "height"), (3, "width"))
    )
    window = file.ints(sizes.window_pixels)

    def windows(side: str, out: str) -> str:
        raised = file.node("Add", [side, file.ints(sizes.window_pixels - 1)], f"{out}.raised")
        return file.node("Div", [raised, window], out)

    rows, columns = windows(height, "window_rows"), windows(width, "window_columns")
    missing = [
        file.node("Sub", [file.node("Mul", [count, window], f"{side}.padded"), side], f"{side}.missing")
        for count, side in ((rows, height), (columns, width))
    ]
    return _Grid(
        views=file.node("Slice", [shape, file.ints(0), file.ints(1)], "views"),
        window_rows=rows,
        window_columns=columns,
        token_rows=file.node("Div", [height, file.ints(sizes.stride)], "token_rows"),
        token_columns=file.node("Div", [width, file.ints(sizes.stride)], "token_columns"),
        patch_rows=file.node("Div", [height, file.ints(sizes.patch)], "patch_rows"),
        patch_columns=file.node("Div", [width, file.ints(sizes.patch)], "patch_columns"),
        padding=file.node("Concat", [file.ints(0, 0, 0, 0, 0, 0), *missing], "padding", axis=0),
    )


def _add_tables(net: _Net, grid: _Grid, *, most_pixels: int) -> _Layout:
    """Angles and masks of every patch in window order, cut out of constants for the largest picture."""
    file, sizes = net.file, net.sizes
    side = sizes.window * sizes.merge
    most = -(-most_pixels // sizes.window_pixels) * side  # patches down or across, padded
    rows = file.node("Mul", [grid.window_rows, file.ints(side)], "padded_rows")
    columns = file.node("Mul", [grid.window_columns, file.ints(side)], "padded_columns")
    half = sizes.head_dim // 2
    steps = np.arange(0, half, 2, dtype=np.float32) / np.float32(half)
    angles = np.arange(most, dtype=np.float32)[:, None] / np.float32(sizes.theta) ** steps  # [most, head_dim/4]
    both = file.node("Concat", [rows, columns, file.ints(half // 2)], "angle_grid", axis=0)
    tables = []
    for name, values in (("cos", np.cos(angles)), ("sin", np.sin(angles))):
        table = file.constant(f"{name}_of_line", values.astype(np.float32))
        parts = []
        for axis, count, line in ((1, rows, "row"), (0, columns, "column")):
            cut = file.node("Slice", [table, file.ints(0), count, file.ints(0)], f"{name}_of_{line}")
            lifted = file.node("Unsqueeze", [cut, file.ints(axis)], f"{name}_of_{line}.lifted")
            parts.append(file.node("Expand", [lifted, both], f"{name}_of_{line}.grid"))
        grid_table = file.node("Concat", parts, f"{name}.grid", axis=-1)  # [rows, columns, head_dim/2]
        flat = _by_window(net, grid, grid_table, half, name)
        shape = file.node("Concat", [grid.views, file.ints(1, 1)], f"{name}.shape", axis=0)
        tables.append(net.linears.real(file.node("Expand", [flat, shape], f"{name}.views"), f"{name}_table"))
    mask = _add_mask(net, grid, rows, columns, most)
    window_mask = file.node("Reshape", [mask, file.ints(-1, 1, sizes.window_patches)], "window_mask")
    return _Layout(tables[0], tables[1], file.node("Reshape", [mask, file.ints(-1)], "full_mask"), window_mask)


def _add_mask(net: _Net, grid: _Grid, rows: str, columns: str, most: int) -> str:
    """0 for a patch of the picture, `_MASKED` for one of the padding, in window order."""
    file = net.file
    ramp = file.constant("line", np.arange(most, dtype=np.int64))
    inside = []
    for axis, count, real, line in ((1, rows, grid.patch_rows, "row"), (0, columns, grid.patch_columns, "column")):
        cut = file.node("Slice", [ramp, file.ints(0), count], f"{line}s")
        less = file.node("Less", [cut, real], f"{line}s.real")
        inside.append(file.node("Unsqueeze", [less, file.ints(axis)], f"{line}s.lifted"))
    real = file.node("And", inside, "real")
    zero, masked = file.constant("zero", np.float32(0)), file.constant("masked", np.float32(_MASKED))
    values = file.node("Where", [real, zero, masked], "mask.grid")
    return net.linears.real(_by_window(net, grid, values, 1, "mask"), "mask")


def _by_window(net: _Net, grid: _Grid, table: str, width: int, out: str) -> str:
    """[rows, columns(, width)] of the padded grid -> [1, N, width] in window order."""
    file, k, m = net.file, net.sizes.window, net.sizes.merge
    parts = [grid.window_rows, file.ints(k, m), grid.window_columns, file.ints(k, m), file.ints(width)]
    shape = file.node("Concat", parts, f"{out}.split", axis=0)
    split = file.node("Reshape", [table, shape], f"{out}.cells")
    moved = file.node("Transpose", [split], f"{out}.windows", perm=[0, 3, 1, 4, 2, 5, 6])
    return file.node("Reshape", [moved, file.ints(1, -1, width)], f"{out}.flat")


def _add_patches(net: _Net, grid: _Grid) -> str:
    """pixels -> float32 [n * N, D] in window order."""
    file, sizes = net.file, net.sizes
    weight = net.weights["patch_embed.proj.weight"].sum(axis=2)  # every frame shows the same picture
    padded = file.node("Pad", ["pixels", grid.padding], "pixels.padded")
    x = net.linears.convolve(padded, weight, "patches", stride=sizes.patch)  # [n, D, rows, columns]
    k, m = sizes.window, sizes.merge
    parts = [
        grid.views,
        file.ints(sizes.width),
        grid.window_rows,
        file.ints(k, m),
        grid.window_columns,
        file.ints(k, m),
    ]
    split = file.node("Reshape", [x, file.node("Concat", parts, "patches.split", axis=0)], "patches.cells")
    moved = file.node("Transpose", [split], "patches.windows", perm=[0, 2, 5, 3, 6, 4, 7, 1])
    return file.node("Reshape", [moved, file.ints(-1, sizes.width)], "hidden")


def _add_block(net: _Net, x: str, i: int, grid: _Grid, layout: _Layout) -> str:
    file, at = net.file, f"blocks.{i}"
    normed = net.norm(x, f"{at}.norm1.weight", f"{at}.norm1")
    qkv = net.linear(normed, [f"{at}.attn.qkv"], f"{at}.attn.qkv", "qkv")
    mixed = _add_attention(net, qkv, i, grid, layout)
    x = file.node("Add", [x, net.linear(mixed, [f"{at}.attn.proj"], f"{at}.attn.proj", "proj")], f"{at}.seen")
    normed = net.norm(x, f"{at}.norm2.weight", f"{at}.norm2")
    both = net.linear(normed, [f"{at}.mlp.gate_proj", f"{at}.mlp.up_proj"], f"{at}.mlp.gate_up", "gate_up")
    halves = file.ints(net.sizes.mlp, net.sizes.mlp)
    gate, up = file.nodes_out("Split", [both, halves], [f"{at}.mlp.gate", f"{at}.mlp.up"], axis=-1)
    silu = file.node("Mul", [gate, file.node("Sigmoid", [gate], f"{at}.mlp.sigmoid")], f"{at}.mlp.silu")
    gated = file.node("Mul", [silu, up], f"{at}.mlp.gated")
    return file.node("Add", [x, net.linear(gated, [f"{at}.mlp.down_proj"], f"{at}.mlp.down", "down")], f"{at}.out")


def _add_attention(net: _Net, qkv: str, i: int, grid: _Grid, layout: _Layout) -> str:
    """[n * N, 3 D] -> [n * N, D]; within windows, or over the whole picture for the blocks of `full_blocks`."""
    file, sizes, at = net.file, net.sizes, f"blocks.{i}.attn"
    width = file.ints(sizes.width, sizes.width, sizes.width)
    names = [f"{at}.{p}" for p in "qkv"]
    heads = []
    for part, name in zip(file.nodes_out("Split", [qkv, width], names, axis=-1), names, strict=True):
        shape = file.node("Concat", [grid.views, file.ints(-1, sizes.heads, sizes.head_dim)], f"{name}.shape", axis=0)
        split = file.node("Reshape", [part, shape], f"{name}.split")
        heads.append(file.node("Transpose", [split], f"{name}.heads", perm=[0, 2, 1, 3]))  # [n, heads, N, hd]
    for j in (0, 1):
        heads[j] = file.node("RotaryEmbedding", [heads[j], layout.cos, layout.sin], f"{names[j]}.turned")
    whole = i in sizes.full_blocks
    if not whole:
        cut = file.ints(0, 0, -1, sizes.window_patches, sizes.head_dim)
        heads = [file.node("Reshape", [h, cut], f"{n}.window") for h, n in zip(heads, names, strict=True)]
    scale = file.constant("scale", net.linears.constant(np.float32(sizes.head_dim**-0.5)))
    query = file.node("Mul", [heads[0], scale], f"{at}.scaled")
    turned = file.node("Transpose", [heads[1]], f"{at}.keys", perm=[0, 1, 3, 2] if whole else [0, 1, 2, 4, 3])
    scores = file.node("MatMul", [query, turned], f"{at}.scores")
    masked = file.node("Add", [scores, layout.full_mask if whole else layout.window_mask], f"{at}.masked")
    mixed = file.node("MatMul", [file.node("Softmax", [masked], f"{at}.shares", axis=-1), heads[2]], f"{at}.values")
    if not whole:
        mixed = file.node("Reshape", [mixed, file.ints(0, 0, -1, sizes.head_dim)], f"{at}.whole")
    rows = file.node("Transpose", [mixed], f"{at}.rows", perm=[0, 2, 1, 3])
    return file.node("Reshape", [rows, file.ints(-1, sizes.width)], f"{at}.mixed")


def _add_merger(net: _Net, x: str, grid: _Grid) -> None:
    """m x m patches -> one token; tokens out of their windows into reading order; the padding cut off."""
    file, sizes = net.file, net.sizes
    normed = net.norm(x, "merger.ln_q.weight", "merger.normed")
    group = file.node("Reshape", [normed, file.ints(-1, sizes.width * sizes.merge**2)], "merger.group")
    inner = net.linear(group, ["merger.mlp.0"], "merger.inner", "merger")
    tokens = net.linear(file.node("Gelu", [inner], "merger.gelu"), ["merger.mlp.2"], "merger.tokens", "merger")
    tokens = net.linears.single(tokens, "merger.single")
    k = sizes.window
    parts = [grid.views, grid.window_rows, grid.window_columns, file.ints(k, k, sizes.out)]
    split = file.node("Reshape", [tokens, file.node("Concat", parts, "merger.split", axis=0)], "merger.windows")
    moved = file.node("Transpose", [split], "merger.moved", perm=[0, 1, 3, 2, 4, 5])  # [n, wy, k, wx, k, out]
    rows = file.node("Mul", [grid.window_rows, file.ints(k)], "merger.rows")
    columns = file.node("Mul", [grid.window_columns, file.ints(k)], "merger.columns")
    parts = [grid.views, rows, columns, file.ints(sizes.out)]
    picture = file.node("Reshape", [moved, file.node("Concat", parts, "merger.shape", axis=0)], "merger.picture")
    ends = file.node("Concat", [grid.token_rows, grid.token_columns], "merger.ends", axis=0)
    cut = file.node("Slice", [picture, file.ints(0, 0), ends, file.ints(1, 2)], "merger.cut")
    file.node("Reshape", [cut, file.ints(0, -1, sizes.out)], "tokens")
