"""An ultralytics .pt file -> a checkpoint folder (config.json, model.safetensors), without running code in it.

A .pt is a pickle of live Python objects: reading it the ordinary way imports and calls whatever it names. Here it is
read by torch's restricted unpickler with every class of ultralytics and torch.nn replaced by an inert shell that only
holds attributes: no code of the file, of ultralytics or of torch.nn runs, and ultralytics needn't be installed. What is
kept are tensors, the layer table (`yaml`) and class names, each checked to be plain data.

    python -m edgecap.export.detectors.yolo_checkpoint yolo11n.pt yolo11n/
    edgecap export yolo --checkpoint yolo11n/ --out PACK
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgecap.engines.errors import CheckpointError, EdgecapError, MissingExtraError, OutputError, UsageError

MODEL_CLASSES = ("DetectionModel", "SegmentationModel")
MODEL_TYPE = "ultralytics"
_SHELLED = ("ultralytics.", "torch.nn.modules.", "numpy.", "pathlib.", "datetime.")
"""Classes under these names become shells. numpy, pathlib and datetime: figures and paths of the training run."""
_ALSO = frozenset({"builtins.getattr", "__builtin__.getattr", "torch.Size", "builtins.set"})
"""YOLO11 files name `getattr`; as a shell it fetches nothing."""
_LICENCE = "AGPL-3.0"


class _Shell:
    """Holds the state of an object, and is nothing else."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.arguments = arguments

    def __new__(cls, *arguments: Any, **named: Any) -> _Shell:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)


def unpack(file: Path, folder: Path) -> Path:
    """Write the checkpoint folder of a .pt file and return it.

    Raises `CheckpointError`: unreadable, names something that a YOLO checkpoint has no use for, or holds another kind
    of model. `OutputError` where the folder can't be written.
    """
    content = read_pickle(file)
    model: Any = next((content[key] for key in ("ema", "model") if content.get(key) is not None), None)
    kind = getattr(model, "kind", None)
    if kind not in MODEL_CLASSES:
        raise CheckpointError(
            f"{file}: holds {kind or type(model).__name__}, not a {' or '.join(MODEL_CLASSES)} of YOLO11 or YOLO26"
        )
    config = {
        "architectures": [kind],
        "model_type": MODEL_TYPE,
        "id2label": {str(key): str(value) for key, value in _names(file, model).items()},
        "ultralytics": {"version": str(content.get("version", "unknown")), "yaml": _plain(file, model.yaml)},
    }
    tensors = dict(_tensors(model, ""))
    if not tensors:
        raise CheckpointError(f"{file}: holds a {kind} without weights; fetch it again")
    _write(folder, config, tensors, str(content.get("license") or _LICENCE).split()[0])
    return folder


def read_pickle(file: Path) -> Mapping[str, Any]:
    """The file's dictionary with shells for objects; see the module's words. Raises `CheckpointError`."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(
            'reading a .pt file needs torch, which isn\'t installed; run: pip install "edgecap[export]"'
        ) from error
    if not file.is_file():
        raise CheckpointError(f"{file}: no such file; give a .pt file of ultralytics")
    try:
        named = torch.serialization.get_unsafe_globals_in_checkpoint(str(file))
        foreign = sorted(name for name in named if not name.startswith(_SHELLED) and name not in _ALSO)
        if foreign:
            raise CheckpointError(
                f"{file}: names {foreign[0]}, which a YOLO checkpoint has no use for; it was not read: "
                "fetch it from its publisher"
            )
        with torch.serialization.safe_globals([(_shell_class(name), name) for name in named]):
            content = torch.load(str(file), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError, AttributeError, TypeError) as error:
        line = next((text.strip() for text in str(error).splitlines() if text.strip()), type(error).__name__)
        line = line.partition(". ")[0][:160]
        raise CheckpointError(f"{file}: can't be read as a checkpoint ({line}); fetch it again") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{file}: holds a {type(content).__name__}, not ultralytics' dictionary")
    return content


def _shell_class(name: str) -> type[_Shell]:
    return type("Shell", (_Shell,), {"kind": name.rpartition(".")[2]})


def _names(file: Path, model: Any) -> dict[int, str]:
    names = getattr(model, "names", None)
    if isinstance(names, list | tuple):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not all(isinstance(v, str) for v in names.values()):
        raise CheckpointError(f"{file}: the model has no class names; train or fetch it again")
    return names


def _plain(file: Path, table: Any) -> Any:
    """The layer table as JSON data; anything else in it is refused."""
    if isinstance(table, dict):
        return {str(key): _plain(file, value) for key, value in table.items()}
    if isinstance(table, list | tuple):
        return [_plain(file, value) for value in table]
    if table is None or isinstance(table, str | int | float | bool):
        return table
    raise CheckpointError(f"{file}: its layer table holds a {type(table).__name__}, not plain data; fetch it again")


def _tensors(module: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Parameters and buffers under the names of `state_dict`, float32 where they are half."""
    import torch

    state = vars(module)
    for name, value in {**state.get("_parameters", {}), **state.get("_buffers", {})}.items():
        if isinstance(value, torch.Tensor) and name not in state.get("_non_persistent_buffers_set", ()):
            plain = value.detach().float() if value.is_floating_point() else value.detach()
            yield prefix + name, plain.clone().contiguous()
    for name, child in state.get("_modules", {}).items():
        if isinstance(child, _Shell):
            yield from _tensors(child, f"{prefix}{name}.")


def _write(folder: Path, config: dict[str, Any], tensors: dict[str, Any], licence: str) -> None:
    from safetensors.torch import save_file

    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, str(folder / "model.safetensors"))
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(f"---\nlicense: {licence.lower()}\n---\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{folder}: can't be written ({error}); check permissions and free space") from error


def main(arguments: list[str]) -> int:
    """`python -m edgecap.export.detectors.yolo_checkpoint FILE.pt FOLDER`."""
    try:
        if len(arguments) != 2:
            raise UsageError("expected: python -m edgecap.export.detectors.yolo_checkpoint FILE.pt FOLDER")
        print(unpack(Path(arguments[0]), Path(arguments[1])))
    except EdgecapError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
