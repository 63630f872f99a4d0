"""Import of ultralytics (AGPL-3.0, never a dependency) without torchvision, without network, without its own habits.

ultralytics asks for torchvision's version while it is imported, and for the package itself only in code that is not
used here. PyPI's torchvision needs CUDA libraries, and its mere presence makes transformers' model classes fail
(docs/spec/measured.md A): so for the time of the import the question is answered, and nothing is installed.
Ultralytics is in a folder of its own: `make yolo`, then PYTHONPATH=.yolo.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edgecap.engines.errors import MissingExtraError

ULTRALYTICS = "8.4.190"
"""The version this was written against and is tested with."""
_SETTINGS = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}
"""No telemetry and downloads, no `pip install` on its own, no banner."""
_PAIRED = {"2.11": "0.26.0", "2.12": "0.27.0", "2.13": "0.28.0"}
"""torch -> the torchvision that ultralytics expects beside it (0.15 more than torch's minor version)."""


def import_tasks() -> Any:
    """The module `ultralytics.nn.tasks`: model classes by name.

    Raises `MissingExtraError` where the package isn't there, is of another version, or lacks a package of its own.
    """
    try:
        version = importlib.metadata.version("ultralytics")
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingExtraError(
            f"recipe yolo needs ultralytics {ULTRALYTICS} (AGPL-3.0), which isn't installed; run: make yolo, "
            "then set PYTHONPATH=.yolo"
        ) from error
    if version != ULTRALYTICS:
        raise MissingExtraError(
            f"recipe yolo needs ultralytics {ULTRALYTICS}, found {version}; run: make yolo, then set PYTHONPATH=.yolo"
        )
    try:
        with _settings(), _torchvision_known():
            return importlib.import_module("ultralytics.nn.tasks")
    except ImportError as error:
        raise MissingExtraError(
            f"ultralytics {version} can't be imported ({error}); run: make yolo, then set PYTHONPATH=.yolo"
        ) from error


@contextmanager
def _settings() -> Iterator[None]:
    """Its settings file goes to a folder that is removed again, and its switches are set where the user set none."""
    before = {name: os.environ.get(name) for name in (*_SETTINGS, "YOLO_CONFIG_DIR")}
    with tempfile.TemporaryDirectory() as folder:
        for name, value in (_SETTINGS | {"YOLO_CONFIG_DIR": folder}).items():
            os.environ.setdefault(name, value)
        try:
            yield
        finally:
            for name, earlier in before.items():
                if earlier is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = earlier


@contextmanager
def _torchvision_known() -> Iterator[None]:
    """`importlib.metadata.version("torchvision")` answers, installed or not."""
    import torch

    asked = importlib.metadata.version
    paired = _PAIRED.get(".".join(torch.__version__.split(".")[:2]), "0.28.0")

    def answer(distribution_name: str) -> str:
        try:
            return asked(distribution_name)
        except importlib.metadata.PackageNotFoundError:
            if distribution_name == "torchvision":
                return paired
            raise

    importlib.metadata.version = answer
    try:
        yield
    finally:
        importlib.metadata.version = asked
