# SPDX-License-Identifier: Apache-2.0
"""What each stage makes of each node: the facts behind `swm check`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from swm.accelerator.lower import hardware_findings
from swm.compress import fold_affine
from swm.errors import Finding
from swm.graph import (
    Conv,
    ConvInteger,
    ConvTranspose,
    Graph,
    Linear,
    MatMul,
    MatMulInteger,
    Node,
    Opaque,
    QLinearConv,
    QLinearMatMul,
    Recurrent,
    is_structured,
)
from swm.validation import require_graph

__all__ = ["Inspection", "NodeInspection", "check"]


_WEIGHTED = frozenset({"Conv", "Einsum", "GRU", "Gemm", "LSTM", "MatMul", "RNN"})
_BODIES = frozenset({"If", "Loop", "Scan"})


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
    """Say of every node whether its weights can be structured and whether it can become hardware, and why not.

    Raises:
        OptionError: what was given is not a graph.
    """
    findings = hardware_findings(fold_affine(require_graph(graph)))
    by_node = {f.node: f for f in findings if f.op != "graph"}
    nodes = []
    for node in graph.nodes:
        finding = by_node.get(node.name)
        nodes.append(
            NodeInspection(
                name=node.name,
                op=node.op_type if isinstance(node, Opaque) else node.op,
                structured=_structured(node, graph),
                hardware=finding is None,
                reason=finding.reason if finding else "",
                remedy=finding.remedy if finding else "",
            )
        )
    return Inspection(tuple(nodes), tuple(f for f in findings if f.op == "graph"))


def _structured(node: Node, graph: Graph) -> str:
    match node:
        case Linear():
            m, n = node.weight.shape
            size = f"{m} x {n}"
        case Conv():
            size = " x ".join(map(str, (node.weight.shape[0], node.channels, *node.kernel)))
            if node.group > 1:
                return f"stays dense: convolution in {node.group} groups"
        case ConvTranspose():
            return "stays dense: no fit for transposed kernels yet; Resize and Conv in its place can be structured"
        case QLinearConv() | QLinearMatMul() | ConvInteger() | MatMulInteger():
            return "stays dense: integer weights; only float32 can be structured"
        case Recurrent():
            (m, n), (_, h) = node.input_weight[0].shape, node.recurrent_weight[0].shape
            size = f"W {m} x {n}, R {m} x {h}"
        case MatMul() | Opaque():
            return _unreached(node, graph)
        case _:
            return ""
    return f"is ({size})" if is_structured(node) else f"can be ({size})"


def _unreached(node: MatMul | Opaque, graph: Graph) -> str:
    """Why weights that a user would look for among those that can be structured are not there."""
    op = node.op_type if isinstance(node, Opaque) else node.op
    if op in _BODIES:
        return "layers inside stay as they are"
    if op not in _WEIGHTED or (isinstance(node, Opaque) and node.domain):
        return ""
    given = [t for t in node.inputs if t]
    constants = [graph.constants[t] for t in given if t in graph.constants]
    other = next((str(a.dtype) for a in constants if a.dtype != np.float32), "")
    if other:
        return f"stays dense: weights of {other}; only float32 can be structured"
    if isinstance(node, MatMul):
        return "stays dense: a stack of matrices" if constants else ""  # a product of two variables has no weights
    return f"stays dense: {op} of a form without one constant matrix, kernel or bias"
