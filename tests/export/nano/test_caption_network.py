"""The captioner's network, its training loop and its export, on an untrained network."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("onnxslim")
ort = pytest.importorskip("onnxruntime")
torch = pytest.importorskip("torch")

from edgecap.export.nano.caption.dataset import ViewStore, write_shards  # noqa: E402
from edgecap.export.nano.caption.export_captioner import export_captioner  # noqa: E402
from edgecap.export.nano.caption.model import NetworkConfig, build_network, text_hidden, vision_tokens  # noqa: E402
from edgecap.export.nano.caption.onnx_writer import OnnxWriter, Prompted  # noqa: E402
from edgecap.export.nano.caption.train import load_trainer, train_captioner  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with three scenes and a network trained for three steps."""
    folder = tmp_path_factory.mktemp("captioner")
    write_shards(folder / "views", train_shards=1, validation_shards=1, scenes_per_shard=3)
    train_captioner(folder, minutes=0, seed=5, steps=3)
    return folder


@pytest.fixture(scope="module")
def exported(work: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[str, float], Path]:
    folder = tmp_path_factory.mktemp("pack")
    spec, figures = export_captioner(work, folder, parity_sets=3)
    return spec, figures, folder


def test_calling_the_parts_equals_the_librarys_forward() -> None:
    torch.manual_seed(0)
    config = NetworkConfig(
        side=32,
        patch=8,
        vision_width=32,
        vision_mlp=64,
        vision_layers=2,
        text_width=64,
        text_heads=4,
        text_mlp=64,
        text_layers=2,
        vocab_size=40,
    )
    network = build_network(config, bos_id=0, eos_id=1, pad_id=3, image_id=2).eval()
    pixels = torch.randn(2, 3, 32, 32)
    images = 2 * config.tokens_per_view
    ids = torch.tensor([[0, *[2] * images, 7, 8, 9]])
    with torch.inference_mode():
        expected = network(input_ids=ids, pixel_values=pixels[None]).logits
        seen = vision_tokens(network, pixels).reshape(1, images, -1)
        words = network.model.text_model.embed_tokens(ids)
        embeds = torch.cat([words[:, :1], seen, words[:, 1 + images :]], 1)
        mask = torch.ones(1, 1, ids.shape[1], ids.shape[1], dtype=torch.bool).tril()
        got = network.lm_head(text_hidden(network, embeds, mask=mask, positions=torch.arange(ids.shape[1])[None]))
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_training_resumes_where_it_stopped(work: Path) -> None:
    assert load_trainer(work, seed=5).step == 3
    train_captioner(work, minutes=0, seed=5, steps=4)
    trainer = load_trainer(work, seed=5)
    assert trainer.step == 4 and trainer.seconds > 0
    last = json.loads((work / "train_log.jsonl").read_text().splitlines()[-1])
    assert last["step"] == 4 and {"appearance", "action", "background", "global"} <= set(last)


def test_training_is_repeatable(work: Path, tmp_path: Path) -> None:
    (tmp_path / "views").symlink_to(work / "views")
    losses = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "views").symlink_to(work / "views")
        train_captioner(folder, minutes=0, seed=9, steps=1)
        losses.append(load_trainer(folder, seed=9).network.state_dict())
    assert all(torch.equal(losses[0][key], losses[1][key]) for key in losses[0])


def test_export_agrees_with_torch(exported: tuple[Any, dict[str, float], Path]) -> None:
    figures = exported[1]
    assert figures["vision_fp32_vs_torch_max_abs"] < 1e-4
    assert figures["decoder_fp32_vs_torch_max_abs"] < 1e-4
    assert figures["decoder_int8_vs_torch_relative_l2"] < 0.05  # 8-bit weights of a nearly random network
    assert figures["decoder_fp32_vs_torch_top1_agreement"] == 1.0


def test_spec_describes_the_files(exported: tuple[Any, dict[str, float], Path]) -> None:
    spec, _, folder = exported
    assert json.loads((folder / "captioner.json").read_text()) == json.loads(json.dumps(dataclasses.asdict(spec)))
    for graph in (spec.vision, spec.decoder):
        session = ort.InferenceSession(str(folder / graph.file), providers=["CPUExecutionProvider"])
        assert [(i.name, tuple(i.shape)) for i in session.get_inputs()] == [(t.name, t.axes) for t in graph.inputs]
        assert [o.name for o in session.get_outputs()] == [t.name for t in graph.outputs]
    assert np.load(folder / spec.embedding_file).shape == (spec.vocab_size, spec.hidden_size)
    assert spec.layers * 2 + 4 == len(spec.decoder.inputs)


def test_answers_do_not_depend_on_the_batch(work: Path, exported: tuple[Any, dict[str, float], Path]) -> None:
    spec, _, folder = exported
    writer = OnnxWriter(spec, folder)
    store = ViewStore(work / "views", "validation")
    seen = writer.see(store.frames("picture", np.arange(2)))
    assert seen.shape == (2, spec.views * spec.tokens_per_view, spec.hidden_size)
    prompts = [Prompted(seen[0], "Describe the background."), Prompted(seen[1], "The video shows a dog. Describe it.")]
    together, _ = writer.write(prompts, max_tokens=6)
    assert [writer.write([p], max_tokens=6)[0][0] for p in prompts] == together
