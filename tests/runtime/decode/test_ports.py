"""The three decoder contracts on sessions of known arithmetic: whatever the order of reading, logits are those of the
whole sequence read at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecap.engines.errors import EngineError, GraphContractError
from edgecap.engines.graph.scripted_session import ScriptedSession
from edgecap.engines.graph.spec import GraphSpec, TensorSpec
from edgecap.engines.packs.specs import CaptionerSpec, RopeSpec
from edgecap.runtime.decode import port as port_base
from edgecap.runtime.decode.open_port import Chunk, DecoderPort, GrowingPort, ScatterPort, SharedPort, open_port
from edgecap.runtime.decode.rotary import text_positions
from tests.runtime.decode.letters_model import DECODER, HEAD, HIDDEN, SPEC, VOCAB

Feeds = dict[str, NDArray[Any]]
ROPE = RopeSpec(theta=100.0, sections=(1, 1, 2), merge=2)


def _logits(read: NDArray[np.float32]) -> NDArray[np.float32]:
    """Order-sensitive: position k weighs cos(1.7 k)."""
    weights = np.cos(np.arange(len(read), dtype=np.float32) * 1.7)[:, None]
    return (np.tanh((read * weights).sum(0)) @ HEAD).astype(np.float32)


def _graph(inputs: dict[str, tuple[str, tuple]], *, cache: str, present: str, axes: tuple, logits: tuple) -> GraphSpec:
    def kv(name: str, last: tuple) -> tuple[TensorSpec, ...]:
        return tuple(TensorSpec(name.format(kind), "float32", last) for kind in ("key", "value"))

    grown = ("B", 1, "T", HIDDEN) if present.startswith("present.") else axes
    return GraphSpec(
        "decoder",
        "fp32",
        (*(TensorSpec(n, d, a) for n, (d, a) in inputs.items()), *kv(cache, axes)),
        (TensorSpec("logits", "float32", logits), *kv(present, grown)),
    )


SCATTER = _graph(
    {
        "inputs_embeds": ("float32", ("B", "S", HIDDEN)),
        "write_indices": ("int64", ("B",)),
        "position_ids": ("int64", ("B", "S")),
        "attention_bias": ("float32", ("B", 1, "S", "M")),
        "last_index": ("int64", ("B",)),
    },
    cache="past_{}_0",
    present="present_{}_0",
    axes=("B", 1, "M", HIDDEN),
    logits=("B", VOCAB),
)
GROWING = _graph(
    {
        "inputs_embeds": ("float32", ("B", "S", HIDDEN)),
        "attention_mask": ("int64", ("B", "T")),
        "position_ids": ("int64", ("B", "S")),
    },
    cache="past_key_values.0.{}",
    present="present.0.{}",
    axes=("B", 1, "P", HIDDEN),
    logits=("B", "S", VOCAB),
)


def _shared(feeds: Feeds) -> Feeds:
    keys, new = feeds["past_key_0"].copy(), feeds["inputs_embeds"].shape[1]
    logits = []
    for b, embeds in enumerate(feeds["inputs_embeds"]):
        end, last = int(feeds["seqlens_k"][b]) + 1, int(feeds["last_index"][b])
        begin = end - 1 - last
        assert len(feeds["inputs_embeds"]) == 1 or new == 1 or begin == 0, "what the CPU kernel refuses"
        keys[b, 0, begin : begin + new] = embeds
        logits.append(_logits(keys[b, 0, :end]))
    return {"logits": np.stack(logits), "present_key_0": keys, "present_value_0": -keys}


def _scatter(feeds: Feeds) -> Feeds:
    keys, new = feeds["past_key_0"].copy(), feeds["inputs_embeds"].shape[1]
    logits = []
    for b, embeds in enumerate(feeds["inputs_embeds"]):
        begin, last = int(feeds["write_indices"][b]), int(feeds["last_index"][b])
        assert begin + new <= keys.shape[2], "TensorScatter writes past the cache"
        ids = feeds["position_ids"][b, : last + 1]
        padding = not ids.any()  # a row that ended in an earlier piece of the chunk
        assert padding or (ids == np.arange(begin, begin + last + 1)).all()
        keys[b, 0, begin : begin + new] = embeds
        seen = feeds["attention_bias"][b, 0, last] == 0
        logits.append(_logits(keys[b, 0, seen]))
    return {"logits": np.stack(logits), "present_key_0": keys, "present_value_0": -keys}


def _growing(feeds: Feeds) -> Feeds:
    past, mask = feeds["past_key_values.0.key"], feeds["attention_mask"]
    keys = np.concatenate([past, feeds["inputs_embeds"][:, None]], 2)
    logits = np.zeros((*feeds["inputs_embeds"].shape[:2], VOCAB), np.float32)
    for b, s in np.ndindex(logits.shape[:2]):
        seen = mask[b].astype(bool) & (np.arange(keys.shape[2]) <= past.shape[2] + s)
        assert feeds["position_ids"][b, s] == seen.sum() - 1
        logits[b, s] = _logits(keys[b, 0, seen])
    return {"logits": logits, "present.0.key": keys, "present.0.value": -keys}


def _growing_by_count(feeds: Feeds) -> Feeds:
    """As GroupQueryAttention inside a hub file: a mask is a number of valid positions, new keys go right behind."""
    past, lengths = feeds["past_key_values.0.key"], feeds["attention_mask"].sum(1)
    new = feeds["inputs_embeds"].shape[1]
    keys = np.concatenate([past, np.zeros_like(feeds["inputs_embeds"])[:, None]], 2)
    logits = np.zeros((len(keys), new, VOCAB), np.float32)
    for b, length in enumerate(lengths):
        keys[b, 0, length - new : length] = feeds["inputs_embeds"][b]
        logits[b, -1] = _logits(keys[b, 0, :length])
    return {"logits": logits, "present.0.key": keys, "present.0.value": -keys}


KINDS: dict[str, tuple[GraphSpec, Callable[[Feeds], Feeds], type]] = {
    "shared": (DECODER, _shared, SharedPort),
    "scatter": (SCATTER, _scatter, ScatterPort),
    "growing": (GROWING, _growing, GrowingPort),
    "growing-by-count": (GROWING, _growing_by_count, GrowingPort),
}


def _open(kind: str) -> tuple[DecoderPort, ScriptedSession]:
    graph, script, port = KINDS[kind]
    session = ScriptedSession(graph, script)
    opened = open_port(SPEC, session)
    assert type(opened) is port
    return opened, session


def _chunk(parts: list[NDArray[np.float32]], begins: list[int], first_row: int = 0) -> Chunk:
    places = [text_positions(begin, count=len(part)) for part, begin in zip(parts, begins, strict=True)]
    return Chunk.join(parts, places, begins=begins, first_row=first_row)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def texts() -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(size=(4, 40, HIDDEN)).astype(np.float32)


def test_every_order_of_reading_gives_the_logits_of_the_whole(kind: str, texts: NDArray[np.float32]) -> None:
    port, _ = _open(kind)
    port.reserve(rows=4, capacity=40)
    for _, block in port.kv.blocks():
        block[...] = 9.0

    def read(rows: list[int], begins: list[int], ends: list[int], first_row: int = 0) -> None:
        parts = [texts[r, a:b] for r, a, b in zip(rows, begins, ends, strict=True)]
        logits = port.read(_chunk(parts, begins, first_row))
        want = [_logits(texts[r, :b]) for r, b in zip(rows, ends, strict=True)]
        np.testing.assert_allclose(logits, want, atol=1e-5)

    read([0, 1], [0, 0], [9, 5])
    read([2], [0], [7], first_row=2)
    port.kv.copy(source=1, target=3, length=5)
    read([0, 1, 2, 1], [9, 5, 7, 5], [12, 10, 8, 6])
    for step in range(3):
        begins = [12 + step, 10 + step, 8 + step, 6 + step]
        read([0, 1, 2, 1], begins, [b + 1 for b in begins])
    read([0, 1], [15, 13], [16, 14])


def test_pieces_of_a_long_chunk_are_one_chunk(
    kind: str, texts: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_base, "_MOST_ARRAY_BYTES", 4 * VOCAB * 4)
    port, session = _open(kind)
    port.reserve(rows=2, capacity=64)
    logits = port.read(_chunk([texts[0, :30], texts[1, :17]], [0, 0]))
    np.testing.assert_allclose(logits, [_logits(texts[0, :30]), _logits(texts[1, :17])], atol=1e-5)
    sizes = {call["inputs_embeds"].shape[1] for call in session.calls}
    assert max(sizes) == 30 if kind == "shared" else max(sizes) < 17
    assert port.runs == len(session.calls)


def test_decode_steps_stay_bound_and_moved_memory_binds_anew(texts: NDArray[np.float32]) -> None:
    port, session = _open("scatter")
    bound: list[int] = []
    bind = session.bind
    session.bind = lambda inputs, outputs: bound.append(1) or bind(inputs, outputs)  # type: ignore[method-assign]
    port.reserve(rows=1, capacity=32)
    for k in range(4):
        port.read(_chunk([texts[0, k : k + 1]], [k]))
    assert len(bound) == 1
    port.reserve(rows=2, capacity=64)
    logits = port.read(_chunk([texts[0, :1]], [0]))
    assert len(bound) == 2
    np.testing.assert_allclose(logits[0], _logits(texts[0, :1]), atol=1e-5)


def test_rows_with_gaps_step_together_only_where_the_graph_sees_the_gaps(texts: NDArray[np.float32]) -> None:
    batches = {}
    for kind in ("growing", "growing-by-count"):
        port, session = _open(kind)
        port.reserve(rows=2, capacity=40)
        port.read(_chunk([texts[0, :9], texts[1, :5]], [0, 0]))
        port.read(_chunk([texts[0, 9:10], texts[1, 5:6]], [9, 5]))
        before = len(session.calls)
        port.read(_chunk([texts[0, 10:11], texts[1, 6:7]], [10, 6]))
        batches[kind] = [call["inputs_embeds"].shape[0] for call in session.calls[before:]]
    assert batches == {"growing": [2], "growing-by-count": [1, 1]}


def _with_rope(graph: GraphSpec) -> GraphSpec:
    kept = tuple(t for t in graph.inputs if t.name != "position_ids")
    angles = tuple(TensorSpec(name, "float32", ("B", "S", HIDDEN)) for name in ("rope_cos", "rope_sin"))
    return replace(graph, inputs=(*kept, *angles))


@pytest.mark.parametrize("graph", [SCATTER, DECODER], ids=["scatter", "shared"])
def test_angles_of_the_given_positions_reach_the_graph(graph: GraphSpec, texts: NDArray[np.float32]) -> None:
    rope, seen = _with_rope(graph), []

    def script(feeds: Feeds) -> Feeds:
        seen.append((feeds["rope_cos"].copy(), feeds["rope_sin"].copy()))
        cache = feeds["past_key_0"]
        return {"logits": np.zeros((1, VOCAB), np.float32), "present_key_0": cache, "present_value_0": cache}

    port = open_port(replace(SPEC, rope=ROPE), ScriptedSession(rope, script))
    port.reserve(rows=1, capacity=32)
    positions = np.array([[4, 4, 4], [4, 4, 5]])
    port.read(Chunk.join([texts[0, :2]], [positions], begins=[0]))
    turns = positions[:, [0, 1, 2, 2]] * 100.0 ** -(np.arange(4) / 4)
    np.testing.assert_allclose(seen[0][0][0], np.cos(np.tile(turns, 2)), atol=1e-6)
    np.testing.assert_allclose(seen[0][1][0], np.sin(np.tile(turns, 2)), atol=1e-6)


def test_threefold_position_ids_of_a_hub_file(texts: NDArray[np.float32]) -> None:
    threefold = tuple(replace(t, axes=(3, "B", "S")) if t.name == "position_ids" else t for t in GROWING.inputs)
    session = ScriptedSession(
        replace(GROWING, inputs=threefold),
        lambda feeds: _growing(feeds | {"position_ids": np.arange(2)[None]}),
    )
    port = open_port(replace(SPEC, rope=ROPE), session)
    port.reserve(rows=1, capacity=32)
    positions = np.array([[4, 4, 4], [4, 4, 5]])
    port.read(Chunk.join([texts[0, :2]], [positions], begins=[0]))
    np.testing.assert_array_equal(session.calls[0]["position_ids"], positions.T[:, None])


def _refused(spec: CaptionerSpec, graph: GraphSpec, match: str) -> None:
    with pytest.raises(GraphContractError, match=match):
        open_port(spec, ScriptedSession(graph, []))


def test_graphs_of_no_known_kind_are_refused() -> None:
    _refused(SPEC, GraphSpec("d", "fp32", SCATTER.inputs[:1], ()), "match no known decoder .*write_indices")
    extra = replace(SCATTER, inputs=(*SCATTER.inputs, TensorSpec("use_cache", "bool", (1,))))
    _refused(SPEC, extra, r"unknown inputs \['use_cache'\]")


def test_angles_and_positions_have_to_fit_the_pack() -> None:
    _refused(SPEC, _with_rope(SCATTER), "takes rope_cos, but the pack has no rope")
    for graph in (SCATTER, DECODER, GROWING):
        _refused(replace(SPEC, rope=ROPE), graph, "M-RoPE, but no input rope_cos")


def test_ranges_bound_rows_and_capacity() -> None:
    port = open_port(SPEC, ScriptedSession(replace(SCATTER, ranges={"B": (1, 2, 8), "M": (1, 32, 40)}), []))
    assert port.most_rows == 8
    port.reserve(rows=1, capacity=40)
    assert port.kv.capacity == 40, "a step of 32 does not go past what the graph takes"
    with pytest.raises(EngineError, match="needs 41 positions"):
        port.reserve(rows=1, capacity=41)
