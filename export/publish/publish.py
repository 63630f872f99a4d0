"""One run of one recipe, from a checkpoint on the disk to a role in a pack: stage, export, judge, publish.

Until the last step everything is in a hidden folder beside the pack; an error or Ctrl-C removes it and leaves the pack
as it was.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecap.engines.errors import OutputError
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.job import ExportJob, Precision, Recipe, RoleExport
from edgecap.export.publish.gate import judge
from edgecap.export.publish.pack_merge import merge_role, open_existing, refuse_shipped
from edgecap.export.publish.pictures import pictures_from
from edgecap.export.recipes import missing_extra

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO}


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What a person chose besides recipe and checkpoint. `calibrate`: videos; () = the synthetic world."""

    precision: Precision = "int8"
    calibrate: tuple[Path, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    allow_drift: bool = False
    with_twins: bool = True


@dataclass(frozen=True, slots=True)
class Published:
    """What came of it, as the commands print it. `files`: name -> bytes of this role's files in the pack."""

    pack: str
    role: str
    recipe: str
    precision: str
    source: str
    licence: str
    seconds: float
    files: dict[str, int]
    calibrated_on: str
    judged: tuple[dict[str, Any], ...]
    drift: tuple[str, ...]
    notes: tuple[str, ...]


def publish(
    recipe: Recipe, checkpoint: Checkpoint, pack: Path, options: ExportOptions, *, say: Callable[[str], None]
) -> Published:
    """Export and publish one role. Raises what the recipe raises, `ParityError`, `OutputError`."""
    started = time.monotonic()
    refuse_shipped(pack)
    pack = pack.expanduser().absolute()
    open_existing(pack)  # a folder that can't be a pack is refused now, not after an hour of export
    pictures = pictures_from(options.calibrate)
    with _staging(pack) as staged:
        job = ExportJob(
            checkpoint=checkpoint,
            folder=staged,
            precision=options.precision,
            pictures=pictures,
            with_twins=options.with_twins,
            options=dict(options.options),
            say=say,
        )
        with missing_extra(recipe.name, recipe.extra):
            made = recipe(job)
        drift = judge(made.comparisons, allow_drift=options.allow_drift)
        names = {p.relative_to(staged).as_posix(): p.stat().st_size for p in staged.rglob("*") if p.is_file()}
        say(f"publishing the {made.role} in {pack}")
        merged = merge_role(pack, made, staged, drift=drift)
    return Published(
        pack=str(pack),
        role=made.role,
        recipe=recipe.name,
        precision=options.precision,
        source=made.source,
        licence=made.licence,
        seconds=round(time.monotonic() - started, 1),
        files=names,
        calibrated_on=", ".join(str(v) for v in options.calibrate) or "the synthetic world",
        judged=tuple(row.parity.as_dict() for row in made.comparisons),
        drift=drift,
        notes=merged.notes + _high(made),
    )


def _high(made: RoleExport) -> tuple[str, ...]:
    """What stayed in higher precision, one line a reason."""
    reasons: dict[str, list[str]] = {}
    for name, reason in made.kept_high.items():
        reasons.setdefault(reason, []).append(name)
    return tuple(
        f"kept high: {names[0] if len(names) == 1 else f'{len(names)} nodes'}: {reason}"
        for reason, names in reasons.items()
    )


@contextmanager
def _staging(pack: Path) -> Iterator[Path]:
    """An empty folder on the pack's disk, gone at the end; a failing disk becomes `OutputError`."""
    staged, ready = pack.with_name(f".{pack.name}.export-{os.getpid()}"), False
    try:
        _sweep(pack)
        staged.mkdir(parents=True)
        ready = True
        yield staged
    except OSError as error:
        if ready and error.errno not in _DISK:
            raise  # an error of the recipe's own, e.g. of a network
        raise OutputError(
            f"{pack}: can't be written ({error.strerror}); what was there is unchanged; free the disk, check "
            "permissions, or choose another --out"
        ) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _sweep(pack: Path) -> None:
    """Remove what killed exports of this pack left behind; those of living processes stay."""
    for kind in ("export", "fresh"):
        for folder in pack.parent.glob(f".{pack.name}.{kind}-*"):
            owner = folder.name.rpartition("-")[2]
            if owner.isdecimal() and (int(owner) == os.getpid() or not _alive(int(owner))):
                shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
