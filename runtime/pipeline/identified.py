"""The messages of one video, with the identity of its file in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from edgecap.engines.errors import InputError
from edgecap.runtime.data.frame import FileIdentity
from edgecap.runtime.english import printable
from edgecap.runtime.pipeline.messages import Ended, Failed, Message, Started
from edgecap.runtime.pipeline.summary import failed_video


def identified(
    path: Path, identify: Callable[[Path], FileIdentity | None], messages: Iterable[Message]
) -> Iterator[Message]:
    """Put the file's identity into what is said of a video; one that changed while it was read fails in the end: its
    rows are neither of the file that was nor of the file that is."""
    identity = identify(path)
    for message in messages:
        if isinstance(message, Started):
            if identity is not None:
                identity = replace(identity, duration_seconds=message.info.duration_seconds)
            message = replace(message, info=replace(message.info, identity=identity))
        elif isinstance(message, Failed):
            message = replace(message, failed=replace(message.failed, identity=identity))
        elif isinstance(message, Ended) and identity is not None and identify(path) != identity:
            error = InputError(
                f"{printable(path)} was changed while it was read; run again with --resume when it is complete"
            )
            message = Failed(message.video_number, replace(failed_video(str(path), error), identity=identity), error)
        yield message
