"""Reference caption of a clip in the InstanceCap structure, from the scene and the truth of its visible actors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecap.bench.world.ground_truth import sentences
from edgecap.bench.world.scene import Scene


def instance_caption(scene: Scene, actors: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """{"Video", "Global Description", "Structural Description": {...}} in the key order of the method."""
    instances = {f"No.{k}": _instance(a) for k, a in enumerate(actors)}
    return {
        "Video": f"{scene.name}.mp4",
        "Global Description": sentences.global_sentence([a["class"] for a in actors], scene.background.name),
        "Structural Description": {
            "Main Instance": instances,
            "Background Detail": scene.background.sentence,
            "Camera Movement": camera_sentence(scene.camera_path.kind, scene.camera_path.labels),
        },
    }


def camera_sentence(kind: str, labels: Sequence[str]) -> str:
    """One sentence, e.g. "The camera pans left and zooms in."."""
    if list(labels) == ["static"]:
        return "The camera is static."
    if kind.startswith("out_and_back"):
        there, back = ("right", "left") if kind.endswith("right") else ("left", "right")
        return f"The camera pans {there}, then pans {back}."
    phrases = [f"{verb}s {way}".strip() for verb, _, way in (name.partition("_") for name in labels)]
    return f"The camera {' and '.join(phrases)}."


def position_sentence(class_name: str, start_cell: str, end_cell: str, *, out_of_frame_at_end: bool) -> str:
    """E.g. "car moves from center-left to center-right and is out of frame in the end."."""
    way = f"stays at {start_cell}" if start_cell == end_cell else f"moves from {start_cell} to {end_cell}"
    return f"{class_name} {way}{' and is out of frame in the end' if out_of_frame_at_end else ''}."


def _instance(actor: dict[str, Any]) -> dict[str, str]:
    action = sentences.action(actor["class"], actor["moving"], actor["gesture"])
    if actor["direction_world"] != "static":
        action += f" It moves {actor['direction_world']}."
    return {
        "Class": actor["class"],
        "Appearance": sentences.appearance(actor["class"], actor["primary_colour"], actor["secondary_colour"]),
        "Actions and Motion": action,
        "Position": position_sentence(
            actor["class"], actor["start_cell"], actor["end_cell"], out_of_frame_at_end=actor["out_of_frame_at_end"]
        ),
    }
