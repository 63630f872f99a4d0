"""The two networks, their losses and the loop, on random weights and toy data."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import grid_sample

from edgecap.export.nano.vision.blocks import fold_batch_norms
from edgecap.export.nano.vision.detector import Detector
from edgecap.export.nano.vision.losses import box_loss, mask_loss, peak_loss, quality_loss, true_iou
from edgecap.export.nano.vision.segmenter import MASK_SIDE, Segmenter, crop, crop_grid
from edgecap.export.nano.vision.training import Budget, Losses, Recipe, TrainingRun, learning_rate_factor, load_average


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(3)


def _shake_norms(network: nn.Module) -> nn.Module:
    """Batch norms as after training: nothing zero, nothing one."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


def test_folding_batch_norms_changes_nothing() -> None:
    network = _shake_norms(Detector(4))
    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        before = network(images)
        after = fold_batch_norms(network)(images)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.modules())
    assert torch.allclose(before.class_logits, after.class_logits, atol=1e-4)
    assert torch.allclose(before.distances, after.distances, rtol=1e-4, atol=1e-3)


def test_one_tall_crop_equals_a_crop_per_box() -> None:
    features, boxes = torch.randn(1, 5, 20, 30), torch.tensor([[0.1, 0.2, 0.5, 0.9], [-0.1, 0.0, 0.3, 1.2]])
    together = crop(features, boxes, side=8)
    each = grid_sample(features.expand(2, -1, -1, -1), crop_grid(boxes, side=8), align_corners=False)
    assert torch.allclose(together, each, atol=1e-6)


def test_segmenter_answers_every_prompt() -> None:
    network = Segmenter().eval()
    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    boxes = [torch.tensor([[0.1, 0.1, 0.5, 0.6]]), torch.tensor([[0.2, 0.2, 0.9, 0.9], [0.0, 0.0, 0.2, 0.3]])]
    with torch.no_grad():
        logits, quality = network(images, boxes)
    assert logits.shape == (3, MASK_SIDE, MASK_SIDE)
    assert quality.shape == (3,)
    assert bool(((quality >= 0) & (quality <= 1)).all())


def test_peak_loss_ignores_unweighted_cells() -> None:
    heat = torch.zeros(1, 2, 4, 4)
    heat[0, 1, 2, 2] = 1.0
    logits, weight = torch.zeros(1, 2, 4, 4), torch.ones(1, 1, 4, 4)
    shouting = logits.clone()
    shouting[0, 0, 0, 0] = 8.0
    assert float(peak_loss(shouting, heat, weight)) > float(peak_loss(logits, heat, weight)) + 1
    weight[0, 0, 0, 0] = 0.0
    assert float(peak_loss(shouting, heat, weight)) < float(peak_loss(logits, heat, weight)) + 1e-6
    right = torch.where(heat == 1, 12.0, -12.0)
    assert float(peak_loss(right, heat, weight)) < 1e-3


def test_box_loss_by_hand() -> None:
    target, weight = torch.ones(1, 4, 1, 2), torch.tensor([[[1.0, 0.0]]])
    assert float(box_loss(target.clone(), target, weight)) == pytest.approx(0.0, abs=1e-6)
    # twice as large on each side: IoU 4/16, the hull is the larger box, so GIoU = IoU
    assert float(box_loss(target * 2, target, weight)) == pytest.approx(0.75)


def test_mask_and_quality_losses_know_a_perfect_mask() -> None:
    target = torch.zeros(2, 8, 8)
    target[:, 2:6, 2:6] = 1.0
    logits = torch.where(target > 0, 20.0, -20.0)
    assert float(mask_loss(logits, target)) < 1e-3 < float(mask_loss(-logits, target))
    assert true_iou(logits, target).tolist() == [1.0, 1.0]
    assert float(quality_loss(torch.tensor([1.0, 0.5]), logits, target)) == pytest.approx(0.125)


@pytest.mark.parametrize(("progress", "factor"), [(0.0, 1e-4 / 0.03), (0.03, 1.0), (0.515, 0.5), (1.0, 0.0)])
def test_learning_rate(progress: float, factor: float) -> None:
    assert learning_rate_factor(progress) == pytest.approx(factor)


def _toy_run(checkpoint: Path) -> TrainingRun[torch.Tensor]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))

    def batch_of(number: int) -> torch.Tensor:
        return torch.randn(4, 1, 3, 3, generator=torch.Generator().manual_seed(number))

    def losses_of(module: nn.Module, batch: torch.Tensor) -> Losses:
        return {"square": (module(batch).float() - 1).square().mean()}

    recipe = Recipe(checkpoint, Budget(steps=40), peak_rate=0.1, checkpoint_minutes=1e9)
    return TrainingRun(network, recipe, batch_of=batch_of, losses_of=losses_of)


def test_a_run_that_was_cut_off_ends_where_an_uncut_one_does(tmp_path: Path) -> None:
    whole = _toy_run(tmp_path / "whole.pt")
    whole.run(lambda line: None)
    cut = _toy_run(tmp_path / "cut.pt")
    for step in range(15):
        cut._one_step(step / 40)
    cut._save()
    resumed = _toy_run(tmp_path / "cut.pt")
    assert resumed.step == 15
    lines: list[str] = []
    resumed.run(lines.append)
    for name, value in whole.average.items():
        assert torch.equal(value, resumed.average[name]), name
    network = load_average(nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)), tmp_path / "cut.pt")
    assert not network.training


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    run = _toy_run(tmp_path / "toy.pt")
    first = run._one_step(0.5)["square"]
    run.run(lambda line: None)
    assert run._one_step(0.99)["square"] < first / 2
