"""What a compiled graph is and how to run one: packs, sessions, the device, the error tree.

Imports no engine: ONNX Runtime is loaded when the first session opens.
"""

from edgecap.engines.doctor.doctor import examine
from edgecap.engines.doctor.row import Check
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
from edgecap.engines.graph.device import CpuReport, DeviceReport, GpuReport, probe_device
from edgecap.engines.graph.onnx_session import OnnxSession, open_onnx_session
from edgecap.engines.graph.providers import PROVIDERS, Provider
from edgecap.engines.graph.scripted_session import ScriptedSession
from edgecap.engines.graph.session import Binding, Session
from edgecap.engines.graph.spec import GraphSpec, TensorSpec
from edgecap.engines.packs.pack import Pack, shipped_packs
from edgecap.engines.packs.specs import CaptionerSpec, DetectorSpec, DomainSpec, FileEntry, PackSpec, SegmenterSpec
from edgecap.engines.packs.writer import write_pack

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
