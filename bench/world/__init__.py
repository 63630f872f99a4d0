"""The synthetic world: seeded scenes with exact truth. It trains `nano`, tests everything and scores everything."""

from edgecap.bench.world.actors import Actor, Prop
from edgecap.bench.world.backgrounds import BACKGROUNDS, Background
from edgecap.bench.world.camera import CameraPath
from edgecap.bench.world.classes import CLASSES, ActorClass, Gesture
from edgecap.bench.world.colours import COLOURS
from edgecap.bench.world.ground_truth.clip_truth import ActorTruth, ClipTruth
from edgecap.bench.world.ground_truth.truth import truth
from edgecap.bench.world.render.encode import truth_path, write_clip
from edgecap.bench.world.render.renderer import RenderedFrame, Renderer
from edgecap.bench.world.scene import TIERS, Scene, make_scene
from edgecap.bench.world.seeds import (
    EVALUATION_SEED_END,
    EVALUATION_SEED_START,
    TRAIN_SEED_START,
    VALIDATION_SEED_END,
    VALIDATION_SEED_START,
)
from edgecap.bench.world.training import TrainingSample, training_frames

__all__ = [
    "BACKGROUNDS",
    "CLASSES",
    "COLOURS",
    "EVALUATION_SEED_END",
    "EVALUATION_SEED_START",
    "TIERS",
    "TRAIN_SEED_START",
    "VALIDATION_SEED_END",
    "VALIDATION_SEED_START",
    "Actor",
    "ActorClass",
    "ActorTruth",
    "Background",
    "CameraPath",
    "ClipTruth",
    "Gesture",
    "Prop",
    "RenderedFrame",
    "Renderer",
    "Scene",
    "TrainingSample",
    "make_scene",
    "training_frames",
    "truth",
    "truth_path",
    "write_clip",
]
