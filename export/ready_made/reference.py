"""What the hub's own files say, run the plain way: no nodes of ours, no memory of keys and values carried over.

In: `HubFiles`, pictures. Out: `Original`. The unrounded files speak where they are there, else the chosen ones.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.onnx_session import open_onnx_session
from edgecap.engines.graph.session import Session
from edgecap.engines.packs.specs import CaptionerSpec
from edgecap.export.decoder.parity import SpokenText, TextPrompt, speak
from edgecap.export.job import ExportJob
from edgecap.export.onnx.graph import open_graph
from edgecap.export.ready_made.files import HubFiles
from edgecap.export.ready_made.graphs import copy_decoder
from edgecap.export.smolvlm.original import STEPS, Original, original_pixels, original_prompts
from edgecap.export.smolvlm.plan import CaptionerPlan
from edgecap.runtime.decode.open_port import open_port


def original_of_hub(
    files: HubFiles, table: NDArray[Any], spec: CaptionerSpec, job: ExportJob, plan: CaptionerPlan, *, work: Path
) -> Original:
    """Vision tokens view by view; texts spoken by the decoder step by step, their logits from one run over all."""
    pixels = original_pixels(job, plan)
    tokens = _plain_tokens((files.exact_vision or files.vision).path, pixels)
    tokens = tokens.reshape(len(pixels), plan.tokens_per_view, plan.decoder.hidden_size)
    source = files.exact_decoder or files.decoder
    graph = copy_decoder(source, plan, work / source.path.name)
    exact = plan.spec(vision=spec.vision, decoder=graph)
    session = open_onnx_session(work / source.path.name, graph)
    prompts = original_prompts(job, plan, table, tokens)
    return Original(pixels, tokens, tuple(_speak(session, exact, table, prompt) for prompt in prompts))


def _plain_tokens(path: Path, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    session = open_graph(path)
    kinds = {node.name: node.type for node in session.get_inputs()}
    half = kinds["pixel_values"] == "tensor(float16)"
    out = []
    for view in pixels:
        feeds: dict[str, NDArray[Any]] = {"pixel_values": view[None, None].astype(np.float16 if half else np.float32)}
        if "pixel_attention_mask" in kinds:
            mask = np.ones((1, 1, *view.shape[1:]), np.bool_)
            feeds["pixel_attention_mask"] = mask if "bool" in kinds["pixel_attention_mask"] else mask.astype(np.int64)
        out.append(np.asarray(session.run(None, feeds)[0], np.float32))
    return np.stack(out)


def _speak(session: Session, spec: CaptionerSpec, table: NDArray[Any], prompt: NDArray[np.float32]) -> SpokenText:
    """Chosen token by token; the logits are those of one run over prompt and answer."""
    said = speak(open_port(spec, session), TextPrompt.plain(prompt), table, steps=STEPS)
    logits = _at_once(session, np.concatenate([prompt, said.vectors[:-1]]))[len(prompt) - 1 :]
    return replace(said, logits=logits)


def _at_once(session: Session, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits [S, V] of one run over all vectors [S, H] with an empty past."""
    length = len(vectors)
    feeds: dict[str, NDArray[Any]] = {}
    for tensor in session.spec.inputs:
        if tensor.name == "inputs_embeds":
            feeds[tensor.name] = vectors[None].astype(tensor.dtype)
        elif tensor.name == "attention_mask":
            feeds[tensor.name] = np.ones((1, length), np.int64)
        elif tensor.name == "position_ids":
            feeds[tensor.name] = np.arange(length, dtype=np.int64)[None]
        else:
            _, heads, _, head_dim = tensor.axes
            assert isinstance(heads, int) and isinstance(head_dim, int)
            feeds[tensor.name] = np.zeros((1, heads, 0, head_dim), tensor.dtype)
    return np.asarray(session.run(feeds)["logits"][0], np.float32)
