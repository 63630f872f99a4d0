"""Where a pack's sessions come from: the graphs as shipped, or engines that were compiled for this device.

In: a pack, one of its graphs, a provider, what the user chose. Out: a `Session`, and where it came from.
"""

from __future__ import annotations

from typing import Literal, get_args

from edgecap.engines.errors import EngineError, EngineMismatchError, TamperedEngineError, UsageError
from edgecap.engines.graph.onnx_session import open_onnx_session
from edgecap.engines.graph.providers import Provider
from edgecap.engines.graph.session import Session
from edgecap.engines.graph.spec import GraphSpec
from edgecap.engines.packs.pack import SHIPPED_FOLDER, Pack
from edgecap.engines.store.entries import nearest_words
from edgecap.engines.store.key import (
    Backend,
    EngineKey,
    compiled_graph,
    graph_paths,
    is_installed,
    pack_key,
    this_device,
)
from edgecap.engines.store.store import EngineStore, StoredEngine

EnginesChoice = Literal["auto", "store", "pack"]
ENGINES_CHOICES: tuple[EnginesChoice, ...] = get_args(EnginesChoice)

# Which compiled engines may serve a provider, first choice first. ONNX Runtime's CUDA provider opens the pack's graph.
_BACKENDS: dict[Provider, tuple[Backend, ...]] = {
    "cpu": ("onnxruntime-cpu",),
    "cuda": (),
    "tensorrt": ("tensorrt", "tensorrt-rtx"),
}


class EngineSessions:
    """Opens a pack's graphs and remembers from where. See `SessionOpener`.

    `choice`: "pack" = the ONNX files of the pack; "store" = engines of `store` alone, an error where one is missing;
    "auto" = the engine where the store has a sound one for this device, else the pack's file. `store` None: the default
    one. `used` reports what was opened: "auto" is never silent.
    """

    def __init__(self, choice: EnginesChoice = "auto", *, store: EngineStore | None = None) -> None:
        if choice not in ENGINES_CHOICES:
            raise UsageError(f"engines must be one of {', '.join(ENGINES_CHOICES)}; got {choice!r}")
        self.choice = choice
        self.store = store if store is not None else EngineStore()
        self._origins: dict[str, str] = {}
        self._precisions: dict[str, str] = {}

    @property
    def used(self) -> str:
        """Where the sessions opened so far came from: "store", "pack", or graph by graph where they differ
        ("detector.graph store, segmenter.encoder pack"); "none" before the first."""
        origins = set(self._origins.values())
        if len(origins) == 1:
            return origins.pop()
        return ", ".join(f"{graph_path} {origin}" for graph_path, origin in self._origins.items()) or "none"

    def precision(self, graph_path: str) -> str | None:
        """Of the graph that was really opened for `graph_path`; None where none was."""
        return self._precisions.get(graph_path)

    def open(self, pack: Pack, graph: GraphSpec, *, provider: Provider, intra_threads: int) -> Session:
        """See `Pack.open_session`. Raises `EngineMismatchError` or `EngineError` where "store" was asked for and has no
        engine for this device (the message says what the nearest differs in), `TamperedEngineError` where it has a
        damaged one, `EngineError` for a provider that no stored engine serves, and what opening an engine raises."""
        graph_path = _graph_path_of(pack, graph)
        session, origin = None, "pack"
        if self.choice == "store":
            session, origin = self._from_store(pack, graph_path, provider, intra_threads), "store"
        elif self.choice == "auto" and self.store.folder.is_dir():
            session, origin = self._from_store_if_sound(pack, graph_path, provider, intra_threads)
        if session is None:
            session = open_onnx_session(pack.path(graph.file), graph, provider=provider, intra_threads=intra_threads)
        self._origins[graph_path], self._precisions[graph_path] = origin, session.spec.precision
        return session

    def _from_store(self, pack: Pack, graph_path: str, provider: Provider, intra_threads: int) -> Session:
        backends = [backend for backend in _BACKENDS[provider] if is_installed(backend)] or list(
            _BACKENDS[provider][:1]
        )
        if not backends:
            raise EngineError(
                f"no stored engine serves provider {provider}; use --engines pack, or provider tensorrt or cpu"
            )
        missing: EngineError | None = None
        for backend in backends:
            key = pack_key(pack, graph_path, this_device(backend))
            if self.store.find(key) is not None:
                return self._open(self.store.open_checked(key), pack, graph_path, backend, intra_threads)
            missing = missing or self._absent(pack, graph_path, key)
        assert missing is not None
        raise missing

    def _from_store_if_sound(
        self, pack: Pack, graph_path: str, provider: Provider, intra_threads: int
    ) -> tuple[Session | None, str]:
        """The stored engine's session and "store", or None and what the record says of the pack's file."""
        for backend in _BACKENDS[provider]:
            if not is_installed(backend):
                continue
            try:
                key = pack_key(pack, graph_path, this_device(backend))
                if self.store.find(key) is None:
                    continue
                engine = self.store.open_checked(key)
            except (TamperedEngineError, EngineMismatchError):
                return None, "pack (the stored engine is damaged)"
            except EngineError:  # no GPU, a package that does not load: opening the pack's file reports it
                continue
            return self._open(engine, pack, graph_path, backend, intra_threads), "store"
        return None, "pack"

    def _open(self, engine: StoredEngine, pack: Pack, graph_path: str, backend: Backend, intra_threads: int) -> Session:
        graph = compiled_graph(pack, graph_path, backend)
        if backend == "onnxruntime-cpu":
            return open_onnx_session(engine.path, graph, provider="cpu", intra_threads=intra_threads, optimised=True)
        from edgecap.engines.tensorrt.session import open_trt_session  # loads TensorRT and CUDA

        kernels = self.store.kernels_path(engine.manifest.key.digest)
        return open_trt_session(engine.path, graph, backend=backend, runtime_cache=kernels)

    def _absent(self, pack: Pack, graph_path: str, key: EngineKey) -> EngineError:
        name = pack.spec.name if pack.folder.parent == SHIPPED_FOLDER.resolve() else str(pack.folder)
        words = nearest_words(self.store.folder, key, pack=pack.spec.name, graph=graph_path)
        kind = EngineMismatchError if words else EngineError
        compiler = "" if key.backend == "onnxruntime-cpu" else f" --backend {key.backend}"
        return kind(
            f"{self.store.folder}: no engine of {graph_path} for this device ({key.backend} {key.backend_version}, "
            f"{key.target.partition(' ')[0]}){words}; run edgecap build {name}{compiler}, or use --engines pack"
        )


def _graph_path_of(pack: Pack, graph: GraphSpec) -> str:
    for graph_path, known in graph_paths(pack).items():
        if known == graph:
            return graph_path
    raise EngineError(f"pack {pack.spec.name!r} has no graph {graph.file!r}; open one that its pack.json names")
