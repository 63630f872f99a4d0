"""Entry point: the group of commands; errors become one line and an exit code here.

Commands return their exit code. Heavy modules are imported inside commands, so that `edgecap --help` is
quick.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress

import click

from edgecap import __version__
from edgecap.cli.bench import camera, colours, people, real  # noqa: F401 they add their commands to `bench`
from edgecap.cli.bench.commands import bench
from edgecap.cli.build import build
from edgecap.cli.caption import caption
from edgecap.cli.dataset import dataset
from edgecap.cli.doctor import doctor
from edgecap.cli.engines import engines
from edgecap.cli.enhance import enhance
from edgecap.cli.export import export
from edgecap.cli.options import Globals
from edgecap.cli.pull import pull
from edgecap.cli.terminal import lasting_streams, say
from edgecap.cli.world import world
from edgecap.engines.errors import EdgecapError, OutputError, UsageError
from edgecap.runtime.pipeline.summary import INTERRUPTED_EXIT_CODE

_STDOUT_ADVICE = "free the disk, or send it elsewhere; files of --out are complete"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="edgecap", message="%(prog)s %(version)s")
def cli() -> None:
    """Instance-aware structured video captions from compiled engines on one device.

    Exit codes: 0 done, 2 usage, 3 input, 4 output, 5 pack, 6 engine, 7 export or model hub, 8 some videos
    failed, 130 interrupted, 1 anything else. Add --debug anywhere to see the traceback behind an error.
    """


for _command in (caption, enhance, world, doctor, bench, build, engines, export, pull, dataset):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit. Every error is one line on stderr and the exit code of its class."""
    with lasting_streams() as streams:
        code = _run(list(sys.argv[1:] if arguments is None else arguments))
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        if streams.stdout_error is not None:
            _say(f"stdout: can't be written ({streams.stdout_error.strerror}); {_STDOUT_ADVICE}", 0)
            code = code or OutputError.exit_code
    sys.exit(code)


def _run(given: list[str]) -> int:
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    try:
        code = cli.main(given, prog_name="edgecap", standalone_mode=False, obj=Globals(debug=debug))
    except Exception as error:
        if debug:
            traceback.print_exc()
        code = _report(error, debug=debug)
    except KeyboardInterrupt:
        code = _say("interrupted", INTERRUPTED_EXIT_CODE)
        if any(thread.name.startswith("edgecap-") for thread in threading.enumerate()):
            # A stage is still inside a long call; an orderly exit would wait for it, or crash in it.
            sys.stdout.flush()
            os._exit(code)
    return code if isinstance(code, int) else 0


def _report(error: Exception, *, debug: bool) -> int:
    """Print in one line what happened; returns the exit code."""
    if isinstance(error, click.exceptions.Abort):
        return _say("interrupted", INTERRUPTED_EXIT_CODE)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return UsageError.exit_code
    if isinstance(error, click.ClickException):
        return _say(f"{error.format_message()} (see {_help_of(error)})", UsageError.exit_code)
    if isinstance(error, EdgecapError):
        return _say(str(error), error.exit_code)
    hint = "" if debug else "; run again with --debug for the traceback, and please report it"
    return _say(f"internal error: {type(error).__name__}: {error}{hint}", EdgecapError.exit_code)


def _say(text: str, code: int) -> int:
    say(" ".join(text.split()))
    return code


def _help_of(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{context.command_path if context else 'edgecap'} --help"
