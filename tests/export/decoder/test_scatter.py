"""Both forms of the decoder graph against transformers' Llama and Qwen2, read through the runtime's ports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("onnxruntime")

from edgecap.engines.errors import EngineError
from edgecap.engines.graph.onnx_session import open_onnx_session
from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.packs.specs import CaptionerSpec, RopeSpec
from edgecap.export.decoder.shared import DecoderConfig, build_decoder, decoder_spec
from edgecap.export.onnx.block_weights import quantise_blocks, quantise_blocks4
from edgecap.runtime.decode.open_port import Chunk, DecoderPort, open_port
from edgecap.runtime.decode.rotary import text_positions
from tests.runtime.decode.letters_model import SPEC

HIDDEN, VOCAB, CAPACITY = 128, 96, 64
LLAMA = DecoderConfig(
    hidden_size=HIDDEN,
    layers=2,
    heads=2,
    kv_heads=1,
    head_dim=64,
    mlp_size=192,
    vocab_size=VOCAB,
    max_positions=CAPACITY,
    rope_theta=10_000.0,
    norm_eps=1e-5,
)
QWEN = replace(LLAMA, heads=4, kv_heads=2, head_dim=128, qkv_bias=True, tied_head=True, rope_inputs=True)
FAMILIES = {"llama": LLAMA, "qwen2": QWEN}
ROPE = RopeSpec(theta=10_000.0, sections=(), merge=1)


def _network(family: str) -> Any:
    """Random weights large enough that attention is far from uniform (scores of standard deviation 6 or so)."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(3)
    config = FAMILIES[family]
    kinds = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen2": (Qwen2Config, Qwen2ForCausalLM)}
    settings, model = kinds[family]
    network = model(
        settings(
            vocab_size=VOCAB,
            hidden_size=HIDDEN,
            intermediate_size=192,
            num_hidden_layers=2,
            num_attention_heads=config.heads,
            num_key_value_heads=config.kv_heads,
            head_dim=config.head_dim,
            max_position_embeddings=CAPACITY,
            rms_norm_eps=1e-5,
            rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
            tie_word_embeddings=config.tied_head,
            pad_token_id=0,
        )
    ).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 1.0 if parameter.dim() == 1 else 0.0, 0.08)
    return network


@pytest.fixture(scope="module")
def networks() -> dict[str, Any]:
    return {family: _network(family) for family in FAMILIES}


@pytest.fixture(scope="module")
def truths(networks: dict[str, Any]) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Per family: three random sequences of 40 embeddings, and transformers' logits [3, 40, V]."""
    import torch

    embeds = np.random.default_rng(0).normal(0, 1, (3, 40, HIDDEN)).astype(np.float32)
    with torch.inference_mode():
        return {
            name: (embeds, network(inputs_embeds=torch.from_numpy(embeds), use_cache=False).logits.numpy())
            for name, network in networks.items()
        }


def weights_of(network: Any) -> dict[str, NDArray[np.float32]]:
    return {k.removeprefix("model."): v.detach().numpy() for k, v in network.state_dict().items()}


def captioner_spec(config: DecoderConfig, graph: GraphSpec) -> CaptionerSpec:
    return replace(
        SPEC,
        decoder=graph,
        hidden_size=config.hidden_size,
        layers=config.layers,
        kv_heads=config.kv_heads,
        head_dim=config.head_dim,
        vocab_size=config.vocab_size,
        rope=ROPE if config.rope_inputs else None,
    )


def _port(network: Any, family: str, folder: Path, **how: Any) -> DecoderPort:
    config = FAMILIES[family]
    graph = decoder_spec(config, file="decoder.onnx", **{k: v for k, v in how.items() if k != "beside_above_bytes"})
    build_decoder(weights_of(network), config, path=folder / graph.file, **how)
    exact = {"session.qdq_matmulnbits_accuracy_level": "1"}  # of its own accord ONNX Runtime would round activations
    return open_port(captioner_spec(config, graph), open_onnx_session(folder / graph.file, graph, config=exact))


def _chunk(embeds: list[NDArray[np.float32]], begins: list[int]) -> Chunk:
    places = [text_positions(begin, count=len(e)) for e, begin in zip(embeds, begins, strict=True)]
    return Chunk.join(embeds, places, begins=begins)


def _read_like_a_captioner(port: DecoderPort, embeds: NDArray[np.float32]) -> tuple[list[Any], list[int]]:
    """Ragged prefixes together, unequal chunks after them, a fork of row 0 into row 2, four steps: all the logits
    and, for each, (row, position) of the truth."""
    port.reserve(rows=3, capacity=CAPACITY)
    for _, block in port.kv.blocks():
        block[...] = 7.0  # a reused pool is full of the past
    logits, places = [], []

    def read(rows: list[int], starts: list[int], ends: list[int]) -> None:
        parts = [embeds[r, a:b] for r, a, b in zip(rows, starts, ends, strict=True)]
        logits.extend(port.read(_chunk(parts, starts)).copy())
        places.extend(zip(rows, [e - 1 for e in ends], strict=True))

    read([0, 1], [0, 0], [20, 13])
    read([0, 1], [20, 13], [26, 22])
    port.kv.copy(source=0, target=2, length=20)
    read([0, 1, 0], [26, 22, 20], [31, 24, 21])
    for step in range(4):
        starts = [31 + step, 24 + step, 21 + step]
        read([0, 1, 0], starts, [s + 1 for s in starts])
    return logits, places


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("form", ["shared", "scatter"])
@pytest.mark.parametrize(("weight_format", "limit"), [("fp32", 1e-4), ("fp16", 0.01)])
def test_logits_are_those_of_transformers(
    family: str, form: str, weight_format: str, limit: float, networks: Any, truths: Any, tmp_path: Path
) -> None:
    """Relative distance: rounding in fp32 (1e-6 seen); float16 has 10 bits (2e-3 seen)."""
    embeds, truth = truths[family]
    port = _port(networks[family], family, tmp_path, form=form, weight_format=weight_format)
    assert _distance(port, embeds, truth) < limit


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("form", "limit"), [("shared", 0.03), ("scatter", 1e-4)])
@pytest.mark.parametrize("weight_format", ["int8", "int4"])
def test_small_weights_are_the_rounded_ones_and_nothing_else_is_lost(
    family: str, form: str, limit: float, weight_format: str, networks: Any, truths: Any, tmp_path: Path
) -> None:
    """The truth is transformers with the rounded weights. The shared form rounds activations to 8 bits too (0.009
    seen)."""
    import torch

    embeds, _ = truths[family]
    rounded = _network(family)
    with torch.no_grad():
        for parameter in rounded.parameters():
            if parameter.dim() == 2:
                parameter.copy_(torch.from_numpy(_rounded(parameter.numpy(), weight_format)))
        truth = rounded(inputs_embeds=torch.from_numpy(embeds), use_cache=False).logits.numpy()
    port = _port(networks[family], family, tmp_path, form=form, weight_format=weight_format)
    assert _distance(port, embeds, truth) < limit


def _rounded(weight: NDArray[np.float32], weight_format: str) -> NDArray[np.float32]:
    if weight_format == "int4":
        codes, scales = quantise_blocks4(weight)
        return (codes * scales[..., None]).reshape(weight.shape)
    unsigned, scales = quantise_blocks(weight)
    return ((unsigned.astype(np.float32) - 128) * scales[..., None]).reshape(weight.shape)


def _distance(port: DecoderPort, embeds: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    logits, places = _read_like_a_captioner(port, embeds)
    expected = np.stack([truth[place] for place in places])
    distance = float(np.linalg.norm(np.stack(logits) - expected) / np.linalg.norm(expected))
    print(f"distance {distance:.2e}")
    return distance


def test_int4_takes_the_best_of_its_scales_and_positive_ones() -> None:
    weight = np.random.default_rng(1).normal(0, 1, (40, 96)).astype(np.float32)
    weight[2, 32:64] = 0
    codes, scales = quantise_blocks4(weight)
    assert codes.shape == (40, 3, 32) and codes.min() >= -8 and codes.max() <= 7 and (scales > 0).all()
    plain = np.abs(weight.reshape(40, 3, 32)).max(2) / 7
    simple = np.clip(np.rint(weight.reshape(40, 3, 32) / np.maximum(plain, 1e-9)[..., None]), -8, 7) * plain[..., None]
    errors = [np.square(x.reshape(40, 96) - weight).sum() for x in (codes * scales[..., None], simple)]
    assert errors[0] < 0.95 * errors[1]


@pytest.mark.parametrize("form", ["shared", "scatter"])
def test_a_file_beside_holds_the_same_weights(form: str, networks: Any, truths: Any, tmp_path: Path) -> None:
    embeds, _ = truths["llama"]
    logits = []
    for name, above in (("inside", 1 << 30), ("beside", 0)):
        folder = tmp_path / name
        folder.mkdir()
        port = _port(networks["llama"], "llama", folder, form=form, weight_format="int4", beside_above_bytes=above)
        logits.append(np.stack(_read_like_a_captioner(port, embeds)[0]))
    inside, beside = (tmp_path / name / "decoder.onnx" for name in ("inside", "beside"))
    data = beside.with_name("decoder.onnx.data")
    assert data.stat().st_size > LLAMA.weight_bytes("int4") * 0.7 and not inside.with_name(data.name).exists()
    assert beside.stat().st_size < inside.stat().st_size - 0.7 * LLAMA.weight_bytes("int4")
    np.testing.assert_array_equal(*logits)


def test_each_weight_is_asked_for_once_and_none_is_held(networks: Any) -> None:
    """The promise that lets a 7B stream: a lazy mapping is read in layer order."""
    held, asked = weights_of(networks["qwen2"]), list[str]()

    class Lazy(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            asked.append(name)
            return held[name]

    build_decoder(Lazy(), QWEN, form="scatter", weight_format="int8")
    assert len(asked) == len(set(asked)) and set(asked) == set(held) - {"lm_head.weight"}
    layers = [int(name.split(".")[1]) for name in asked if name.startswith("layers.")]
    assert layers == sorted(layers)


def test_a_product_can_keep_a_format_of_its_own(networks: Any) -> None:
    model = build_decoder(
        weights_of(networks["llama"]), LLAMA, weight_format="int4", kept={"head": "int8", "down": "fp32"}
    )
    bits = {
        n.output[0]: {a.name: a.i for a in n.attribute}["bits"] for n in model.graph.node if n.op_type == "MatMulNBits"
    }
    assert bits["logits"] == 8 and set(bits.values()) == {4, 8}
    assert [n.output[0] for n in model.graph.node if n.op_type == "MatMul"] == [f"layers.{i}.mlp.out" for i in (0, 1)]


@pytest.mark.parametrize("weight_format", ["fp32", "int4", "fp16"])
def test_the_scatter_form_is_standard_operators_only(weight_format: str, networks: Any) -> None:
    model = build_decoder(
        weights_of(networks["qwen2"]), QWEN, form="scatter", weight_format=weight_format, activations="float16"
    )
    assert {n.domain for n in model.graph.node} == {""} and [(o.domain, o.version) for o in model.opset_import] == [
        ("", 24)
    ]


def test_a_fixed_capacity_is_in_the_file_and_a_longer_prompt_is_refused(
    networks: Any, truths: Any, tmp_path: Path
) -> None:
    embeds, truth = truths["llama"]
    port = _port(networks["llama"], "llama", tmp_path, form="scatter", weight_format="fp32", capacity=CAPACITY)
    assert _distance(port, embeds, truth) < 1e-4
    assert port.kv.capacity == CAPACITY
    with pytest.raises(EngineError, match=r"needs 65 positions .* was made for 64; use a pack with fewer"):
        port.reserve(rows=1, capacity=CAPACITY + 1)


def test_declared_tensors_are_the_graphs_own(networks: Any, tmp_path: Path) -> None:
    """Opening a session compares them; half precision changes the cache's type and nothing else."""
    for how in ({"activations": "float16"}, {"weight_format": "fp16"}):
        options = {"form": "scatter", "weight_format": "int4"} | how
        port = _port(networks["qwen2"], "qwen2", tmp_path, **options)
        port.reserve(rows=1, capacity=32)
        assert {block.dtype for _, block in port.kv.blocks()} == {np.dtype(np.float16)}
    spec = decoder_spec(QWEN, file="x", weight_format="fp32", form="scatter")
    free = {axis for t in (*spec.inputs, *spec.outputs) for axis in t.axes if isinstance(axis, str)}
    assert free == set(spec.ranges) == {"B", "S", "M"}


@pytest.mark.parametrize("target", ["8.6", "8.9", "12.0"])
@pytest.mark.parametrize(("family", "weight_format"), [("llama", "fp16"), ("qwen2", "int4"), ("llama", "fp32")])
def test_tensorrt_rtx_compiles_the_scatter_form(
    family: str, weight_format: str, target: str, networks: Any, tmp_path: Path
) -> None:
    pytest.importorskip("tensorrt_rtx")
    from edgecap.engines.compile.target import BuildTarget
    from edgecap.engines.compile.tensorrt import build_trt
    from edgecap.engines.tensorrt.api import find_trt

    config = FAMILIES[family]
    how = {"form": "scatter", "weight_format": weight_format, "capacity": CAPACITY}
    if weight_format == "int4":
        how["activations"] = "float16"
    graph = decoder_spec(config, file="twin.onnx", **how)
    build_decoder(weights_of(networks[family]), config, path=tmp_path / graph.file, **how)
    built = build_trt(
        tmp_path / graph.file, graph, tmp_path / "engine", api=find_trt("tensorrt-rtx"), target=BuildTarget(target)
    )
    assert built.bytes == (tmp_path / "engine").stat().st_size > 10_000
