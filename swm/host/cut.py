# SPDX-License-Identifier: Apache-2.0
"""A network cut in three: what the host computes before the hardware, the hardware, what the host computes after it.

Hardware reads one tensor and writes one, so a cut is a pair of tensors (`search.py`). Of all cuts the one with the most
multiplications in hardware is taken, and of those the one with the most nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from swm.accelerator.backend import VITIS, Backend
from swm.accelerator.lower import hardware_findings
from swm.errors import Finding, UnsupportedModel
from swm.graph import Graph, Node, Opaque
from swm.host.given_states import states_in_frames
from swm.host.inputs_in_frames import inputs_in_frames
from swm.host.lengths import all_steps
from swm.host.outputs_in_frames import outputs_in_frames
from swm.host.search import Cuts, lead, parts
from swm.host.states import states_from_sequences
from swm.host.work import is_weighted, multiplications
from swm.words import many

__all__ = ["LEAST_SHARE", "Split", "Verdict", "split", "split_for_hardware"]

Verdict = Literal["all", "with host parts", "none"]
LEAST_SHARE = 0.95  # of the multiplications; with more of them left, the host would carry the network


@dataclass(frozen=True, eq=False)
class Split:
    """A network in up to three parts, which together compute what it computes.

    Attributes:
        graph: the whole network.
        before: its nodes before the hardware; None if there are none.
        hardware: the largest part that can be hardware; None if no layer with weights can.
        after: its nodes after the hardware; None if there are none.
        findings: every node, input or output that keeps the whole graph from being hardware.
        outside: names of layers with weights that are not in `hardware`.
        multiplications: of `hardware`, a sample, weights written out dense (counted).
        total: of the whole network, likewise.
    """

    graph: Graph
    before: Graph | None
    hardware: Graph | None
    after: Graph | None
    findings: tuple[Finding, ...]
    outside: tuple[str, ...]
    multiplications: int
    total: int

    def __repr__(self) -> str:
        ends = "" if self.cut is None else f", hardware from {self.cut[0]!r} to {self.cut[1]!r}"
        share = f"{100 * self.share:.1f} % of the multiplications in hardware"
        return f"<Split of {self.graph.name!r}: {self.verdict}{ends}, {share}>"

    @property
    def share(self) -> float:
        """Fraction of the multiplications that hardware does."""
        if self.hardware is None:
            return 0.0
        return self.multiplications / self.total if self.total else 1.0

    @property
    def verdict(self) -> Verdict:
        """What can be emitted: the whole network, the part of it that does nearly all multiplications, or nothing."""
        if not self.findings:
            return "all"
        return "none" if self.reason else "with host parts"

    @property
    def cut(self) -> tuple[str, str] | None:
        """The tensors that hardware reads and writes."""
        return None if self.hardware is None else (self.hardware.inputs[0].name, self.hardware.outputs[0].name)

    @cached_property
    def places(self) -> dict[str, str]:
        """Of each node by name: "before", "hardware" or "after"; constant nodes may stand on both sides."""
        parts = (("after", self.after), ("before", self.before), ("hardware", self.hardware))
        return {node.name: place for place, part in parts if part is not None for node in part.nodes}

    @property
    def operators(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The operators before and after the hardware, in order."""
        before, after = (() if g is None else tuple(n.op_name for n in g.nodes) for g in (self.before, self.after))
        return before, after

    @property
    def reason(self) -> str:
        """Why nothing can be emitted; empty if something can."""
        if not self.findings:
            return ""
        if self.cut is None:
            return "no layer with weights becomes hardware between two float tensors with the samples along axis 0"
        nodes = {n.name: n for n in self.graph.nodes}
        opaque = next((name for name in self.outside if isinstance(nodes[name], Opaque)), None)
        leads = {lead(v.type) for v in self.graph.inputs}
        if self.share < LEAST_SHARE:
            start, end = self.cut
            least = f"of which hardware must do {100 * LEAST_SHARE:.0f} %"
            why = f"has {100 * self.share:.1f} % of the multiplications, {least}"
            return f"the largest part that can be hardware, from tensor {start!r} to {end!r}, {why}"
        if opaque is not None:
            return f"node {opaque!r} stays outside and may hold any number of weights"
        if len(leads) > 1:
            sizes = ", ".join(sorted(map(str, leads)))
            return (
                f"the inputs differ in their first axis ({sizes}), which should be that of samples: `swm frame"
                " --batch-axis NAME` puts it there, `swm frame` alone names it alike"
            )
        return ""

    def with_nodes(self, nodes: Iterable[Node]) -> Split:
        """The same cut with these nodes in the place of those of their names; they read and write the same tensors."""
        new = {node.name: node for node in nodes}

        def made(graph: Graph) -> Graph:
            return graph.with_nodes([new.get(node.name, node) for node in graph.nodes])

        before, hardware, after = (None if g is None else made(g) for g in (self.before, self.hardware, self.after))
        return replace(self, graph=made(self.graph), before=before, hardware=hardware, after=after)


def split(graph: Graph, backend: Backend = VITIS) -> Split:
    """Cut a graph where the most of it becomes hardware. Runs nothing.

    Args:
        graph: a float graph, scales and shifts folded (`swm.compress.prepared`).
        backend: whose hardware; what has no RTL stays with the host where that is SystemVerilog.
    """
    findings = hardware_findings(graph, backend)
    nodes = graph.needed([v.name for v in graph.outputs])
    total = sum(multiplications(n, graph) for n in nodes)
    if not findings:
        return Split(graph, None, graph, None, (), (), total, total)
    graph = states_in_frames(states_from_sequences(all_steps(graph)), backend)
    made = _cut(graph, findings, total, backend)
    if made.verdict != "none":
        return made
    for joined in _joined(graph, backend):
        other = _cut(joined, findings, total, backend)
        made = other if other.share > made.share else made
        if made.verdict != "none":
            break
    return made


def _joined(graph: Graph, backend: Backend) -> Iterator[Graph]:
    """The network with one tensor in place of several that leave its hardware, that enter it, or both."""
    if (outputs := outputs_in_frames(graph, backend)) is not graph:
        yield outputs
    if (inputs := inputs_in_frames(graph, backend)) is not graph:
        yield inputs
        if (both := outputs_in_frames(inputs, backend)) is not inputs:
            yield both


def _cut(graph: Graph, findings: tuple[Finding, ...], total: int, backend: Backend) -> Split:
    """A graph that is no hardware as a whole, where hardware reads one tensor and writes one."""
    nodes = graph.needed([v.name for v in graph.outputs])
    found = Cuts(graph, nodes, backend).largest()
    if found is None:
        outside = tuple(n.name for n in nodes if is_weighted(n, graph))
        return Split(graph, None, None, None, findings, outside, 0, total)
    start, end, inside = found
    return Split(
        graph,
        *parts(graph, start, end, inside),
        findings=findings,
        outside=tuple(n.name for n in nodes if n not in inside and is_weighted(n, graph)),
        multiplications=sum(multiplications(n, graph) for n in inside),
        total=total,
    )


def split_for_hardware(graph: Graph, backend: Backend = VITIS) -> tuple[Split, Graph]:
    """The split of a graph that can be emitted, and its hardware part.

    Args:
        graph: as for `split`.
        backend: likewise.

    Raises:
        UnsupportedModel: layers with weights are not in the largest part that can be hardware; all obstacles are
            listed.
    """
    made = split(graph, backend)
    if made.verdict == "none" or made.hardware is None:
        count = many(len(made.findings), "obstacle")
        what = f"{graph.source or graph.name!r} cannot become hardware as it is; {count}:"
        remedy = "`swm split` writes that part and the host's as files" if made.hardware else "see above"
        raise UnsupportedModel(what, (*made.findings, Finding(graph.name, "graph", made.reason, remedy)))
    return made, made.hardware
