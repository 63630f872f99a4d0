"""The real use of aliased buffers: attention whose past and present are one preallocated block."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import helper

from edgecap.engines import GraphSpec, TensorSpec, open_onnx_session
from tests.engines.graphs import save_graph

HEADS, KV_HEADS, HEAD_DIM, CAPACITY = 4, 2, 8, 16


def cache(name: str) -> TensorSpec:
    return TensorSpec(name, "float32", ("B", KV_HEADS, "M", HEAD_DIM))


SPEC = GraphSpec(
    "gqa.onnx",
    "fp32",
    (
        TensorSpec("q", "float32", ("B", "S", HEADS * HEAD_DIM)),
        TensorSpec("k", "float32", ("B", "S", KV_HEADS * HEAD_DIM)),
        TensorSpec("v", "float32", ("B", "S", KV_HEADS * HEAD_DIM)),
        cache("past_key"),
        cache("past_value"),
        TensorSpec("seqlens_k", "int32", ("B",)),
        TensorSpec("total", "int32", ()),
    ),
    (TensorSpec("y", "float32", ("B", "S", HEADS * HEAD_DIM)), cache("present_key"), cache("present_value")),
)


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Causal grouped-query attention over a whole sequence, from the definition. q [S, H*D] -> [S, H*D]."""
    steps = len(q)
    q4, k4, v4 = (x.reshape(steps, -1, HEAD_DIM).transpose(1, 0, 2).astype(np.float64) for x in (q, k, v))
    k4, v4 = (np.repeat(x, HEADS // KV_HEADS, axis=0) for x in (k4, v4))
    scores = q4 @ k4.transpose(0, 2, 1) / np.sqrt(HEAD_DIM)
    scores[:, np.triu_indices(steps, 1)[0], np.triu_indices(steps, 1)[1]] = -np.inf
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return (weights @ v4).transpose(1, 0, 2).reshape(steps, -1)


def test_past_and_present_in_one_block_match_attention_over_the_whole_sequence(tmp_path: Path):
    node = helper.make_node(
        "GroupQueryAttention",
        ["q", "k", "v", "past_key", "past_value", "seqlens_k", "total"],
        ["y", "present_key", "present_value"],
        domain="com.microsoft",
        num_heads=HEADS,
        kv_num_heads=KV_HEADS,
    )
    session = open_onnx_session(
        save_graph(tmp_path / SPEC.file, [node], SPEC, opsets={"": 17, "com.microsoft": 1}), SPEC
    )
    rng = np.random.default_rng(0)
    q, k, v = (rng.standard_normal((9, heads * HEAD_DIM)).astype(np.float32) for heads in (HEADS, KV_HEADS, KV_HEADS))
    keys, values = (np.zeros((1, KV_HEADS, CAPACITY, HEAD_DIM), np.float32) for _ in range(2))

    def call(start: int, stop: int) -> np.ndarray:
        y = np.zeros((1, stop - start, HEADS * HEAD_DIM), np.float32)
        binding = session.bind(
            {
                "q": q[None, start:stop].copy(),
                "k": k[None, start:stop].copy(),
                "v": v[None, start:stop].copy(),
                "past_key": keys,
                "past_value": values,
                "seqlens_k": np.array([stop - 1], np.int32),
                "total": np.array(stop, np.int32),
            },
            {"y": y, "present_key": keys, "present_value": values},
        )
        binding.run()
        return y[0]

    got = np.concatenate([call(0, 5), call(5, 6), call(6, 7), call(7, 9)])  # a prefill, two steps, a chunk
    np.testing.assert_allclose(got, attention(q, k, v), atol=1e-5)  # float32 kernels against float64
    np.testing.assert_array_equal(keys[0, :, :9], k.reshape(9, KV_HEADS, HEAD_DIM).transpose(1, 0, 2))
    assert not keys[0, :, 9:].any() and not values[0, :, 9:].any()
