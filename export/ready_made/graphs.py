"""The hub's graphs under our contracts: vision with nodes around it, the decoder as it is, the table out of its graph.

In: the hub's files. Out: files and `GraphSpec`s of a pack.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgecap.engines.errors import CheckpointError, OutputError
from edgecap.engines.graph.spec import GraphSpec, TensorSpec
from edgecap.export.onnx.graph import check_graph, name_axes, open_graph, tensors_of
from edgecap.export.onnx.graph_walk import inner_graphs
from edgecap.export.onnx.scan_over_batch import one_by_one
from edgecap.export.ready_made.files import HubFile
from edgecap.export.smolvlm.plan import CaptionerPlan
from edgecap.export.smolvlm.vision import vision_spec

_IDS_PER_RUN = 4096
_LEAST_OPSET = 13
"""First with Unsqueeze as the nodes around the graph write it."""
_FLOATS = {TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16"}


def adapt_vision(source: HubFile, plan: CaptionerPlan, path: Path) -> GraphSpec:
    """pixel_values [1,n,3,S,S] and pixel_attention_mask [1,n,S,S] -> `pixels` [n,3,S,S]; image_features -> `tokens`.

    The mask is all true: views have no padding. Half-precision files get casts at the border; dynamic INT8 takes one
    view after another (see `one_by_one`). Raises `CheckpointError` for other inputs or outputs than these, and for
    files older than opset 13.
    """
    model = load(source.path)
    graph = model.graph
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
    if opset < _LEAST_OPSET:
        raise CheckpointError(f"{source.path}: opset {opset}, at least {_LEAST_OPSET} is needed; fetch a newer export")
    inputs = {value.name: value for value in graph.input if value.name not in {i.name for i in graph.initializer}}
    pixels = inputs.get("pixel_values")
    if pixels is None or set(inputs) - {"pixel_values", "pixel_attention_mask"} or _kind(pixels) not in _FLOATS:
        raise CheckpointError(
            f"{source.path}: inputs {sorted(inputs)}; a SmolVLM vision encoder takes pixel_values (float) and "
            "pixel_attention_mask"
        )
    if len(graph.output) != 1 or _kind(graph.output[0]) not in _FLOATS:
        raise CheckpointError(
            f"{source.path}: outputs {[v.name for v in graph.output]}; expected image_features (float)"
        )
    before = _image_axis(model, pixels)
    if "pixel_attention_mask" in inputs:
        before += _full_mask(model, inputs["pixel_attention_mask"], plan.side)
    width = plan.decoder.hidden_size
    after = _to_tokens(model, graph.output[0], tokens=plan.tokens_per_view, width=width)
    _put_around(graph, before, after)
    spec = vision_spec(
        file=path.name, precision=source.precision, side=plan.side, tokens=plan.tokens_per_view, width=width
    )
    for found in (graph.input, graph.output, graph.value_info):
        del found[:]
    graph.input.append(helper.make_tensor_value_info("pixels", TensorProto.FLOAT, list(spec.inputs[0].axes)))
    graph.output.append(helper.make_tensor_value_info("tokens", TensorProto.FLOAT, list(spec.outputs[0].axes)))
    if source.precision == "int8-dynamic":
        model = one_by_one(model)
    onnx.save(model, str(path))
    name_axes(path, spec)
    check_graph(path, spec)
    return spec


def copy_decoder(source: HubFile, plan: CaptionerPlan, path: Path) -> GraphSpec:
    """The decoder unchanged, weights beside it where the hub keeps them so. Raises `CheckpointError` where its inputs
    and outputs are not those of the "growing" contract or its sizes not those of config.json."""
    inputs, outputs = tensors_of(source.path)
    spec = decoder_spec(plan, file=path.name, precision=source.precision, found=(*inputs, *outputs))
    for kind, declared, found in (("inputs", spec.inputs, inputs), ("outputs", spec.outputs, outputs)):
        _check_side(source.path, kind, declared, found)
    try:
        _copy_with_weights(source.path, path)
    except OSError as error:
        raise OutputError(f"{path}: can't be written ({error}); check permissions and free space") from error
    return spec


def decoder_spec(plan: CaptionerPlan, *, file: str, precision: str, found: tuple[TensorSpec, ...]) -> GraphSpec:
    """The "growing" contract at the plan's sizes; float types as the file has them. P past, S new, T = P + S."""
    sizes, kinds = plan.decoder, {tensor.name: tensor.dtype for tensor in found}
    names = [(i, kind) for i in range(sizes.layers) for kind in ("key", "value")]

    def cache(tense: str, length: str) -> tuple[TensorSpec, ...]:
        axes = ("B", sizes.kv_heads, length, sizes.head_dim)
        full = [f"{tense}.{i}.{kind}" for i, kind in names]
        return tuple(TensorSpec(name, kinds.get(name, "float32"), axes) for name in full)

    ids = (TensorSpec("position_ids", "int64", ("B", "S")),) if "position_ids" in kinds else ()
    real, most = kinds.get("inputs_embeds", "float32"), sizes.max_positions
    return GraphSpec(
        file=file,
        precision=precision,
        inputs=(
            TensorSpec("inputs_embeds", real, ("B", "S", sizes.hidden_size)),
            TensorSpec("attention_mask", "int64", ("B", "T")),
            *ids,
            *cache("past_key_values", "P"),
        ),
        outputs=(
            TensorSpec("logits", kinds.get("logits", "float32"), ("B", "S", sizes.vocab_size)),
            *cache("present", "T"),
        ),
        ranges={"B": (1, 4, 32), "S": (1, 1, most), "P": (0, min(512, most), most), "T": (1, min(512, most), most)},
    )


def read_table(source: HubFile, plan: CaptionerPlan) -> NDArray[np.float32]:
    """Token vectors float32 [V, H]: the stored table where the graph merely looks rows up, else (quantised tables) what
    the graph gives for every id."""
    model = load(source.path)
    shape = (plan.decoder.vocab_size, plan.decoder.hidden_size)
    stored = {i.name: i for i in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type not in ("Identity", "Cast")]
    table = stored.get(nodes[0].input[0]) if len(nodes) == 1 and nodes[0].op_type == "Gather" else None
    if table is not None and table.data_type in _FLOATS:
        found = np.asarray(numpy_helper.to_array(table), np.float32)
    else:
        found = _looked_up(source.path, shape[0])
    if found.shape != shape:
        raise CheckpointError(f"{source.path}: table of shape {list(found.shape)}, config.json asks for {list(shape)}")
    return found


def load(path: Path) -> onnx.ModelProto:
    """The model with all its weights. Raises `CheckpointError` where the file, or the one of its weights, is broken."""
    try:
        return onnx.load(str(path))
    except Exception as error:  # protobuf's and onnx's own classes, OSError for the file beside
        line = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise CheckpointError(f"{path}: can't be read ({line}); fetch it and its .onnx_data file again") from error


def _looked_up(path: Path, count: int) -> NDArray[np.float32]:
    session = open_graph(path)
    name = session.get_inputs()[0].name
    parts = [
        np.asarray(session.run(None, {name: np.arange(at, min(at + _IDS_PER_RUN, count), dtype=np.int64)[None]})[0][0])
        for at in range(0, count, _IDS_PER_RUN)
    ]
    return np.concatenate(parts).astype(np.float32)


def _image_axis(model: onnx.ModelProto, pixels: onnx.ValueInfoProto) -> list[onnx.NodeProto]:
    axis = _constant(model, "edgecap/axis", np.array([0], np.int64))
    if _kind(pixels) == TensorProto.FLOAT:
        return [helper.make_node("Unsqueeze", ["pixels", axis], [pixels.name])]
    return [
        helper.make_node("Unsqueeze", ["pixels", axis], ["edgecap/pixels"]),
        helper.make_node("Cast", ["edgecap/pixels"], [pixels.name], to=_kind(pixels)),
    ]


def _full_mask(model: onnx.ModelProto, mask: onnx.ValueInfoProto, side: int) -> list[onnx.NodeProto]:
    """All ones [1, n, side, side] in the mask's own type."""
    one = _constant(model, "edgecap/one", np.array([1], np.int64))
    sides = _constant(model, "edgecap/sides", np.array([side, side], np.int64))
    full = helper.make_tensor("value", _kind(mask), [1], [1])
    return [
        helper.make_node("Shape", ["pixels"], ["edgecap/shape"]),
        helper.make_node("Gather", ["edgecap/shape", "edgecap/axis"], ["edgecap/count"]),
        helper.make_node("Concat", [one, "edgecap/count", sides], ["edgecap/mask_shape"], axis=0),
        helper.make_node("ConstantOfShape", ["edgecap/mask_shape"], [mask.name], value=full),
    ]


def _to_tokens(model: onnx.ModelProto, found: onnx.ValueInfoProto, *, tokens: int, width: int) -> list[onnx.NodeProto]:
    """Any layout of n x T x H -> [n, T, H] float32."""
    shape = _constant(model, "edgecap/tokens_shape", np.array([-1, tokens, width], np.int64))
    return [
        helper.make_node("Reshape", [found.name, shape], ["edgecap/tokens"]),
        helper.make_node("Cast", ["edgecap/tokens"], ["tokens"], to=TensorProto.FLOAT),
    ]


def _put_around(graph: onnx.GraphProto, before: list[onnx.NodeProto], after: list[onnx.NodeProto]) -> None:
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)


def _constant(model: onnx.ModelProto, name: str, value: NDArray[Any]) -> str:
    model.graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def _kind(value: onnx.ValueInfoProto) -> int:
    return int(value.type.tensor_type.elem_type)


def _check_side(path: Path, kind: str, declared: tuple[TensorSpec, ...], found: tuple[TensorSpec, ...]) -> None:
    have, expected = {t.name: t for t in found}, {t.name: t for t in declared}
    if set(have) != set(expected):
        missing, more = sorted(set(expected) - set(have)), sorted(set(have) - set(expected))
        raise CheckpointError(
            f"{path}: {kind} don't fit: lacks {missing[:3]}, has {more[:3]} beside; a decoder_model_merged of this "
            "config.json with plain attention_mask and past_key_values is needed"
        )
    for name, tensor in expected.items():
        got = have[name]
        sizes = [
            (w, g) for w, g in zip(tensor.axes, got.axes, strict=False) if isinstance(w, int) and isinstance(g, int)
        ]
        if got.dtype != tensor.dtype or len(got.axes) != len(tensor.axes) or any(w != g for w, g in sizes):
            raise CheckpointError(
                f"{path}: {name} is {got.dtype} {list(got.axes)}, config.json asks for {tensor.dtype} "
                f"{list(tensor.axes)}; graph and config are of two models"
            )


def _copy_with_weights(source: Path, path: Path) -> None:
    """Copy a graph; files of weights beside it get names after `path`, which the graph then points to."""
    model = onnx.load(str(source), load_external_data=False)
    entries = [e for t in _tensors(model.graph) for e in t.external_data if e.key == "location"]
    if not entries:
        shutil.copyfile(source, path)
        return
    names = {old: f"{path.name}.data{i or ''}" for i, old in enumerate(sorted({e.value for e in entries}))}
    for old, new in names.items():
        if Path(old).name != old:
            raise CheckpointError(f"{source}: keeps weights in {old!r}, outside its folder; fetch the files again")
        shutil.copyfile(source.parent / old, path.with_name(new))
    for entry in entries:
        entry.value = names[entry.value]
    path.write_bytes(model.SerializeToString())


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
        for inner in inner_graphs(node):
            yield from _tensors(inner)
