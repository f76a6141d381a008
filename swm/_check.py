# SPDX-License-Identifier: Apache-2.0
"""What each stage makes of each node: the facts behind `swm check`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from swm.compress import fold_affine
from swm.errors import Finding
from swm.fixed import hardware_findings
from swm.graph import Conv, ConvTranspose, Graph, Linear, Opaque, Recurrent, is_structured

__all__ = ["Inspection", "NodeInspection", "check"]


@dataclass(frozen=True)
class NodeInspection:
    """One node: `structured` says whether its weights can be (or why not), `hardware` whether it can be emitted."""

    name: str
    op: str
    structured: str
    hardware: bool
    reason: str
    remedy: str


@dataclass(frozen=True)
class Inspection:
    """A whole model."""

    nodes: tuple[NodeInspection, ...]
    graph_findings: tuple[Finding, ...]

    @property
    def obstacles(self) -> int:
        """How many nodes and graph properties keep the model from hardware."""
        return sum(not n.hardware for n in self.nodes) + len(self.graph_findings)

    @property
    def ok(self) -> bool:
        """Whether the whole model can become hardware."""
        return self.obstacles == 0

    def to_json(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {"ok": self.ok, "obstacles": self.obstacles, **asdict(self)}


def check(graph: Graph) -> Inspection:
    """Say of every node whether its weights can be structured and whether it can become hardware, and why not."""
    findings = hardware_findings(fold_affine(graph))
    by_node = {f.node: f for f in findings if f.op != "graph"}
    nodes = []
    for node in graph.nodes:
        finding = by_node.get(node.name)
        nodes.append(
            NodeInspection(
                name=node.name,
                op=node.op_type if isinstance(node, Opaque) else node.op,
                structured=_structured(node),
                hardware=finding is None,
                reason=finding.reason if finding else "",
                remedy=finding.remedy if finding else "",
            )
        )
    return Inspection(tuple(nodes), tuple(f for f in findings if f.op == "graph"))


def _structured(node: object) -> str:
    match node:
        case Linear():
            m, n = node.weight.shape
            size = f"{m} x {n}"
        case Conv():
            size = " x ".join(map(str, (node.weight.shape[0], node.channels, *node.kernel)))
            if node.group > 1:
                return ""
        case ConvTranspose():
            return "stays dense: no fit for transposed kernels yet; Resize and Conv in its place can be structured"
        case Recurrent():
            (m, n), (_, h) = node.input_weight[0].shape, node.recurrent_weight[0].shape
            size = f"W {m} x {n}, R {m} x {h}"
        case _:
            return ""
    return f"is ({size})" if is_structured(node) else f"can be ({size})"
