"""Mistakes with checkpoint folders, options and the place of the pack: `edgecap export`."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from edgecap.engines.packs.pack import SHIPPED_FOLDER
from tests.cli.bad_input.cases import Bench, Part

CHECKPOINTS = Part("checkpoints", "Checkpoints, and what is made of them")
case = CHECKPOINTS.case
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4665\nsize 134217728\n"
SMOL: dict[str, Any] = {
    "architectures": ["SmolVLMForConditionalGeneration"],
    "model_type": "smolvlm",
    "scale_factor": 4,
    "text_config": {"model_type": "llama", "hidden_size": 64, "num_attention_heads": 1, "num_key_value_heads": 1},
    "vision_config": {"image_size": 128, "patch_size": 16},
}


def folder_of(
    at: Bench,
    architecture: str = "DFineForObjectDetection",
    *,
    name: str = "model",
    tensors: Mapping[str, NDArray[Any]] | None = None,
    **config: Any,
) -> Path:
    """The folder `name` of the case; see `folder_of_model`."""
    return folder_of_model(at.folder / name, architecture, tensors=tensors, **config)


def folder_of_model(
    folder: Path,
    architecture: str = "DFineForObjectDetection",
    *,
    tensors: Mapping[str, NDArray[Any]] | None = None,
    **config: Any,
) -> Path:
    """A checkpoint folder: config.json, and model.safetensors with a small tensor."""
    folder.mkdir(parents=True)
    stated = {"architectures": [architecture], "model_type": "x", "id2label": {"0": "cat"}} | config
    (folder / "config.json").write_text(json.dumps(stated))
    save_file(dict(tensors or {"w": np.arange(6, dtype=np.float32)}), str(folder / "model.safetensors"))
    return folder


def export(at: Bench, recipe: str, checkpoint: object, *more: object) -> tuple[object, ...]:
    """The arguments of `edgecap export` into `at.out`."""
    return ("export", recipe, "--checkpoint", checkpoint, "--out", at.out, *more)


class Trap:
    """Unpickled the ordinary way it would end this process."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"kill -9 {os.getpid()}",)


@case("a path with a spelling mistake", code=7, says=("no such folder", "downloads-dfine"))
def no_folder(at: Bench) -> tuple[object, ...]:
    return export(at, "dfine", "downloads-dfine")


@case(
    "a relative path with a spelling mistake, which reads like a hub id",
    code=7,
    says=("there is no folder models/dfin here",),
)
def like_a_hub_id(at: Bench) -> tuple[object, ...]:
    at.patch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    folder_of(at, name="models/dfine")
    return export(at, "dfine", "models/dfin")


@case("an address copied from the browser", code=7, says=("https://huggingface.co/org/model", "hub id, as org/model"))
def web_address(at: Bench) -> tuple[object, ...]:
    return export(at, "dfine", "https://huggingface.co/org/model")


@case("an empty folder", code=7, says="contains no config.json")
def empty_folder(at: Bench) -> tuple[object, ...]:
    (at.folder / "empty").mkdir()
    return export(at, "dfine", at.folder / "empty")


@case("the weights file in place of its folder", code=7, says=("is a file", "folder"))
def a_file(at: Bench) -> tuple[object, ...]:
    return export(at, "dfine", folder_of(at) / "model.safetensors")


@case("a .pt file for a recipe that takes folders", code=7, says=("pickle", "edgecap export yolo"))
def a_pt_file(at: Bench) -> tuple[object, ...]:
    (at.folder / "model.pt").write_bytes(b"PK\x03\x04")
    return export(at, "dfine", at.folder / "model.pt")


@case("a damaged .pt file of ultralytics", code=7, says=("can't be read as a checkpoint", "fetch it again"))
def a_damaged_pt_file(at: Bench) -> tuple[object, ...]:
    (at.folder / "yolo11n.pt").write_bytes(b"PK\x03\x04")
    return export(at, "yolo", at.folder / "yolo11n.pt")


@case("a .pt file that names code to run", code=7, says=("was not read", "posix.system"))
def a_trap(at: Bench) -> tuple[object, ...]:
    import torch

    torch.save({"model": Trap()}, at.folder / "yolo11n.pt")
    return export(at, "yolo", at.folder / "yolo11n.pt")


@case("the folder of a .pt file of ultralytics", code=7, says="edgecap export yolo --checkpoint yolo11n.pt")
def a_pt_folder(at: Bench) -> tuple[object, ...]:
    (at.folder / "yolo").mkdir()
    (at.folder / "yolo" / "yolo11n.pt").write_bytes(b"PK\x03\x04")
    return export(at, "yolo", at.folder / "yolo")


@case("a model of another recipe", code=7, says=("DFineForObjectDetection", "use edgecap export dfine"))
def other_recipe(at: Bench) -> tuple[object, ...]:
    return export(at, "sam2", folder_of(at))


@case("a model that no recipe takes", code=7, says=("LlamaForCausalLM", "no recipe takes it"))
def no_recipe_for_it(at: Bench) -> tuple[object, ...]:
    return export(at, "smolvlm", folder_of(at, "LlamaForCausalLM"))


@case("a shard is missing", code=7, says=("model-00002-of-00002.safetensors", "missing"))
def missing_shard(at: Bench) -> tuple[object, ...]:
    folder = folder_of(at)
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    placed = {"w": "model-00001-of-00002.safetensors", "v": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    return export(at, "dfine", folder)


@case("a weights file that was cut short", code=7, says=("expected", "bytes", "fetch the file again"))
def cut_short(at: Bench) -> tuple[object, ...]:
    folder = folder_of(at)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-5])
    return export(at, "dfine", folder)


@case("a Git LFS pointer in place of the weights", code=7, says="git lfs pull")
def lfs_pointer(at: Bench) -> tuple[object, ...]:
    folder = folder_of(at)
    (folder / "model.safetensors").write_text(POINTER)
    return export(at, "dfine", folder)


@case("weights as pickle only", code=7, says=("pickle", "safetensors are needed"))
def pickle_only(at: Bench) -> tuple[object, ...]:
    folder = folder_of(at)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    return export(at, "dfine", folder)


@case("config.json without weights", code=7, says="fetch the weights too")
def no_weights(at: Bench) -> tuple[object, ...]:
    folder = folder_of(at)
    (folder / "model.safetensors").unlink()
    return export(at, "dfine", folder)


@case("config.json is a web page", code=7, says=("config.json: is not JSON", "fetch it again"))
def not_json(at: Bench) -> tuple[object, ...]:
    folder = folder_of(at)
    (folder / "config.json").write_text("<!DOCTYPE html><html>Sign in</html>")
    return export(at, "dfine", folder)


@case("config.json without an architecture", code=7, says="names no architecture")
def no_architecture(at: Bench) -> tuple[object, ...]:
    folder = folder_of(at)
    (folder / "config.json").write_text("{}")
    return export(at, "dfine", folder)


@case("a LoRA adapter in place of the model", code=7, says=("LoRA", "org/base"))
def lora(at: Bench) -> tuple[object, ...]:
    folder = at.folder / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/base"}))
    save_file({"w": np.zeros(2, np.float32)}, str(folder / "adapter_model.safetensors"))
    return export(at, "qwen2_5_vl", folder)


@case("a folder with a GGUF file", code=7, says=("GGUF", "safetensors"))
def gguf_folder(at: Bench) -> tuple[object, ...]:
    (at.folder / "gguf").mkdir()
    (at.folder / "gguf" / "SmolVLM2-256M-Q8_0.gguf").write_bytes(b"GGUF")
    return export(at, "smolvlm", at.folder / "gguf")


@case("a GGUF file beside a config.json", code=7, says=("GGUF", "safetensors"))
def gguf_with_config(at: Bench) -> tuple[object, ...]:
    folder = folder_of(at, "SmolVLMForConditionalGeneration")
    (folder / "model.safetensors").rename(folder / "SmolVLM2-256M-Q8_0.gguf")
    return export(at, "smolvlm", folder)


def quantised(at: Bench, method: str) -> tuple[object, ...]:
    """A checkpoint that somebody has quantised before."""
    config = {"quant_method": method, "bits": 4}
    return export(at, "qwen2_5_vl", folder_of(at, "Qwen2_5_VLForConditionalGeneration", quantization_config=config))


for name, method in (("bitsandbytes", "bitsandbytes"), ("AWQ", "awq"), ("GPTQ", "gptq"), ("FP8", "fp8")):
    case(f"a checkpoint quantised with {name}", code=7, says=(method, "unquantised"))(partial(quantised, method=method))


@case("tokenizer.json is missing", code=7, says=("contains no tokenizer.json", "fetch it too"))
def no_tokenizer(at: Bench) -> tuple[object, ...]:
    return export(at, "smolvlm", folder_of(at, **SMOL))


@case("config and weights of two models", code=7, says=("lacks bbox_embed", "fetch both again"))
def two_models(at: Bench) -> tuple[object, ...]:
    return export(at, "dfine", folder_of(at))


@case("a recipe misspelt", code=2, says=("did you mean qwen2_5_vl",))
def recipe_misspelt(at: Bench) -> tuple[object, ...]:
    return export(at, "qwen2.5-vl", folder_of(at))


@case("a recipe that does not exist", code=2, says=("no recipe 'resnet'", "dfine, yolo, sam2"))
def recipe_unknown(at: Bench) -> tuple[object, ...]:
    return export(at, "resnet", folder_of(at))


@case("an option of the command misspelt", code=2, says=("--precison", "--precision", "edgecap export --help"))
def command_option(at: Bench) -> tuple[object, ...]:
    return export(at, "dfine", folder_of(at), "--precison", "int8")


@case("an option of the recipe misspelt", code=2, says=("'imageside'", "image_side"))
def recipe_option(at: Bench) -> tuple[object, ...]:
    return export(at, "dfine", folder_of(at), "--option", "imageside=640")


@case("a precision that the recipe has not", code=2, says=("int4", "fp32, fp16 or int8"))
def no_precision(at: Bench) -> tuple[object, ...]:
    return export(at, "sam2", folder_of(at, "Sam2VideoModel"), "--precision", "int4")


@case("--calibrate with a file that is no video", code=3, says=("notes.mp4", "as a video"))
def no_video(at: Bench) -> tuple[object, ...]:
    (at.folder / "notes.mp4").write_text("remember the milk")
    return export(at, "dfine", folder_of(at), "--calibrate", at.folder / "notes.mp4")


@case("--calibrate with a folder without videos", code=3, says="contains no video")
def no_videos(at: Bench) -> tuple[object, ...]:
    (at.folder / "pictures").mkdir()
    return export(at, "dfine", folder_of(at), "--calibrate", at.folder / "pictures")


@case("--out on an existing file", code=4, says=("notes.txt", "choose another --out"))
def out_is_a_file(at: Bench) -> tuple[object, ...]:
    (at.folder / "notes.txt").write_text("x")
    return ("export", "dfine", "--checkpoint", folder_of(at), "--out", at.folder / "notes.txt")


@case("--out on a folder with other things", code=4, says=("is not a pack", "choose another --out"))
def out_is_in_use(at: Bench) -> tuple[object, ...]:
    (at.out / "photos").mkdir(parents=True)
    return export(at, "dfine", folder_of(at))


@case("--out on a pack that was changed by hand", code=5, says=("tokenizer.json", "expected"))
def out_is_tampered(at: Bench) -> tuple[object, ...]:
    shutil.copytree(SHIPPED_FOLDER / "nano", at.out)
    (at.out / "tokenizer.json").write_text("{}")
    return export(at, "dfine", folder_of(at))


@case("exporting into the shipped pack by its name", code=2, says=("nano", "ships with edgecap"))
def out_is_shipped(at: Bench) -> tuple[object, ...]:
    return ("export", "dfine", "--checkpoint", folder_of(at), "--out", "nano")


@case("exporting into the installed folder of the shipped pack", code=4, says=("ships with edgecap", "copy"))
def out_is_installed(at: Bench) -> tuple[object, ...]:
    return ("export", "dfine", "--checkpoint", folder_of(at), "--out", SHIPPED_FOLDER / "nano")
