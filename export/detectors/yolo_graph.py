"""YOLO11 and YOLO26 of ultralytics as one graph: uint8 pictures in, the best 300 boxes out.

In: a checkpoint folder (`export.yolo_checkpoint`). Out: the network, rebuilt from its layer table, and a module that
wires its layers to our contract. Only layer classes of ultralytics run; how its head turns distances into boxes is
written here (distribution focal loss: Li et al. 2020; anchor-free boxes: Tian et al. 2019).
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn

from edgecap.engines.errors import CheckpointError
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.detectors.yolo_shim import import_tasks

BOXES = 300
_LAYERS = frozenset({
    "Conv", "DWConv", "C2f", "C3", "C3k2", "C2PSA", "SPPF", "Concat", "nn.Upsample", "Detect", "Segment", "Segment26",
})  # fmt: skip
"""Layers of YOLO11's and YOLO26's tables. ultralytics looks a name up among everything it has imported, and evaluates
an activation given as text: a table with other names, or with an activation, is refused instead."""
_WORD = re.compile(r"[A-Za-z0-9_.+-]*")


def build(checkpoint: Checkpoint) -> Any:
    """The network in eval mode, its class names not set. Raises `CheckpointError` where table and weights disagree or
    the table has a layer that is not of YOLO11 or YOLO26."""
    table = (checkpoint.config.get("ultralytics") or {}).get("yaml")
    where = checkpoint.folder
    _check_table(where, table)
    tasks = import_tasks()
    try:
        network = getattr(tasks, checkpoint.architecture)(cfg=table, ch=3, verbose=False)
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError, AttributeError) as error:
        raise CheckpointError(f"{where}: its layer table builds no network ({error}); unpack the .pt again") from error
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    checkpoint.require_shapes(expected)
    stored = checkpoint.tensors()
    network.load_state_dict({name: torch.from_numpy(stored[name].copy()) for name in expected})
    if getattr(network.model[-1], "one2one_cv2", None) is not None:
        network.end2end = True  # YOLO26 is trained to do without suppression; 8.4.190 runs its other head unless asked
    return network.eval()


def _check_table(where: Any, table: Any) -> None:
    if not isinstance(table, dict) or not all(isinstance(table.get(part), list) for part in ("backbone", "head")):
        raise CheckpointError(f"{where}: config.json has no layer table; give the .pt file itself")
    if table.get("activation"):
        raise CheckpointError(f"{where}: its layer table names an activation, which would be run as code; refused")
    for row in (*table["backbone"], *table["head"]):
        if not (isinstance(row, list) and len(row) == 4 and isinstance(row[3], list) and row[2] in _LAYERS):
            raise CheckpointError(
                f"{where}: layer {row[2] if isinstance(row, list) and len(row) > 2 else row!r} is not of YOLO11 or "
                "YOLO26; no recipe takes it"
            )
        odd = next((a for a in row[3] if isinstance(a, str) and not _WORD.fullmatch(a)), None)
        if odd is not None:
            raise CheckpointError(f"{where}: a layer has the argument {odd!r}; no recipe takes it")


class YoloGraph(nn.Module):
    """images uint8 [B, 3, H, W], H and W multiples of 32 -> boxes_xyxy float32 [B, 300, 4] relative to the picture,
    scores float32 [B, 300] in 0-1, best first, class_ids int64 [B, 300], embedding float32 [B, E] (mean of the coarsest
    feature map).

    With a one-to-one head (YOLO26) two boxes can be one cell under two names, as ultralytics has it; otherwise each
    cell comes once, under its best name, and overlapping boxes are left to the runtime's suppression.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        head = network.model[-1]
        self.layers, self.read = nn.ModuleList(network.model[:-1]), tuple(head.f)
        self.kept = frozenset(network.save)
        self.end_to_end = bool(head.end2end)
        branch = head.one2one if self.end_to_end else head.one2many
        self.box_head, self.class_head = branch["box_head"], branch["cls_head"]
        self.bins = int(head.reg_max)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features = self._features(images.float() / 255)
        boxes = torch.cat([self._boxes(head(x)) for head, x in zip(self.box_head, features, strict=True)], 1)
        logits = torch.cat([head(x).flatten(2) for head, x in zip(self.class_head, features, strict=True)], 2)
        logits = logits.transpose(1, 2)  # [B, A, C]
        best, cells, class_ids = _best_pairs(logits) if self.end_to_end else _best_cells(logits)
        boxes = boxes.gather(1, cells[..., None].expand(-1, -1, 4))
        return boxes, best.sigmoid(), class_ids, features[-1].mean((2, 3))

    def _features(self, x: Any) -> list[torch.Tensor]:
        """Feature maps that the head reads, finest first."""
        held: list[Any] = []
        layer: Any
        for layer in self.layers:
            if layer.f != -1:
                x = held[layer.f] if isinstance(layer.f, int) else [x if j == -1 else held[j] for j in layer.f]
            x = layer(x)
            held.append(x if layer.i in self.kept else None)
        return [held[j] for j in self.read]

    def _boxes(self, distances: torch.Tensor) -> torch.Tensor:
        """[B, 4 R, h, w] -> corners relative to the picture [B, h w, 4]. R bins are a distribution over whole
        distances, in cells from the middle of the cell to the left, upper, right and lower edge; one bin is the
        distance itself."""
        rows, columns = distances.shape[-2:]
        if self.bins > 1:
            split = distances.flatten(2).unflatten(1, (4, self.bins))  # type: ignore[no-untyped-call]  # torch leaves it untyped
            shares = split.softmax(2)  # [B, 4, R, A]
            sides = (shares * torch.arange(self.bins, dtype=shares.dtype)[:, None]).sum(2)
        else:
            sides = distances.flatten(2)
        x = ((torch.arange(columns) + 0.5)[None].expand(rows, -1)).reshape(-1)
        y = ((torch.arange(rows) + 0.5)[:, None].expand(-1, columns)).reshape(-1)
        left, top, right, bottom = sides.unbind(1)
        corners = [(x - left) / columns, (y - top) / rows, (x + right) / columns, (y + bottom) / rows]
        return torch.stack(corners, 2)


def _best_cells(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of [B, A, C]: the `BOXES` cells of the highest class logit; logits, cells, class ids, each [B, 300]."""
    best, class_ids = logits.max(2)
    top, cells = best.topk(BOXES, dim=1)
    return top, cells, class_ids.gather(1, cells)


def _best_pairs(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of [B, A, C]: the `BOXES` best (cell, class) pairs among the `BOXES` best cells, as ultralytics' end-to-end
    head selects; logits, cells, class ids, each [B, 300]."""
    classes = logits.shape[2]
    cells = logits.amax(2).topk(BOXES, dim=1).indices
    rows = logits.gather(1, cells[..., None].expand(-1, -1, classes))
    top, index = rows.flatten(1).topk(BOXES, dim=1)
    return top, cells.gather(1, index // classes), index % classes
