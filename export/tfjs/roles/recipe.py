"""Recipe `tfjs`: a TensorFlow.js graph model -> a role of a pack: NanoDet, a person mask, or MoveNet.

In: NAME.json with its .bin shards beside it, or a folder that contains one such model. Out: `RoleExport`. What the
model is follows from its inputs and outputs, not from its name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from edgecap.engines.errors import CheckpointError, UsageError
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.checkpoint.labels import COCO_LABELS, labels_of
from edgecap.export.detectors.options import DetectorOptions
from edgecap.export.job import ExportJob, Role, RoleExport, read_options
from edgecap.export.tfjs.model import TfjsModel

IMAGE_SIDE = 512
SCORE_THRESHOLD = 0.4
_KINDS = ("NanoDet", "PersonMask", "MoveNet")
_SCENES = 48
_POSE_SIDE = 960


class Tfjs:
    """See `export.job.Recipe`."""

    name = "tfjs"
    role: Role = "detector"
    """Of a NanoDet; a person mask becomes a segmenter, MoveNet a pose."""
    architectures: tuple[str, ...] = _KINDS
    extra = "export"
    notice = ""

    def open_checkpoint(self, path: Path, *, source: str | None = None, revision: str | None = None) -> Checkpoint:
        """Raises `CheckpointError`: no such model there or several, or none of the kinds that the recipe knows."""
        file = _graph_model(path.expanduser())
        model = TfjsModel.open(file)
        kind = kind_of(model)
        return Checkpoint(
            folder=file.parent.absolute(),
            config={"graph_model": file.name},
            architecture=kind,
            model_type="tfjs",
            source=source or str(path),
            revision=revision,
            licence=None,
            weight_files=(file.absolute(),),
        )

    def __call__(self, job: ExportJob) -> RoleExport:
        """Options of a NanoDet: image_side, labels, score_threshold (see `DetectorOptions`); the others take none."""
        checkpoint = job.checkpoint
        checkpoint.require(self.architectures, recipe=self.name)
        model = TfjsModel.open(checkpoint.weight_files[0])
        if checkpoint.architecture == "NanoDet":
            return _detector(job, model)
        if job.options:
            raise UsageError(
                f"recipe {self.name} has no option {min(job.options)!r} for a {checkpoint.architecture}; it takes none"
            )
        licence = checkpoint.licence or "not stated"
        from edgecap.export.tfjs.roles.scenes import laid_scenes

        if checkpoint.architecture == "MoveNet":
            from edgecap.export.tfjs.roles.pose_role import export_pose

            scenes = laid_scenes(job, count=_SCENES, image_side=_POSE_SIDE)
            return export_pose(job, model, scenes, source=checkpoint.label, licence=licence)
        from edgecap.export.tfjs.roles.person_mask import against_replay, person_net
        from edgecap.export.tfjs.roles.segmenter import IMAGE_SIDE as CROP_SIDE
        from edgecap.export.tfjs.roles.segmenter import SegmenterPlan, export_segmenter

        scenes = laid_scenes(job, count=_SCENES, image_side=CROP_SIDE)
        net = person_net(model)
        comparisons = (against_replay(model, net, scenes),)
        return export_segmenter(job, SegmenterPlan(net, None, 0, checkpoint.label, licence, comparisons), scenes)


TFJS = Tfjs()


def kind_of(model: TfjsModel) -> str:
    """ "NanoDet", "PersonMask" or "MoveNet", by inputs and outputs. Raises `CheckpointError` for another model."""
    shapes: list[tuple[int | None, ...]] = [node.get("shape") or () for node in model.inputs]
    if len(shapes) == 1 and len(shapes[0]) == 4:
        kinds: Mapping[tuple[int, bool, str], str] = {
            (6, False, "DT_FLOAT"): "NanoDet",
            (1, True, "DT_FLOAT"): "PersonMask",
            (1, True, "DT_INT32"): "MoveNet",
        }
        found = kinds.get((len(model.outputs), shapes[0][3] == 3, model.inputs[0].get("dtype")))
        if found is not None:
            return found
    raise CheckpointError(
        f"{model.path}: recipe tfjs takes {', '.join(_KINDS)}; this model has inputs {shapes} and "
        f"{len(model.outputs)} outputs"
    )


def _detector(job: ExportJob, model: TfjsModel) -> RoleExport:
    from edgecap.export.tfjs.roles.detector import DetectorPlan, export_detector
    from edgecap.export.tfjs.roles.nanodet import ScoreScale, network

    options = read_options(DetectorOptions, job.options, recipe="tfjs")
    if options.twin != "fp16":
        raise UsageError(f"twin={options.twin}: recipe tfjs writes fp16 twins only")
    count = network(model)[2]
    labels = labels_of(
        dict(enumerate(COCO_LABELS)) if count == len(COCO_LABELS) else {},
        count=count,
        origin=str(model.path),
        file=options.labels,
    )
    plan = DetectorPlan(
        model=model,
        labels=labels,
        scale=ScoreScale(),
        score_threshold=options.score_threshold or SCORE_THRESHOLD,
        image_side=options.image_side or IMAGE_SIDE,
        note="scores as the network gives them; suppression is class-agnostic",
    )
    return export_detector(job, plan)


def _graph_model(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = [file for file in sorted(path.glob("*.json")) if _is_graph_model(file)]
    if len(found) != 1:
        names = ", ".join(file.name for file in found[:5]) or "none"
        raise CheckpointError(f"{path}: expected one TensorFlow.js graph model, found {names}; name its .json file")
    return found[0]


def _is_graph_model(file: Path) -> bool:
    try:
        return "weightsManifest" in json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
