"""The error tree: what a user did or met, and the exit code each class ends the command with.

    EdgecapError                      1
    |-- UsageError                    2   an option or a combination of options that cannot be done
    |-- InputError                    3   a video, folder or file that cannot be used
    |   |-- MissingInputError
    |   |-- UnreadableVideoError          not a video, or broken before its first frame
    |   `-- EmptyVideoError               opens, but holds no frame
    |-- OutputError                   4   a folder or file that cannot be written
    |-- PackError                     5
    |   |-- UnknownPackError
    |   |-- PackSchemaError               pack.json does not follow the schema
    |   `-- TamperedPackError             a file's SHA-256 is not the one pack.json names
    |-- EngineError                   6
    |   |-- MissingExtraError             a package of an extra is not installed
    |   |-- ProviderError                 the provider asked for is not the one in use
    |   `-- GraphContractError            names, dtypes or axes differ from the pack's declaration
    `-- SomeClipsFailedError          8   the run went on; at least one clip has status "error"

Exit code 0 is success, 130 an interrupt (Ctrl-C) that left complete records. Every message says what was asked,
what was got, and what to do next, in one line. Assertions are for our own bugs only.
"""

from __future__ import annotations

from typing import ClassVar


class EdgecapError(Exception):
    """Root of the tree. `exit_code` is what the command line ends with."""

    exit_code: ClassVar[int] = 1


class UsageError(EdgecapError):
    """An option, or a combination of options, that cannot be done."""

    exit_code = 2


class InputError(EdgecapError):
    """A video, folder or file that cannot be used."""

    exit_code = 3


class MissingInputError(InputError):
    """The path does not exist, or a folder holds no video."""


class UnreadableVideoError(InputError):
    """The file is no video, or is broken before its first frame."""


class EmptyVideoError(InputError):
    """The file opens as a video but holds no frame."""


class OutputError(EdgecapError):
    """A folder or file that cannot be written."""

    exit_code = 4


class PackError(EdgecapError):
    """A model pack that cannot be used."""

    exit_code = 5


class UnknownPackError(PackError):
    """No pack of that name ships, and no folder of that name holds a pack.json."""


class PackSchemaError(PackError):
    """pack.json does not follow the schema; the message names the field."""


class TamperedPackError(PackError):
    """A file's SHA-256 or size is not the one pack.json names."""


class EngineError(EdgecapError):
    """A compiled graph that cannot be opened or run."""

    exit_code = 6


class MissingExtraError(EngineError):
    """A package is not installed; the message names the pip extra that brings it."""


class ProviderError(EngineError):
    """The execution provider asked for is not the one in use."""


class GraphContractError(EngineError):
    """A graph's names, dtypes or axes differ from what the pack declares."""


class SomeClipsFailedError(EdgecapError):
    """A run over several clips ended, and at least one clip has status "error"."""

    exit_code = 8
