"""A checkpoint folder in the model hub's layout, read safely: config.json, safetensors weights, model card.

In: a folder (a hub snapshot, or what `save_pretrained` writes). Out: `Checkpoint`, which recipes ask for its config,
for single tensors without torch, or for the whole model. Pickle files (.bin, .pt, .pth, .ckpt) are never opened:
reading one runs whatever code is in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgecap.engines.errors import CheckpointError, MissingExtraError
from edgecap.export.checkpoint.folder_origin import read_licence, read_origin
from edgecap.export.checkpoint.misfit import no_folder, refuse_quantised, without_config, without_weights
from edgecap.export.checkpoint.weight_file import WeightFile

RECIPE_OF: dict[str, str] = {
    "SmolVLMForConditionalGeneration": "smolvlm",
    "Idefics3ForConditionalGeneration": "smolvlm",
    "Qwen2_5_VLForConditionalGeneration": "qwen2_5_vl",
    "DFineForObjectDetection": "dfine",
    "RTDetrForObjectDetection": "dfine",
    "RTDetrV2ForObjectDetection": "dfine",
    "Sam2VideoModel": "sam2",
    "Sam2Model": "sam2",
}
"""Architecture as config.json spells it -> the recipe that takes it; for the message of a wrong one."""

_CONFIG = "config.json"
_INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder whose config was read and whose weight files are there in full length.

    `config`: config.json. `architecture`: the first of its `architectures`. `source`: hub id ("org/name") where known,
    else the folder as given. `revision`: the hub's commit, None where the folder doesn't tell. `licence`: as the model
    card's front matter says, None where it doesn't. `weight_files`: absolute, in the order of their names.
    """

    folder: Path
    config: dict[str, Any]
    architecture: str
    model_type: str
    source: str
    revision: str | None
    licence: str | None
    weight_files: tuple[Path, ...]
    _files: tuple[WeightFile, ...] = field(repr=False, compare=False, default=())

    @classmethod
    def open(
        cls, folder: str | Path, *, source: str | None = None, revision: str | None = None, needs_weights: bool = True
    ) -> Checkpoint:
        """Read a folder. `source`, `revision`: what the caller knows of its origin (a hub id and a commit).
        `needs_weights` False: a folder without any safetensors will do (`weight_files` is () then).

        Raises `CheckpointError`: no folder, no config.json or not JSON, no architecture, weights only as pickle, a
        missing or shortened shard, quantised weights.
        """
        where = Path(folder).expanduser()
        if not where.is_dir():
            raise no_folder(where)
        where = where.absolute()
        config = _read_json(where / _CONFIG, missing=without_config(where))
        named = config.get("architectures")
        if not (isinstance(named, list) and named and isinstance(named[0], str)):
            raise CheckpointError(
                f'{where / _CONFIG}: names no architecture (got {named!r}); add "architectures": ["ClassName"]'
            )
        if needs_weights:
            refuse_quantised(where, config)
        files = _weight_files(where) if needs_weights or _has_safetensors(where) else ()
        found_source, found_revision = read_origin(where)
        return cls(
            folder=where,
            config=config,
            architecture=named[0],
            model_type=str(config.get("model_type", "")),
            source=source or found_source or str(folder),
            revision=revision or found_revision,
            licence=read_licence(where),
            weight_files=tuple(file.path for file in files),
            _files=files,
        )

    @property
    def label(self) -> str:
        """Origin in one line for pack.json: "org/name@commit, licence apache-2.0"."""
        return f"{self.source}@{self.revision or 'unknown revision'}, licence {self.licence or 'not stated'}"

    def require(self, architectures: Sequence[str], *, recipe: str) -> None:
        """Raise `CheckpointError` unless the architecture is one of `architectures`; names the recipe that fits."""
        if self.architecture in architectures:
            return
        fitting = RECIPE_OF.get(self.architecture)
        advice = f"use edgecap export {fitting}" if fitting else "no recipe takes it"
        raise CheckpointError(
            f"{self.folder}: recipe {recipe} takes {' or '.join(architectures)}, this is {self.architecture}; {advice}"
        )

    def require_like(self, part: str, settings: Mapping[str, tuple[Any, Any]]) -> None:
        """Raise `CheckpointError` for the first of `settings` (name -> (what the config says, what the recipe knows))
        that differs; `part` says of what, e.g. "text model"."""
        for name, (got, known) in settings.items():
            if got != known:
                raise CheckpointError(f"{self.folder}: {part} with {name} {got!r}; this recipe knows {known!r} only")

    def shapes(self, prefix: str = "") -> dict[str, tuple[int, ...]]:
        """Names, without `prefix`, and shapes of the stored tensors whose name begins with it; reads no numbers."""
        return {
            name.removeprefix(prefix): entry.shape
            for file in self._files
            for name, entry in file.entries.items()
            if name.startswith(prefix)
        }

    def require_shapes(self, expected: Mapping[str, tuple[int, ...]], *, prefix: str = "") -> None:
        """Raise `CheckpointError` naming the first tensor of `expected` that is missing or has another shape."""
        stored = self.shapes(prefix)
        for name, shape in expected.items():
            if name not in stored:
                raise CheckpointError(
                    f"{self.folder}: no tensor {prefix}{name} in its {len(self.weight_files)} weight file(s); "
                    "the checkpoint is incomplete or follows another layout: fetch it again"
                )
            if stored[name] != shape:
                raise CheckpointError(
                    f"{self.folder}: tensor {prefix}{name} has shape {list(stored[name])}, {_CONFIG} asks for "
                    f"{list(shape)}; config and weights are of two models: fetch both again"
                )

    def tensors(self, prefix: str = "") -> Mapping[str, NDArray[Any]]:
        """Stored tensors by name without `prefix`, read from disk each time one is asked for.

        float32 out of bfloat16, float16 and float64; whole numbers and booleans as stored. Tied weights that the file
        stores once have one name. Asking for a name that isn't there raises KeyError (see `require_shapes`).
        """
        return _Tensors(self._files, prefix)

    def load(self, model_class: Any, **arguments: Any) -> Any:
        """`model_class.from_pretrained` of this folder: safetensors only, no network, float32, eval mode.

        `arguments`: further ones, e.g. attn_implementation="eager". transformers would fill a missing or misshapen
        tensor with random numbers and only warn: here it is a `CheckpointError` that names it.
        """
        try:
            import torch
        except ImportError as error:
            raise MissingExtraError(
                'reading a whole model needs torch, which isn\'t installed; run: pip install "edgecap[export]"'
            ) from error
        options: dict[str, Any] = {"dtype": torch.float32, "output_loading_info": True} | arguments
        if not self.weight_files:
            raise CheckpointError(
                f"{self.folder}: contains no safetensors to make a {model_class.__name__} of; fetch them"
            )
        try:
            with _hushed():
                model, report = model_class.from_pretrained(
                    str(self.folder), use_safetensors=True, local_files_only=True, **options
                )
        except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"{self.folder}: {model_class.__name__} can't be made from it ({_one_line(error)}); "
                "config and weights must be of one model: fetch both again"
            ) from error
        _refuse_gaps(self.folder, report)
        return model.eval()


class _Tensors(Mapping[str, NDArray[Any]]):
    """A mapping that reads on access."""

    def __init__(self, files: Sequence[WeightFile], prefix: str) -> None:
        self._prefix = prefix
        self._holder = {name: file for file in files for name in file.entries if name.startswith(prefix)}

    def __getitem__(self, name: str) -> NDArray[Any]:
        full = self._prefix + name
        return self._holder[full].read(full)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._prefix + name in self._holder

    def __iter__(self) -> Iterator[str]:
        return (name.removeprefix(self._prefix) for name in self._holder)

    def __len__(self) -> int:
        return len(self._holder)


@contextmanager
def _hushed() -> Iterator[None]:
    """transformers draws a bar of its own over every file, and prints a table of every tensor that config and weights
    don't share; the command has one line for each."""
    import transformers

    logging: Any = transformers.utils.logging
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def _read_json(path: Path, *, missing: str) -> dict[str, Any]:
    if not path.is_file():
        raise CheckpointError(f"{path.parent}: contains no {path.name}; {missing}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: is not JSON ({error}); fetch it again") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: expected a JSON object, got {type(content).__name__}; fetch it again")
    return content


def _has_safetensors(folder: Path) -> bool:
    return (folder / _INDEX).is_file() or (folder / _SINGLE).is_file()


def _weight_files(folder: Path) -> tuple[WeightFile, ...]:
    if (folder / _INDEX).is_file():
        return _shards(folder)
    if (folder / _SINGLE).is_file():
        return (WeightFile.open(folder / _SINGLE),)
    if any(folder.glob("onnx/*.onnx")):
        raise CheckpointError(
            f"{folder}: holds ONNX graphs and no safetensors; use edgecap export ready-made, or fetch the weights too"
        )
    if instead := without_weights(folder):
        raise CheckpointError(f"{folder}: contains no safetensors; {instead}")
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        found = pickles[0] + (", ..." if len(pickles) > 1 else "")
        raise CheckpointError(
            f"{folder}: holds weights only as pickle ({found}), which can run code when it is read; "
            "safetensors are needed: load it where you trust it and call "
            "model.save_pretrained(FOLDER), or take the hub's safetensors revision"
        )
    raise CheckpointError(f"{folder}: holds neither {_SINGLE} nor {_INDEX}; fetch the weights too")


def _shards(folder: Path) -> tuple[WeightFile, ...]:
    index = _read_json(folder / _INDEX, missing="fetch it again")
    placed = index.get("weight_map")
    if not isinstance(placed, dict) or not placed:
        raise CheckpointError(f"{folder / _INDEX}: has no weight_map; fetch it again")
    names = sorted({str(name) for name in placed.values()})
    files = {}
    for name in names:
        if Path(name).name != name:
            raise CheckpointError(f"{folder / _INDEX}: shard {name!r} is not a file of this folder; fetch it again")
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder}: shard {name} of {len(names)} is missing; fetch it and try again")
        files[name] = WeightFile.open(folder / name)
    for tensor, name in placed.items():
        if tensor not in files[name].entries:
            raise CheckpointError(
                f"{folder / name}: lacks tensor {tensor}, which {_INDEX} places there; fetch it again"
            )
    return tuple(files.values())


def _refuse_gaps(folder: Path, report: Mapping[str, Any]) -> None:
    for kind, words in (("missing_keys", "lacks"), ("mismatched_keys", "has in another shape"), ("error_msgs", "")):
        found = sorted(str(item[0] if isinstance(item, tuple) else item) for item in report.get(kind) or ())
        if found:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            raise CheckpointError(
                f"{folder}: the checkpoint {words} {found[0]}{more}, compared with its {_CONFIG}; "
                "config and weights must be of one model: fetch both again"
            )


def _one_line(error: BaseException) -> str:
    """The first line that says something, shortened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200]
