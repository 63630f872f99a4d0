"""`edgecap enhance "short prompt"`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecap.cli.options import PROVIDER, json_option
from edgecap.engines.errors import UsageError
from edgecap.engines.graph.providers import Provider

if TYPE_CHECKING:
    from edgecap.runtime.enhance import Enhanced

LONGEST_TIMEOUT_SECONDS = 3600.0


@click.command()
@click.argument("prompt", required=False, metavar="PROMPT")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed for what the prompt leaves open.")
@click.option("--max-instances", type=int, default=3, show_default=True, help="Most instances described, 1 to 10.")
@click.option(
    "--endpoint", metavar="URL", help="Ask a language model: an OpenAI-compatible server (http://localhost:8000/v1)."
)
@click.option("--model", metavar="NAME", help="The model's name at the endpoint.")
@click.option("--api-key-env", metavar="VAR", help="Environment variable that holds the endpoint's key.")
@click.option(
    "--timeout", type=float, default=60.0, show_default=True, help="Seconds to wait for one answer of the endpoint."
)
@click.option("--pack", metavar="NAME|DIR", help="Ask the language model of a pack made from an instruct model.")
@PROVIDER
@click.option(
    "--file", "prompts_file", type=click.Path(path_type=Path), metavar="FILE", help="Prompts, one a line; needs --out."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="JSON Lines of rows for --file.")
@click.option("--resume", is_flag=True, help="Continue an --out written with the same options.")
@json_option("Print the row as JSON instead of text.")
def enhance(
    prompt: str | None,
    seed: int,
    max_instances: int,
    endpoint: str | None,
    model: str | None,
    api_key_env: str | None,
    timeout: float,
    pack: str | None,
    provider: Provider,
    prompts_file: Path | None,
    out: Path | None,
    resume: bool,
    as_json: bool,
) -> int:
    """Turn a short prompt into a structured caption, in the formats that edgecap caption writes.

    By rules: what the prompt says is kept, what it leaves open is drawn by the seed and marked as invented. With --pack
    or --endpoint a language model writes it, and the rules replace what it gets wrong.
    """
    from edgecap.runtime.enhance.rules import check_limit

    if (prompt is None) == (prompts_file is None):
        raise UsageError("give either a PROMPT or --file FILE; edgecap enhance 'a dog runs on a beach'")
    if (prompts_file is None) != (out is None) or (resume and out is None):
        raise UsageError("--file, --out and --resume go together: edgecap enhance --file prompts.txt --out rows.jsonl")
    check_limit(max_instances)
    if pack is not None and (endpoint or model or api_key_env):
        raise UsageError("give either --pack or --endpoint with --model")
    one, used = (
        _pack_enhancer(pack, seed, max_instances, provider=provider)
        if pack is not None
        else _enhancer(
            seed, max_instances, endpoint=endpoint, model=model, api_key_env=api_key_env, timeout_seconds=timeout
        )
    )
    if prompt is not None:
        return _print(one(prompt), as_json=as_json)
    assert prompts_file is not None and out is not None
    settings = {"run": {"seed": seed, "max_instances": max_instances}, "used": used}
    return _batch(prompts_file, out, one, settings, resume=resume, as_json=as_json)


def _enhancer(
    seed: int,
    max_instances: int,
    *,
    endpoint: str | None,
    model: str | None,
    api_key_env: str | None,
    timeout_seconds: float,
) -> tuple[Callable[[str], Enhanced], dict[str, str]]:
    """(a function that enhances one prompt, the "used" entry of its rows)."""
    from edgecap.runtime.enhance import enhance as by_rules

    if endpoint is None:
        if model is not None or api_key_env is not None:
            raise UsageError("--model and --api-key-env need --endpoint URL")
        return lambda prompt: by_rules(prompt, seed=seed, max_instances=max_instances), {"mode": "rules"}
    if not model:
        raise UsageError("--endpoint needs --model NAME, the model's name at that server")
    if not 0 < timeout_seconds <= LONGEST_TIMEOUT_SECONDS:
        raise UsageError(
            f"--timeout must be over 0 and at most {LONGEST_TIMEOUT_SECONDS:g} seconds; got {timeout_seconds:g}"
        )
    key = "" if api_key_env is None else os.environ.get(api_key_env, "")
    if api_key_env is not None and not key.strip():
        raise UsageError(f"--api-key-env {api_key_env}: no such variable, or it is empty; export it first")
    if not key.isprintable() or not key.isascii():
        raise UsageError(
            f"--api-key-env {api_key_env}: its value has characters that are not allowed in an HTTP header"
        )
    from edgecap.runtime.enhance.dialogue import enhance_with
    from edgecap.runtime.enhance.endpoint import Endpoint

    chat = Endpoint(endpoint, model=model, api_key=key, timeout_seconds=timeout_seconds)
    used = {"mode": "endpoint", "model": model}
    return lambda prompt: enhance_with(chat, prompt, seed=seed, max_instances=max_instances), used


def _pack_enhancer(
    name: str, seed: int, max_instances: int, *, provider: Provider
) -> tuple[Callable[[str], Enhanced], dict[str, str]]:
    """As `_enhancer`, with a pack's own language model. Raises `PackError`, and `UsageError` for a pack that only
    answers about pictures."""
    from edgecap.engines.packs.pack import Pack
    from edgecap.engines.store.sessions import EngineSessions
    from edgecap.runtime.decode.chat import PackChat
    from edgecap.runtime.enhance.dialogue import enhance_with

    chat = PackChat.open(Pack.open(name).using(EngineSessions("auto")), provider=provider)
    used = {"mode": chat.mode, "model": chat.name}
    return lambda prompt: enhance_with(chat, prompt, seed=seed, max_instances=max_instances), used


def _print(enhanced: Enhanced, *, as_json: bool) -> int:
    from edgecap.cli.terminal import say
    from edgecap.runtime.enhance import enhanced_to_json

    row = enhanced_to_json(enhanced)
    for note in enhanced.notes:
        say(note)
    if as_json:
        click.echo(json.dumps(row, ensure_ascii=False, allow_nan=False))
        return 0
    block = row["Structural Description"]
    click.echo(f"Prompt      {row['Global Description']}")
    for one, (key, texts) in zip(enhanced.instances, block["Main Instance"].items(), strict=True):
        click.echo(f"{key:11} {texts['Class']}")
        for field, written in (
            ("Appearance", one.appearance),
            ("Actions and Motion", one.action),
            ("Position", one.position),
        ):
            click.echo(f"{'':11} {texts[field]}  [{written.provenance}]")
    click.echo(f"Background  {enhanced.background.text}  [{enhanced.background.provenance}]")
    click.echo(f"Camera      {enhanced.camera.text}  [{enhanced.camera.provenance}]")
    click.echo(f"\n{row['meta']['paragraph']}")
    return 0


def _batch(
    prompts_file: Path,
    out: Path,
    one: Callable[[str], Enhanced],
    settings: dict[str, Any],
    *,
    resume: bool,
    as_json: bool,
) -> int:
    from edgecap.cli.terminal import say
    from edgecap.runtime.enhance.batch import read_prompts, run_batch

    prompts = read_prompts(prompts_file)
    if out.exists() and out.samefile(prompts_file):
        raise UsageError(f"--out {out} is the file of prompts itself; choose another")
    result = run_batch(
        prompts,
        out,
        one,
        resume=resume,
        settings=settings,
        say=say,
    )
    if as_json:
        names = ("written", "refused", "skipped", "blank")
        click.echo(json.dumps({"out": str(out), **{name: getattr(result, name) for name in names}}))
    else:
        click.echo(
            f"{result.written} prompts enhanced, {result.refused} refused, {result.skipped} done before, "
            f"{result.blank} blank "
            f"lines -> {out}"
        )
    return result.exit_code
