"""Figures by hand, and a decoder compared with itself and with a rounded one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from edgecap.engines.errors import ParityError
from edgecap.engines.graph.onnx_session import open_onnx_session
from edgecap.engines.graph.scripted_session import ScriptedSession
from edgecap.export.decoder.parity import SpokenText, TextPrompt, speak, text_figures, text_parity
from edgecap.export.decoder.shared import build_decoder
from edgecap.runtime.decode.open_port import DecoderPort, open_port
from tests.runtime.decode.test_language_model_onnx import CONFIG, EMBEDDING, _spec, _weights


def _port(weight_format: str, folder) -> DecoderPort:
    spec = _spec(weight_format)
    path = folder / f"{weight_format}.onnx"
    build_decoder(_weights(), CONFIG, weight_format=weight_format, path=path)
    return open_port(spec, open_onnx_session(path, spec.decoder))


def _texts(port: DecoderPort) -> list[SpokenText]:
    rng = np.random.default_rng(0)
    prompts = [rng.normal(size=(n, CONFIG.hidden_size)).astype(np.float32) for n in (5, 9)]
    return [speak(port, TextPrompt.plain(p), EMBEDDING, steps=12) for p in prompts]


def test_agreement_and_divergence_by_hand() -> None:
    wanted = np.log(np.array([[0.5, 0.25, 0.25], [0.2, 0.6, 0.2]], np.float32))
    got = np.log(np.array([[0.25, 0.5, 0.25], [0.2, 0.6, 0.2]], np.float32)) + 7
    figures = text_figures(wanted, got)
    assert figures["top1_agreement"] == 0.5
    assert figures["kl"] == pytest.approx((0.5 * np.log(2) + 0.25 * np.log(0.5)) / 2, abs=1e-6)


def test_a_decoder_agrees_with_itself_and_less_with_its_rounded_form(tmp_path) -> None:
    exact = _port("fp32", tmp_path)
    texts = _texts(exact)
    assert len({tuple(t.ids) for t in texts}) == 2 and len(set(texts[0].ids)) > 3
    same = text_parity(exact, texts, graph="a", reference="a")
    assert same.figures == {"top1_agreement": 1.0, "kl": pytest.approx(0, abs=1e-9)} and same.tensors[0].max_abs == 0
    rounded = text_parity(_port("int4", tmp_path), texts, graph="int4", reference="fp32")
    assert rounded.inputs == 24 and rounded.figures["kl"] > 0 and rounded.figures["top1_agreement"] >= 0.5
    finer = text_parity(_port("int8", tmp_path), texts, graph="int8", reference="fp32")
    assert finer.figures["kl"] < rounded.figures["kl"] / 10


def test_values_that_are_not_finite_fail_the_gate(tmp_path) -> None:
    texts = _texts(_port("fp32", tmp_path))

    def broken(feeds):
        cache = {n.replace("past", "present"): a for n, a in feeds.items() if n.startswith("past")}
        return cache | {"logits": np.full((1, CONFIG.vocab_size), np.nan, np.float32)}

    spec = replace(_spec("fp32"))
    with pytest.raises(ParityError, match=r"x\.onnx: .*not finite"):
        port = open_port(spec, ScriptedSession(spec.decoder, broken))
        text_parity(port, texts, graph="x.onnx", reference="fp32")
