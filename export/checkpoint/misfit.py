"""What was found where a checkpoint was expected, and what to do next: words for the errors of `checkpoint`.

In: a path, or a config. Out: the end of a message, or `CheckpointError`. An adapter, a GGUF file, ultralytics' .pt, a
file in place of its folder, quantised weights.

Kinds: an adapter, a GGUF file, ultralytics' .pt, a file in place of its folder, quantised weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecap.engines.errors import CheckpointError

_ADAPTER = "adapter_config.json"
_GGUF = "is of llama.cpp and can't be exported; fetch the model's safetensors checkpoint"


def no_folder(path: Path) -> CheckpointError:
    """The error for a path that is no folder: an address, a file, or nothing."""
    # pathlib has made one slash of the two in an address
    scheme, _, rest = str(path).partition(":/")
    if scheme in ("http", "https"):
        return CheckpointError(
            f"{scheme}://{rest}: an address is not a checkpoint; give a folder or the hub id, "
            f"as {'/'.join(rest.split('/')[1:3]) or 'org/name'}"
        )
    if not path.exists():
        return CheckpointError(
            f"{path}: no such folder; give the folder that holds config.json, or a hub id (org/name)"
        )
    if path.suffix == ".gguf":
        return CheckpointError(f"{path}: GGUF {_GGUF}")
    if path.suffix == ".pt":
        return CheckpointError(
            f"{path}: is a pickle file, which this recipe never opens; if it is of ultralytics, use edgecap export yolo"
        )
    return CheckpointError(f"{path}: is a file; give the folder that holds it and config.json")


def without_config(folder: Path) -> str:
    """What to do about a folder without config.json."""
    if (folder / _ADAPTER).is_file():
        return _merge(folder)
    return without_weights(folder) or "give the folder that the hub's snapshot or save_pretrained wrote"


def without_weights(folder: Path) -> str:
    """What to do about a folder without safetensors, by what it holds instead; "" where that says nothing."""
    if (folder / _ADAPTER).is_file():
        return _merge(folder)
    if found := sorted(path.name for path in folder.glob("*.gguf")):
        return f"its {found[0]} (GGUF) {_GGUF}"
    pickles = sorted(path.name for path in folder.glob("*.pt"))
    if pickles and not (folder / "config.json").is_file():
        return f"if its {pickles[0]} is of ultralytics, give that file: edgecap export yolo --checkpoint {pickles[0]}"
    return ""


def refuse_quantised(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise `CheckpointError` for weights that bitsandbytes, AWQ, GPTQ and the like have packed."""
    text = config.get("text_config")
    for held in (config, text if isinstance(text, Mapping) else {}):
        packed = held.get("quantization_config")
        if packed:
            method = packed.get("quant_method", "unknown method") if isinstance(packed, Mapping) else packed
            raise CheckpointError(
                f"{folder}: its weights are quantised ({method}), which no recipe reads; give the unquantised "
                "checkpoint (float32, float16 or bfloat16): --precision quantises here"
            )


def _merge(folder: Path) -> str:
    try:
        base = json.loads((folder / _ADAPTER).read_text(encoding="utf-8")).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError):
        base = None
    return (
        f"it is an adapter (LoRA) of {base or 'another model'}, not a model: merge the two with peft "
        "(merge_and_unload, then save_pretrained) and give that folder"
    )
