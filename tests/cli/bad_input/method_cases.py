"""Mistakes with the method's own options: stages, ablations, paragraphs, enhanced prompts, broken prompt books."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

from edgecap.engines import Pack
from edgecap.engines.packs.pack import SHIPPED_FOLDER
from edgecap.engines.packs.writer import write_pack
from tests.cli.bad_input.cases import Bench, Part
from tests.cli.bad_input.engine_bench import caption

METHOD = Part("method", "Stages, ablations, paragraphs and prompts")
case = METHOD.case


def _copy(at: Bench) -> Path:
    folder = at.folder / "own"
    shutil.copytree(SHIPPED_FOLDER / "nano", folder)
    return folder


def _book(folder: Path, **changes: object) -> None:
    """Change the pack's book and write its hashes anew, as someone who knows pack_writer would."""
    path = folder / "captioner.prompts.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    write_pack(folder, replace(Pack.open(folder, verify=False).spec, files={}))


@case("--stages full with a pack of single questions", code=2, says=("--stages full", "no rounds", "export it again"))
def no_rounds(at: Bench) -> tuple[object, ...]:
    folder = _copy(at)
    (folder / "captioner.prompts.json").unlink()
    spec = Pack.open("nano").spec
    assert spec.captioner is not None
    write_pack(folder, replace(spec, captioner=replace(spec.captioner, prompt_file=None)))
    return caption("--pack", folder, "--stages", "full")


@case("--no-class-hint where the pack has none", code=2, says=("--no-class-hint", "nothing to leave out"))
def no_class_hint(at: Bench) -> tuple[object, ...]:
    return caption("--no-class-hint")


@case("--no-camera-hint where the pack has none", code=2, says=("--no-camera-hint", "nothing to leave out"))
def no_camera_hint(at: Bench) -> tuple[object, ...]:
    return caption("--no-camera-hint")


@case("--lexicon where the pack has no word lists", code=2, says=("--lexicon", "no word lists"))
def no_lexicon(at: Bench) -> tuple[object, ...]:
    return caption("--lexicon")


@case("--stages full without a captioner", code=2, says=("captioner='none' asks none", "leave them out"))
def nobody_to_ask(at: Bench) -> tuple[object, ...]:
    return caption("--captioner", "none", "--stages", "full")


@case("--paragraph-by pack without any paragraph", code=2, says=("--paragraph-by", "--instancevid"))
def no_paragraph(at: Bench) -> tuple[object, ...]:
    return caption("--paragraph-by", "pack")


@case("--paragraph-by pack with a captioner of pictures", code=2, says=("only answers about pictures",))
def no_writer(at: Bench) -> tuple[object, ...]:
    return caption("--paragraph", "--paragraph-by", "pack")


@case("a prompt book edited by hand", code=5, says=("captioner.prompts.json: expected", "edgecap export"))
def edited_book(at: Bench) -> tuple[object, ...]:
    path = _copy(at) / "captioner.prompts.json"
    path.write_text(path.read_text().replace("Describe", "Tell of"))
    return caption("--pack", path.parent)


@case("a prompt book with an unknown field", code=5, says=("$.full['smell']", "expected one of global"))
def unknown_field(at: Bench) -> tuple[object, ...]:
    folder = _copy(at)
    _book(folder, full={"smell": [{"text": "What does it smell of?", "max_tokens": 9}]})
    return caption("--pack", folder)


@case("a prompt book with an unknown placeholder", code=5, says=("$.full['camera'][0].text", "{camera_hint}"))
def unknown_placeholder(at: Bench) -> tuple[object, ...]:
    folder = _copy(at)
    _book(folder, full={"camera": [{"text": "How does {it} move?", "max_tokens": 9}]})
    return caption("--pack", folder)


@case("an empty prompt enhanced", code=3, says=("the prompt is empty", "a dog runs on a beach"))
def empty_prompt(at: Bench) -> tuple[object, ...]:
    return ("enhance", "  \t ")


@case("a prompt of 5,000 words enhanced", code=3, says=("5000 words", "shorten it"))
def long_prompt(at: Bench) -> tuple[object, ...]:
    return ("enhance", "dog " * 5000)


@case("a prompt enhanced by a captioner of pictures", code=2, says=("only answers about pictures",))
def no_instruct(at: Bench) -> tuple[object, ...]:
    return ("enhance", "a dog runs", "--pack", "nano")


@case("a prompt enhanced by a pack and a server at once", code=2, says=("either --pack or --endpoint",))
def two_models(at: Bench) -> tuple[object, ...]:
    return ("enhance", "a dog runs", "--pack", "nano", "--endpoint", "http://localhost:1/v1", "--model", "m")
