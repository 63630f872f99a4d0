"""The three roles of pack `street` as recipes: what `publish` takes, each over the same two packages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.checkpoint.labels import COCO_LABELS
from edgecap.export.job import ExportJob, Precision, Role, RoleExport
from edgecap.export.street.sources import HUMAN_MODELS, MOVENET, NANODET, REMBG, SELFIE, U2NETP, Model
from edgecap.export.tfjs.model import TfjsModel
from edgecap.export.tfjs.roles.nanodet import ScoreScale
from edgecap.export.tfjs.roles.scenes import Scene, detected_scenes, laid_scenes, of_classes

PERSON_ID = COCO_LABELS.index("person")
SCORE_THRESHOLD = 0.2
"""Of the scaled score. The tracker reads scores as probabilities too: births at .3, sure at .5; what is below only
prolongs a track."""
SCALES = {416: ScoreScale(2.07, 0.62), 512: ScoreScale(2.71, 0.79), 640: ScoreScale(2.99, 0.04)}
"""Picture side -> from NanoDet-g's score to the probability of being right, class and IoU above .5. Ours: fitted by
least logistic loss on every fourth frame of ten sequences of DAVIS 2016 (BSD-style licence), scores from .2 up, each
sequence weighted by one over the root of its boxes. A box of a class that is in the clip but was not annotated is left
out. At 512 px a score of .3-.4 is right in 27 of 100 cases, .4-.5 in 61, .5-.6 in 80, .6-.7 in 98."""
_SCENES = 64
_SHOWN = 0.4
"""Scaled score of boxes that forms of the detector are compared by, and masks and poses are calibrated on."""
_POSE_SIDE = 960


@dataclass(frozen=True, slots=True)
class StreetFiles:
    """Where the members of the two packages are."""

    human_models: Path
    rembg: Path

    def tfjs(self, model: Model) -> TfjsModel:
        """One of the TensorFlow.js models. Raises `CheckpointError`."""
        return TfjsModel.open(self.human_models / model.file)


@dataclass(slots=True)  # not frozen: the protocol's fields can be set
class StreetRole:
    """One role; see `export.job.Recipe`."""

    role: Role
    models: tuple[Model, ...]
    precision: Precision
    files: StreetFiles
    image_side: int
    name: str = "street"
    architectures: tuple[str, ...] = ()
    extra: str = "export"
    notice: str = ""

    @property
    def source(self) -> str:
        """Models and packages in one line; also how a finished role is recognised."""
        return "; ".join(model.label(REMBG if model is U2NETP else HUMAN_MODELS) for model in self.models)

    @property
    def checkpoint(self) -> Checkpoint:
        """What `publish` names in its messages."""
        return Checkpoint(
            folder=self.files.human_models,
            config={},
            architecture=self.models[0].name,
            model_type="tfjs",
            source=HUMAN_MODELS.name,
            revision=HUMAN_MODELS.version,
            licence=self.models[0].licence,
            weight_files=(),
        )

    def __call__(self, job: ExportJob) -> RoleExport:
        """Export the role; see `detector`, `segmenter`, `pose` below."""
        return {"detector": _detector, "segmenter": _segmenter, "pose": _pose}[self.role](self, job)


def street_roles(files: StreetFiles, *, image_side: int) -> tuple[StreetRole, ...]:
    """In the order in which they are made. `image_side`: of the detector, pixels."""
    return (
        StreetRole("detector", (NANODET,), "int8", files, image_side),
        StreetRole("segmenter", (SELFIE, U2NETP), "int8", files, image_side),
        # INT8 moves a third of MoveNet's keypoints by more than a twentieth of the person.
        StreetRole("pose", (MOVENET,), "fp32", files, image_side),
    )


def _detector(street: StreetRole, job: ExportJob) -> RoleExport:
    from edgecap.export.tfjs.roles.detector import DetectorPlan, export_detector

    plan = DetectorPlan(
        model=street.files.tfjs(NANODET),
        labels=COCO_LABELS,
        scale=SCALES[street.image_side],
        score_threshold=SCORE_THRESHOLD,
        image_side=street.image_side,
        note=f"{street.image_side} px; scores are probabilities",
        source=street.source,
        judged_score=_SHOWN,
    )
    return export_detector(job, plan)


def _segmenter(street: StreetRole, job: ExportJob) -> RoleExport:
    from edgecap.export.street.things import thing_net
    from edgecap.export.tfjs.roles.person_mask import against_replay, person_net
    from edgecap.export.tfjs.roles.segmenter import IMAGE_SIDE, SegmenterPlan, export_segmenter

    scenes = _scenes(street, job, image_side=IMAGE_SIDE)
    model = street.files.tfjs(SELFIE)
    person = person_net(model)
    thing, same = thing_net(street.files.rembg / U2NETP.file)
    originals = (*([against_replay(model, person, scenes)] if scenes else []), same)
    plan = SegmenterPlan(person, thing, PERSON_ID, street.source, SELFIE.licence, originals)
    return export_segmenter(job, plan, scenes)


def _pose(street: StreetRole, job: ExportJob) -> RoleExport:
    from edgecap.export.tfjs.roles.pose_role import export_pose

    scenes = of_classes(_scenes(street, job, image_side=_POSE_SIDE), [PERSON_ID], inside=True)
    scenes = scenes or laid_scenes(job, count=4, image_side=_POSE_SIDE)  # the network is compared all the same
    return export_pose(job, street.files.tfjs(MOVENET), scenes, source=street.source, licence=MOVENET.licence)


def _scenes(street: StreetRole, job: ExportJob, *, image_side: int) -> list[Scene]:
    """What the detector sees in the job's pictures; boxes laid over them where it sees nothing at all."""
    from edgecap.export.tfjs.roles.detector import NMS_IOU
    from edgecap.export.tfjs.roles.nanodet import detector_graph

    graph = detector_graph(street.files.tfjs(NANODET), scale=SCALES[street.image_side])
    found = detected_scenes(job, graph, count=_SCENES, image_side=image_side, threshold=_SHOWN, nms_iou=NMS_IOU)
    return found or laid_scenes(job, count=8, image_side=image_side)
