"""The figures of docs/method.md, written from measurements that are in the repository.

In: `bench/results/{calls,identity,verify,relations,reference_camera}.json` as the benches wrote them. Out: the text
between the markers `<!-- figures -->` and `<!-- /figures -->`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgecap.bench.tables.markdown import table

COMMANDS = {
    "calls": "edgecap bench calls --clips 3 --seed-start 2000 --json",
    "identity": "python -m edgecap.bench.quality.studies.long_identity --clips 8 --json FILE",
    "verify": "edgecap bench verify --seed-start 2000 --json",
    "relations": "python -m edgecap.bench.quality.studies.relations --clips 40 --seed-start 2000 --json FILE",
    "reference_camera": (
        "python -m edgecap.bench.quality.studies.reference_camera --clips 40 --seed-start 2000 --json FILE"
    ),
}


def method_section(load: Callable[[str], dict[str, Any]]) -> str:
    """All tables. `load`: name -> content of its JSON file."""
    parts = [_calls(load("calls")), _identity(load("identity")), _verify(load("verify"))]
    parts += [_relations(load("relations")), _camera(load("reference_camera"))]
    return "\n\n".join(parts)


def _calls(data: dict[str, Any]) -> str:
    first = data["rows"][0]
    rows = [
        [
            r["stages"],
            "on" if r["change_gate"] else "off",
            f"{r['generations']:.1f}",
            f"{r['generations'] / r['reference_calls']:.0%}",
            f"{r['graph_runs']:.0f}",
            f"{r['prefill_tokens']:.0f}",
            f"{r['decode_tokens']:.0f}",
            f"{r['describe_seconds'] / first['describe_seconds']:.2f}",
            f"{r['wall_seconds'] / first['wall_seconds']:.2f}",
        ]
        for r in data["rows"]
    ]
    head = ["stages", "gate", "answers", "of 4+4n", "graph runs", "tokens read", "written", "describe", "wall"]
    return (
        f"**What a clip costs the language model** (`{COMMANDS['calls']}`): nano on {data['videos']} videos, "
        f"{first['clips']} clips, "
        f"{first['instances']:.1f} instances each, so the reference asks 4 + 4n = "
        f"{first['reference_calls']:.1f} times a clip. Means per "
        "clip; times over those of the first row, all in one run. nano has no camera question (3 + 4n). "
        f"Machine: {data['machine']}.\n\n{table(head, rows)}"
    )


def _identity(data: dict[str, Any]) -> str:
    rows = [
        [
            c["name"],
            str(c["meetings"]),
            f"{c['idf1']:.3f}",
            f"{c['hota']:.3f}",
            f"{c['staying']} of {c['instances']}",
            f"{c['staying_idf1']:.3f}" if c["staying"] else "–",
            f"{c['staying_hota']:.3f}" if c["staying"] else "–",
            f"{c['one_id']} of {c['instances']}",
        ]
        for c in data["clips"]
    ]
    pooled = data["pooled"]
    figures = {name: f"{value:.3f}" for name, value in pooled.items()}
    rows.append(
        ["pooled", "", figures["idf1"], figures["hota"], "", figures["staying_idf1"], figures["staying_hota"], ""]
    )
    head = ["clip", "meetings", "IDF1", "HOTA", "never leave", "IDF1", "HOTA", "one id in all windows"]
    return (
        f"**Ids over ten windows of a minute of crossings** (`{COMMANDS['identity']}`): every actor goes "
        "back and forth, two share class "
        f"and colour, one leaves the picture and returns. Machine: {data['machine']}.\n\n{table(head, rows)}"
    )


def _verify(data: dict[str, Any]) -> str:
    kinds: dict[str, list[int]] = {}
    for name, group in data["groups"].items():
        totals = kinds.setdefault(name.split()[0], [0, 0, 0])
        for k, key in enumerate(("planted", "caught", "false_alarms")):
            totals[k] += group[key]
    rows = [
        [kind, str(n), f"{caught / n:.1%}", f"{alarms / n:.1%}"] for kind, (n, caught, alarms) in kinds.items() if n
    ]
    n, caught, alarms = (sum(t[k] for t in kinds.values()) for k in range(3))
    rows.append(["all", str(n), f"{caught / n:.1%}", f"{alarms / n:.1%}"])
    head = ["kind of false statement", "planted", "caught", "true counterpart refused"]
    return (
        f"**The verifier** (`{COMMANDS['verify']}`): one false statement planted into each of {n} true "
        "captions of held-out moving clips "
        f"(seeds {data['seeds'][0]}-{data['seeds'][-1]}).\n\n{table(head, rows)}"
    )


def _relations(data: dict[str, Any]) -> str:
    rows = []
    for r in data["relations"]:
        precision = r["right"] / r["said"] if r["said"] else 1.0
        recall = r["found"] / r["clear"] if r["clear"] else 1.0
        rows.append([r["name"], str(r["said"]), f"{precision:.3f}", str(r["clear"]), f"{recall:.3f}"])
    head = ["relation", "said", "precision", "clearly true", "recall"]
    return (
        f"**Relations** (`{COMMANDS['relations']}`): {data['clips']} held-out clips, tier {data['tier']}; "
        "doubtful cases count for neither "
        f"side. Machine: {data['machine']}.\n\n{table(head, rows)}"
    )


def _camera(data: dict[str, Any]) -> str:
    rows = [[name, f"{data[key]['exact']:.3f}", f"{data[key]['micro_f1']:.3f}"] for name, key in _SIDES]
    return (
        f"**Camera** (`{COMMANDS['reference_camera']}`): {data['clips']} held-out clips, tier {data['tier']}; "
        "the reference's rule is given "
        f"the exact camera path, ours the pixels.\n\n{table(['', 'exact label set', 'micro-F1'], rows)}"
    )


_SIDES = (("the reference's rule", "reference"), ("ours", "ours"))
