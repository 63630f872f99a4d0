"""An enhanced prompt as an InstanceCap row and as a dense paragraph: the captioner's formats, key for key.

In: `Enhanced`. Out: JSON types; text. The rows follow record_schema.json
("enhanced" among its meta blocks), so whatever reads captions reads enhanced prompts; the paragraph is
dense_paragraph's."""

from __future__ import annotations

from typing import Any

from edgecap import __version__
from edgecap.engines.errors import EdgecapError
from edgecap.runtime.enhance.plan import Enhanced, EnhancedField
from edgecap.runtime.output.paragraph import dense_paragraph
from edgecap.runtime.output.reader import caption_row
from edgecap.runtime.output.row import SCHEMA_VERSION


def enhanced_to_json(enhanced: Enhanced) -> dict[str, Any]:
    """The row. "Video" is empty. "Global Description" is the user's prompt (docs/spec/instancecap.md 6)."""
    row = _format(enhanced)
    paragraph = dense_paragraph(caption_row(row))
    return {**row, "meta": _meta(enhanced, paragraph)}


def _format(enhanced: Enhanced) -> dict[str, Any]:
    """The keys of docs/spec/instancecap.md 4.1, in its order."""
    return {
        "Video": "",
        "Global Description": enhanced.reading.text,
        "Structural Description": {
            "Main Instance": {
                f"No.{i}": {
                    "Class": one.class_name,
                    "Appearance": one.appearance.text,
                    "Actions and Motion": one.action.text,
                    "Position": one.position.text,
                }
                for i, one in enumerate(enhanced.instances)
            },
            "Background Detail": enhanced.background.text,
            "Camera Movement": enhanced.camera.text,
        },
    }


def _meta(enhanced: Enhanced, paragraph: str) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "edgecap": __version__,
        "status": "enhanced",
        "used": dict(enhanced.used),
        "run": {"seed": enhanced.seed, "max_instances": enhanced.max_instances},
        "model_calls": enhanced.model_calls,
        "story": enhanced.story,
        "paragraph": paragraph,
        "not_understood": list(enhanced.reading.not_understood),
        "omitted": dict(enhanced.omitted),
        "notes": list(enhanced.notes),
        "background": _field(enhanced.background),
        "camera": _field(enhanced.camera),
        "instances": [
            {
                "key": f"No.{i}",
                "name": one.name,
                "appearance": _field(one.appearance),
                "action": _field(one.action),
                "position": _field(one.position),
            }
            for i, one in enumerate(enhanced.instances)
        ],
    }


def refused_to_json(prompt: str, error: EdgecapError) -> dict[str, Any]:
    """The row of a prompt that could not be enhanced: the prompt itself is kept as the global description."""
    return {
        "Video": "",
        "Global Description": prompt,
        "Structural Description": {"Main Instance": {}, "Background Detail": "", "Camera Movement": ""},
        "meta": {
            "schema_version": SCHEMA_VERSION,
            "edgecap": __version__,
            "status": "error",
            "error": type(error).__name__,
            "message": str(error),
            "exit_code": error.exit_code,
            "clips_written": 0,
        },
    }


def _field(field: EnhancedField) -> dict[str, Any]:
    block: dict[str, Any] = {"provenance": field.provenance}
    for name, parts in (("prompt", field.prompt_parts), ("invented", field.invented_parts)):
        if parts:
            block[name] = list(parts)
    if field.rejections:
        block["rejections"] = list(field.rejections)
    return block
