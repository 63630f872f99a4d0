"""The decoder graph against transformers' Llama, in every way the runtime calls it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")
pytest.importorskip("transformers")
ort = pytest.importorskip("onnxruntime")

from edgecap.export.decoder.shared import DecoderConfig, WeightFormat, build_decoder, decoder_spec  # noqa: E402
from edgecap.export.onnx.block_matmuls import quantise_matmuls  # noqa: E402
from edgecap.export.onnx.block_weights import quantise_blocks  # noqa: E402

CONFIG = DecoderConfig(
    hidden_size=64,
    layers=2,
    heads=4,
    kv_heads=2,
    head_dim=16,
    mlp_size=96,
    vocab_size=50,
    max_positions=64,
    rope_theta=10_000.0,
    norm_eps=1e-5,
)
CAPACITY = 48


@pytest.fixture(scope="module")
def llama() -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(3)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=50,
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=64,
            rms_norm_eps=1e-5,
            rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
            pad_token_id=0,
        )
    ).eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, 0.0, 0.15)  # large enough that attention is far from uniform
    return model


@pytest.fixture(scope="module")
def sessions(llama: Any) -> dict[str, Any]:
    weights = {k.removeprefix("model."): v.detach().numpy() for k, v in llama.state_dict().items()}
    return {form: _session(build_decoder(weights, CONFIG, weight_format=form)) for form in ("fp32", "int8")}


@pytest.fixture(scope="module")
def truth(llama: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Three random sequences of 40 embeddings, and transformers' logits [3, 40, 50]."""
    import torch

    embeds = np.random.default_rng(0).normal(0, 1, (3, 40, 64)).astype(np.float32)
    with torch.inference_mode():
        logits = llama(inputs_embeds=torch.from_numpy(embeds), use_cache=False).logits.numpy()
    return embeds, logits


def _session(model: Any) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


class Pool:
    """Key/value buffers full of garbage, as a reused pool is."""

    def __init__(self, rows: int) -> None:
        self.blocks = {
            f"{kind}_{i}": np.full((rows, 2, CAPACITY, 16), 7.0, np.float32)
            for i in range(2)
            for kind in ("key", "value")
        }

    def call(
        self,
        session: Any,
        embeds: NDArray[np.float32],
        *,
        seqlens: list[int],
        total: int,
        last: list[int],
        rows: slice = slice(None),
    ) -> NDArray[np.float32]:
        logits = np.empty((len(embeds), 50), np.float32)
        binding = session.io_binding()
        feeds = {
            "inputs_embeds": np.ascontiguousarray(embeds),
            "seqlens_k": np.array(seqlens, np.int32),
            "total_sequence_length": np.array(total, np.int32),
            "last_index": np.array(last, np.int64),
        }
        for name, value in feeds.items():
            binding.bind_cpu_input(name, value)
        for name, block in self.blocks.items():
            part = block[rows]
            binding.bind_input(f"past_{name}", "cpu", 0, np.float32, part.shape, part.ctypes.data)
            binding.bind_output(f"present_{name}", "cpu", 0, np.float32, part.shape, part.ctypes.data)
        binding.bind_output("logits", "cpu", 0, np.float32, logits.shape, logits.ctypes.data)
        session.run_with_iobinding(binding)
        return logits


def _close(got: NDArray[np.float32], expected: NDArray[np.float32], form: str) -> None:
    """fp32: rounding only. int8: 8-bit weights and activations; 3 % of the logits' length is twice what was seen."""
    if form == "fp32":
        np.testing.assert_allclose(got, expected, atol=2e-4)
    else:
        assert np.linalg.norm(got - expected) < 0.03 * np.linalg.norm(expected)


@pytest.mark.parametrize("form", ["fp32", "int8"])
def test_ragged_first_prefill_then_batched_decode(form: str, sessions: dict[str, Any], truth: Any) -> None:
    embeds, logits = truth
    pool, lengths = Pool(3), [30, 22, 9]
    first = embeds[:, :30].copy()
    for row, length in enumerate(lengths):
        first[row, length:] = 0
    ends = [n - 1 for n in lengths]
    got = pool.call(sessions[form], first, seqlens=ends, total=30, last=ends)
    _close(got, logits[[0, 1, 2], ends], form)
    for step in range(3):
        at = [n + step for n in lengths]
        got = pool.call(sessions[form], embeds[[0, 1, 2], at][:, None], seqlens=at, total=max(at) + 1, last=[0, 0, 0])
        _close(got, logits[[0, 1, 2], at], form)


@pytest.mark.parametrize("form", ["fp32", "int8"])
def test_question_chunk_on_a_slice_of_the_pool(form: str, sessions: dict[str, Any], truth: Any) -> None:
    embeds, logits = truth
    pool = Pool(3)
    pool.call(sessions[form], embeds[:, :20], seqlens=[19] * 3, total=20, last=[19] * 3)
    for row in range(3):
        end = 26 + row
        got = pool.call(
            sessions[form],
            embeds[row : row + 1, 20:end],
            seqlens=[end - 1],
            total=end,
            last=[end - 21],
            rows=slice(row, row + 1),
        )
        _close(got, logits[row : row + 1, end - 1], form)
    at = [26, 27, 28]
    got = pool.call(sessions[form], embeds[[0, 1, 2], at][:, None], seqlens=at, total=29, last=[0, 0, 0])
    _close(got, logits[[0, 1, 2], at], form)


def test_padded_chunk_counts_its_padding(sessions: dict[str, Any], truth: Any) -> None:
    """A chunk padded to a bucket is fine when the lengths include the padding; decoding then overwrites it."""
    embeds, logits = truth
    pool = Pool(1)
    pool.call(sessions["fp32"], embeds[:1, :20], seqlens=[19], total=20, last=[19])
    chunk = embeds[:1, 20:32].copy()
    chunk[:, 5:] = 0
    got = pool.call(sessions["fp32"], chunk, seqlens=[31], total=32, last=[4])
    _close(got, logits[:1, 24], "fp32")
    got = pool.call(sessions["fp32"], embeds[:1, 25:26], seqlens=[25], total=26, last=[0])
    _close(got, logits[:1, 25], "fp32")


def test_forked_prefix_gives_the_same_answer(sessions: dict[str, Any], truth: Any) -> None:
    embeds, logits = truth
    pool = Pool(2)
    pool.call(sessions["fp32"], embeds[:1, :20], seqlens=[19], total=20, last=[19], rows=slice(0, 1))
    for block in pool.blocks.values():
        block[1, :, :20] = block[0, :, :20]
    got = pool.call(sessions["fp32"], embeds[[0, 0], 20:21], seqlens=[20, 20], total=21, last=[0, 0])
    _close(got, logits[[0, 0], 20], "fp32")


def test_batched_chunk_on_a_filled_cache_is_refused_by_the_kernel(sessions: dict[str, Any], truth: Any) -> None:
    """The limit that the batch-1 slices exist for; when a later ONNX Runtime lifts it, this test reports it."""
    pool = Pool(3)
    pool.call(sessions["fp32"], truth[0][:, :20], seqlens=[19] * 3, total=20, last=[19] * 3)
    with pytest.raises(Exception, match="batch_size must be 1"):
        pool.call(sessions["fp32"], truth[0][:, 20:25], seqlens=[24] * 3, total=25, last=[4] * 3)


def test_int8_answer_does_not_depend_on_the_batch(sessions: dict[str, Any], truth: Any) -> None:
    embeds, _ = truth
    together = Pool(3).call(sessions["int8"], embeds[:, :20], seqlens=[19] * 3, total=20, last=[19] * 3)
    alone = Pool(1).call(sessions["int8"], embeds[1:2, :20], seqlens=[19], total=20, last=[19])
    np.testing.assert_allclose(together[1:2], alone, atol=1e-5)


def test_blocks_round_trip_within_half_a_step() -> None:
    weight = np.random.default_rng(1).normal(0, 1, (5, 96)).astype(np.float32)
    weight[2, 32:64] = 0
    codes, scales = quantise_blocks(weight)
    back = ((codes.astype(np.float32) - 128) * scales[..., None]).reshape(weight.shape)
    assert codes.shape == (5, 3, 32) and scales.shape == (5, 3)
    assert (np.abs(back - weight).reshape(5, 3, 32) <= scales[..., None] * 0.501).all()


@pytest.mark.parametrize("form", ["fp32", "int8"])
def test_declared_inputs_and_outputs_are_the_graphs_own(form: WeightFormat, sessions: dict[str, Any]) -> None:
    spec = decoder_spec(CONFIG, file="x.onnx", weight_format=form)
    session = sessions[form]
    assert [(i.name, tuple(i.shape)) for i in session.get_inputs()] == [(t.name, t.axes) for t in spec.inputs]
    assert [(o.name, tuple(o.shape)) for o in session.get_outputs()] == [(t.name, t.axes) for t in spec.outputs]
    assert spec.precision == {"fp32": "fp32", "int8": "int8-weights"}[form]


@pytest.mark.parametrize(
    "wrong", [{"head_dim": 20}, {"kv_heads": 3}, {"mlp_size": 100}], ids=["head_dim", "kv_heads", "mlp_size"]
)
def test_sizes_the_kernels_cannot_take_are_refused(wrong: dict[str, int]) -> None:
    sizes = {name: getattr(CONFIG, name) for name in CONFIG.__slots__}
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DecoderConfig(**{**sizes, **wrong})


def test_a_graphs_matmuls_get_small_weights_and_keep_their_meaning() -> None:
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(2)
    wide, odd = rng.normal(0, 1, (64, 24)).astype(np.float32), rng.normal(0, 1, (24, 8)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "wide"], ["h"]), helper.make_node("MatMul", ["h", "odd"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8])],
        [numpy_helper.from_array(wide, "wide"), numpy_helper.from_array(odd, "odd")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    assert quantise_matmuls(model) == 1  # 24 is no multiple of 32
    assert [n.op_type for n in model.graph.node] == ["MatMulNBits", "MatMul"]
    assert {i.name for i in model.graph.initializer} == {"wide.codes", "wide.scales", "odd"}
    x = rng.normal(0, 1, (3, 64)).astype(np.float32)
    got = _session(model).run(None, {"x": x})[0]
    assert np.linalg.norm(got - x @ wide @ odd) < 0.02 * np.linalg.norm(x @ wide @ odd)
