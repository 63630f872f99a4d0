"""The error tree: what went wrong, and the exit code of the command for each class.

    EdgecapError                      1
    |-- UsageError                    2   an option or combination of options that is not possible
    |-- InputError                    3   a video, folder or file that cannot be used
    |   |-- MissingInputError
    |   |-- UnreadableVideoError          not a video, or broken before its first frame
    |   `-- EmptyVideoError               opens, but has no frame
    |-- OutputError                   4   a folder or file that cannot be written
    |-- PackError                     5
    |   |-- UnknownPackError
    |   |-- PackSchemaError               pack.json does not follow the schema
    |   `-- TamperedPackError             a file's SHA-256 is not the one pack.json names
    |-- EngineError                   6
    |   |-- MissingExtraError             a package of an extra is not installed
    |   |-- ProviderError                 the provider asked for is not the one in use
    |   |-- GraphContractError            names, dtypes or axes differ from the pack's declaration
    |   |-- EngineBuildError              a compiler refused a graph, or was stopped; nothing was published
    |   |-- EngineMismatchError           a stored engine was made for something else (device, version, weights)
    |   |-- TamperedEngineError           a stored engine or its manifest is not what was published
    |   |-- StoreBusyError                another process holds the lock of that engine
    |   `-- EndpointError                 a language model can't be reached, or does not answer with a chat completion
    |-- ExportError                   7   a checkpoint that can't become a pack
    |   |-- CheckpointError               wrong architecture, a missing shard, pickle only, not readable
    |   |-- ParityError                   the export is too far from its original; nothing was published
    |   `-- HubError                      the model hub can't be reached, or has no such model or revision
    `-- SomeClipsFailedError          8   the run went on; at least one clip has status "error"

Exit code 0 is success, 130 an interrupt (Ctrl-C) that left complete records. Every message says what was asked,
what was got, and what to do next, in one line. Assertions are for our own bugs only.
"""

from __future__ import annotations

from typing import ClassVar


class EdgecapError(Exception):
    """Root of the tree. `exit_code`: of the command line."""

    exit_code: ClassVar[int] = 1


class UsageError(EdgecapError):
    """An option, or a combination of options, that is not possible."""

    exit_code = 2


class InputError(EdgecapError):
    """A video, folder or file that cannot be used."""

    exit_code = 3


class MissingInputError(InputError):
    """The path does not exist, or a folder has no video in it."""


class UnreadableVideoError(InputError):
    """The file is not a video, or is broken before its first frame."""


class EmptyVideoError(InputError):
    """The file opens as a video but has no frame."""


class OutputError(EdgecapError):
    """A folder or file that cannot be written."""

    exit_code = 4


class PackError(EdgecapError):
    """A model pack that cannot be used."""

    exit_code = 5


class UnknownPackError(PackError):
    """No pack of that name ships, and no folder of that name contains a pack.json."""


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


class EngineBuildError(EngineError):
    """A compiler refused a graph or was stopped; nothing was published. The message names the node where known."""


class EngineMismatchError(EngineError):
    """A stored engine was made for another device, version, precision or other weights; the message names which."""


class TamperedEngineError(EngineError):
    """A stored engine or its manifest is not what was published."""


class StoreBusyError(EngineError):
    """Another process holds the lock of that engine; the message says which."""


class EndpointError(EngineError):
    """A language model can't be reached in time, refuses, or does not answer with a chat completion."""


class ExportError(EdgecapError):
    """A checkpoint that can't become a pack."""

    exit_code = 7


class CheckpointError(ExportError):
    """The folder's weights or config can't be used: wrong architecture, a missing shard, pickle only, not readable."""


class ParityError(ExportError):
    """The export is too far from its original; nothing was published."""


class HubError(ExportError):
    """The model hub can't be reached, or has no such model or revision."""


class SomeClipsFailedError(EdgecapError):
    """A run over several clips ended, and at least one clip has status "error"."""

    exit_code = 8
