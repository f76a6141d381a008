# SPDX-License-Identifier: Apache-2.0
"""What each stage makes of each node: the facts behind `swm check`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from swm.accelerator.backend import backend as find_backend
from swm.accelerator.interleave import sequence_obstacle
from swm.accelerator.lower import lower
from swm.accelerator.quantize import network_shape
from swm.compress import (
    WEIGHTED,
    Blocks,
    Planned,
    float32_advice,
    other_weights,
    plan,
    possible_blocks,
    prepared,
    reason_to_stay_dense,
)
from swm.engine.unknown import unknown_operators
from swm.errors import Finding
from swm.graph import Conv, ConvTranspose, Graph, Linear, MatMul, Node, Opaque, Recurrent
from swm.host import Split, Verdict, split
from swm.layers.recurrent import RecurrentSpec
from swm.structure import BlockCirculant, BlockCirculantConv, Dense, WeightStructure
from swm.validation import require_graph

__all__ = ["Inspection", "NodeInspection", "check"]


_ANY_BITS = 12  # whether sequences can take turns does not depend on widths
_BODIES = frozenset({"If", "Loop", "Scan"})


@dataclass(frozen=True)
class NodeInspection:
    """One node.

    Attributes:
        name: of the node.
        op: its operator.
        structured: whether its weights are or can be structured, in words, or why not; empty for one without weights.
        converts: the weights that `convert` would replace, by the names that block maps use: at the block size that was
            asked for, else at any that the rules allow.
        hardware: whether it can be emitted as hardware.
        place: where it is computed: "hardware", on the host "before" or "after" it; of a model that cannot be emitted
            only what `swm split` would write.
        reason: what keeps it out of hardware; empty if nothing does.
        remedy: what to do about it.
    """

    name: str
    op: str
    structured: str
    converts: tuple[str, ...]
    hardware: bool
    place: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Inspection:
    """A whole model.

    Attributes:
        nodes: in execution order.
        graph_findings: what of the graph as a whole keeps it from hardware.
        hardware: how much can be emitted: "all", "with host parts" or "none".
        share: fraction of the multiplications in the largest part that can be hardware, weights written out dense
            (counted).
        cut: the tensors that this part reads and writes; None if there is no such part.
        outside: layers with weights that are not in it.
        unknown: operators that onnxruntime does not know, those inside others included; with any, nothing here runs it
            and `convert` refuses it.
        advice: about weights that are not float32; empty where all are.
        sequences: of hardware with recurrent layers, whether sequences can take turns in them (`--sequences`), or why
            not; empty without such layers.
    """

    nodes: tuple[NodeInspection, ...]
    graph_findings: tuple[Finding, ...]
    hardware: Verdict
    share: float
    cut: tuple[str, str] | None
    outside: tuple[str, ...]
    unknown: tuple[Finding, ...] = ()
    advice: str = ""
    sequences: str = ""

    @property
    def obstacles(self) -> int:
        """How many nodes and graph properties keep the model from hardware; 0 where host parts are enough."""
        return 0 if self.ok else sum(not n.hardware for n in self.nodes) + len(self.graph_findings)

    @property
    def ok(self) -> bool:
        """Whether the model can become hardware, as a whole or with host parts."""
        return self.hardware != "none"

    def to_json(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {"ok": self.ok, "obstacles": self.obstacles, **asdict(self)}


def check(graph: Graph, *, block: Blocks | None = None, backend: str = "vitis") -> Inspection:
    """Say of every node whether its weights can be structured, where it is computed, and why not in hardware.

    Args:
        graph: a float graph.
        block: as for `swm.convert`: what would become of every weight at these sizes; else which sizes it can have.
        backend: whose hardware; "rtl" has fewer forms than C++, and more stays with the host.

    Raises:
        OptionError: what was given is not a graph, an impossible block size, or no such back end.
    """
    made = split(prepared(require_graph(graph)), find_backend(backend))
    unknown = unknown_operators(graph)
    verdict: Verdict = "none" if unknown else made.verdict  # the host has only onnxruntime
    weights: dict[str, list[Planned]] = {}
    for planned in plan(prepared(graph), 2 if block is None else block):
        weights.setdefault(planned.ref.node.name, []).append(planned)
    found = {f.node: f for f in (*made.findings, *unknown) if f.op != "graph"}
    nodes = []
    for node in graph.nodes:
        own = weights.get(node.name, [])
        place = made.places.get(node.name, "hardware" if made.cut else "")  # one that is folded into its neighbour
        reason, remedy = _reason(found.get(node.name), place, verdict)
        nodes.append(
            NodeInspection(
                name=node.name,
                op=node.op_name,
                structured=_structured(node, own, asked=block is not None) or _unreached(node, graph),
                converts=tuple(p.ref.name for p in own if not p.reason),
                hardware=not reason,
                place=place,
                reason=reason,
                remedy=remedy,
            )
        )
    return Inspection(
        nodes=tuple(nodes),
        graph_findings=_graph_findings(made, verdict),
        hardware=verdict,
        share=made.share,
        cut=made.cut,
        outside=made.outside,
        unknown=unknown,
        advice=float32_advice(graph),
        sequences=_sequences(made),
    )


def _sequences(made: Split) -> str:
    """Whether sequences can take turns in a model's recurrent layers."""
    if made.verdict == "none" or made.hardware is None or not any(isinstance(n, Recurrent) for n in made.graph.nodes):
        return ""
    shape = network_shape(lower(made.hardware), _ANY_BITS)
    if not any(isinstance(layer.spec, RecurrentSpec) for layer in shape.layers):
        return ""
    return sequence_obstacle(shape) or "several can take turns in a frame (--sequences N|auto)"


def _reason(found: Finding | None, place: str, verdict: Verdict) -> tuple[str, str]:
    """What keeps a node out of hardware, and what to do; empty if nothing does."""
    if verdict == "with host parts":
        if place == "hardware":
            return "", ""
        reason = found.reason if found else f"it lies {place} a node that has no hardware form"
        return reason, f"nothing to do: the host computes it {place} the hardware"
    return (found.reason, found.remedy) if found else ("", "")


def _graph_findings(made: Split, verdict: Verdict) -> tuple[Finding, ...]:
    if verdict != "none":
        return ()
    found = tuple(f for f in made.findings if f.op == "graph")
    if not made.reason:
        return found
    remedy = "see the nodes"
    if made.cut is not None:
        remedy = "`swm split` writes that part and what is around it as ONNX files"
    return (*found, Finding(made.graph.name, "graph", made.reason, remedy))


def _structured(node: Node, weights: list[Planned], *, asked: bool) -> str:
    """What its weights are or become, those of W and R of a recurrent layer one after the other."""
    match node:
        case Linear() | Conv():
            matrices: dict[str, WeightStructure] = {"": node.weight}
        case Recurrent():
            matrices = {"W": node.input_weight[0], "R": node.recurrent_weight[0]}
        case _:
            return ""
    dense = {p.ref.role: p for p in weights}
    said = []
    for role, matrix in matrices.items():
        size = _size(node, matrix)
        parts = []
        if not isinstance(matrix, Dense):
            parts.append(f"is {matrix.label} {matrix.size} ({size})")
            if not isinstance(matrix, BlockCirculant | BlockCirculantConv):
                parts.append("hardware holds it dense, there is no kernel for it yet")
        if role in dense:
            stays = "stays dense" if isinstance(matrix, Dense) else "stays as it is"
            parts.append(_asked(dense[role], size, stays) if asked else _possible(dense[role], size, stays))
        said.append(f"{role} {'; '.join(parts)}".strip())
    return "; ".join(said)


def _size(node: Node, matrix: WeightStructure) -> str:
    if isinstance(node, Conv):
        return " x ".join(map(str, (matrix.shape[0], node.channels, *node.kernel)))
    return f"{matrix.shape[0]} x {matrix.shape[1]}"


def _asked(planned: Planned, size: str, stays: str) -> str:
    if planned.reason:
        return f"{stays}: {planned.reason}"
    return f"becomes block-circulant {planned.block} ({size})"


def _possible(planned: Planned, size: str, stays: str) -> str:
    """The sizes that the rules allow, which are powers of two without a gap."""
    sizes = possible_blocks(planned.ref)
    if not sizes:
        return f"{stays}: {reason_to_stay_dense(planned.ref, None, 2)}"
    blocks = f"block 2 to {sizes[-1]}" if len(sizes) > 1 else "block 2"
    if planned.last:
        return f"last layer: {stays} unless --block names it, {blocks} ({size})"
    return f"can be, {blocks} ({size})"


def _unreached(node: Node, graph: Graph) -> str:
    """Why weights that a user would look for among those that can be structured are not there."""
    if isinstance(node, ConvTranspose):
        return "stays dense: no fit for transposed kernels yet; Resize and Conv in its place can be structured"
    other = other_weights(node, graph)
    if other:
        kind = "integer weights" if other == "integers" else f"weights of {other}"
        return f"stays dense: {kind}; only float32 can be structured"
    if not isinstance(node, MatMul | Opaque):
        return ""
    op = node.op_name
    if op in _BODIES:
        return "layers inside stay as they are"
    if op not in WEIGHTED or (isinstance(node, Opaque) and node.domain):
        return ""
    if isinstance(node, MatMul):  # a product of two variables has no weights
        return "stays dense: a stack of matrices" if any(t in graph.constants for t in node.inputs) else ""
    return f"stays dense: {op} of a form without one constant matrix, kernel or bias"
