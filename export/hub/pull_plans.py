"""What `edgecap pull NAME` makes: for each role a recipe and a model of the hub. Data only.

The hub can't be looked at from where this was written, so no commit is pinned here: a plan says "main", the command
reports it, and pack.json records the commit that "main" was. To pin one, write its 40 digits in place of "main".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edgecap.export.job import Precision


@dataclass(frozen=True, slots=True)
class PlannedRole:
    """`repo`: hub id. `revision`: commit, or a name that can move. `licence`: as the model card says."""

    role: str
    recipe: str
    repo: str
    licence: str
    revision: str = "main"
    precision: Precision = "int8"
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PullPlan:
    """`for_whom`: one line for the list."""

    name: str
    for_whom: str
    roles: tuple[PlannedRole, ...]


_SAM2_TINY = PlannedRole("segmenter", "sam2", "facebook/sam2.1-hiera-tiny", "apache-2.0", options={"image_side": "512"})
_SAM2_SMALL = PlannedRole("segmenter", "sam2", "facebook/sam2.1-hiera-small", "apache-2.0")
_DFINE_MEDIUM = PlannedRole("detector", "dfine", "ustc-community/dfine-medium-obj2coco", "apache-2.0")

PLANS: tuple[PullPlan, ...] = (
    PullPlan(
        "edge",
        "edge devices and CPUs, about 0.4 B parameters",
        (
            PlannedRole("detector", "dfine", "ustc-community/dfine-small-coco", "apache-2.0"),
            _SAM2_TINY,
            PlannedRole("captioner", "smolvlm", "HuggingFaceTB/SmolVLM2-256M-Video-Instruct", "apache-2.0"),
        ),
    ),
    PullPlan(
        "plus",
        "one GPU, about 4 B parameters",
        (
            _DFINE_MEDIUM,
            _SAM2_SMALL,
            PlannedRole("captioner", "qwen2_5_vl", "Qwen/Qwen2.5-VL-3B-Instruct", "qwen-research", precision="int4"),
        ),
    ),
    PullPlan(
        "instancecap",
        "one GPU, about 8 B parameters; the captioner of the InstanceCap paper",
        (
            _DFINE_MEDIUM,
            _SAM2_SMALL,
            PlannedRole(
                "captioner",
                "qwen2_5_vl",
                "AnonMegumi/InstanceCap-Captioner",
                "see its model card",
                precision="int4",
                options={"style": "captioner"},
            ),
        ),
    ),
)
