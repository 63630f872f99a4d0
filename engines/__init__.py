"""What a compiled graph is and how to run one: packs, sessions, the device, the error tree.

Imports no engine: ONNX Runtime is loaded when the first session opens.
"""

from edgecap.engines.check import Check
from edgecap.engines.device import CpuReport, DeviceReport, GpuReport, probe_device
from edgecap.engines.doctor import examine
from edgecap.engines.errors import (
    EdgecapError,
    EmptyVideoError,
    EngineError,
    GraphContractError,
    InputError,
    MissingExtraError,
    MissingInputError,
    OutputError,
    PackError,
    PackSchemaError,
    ProviderError,
    SomeClipsFailedError,
    TamperedPackError,
    UnknownPackError,
    UnreadableVideoError,
    UsageError,
)
from edgecap.engines.onnx_session import OnnxSession, open_onnx_session
from edgecap.engines.pack import Pack, shipped_packs
from edgecap.engines.pack_writer import write_pack
from edgecap.engines.providers import PROVIDERS, Provider
from edgecap.engines.scripted_session import ScriptedSession
from edgecap.engines.session import Binding, Session
from edgecap.engines.specs import (
    CaptionerSpec,
    DetectorSpec,
    DomainSpec,
    FileEntry,
    GraphSpec,
    PackSpec,
    SegmenterSpec,
    TensorSpec,
)

__all__ = [
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
]
