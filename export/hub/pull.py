"""A whole pack from the model hub or from a folder: fetched, checked, exported where it isn't ready.

In: a plan's name, or the hub id of a repository that holds a pack. Out: a pack folder. Each role is published as soon
as it is whole, so that an interrupted run continues where it stopped.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgecap.engines.errors import HubError, MissingInputError, TamperedPackError, UsageError
from edgecap.engines.files import recover_folder, replace_folder
from edgecap.engines.packs.pack import PACK_FILE, Pack, shipped_packs
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.hub.hub import CHECKPOINT_FILES, STILL_WORKS, Fetched, HubId, Watch, fetch
from edgecap.export.hub.pull_plans import PLANS, PlannedRole, PullPlan
from edgecap.export.job import Recipe
from edgecap.export.publish.pack_merge import ROLES, fresh_folder, open_existing, refuse_shipped
from edgecap.export.publish.publish import ExportOptions, Published, publish
from edgecap.export.recipes import load_recipe, nearest, open_checkpoint

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pulled:
    """`published`: roles exported in this run. `kept`: roles that were already there. `unpinned`: "org/name: revision
    that could move, and the commit it was"."""

    pack: str
    published: tuple[Published, ...]
    kept: tuple[str, ...]
    unpinned: tuple[str, ...]


def plan_named(name: str) -> PullPlan | None:
    """A plan of ours; None for another name."""
    return next((plan for plan in PLANS if plan.name == name), None)


def pull(
    name: str,
    out: Path,
    *,
    from_folder: Path | None,
    options: ExportOptions,
    force: bool = False,
    notice: Say = print,
    say: Say = lambda line: None,
    watch: Watch = Watch(),  # noqa: B008  frozen
) -> Pulled:
    """Make or complete the pack in `out`. `from_folder`: where checkpoints (or a ready pack) are on a machine without
    a network; nothing is fetched then. `force`: export again what is there. `notice`: receives warnings and licences.

    Raises `UsageError` for an unknown name, `HubError`, `MissingInputError`, and what `publish` raises.
    """
    if name in shipped_packs() and from_folder is None:
        raise UsageError(
            f"pack {name} ships with edgecap, there is nothing to pull: edgecap caption VIDEO --pack {name}"
        )
    refuse_shipped(out)
    plan, hub_id = plan_named(name), HubId.parse(name)
    if from_folder is not None and (from_folder / PACK_FILE).is_file():
        return _install(from_folder, out, say)
    if plan is not None:
        run = _Run(out.expanduser().absolute(), from_folder, options, force, notice, say, watch)
        return run.pull(plan)
    if hub_id is None:
        known = ", ".join(p.name for p in PLANS)
        raise UsageError(
            f"no pack {name!r} to pull{nearest(name, [p.name for p in PLANS])}; there are {known}, or name a hub id "
            "(org/name) that holds a pack"
        )
    if from_folder is not None:
        raise MissingInputError(f"{from_folder}: contains no {PACK_FILE}; give the folder of a pack")
    fetched = _fetch_ready(hub_id, watch)
    if fetched.from_cache:
        notice(f"{fetched.from_cache}; using the cached {hub_id.repo}@{fetched.commit}")
    moving = () if hub_id.pinned else (f"{hub_id.repo}: {hub_id.revision} was {fetched.commit}",)
    return _install(fetched.folder, out, say, unpinned=moving)


@dataclass(slots=True)
class _Run:
    """One run over a plan, role by role."""

    out: Path
    from_folder: Path | None
    options: ExportOptions
    force: bool
    notice: Say
    say: Say
    watch: Watch
    unpinned: list[str] = field(default_factory=list)

    def pull(self, plan: PullPlan) -> Pulled:
        published, kept = [], []
        for planned in plan.roles:
            if not self.force and _holds(self.out, planned):
                kept.append(planned.role)
            else:
                published.append(self._export(planned))
        return Pulled(str(self.out), tuple(published), tuple(kept), tuple(self.unpinned))

    def _export(self, planned: PlannedRole) -> Published:
        recipe = load_recipe(planned.recipe)
        if recipe.notice:
            self.notice(recipe.notice)
        self.say(f"{planned.role}: {planned.repo} (licence {planned.licence})")
        options = replace(self.options, precision=planned.precision, options=dict(planned.options))
        return publish(recipe, self._checkpoint(planned, recipe), self.out, options, say=self.say)

    def _checkpoint(self, planned: PlannedRole, recipe: Recipe) -> Checkpoint:
        if self.from_folder is not None:
            return open_checkpoint(recipe, local_checkpoint(self.from_folder, planned.repo), source=planned.repo)
        hub_id = HubId(planned.repo, planned.revision)
        fetched = fetch(hub_id, files=getattr(recipe, "files", CHECKPOINT_FILES), watch=self.watch)
        if fetched.from_cache:
            self.notice(f"{fetched.from_cache}; using the cached {planned.repo}@{fetched.commit}")
        if not hub_id.pinned:
            self.unpinned.append(f"{planned.repo}: {planned.revision} was {fetched.commit}")
        return open_checkpoint(recipe, fetched.folder, source=planned.repo, revision=fetched.commit)


def _holds(out: Path, planned: PlannedRole) -> bool:
    """Whether the pack has this role from this model; of a pinned one, of this commit."""
    old, hub_id = open_existing(out), HubId(planned.repo, planned.revision)
    source = "" if old is None else old.spec.source.get(planned.role, "")
    return source.startswith(f"{hub_id.repo}@{hub_id.revision if hub_id.pinned else ''}")


def local_checkpoint(folder: Path, repo: str) -> Path:
    """Where in `folder` the files of `repo` are: as org/name, org--name, name, or as the hub's own cache.

    Raises `MissingInputError` naming what is looked for.
    """
    org, _, name = repo.partition("/")
    tried = [folder / org / name, folder / f"{org}--{name}", folder / name]
    snapshots = sorted((folder / f"models--{org}--{name}" / "snapshots").glob("*"), key=lambda p: p.stat().st_mtime)
    for candidate in (*tried, *reversed(snapshots)):
        if candidate.is_dir():
            return candidate
    raise MissingInputError(
        f"{folder}: no {repo} found (looked for {', '.join(str(p.relative_to(folder)) for p in tried)}); on a machine "
        f"with a network run: hf download {repo} --local-dir {name}, and bring the folder"
    )


def _fetch_ready(hub_id: HubId, watch: Watch) -> Fetched:
    """A repository that holds a finished pack: pack.json first, then what it lists."""
    try:
        fetched = fetch(hub_id, files=(PACK_FILE,))
    except HubError as error:
        if "contains none of" not in str(error):
            raise
        raise HubError(
            f"{hub_id.repo}: contains no {PACK_FILE}, so it is not a pack; "
            f"if it is a checkpoint run: edgecap export RECIPE "
            f"--checkpoint {hub_id.repo} --out DIR"
        ) from error
    spec = Pack.open(fetched.folder, verify=False).spec
    if fetched.from_cache:
        missing = [name for name in spec.files if not (fetched.folder / name).is_file()]
        if missing:
            raise HubError(f"{hub_id.repo}: {fetched.from_cache}, and the cache lacks {missing[0]}; {STILL_WORKS}")
        return fetched
    return fetch(
        HubId(hub_id.repo, fetched.commit),
        files=(PACK_FILE, *spec.files, "*.md", "LICENSE*", "NOTICE*"),
        watch=watch,
    )


def _install(source: Path, out: Path, say: Say, *, unpinned: tuple[str, ...] = ()) -> Pulled:
    """Copy a finished pack into `out`: only the files that its pack.json lists, verified before and after."""
    out = out.expanduser().absolute()
    recover_folder(out)
    open_existing(out)
    spec = Pack.open(source, verify=False).spec
    with fresh_folder(out) as fresh:
        for name in (PACK_FILE, *spec.files):
            if not (source / name).is_file():
                raise TamperedPackError(f"{source}: {name} is missing; fetch or copy the pack again")
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, fresh / name)  # follows the links of the hub's cache
        Pack.open(fresh)
        replace_folder(fresh, out)
    say(f"pack {spec.name} {spec.version} from {source} in {out}")
    return Pulled(str(out), (), tuple(role for role in ROLES if getattr(spec, role) is not None), unpinned)
