"""Mistakes with the model hub: `edgecap export` of a hub id, and `edgecap pull`."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

from edgecap.engines.packs.pack import SHIPPED_FOLDER
from tests.cli.bad_input.cases import Bench, Part
from tests.cli.bad_input.checkpoint_cases import export, folder_of
from tests.export.hub.fake_hub import COMMIT, FakeHub, serving

HUB = Part("hub", "The model hub")
case = HUB.case


def hub(at: Bench) -> FakeHub:
    """A model hub on localhost with one small checkpoint, org/model."""
    folder_of(at, name="hub/org/model")
    served = at.clean_up.enter_context(serving(at.folder / "hub"))
    at.patch.setenv("HF_ENDPOINT", served.url)
    at.patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(at.folder / "hf"))
    return served


@case("revision not found", code=7, says=("no revision 'v3'", "name a commit, tag or branch"))
def no_revision(at: Bench) -> tuple[object, ...]:
    hub(at)
    return export(at, "dfine", "org/model@v3")


@case("a model that the hub has not", code=7, says=("no such model", "check the spelling"))
def no_model(at: Bench) -> tuple[object, ...]:
    hub(at)
    return export(at, "dfine", "org/modle")


@case("hub unreachable", code=7, says=("can't be reached", "what still works without it: pack nano"))
def unreachable(at: Bench) -> tuple[object, ...]:
    hub(at)
    at.patch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    return export(at, "dfine", f"org/model@{COMMIT}")


@case("hub unreachable, a whole pack", code=7, says=("can't be reached", "edgecap pull PACK --from DIR"))
def unreachable_pull(at: Bench) -> tuple[object, ...]:
    hub(at)
    at.patch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    return ("pull", "edge")


@case("the hub answers with an error", code=7, says=("503",))
def hub_error(at: Bench) -> tuple[object, ...]:
    hub(at).status = 503
    return export(at, "dfine", "org/model")


@case("a private model, not logged in", code=7, says=("it is private", "hf auth login"))
def private(at: Bench) -> tuple[object, ...]:
    served = hub(at)
    served.status, served.reason = 401, "RepoNotFound"
    return export(at, "dfine", "org/model@main")


@case("a gated model whose agreement was not accepted", code=7, says=("asks for an agreement", "hf auth login"))
def gated(at: Bench) -> tuple[object, ...]:
    served = hub(at)
    served.status, served.reason = 403, "GatedRepo"
    return export(at, "dfine", "org/model@main")


@case("a token that has expired", code=7, says=("refuses access (401)", "hf auth login"))
def expired(at: Bench) -> tuple[object, ...]:
    hub(at).status = 401
    return export(at, "dfine", "org/model@main")


@case("a token without the right to read it", code=7, says=("refuses access (403)", "hf auth login"))
def forbidden(at: Bench) -> tuple[object, ...]:
    hub(at).status = 403
    return export(at, "dfine", "org/model@main")


@case("HF_HUB_OFFLINE and nothing in the cache", code=7, says=("HF_HUB_OFFLINE is set", "the cache doesn't hold it"))
def offline(at: Bench) -> tuple[object, ...]:
    hub(at)
    at.patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return export(at, "dfine", f"org/model@{COMMIT}")


@case("a file that arrives changed", code=7, says=("checksum", "run it again"))
def changed_on_the_way(at: Bench) -> tuple[object, ...]:
    hub(at).lies.add("model.safetensors")
    return export(at, "dfine", f"org/model@{COMMIT}")


@case("no room for what is to be fetched", code=4, says=("are free", "HF_HOME"))
def no_room(at: Bench) -> tuple[object, ...]:
    hub(at)
    at.patch.setattr("edgecap.export.hub.hub.shutil.disk_usage", lambda place: SimpleNamespace(free=100_000_000))
    return export(at, "dfine", f"org/model@{COMMIT}")


@case("pull of a pack that does not exist", code=2, says=("no pack 'egde'", "did you mean edge"))
def no_pack(at: Bench) -> tuple[object, ...]:
    return ("pull", "egde")


@case("pull of the pack that ships", code=2, says=("ships with edgecap", "nothing to pull"))
def pull_shipped(at: Bench) -> tuple[object, ...]:
    return ("pull", "nano")


@case("pull of a checkpoint in place of a pack", code=7, says=("contains no pack.json", "edgecap export RECIPE"))
def pull_checkpoint(at: Bench) -> tuple[object, ...]:
    hub(at)
    return ("pull", "org/model")


@case("pull --from a folder without the checkpoints", code=3, says=("ustc-community/dfine-small-coco", "hf download"))
def pull_from_nothing(at: Bench) -> tuple[object, ...]:
    (at.folder / "usb").mkdir()
    return ("pull", "edge", "--from", at.folder / "usb")


@case("pull --from a pack that lacks a file", code=5, says=("detector", "missing"))
def pull_from_broken(at: Bench) -> tuple[object, ...]:
    shutil.copytree(SHIPPED_FOLDER / "nano", at.folder / "usb")
    next((at.folder / "usb").glob("detector*.onnx")).unlink()
    return ("pull", "mine", "--from", at.folder / "usb", "--out", at.out)
