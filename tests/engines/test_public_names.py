"""The public names are pinned: adding or losing one is a decision, made here."""

from __future__ import annotations

import subprocess
import sys
import types

import edgecap.engines as engines


def test_all_is_exactly_the_public_names_in_sight():
    visible = {
        name
        for name, value in vars(engines).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert sorted(engines.__all__) == sorted(visible)


def test_names_are_pinned():
    assert set(engines.__all__) == {
        "PROVIDERS",
        "Binding",
        "CaptionerSpec",
        "Check",
        "CpuReport",
        "DetectorSpec",
        "DeviceReport",
        "DomainSpec",
        "EdgecapError",
        "EmptyVideoError",
        "EngineError",
        "FileEntry",
        "GpuReport",
        "GraphContractError",
        "GraphSpec",
        "InputError",
        "MissingExtraError",
        "MissingInputError",
        "OnnxSession",
        "OutputError",
        "Pack",
        "PackError",
        "PackSchemaError",
        "PackSpec",
        "Provider",
        "ProviderError",
        "ScriptedSession",
        "SegmenterSpec",
        "Session",
        "SomeClipsFailedError",
        "TamperedPackError",
        "TensorSpec",
        "UnknownPackError",
        "UnreadableVideoError",
        "UsageError",
        "examine",
        "open_onnx_session",
        "probe_device",
        "shipped_packs",
        "write_pack",
    }


def test_importing_loads_no_engine_and_no_training_package():
    code = (
        "import sys, edgecap.engines; "
        "heavy = {'onnxruntime', 'onnx', 'torch', 'transformers', 'tensorrt', 'pynvml'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_error_has_the_exit_code_that_its_tree_draws():
    codes = {name: getattr(engines, name).exit_code for name in engines.__all__ if name.endswith("Error")}
    assert codes == {
        "EdgecapError": 1,
        "UsageError": 2,
        "InputError": 3,
        "MissingInputError": 3,
        "UnreadableVideoError": 3,
        "EmptyVideoError": 3,
        "OutputError": 4,
        "PackError": 5,
        "UnknownPackError": 5,
        "PackSchemaError": 5,
        "TamperedPackError": 5,
        "EngineError": 6,
        "MissingExtraError": 6,
        "ProviderError": 6,
        "GraphContractError": 6,
        "SomeClipsFailedError": 8,
    }
