# SPDX-License-Identifier: Apache-2.0
"""The search for the pair of tensors between which hardware does the most, and the parts around it.

All that lies on the ways from the one tensor to the other is hardware, and it must not read or be read anywhere else.
What the first tensor depends on is computed before, all the rest after; the rest may also read the network's inputs and
what was computed before (an error of reconstruction reads the input and the hardware's output).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from swm.accelerator.backend import Backend
from swm.accelerator.lower import hardware_findings
from swm.accelerator.places import fixed_places
from swm.graph import Graph, Node, TensorType, Value, reads
from swm.host.work import multiplications

__all__ = ["Cuts", "lead", "part_of", "parts"]

FLOAT = 1  # onnx.TensorProto.FLOAT
_COMPUTED = frozenset("*+-/(")  # in the name of a size: the simplifier's expressions of others


class _Size(NamedTuple):
    """What is made as large as possible: multiplications, then nodes."""

    multiplications: int = 0
    nodes: int = 0


class Cuts:
    """The search over pairs of tensors."""

    def __init__(self, graph: Graph, nodes: Sequence[Node], backend: Backend) -> None:
        self.graph, self.nodes, self.backend = graph, nodes, backend
        self.returned = {v.name for v in graph.outputs}
        self.writers = {t: n for n in nodes for t in n.outputs if t}
        self.readers: dict[str, list[Node]] = {}
        for node in nodes:
            for tensor in dict.fromkeys(reads(node)):
                self.readers.setdefault(tensor, []).append(node)
        self.types = tuple(fixed_places())
        self.work = {n.name: multiplications(n, graph) for n in nodes}
        self.lead = lead(graph.inputs[0].type) if graph.inputs else None

    def largest(self) -> tuple[str, str, list[Node]] | None:
        """Where the largest part begins and ends, and its nodes; None if no part has weights."""
        best, found = [_Size(1)], None  # without multiplications it is no part
        for start, kept in self._begun(best):
            for size, end, part in self._ends(kept):
                if size <= best[-1]:
                    break
                if self._closed(part, end) and self._stands(start, end, part):
                    best.append(size)
                    found = start, end, part
        return found

    def widest(self) -> tuple[str, list[Node]] | None:
        """Where the most becomes hardware, whatever it leaves by, and these nodes; None if no part has weights."""
        best, found = [_Size(1)], None
        for start, kept in self._begun(best):
            if self._size(kept) > best[-1]:
                best.append(self._size(kept))
                found = start, kept
        return found

    def leaving(self, kept: Sequence[Node]) -> list[str]:
        """The tensors that some nodes write, and others or the caller read."""
        names = {node.name for node in kept}
        written = [t for node in kept for t in node.outputs if t]
        return [t for t in written if t in self.returned or any(r.name not in names for r in self.readers.get(t, ()))]

    def _begun(self, best: Sequence[_Size]) -> Iterator[tuple[str, list[Node]]]:
        """Where hardware may begin, and all nodes behind it that may be hardware, where they can be more than the best.

        Args:
            best: sizes that were found while this runs, the last the largest.
        """
        among = [n for n in self.nodes if isinstance(n, self.types)]
        accepted: dict[str, set[str]] = {}  # names of nodes, by where they start
        for start in self._starts():
            kept = self.behind(start, among)
            earlier = accepted.get(self._before(start) or "", set())
            if earlier.issuperset(n.name for n in kept):  # whatever could start here had better start there
                accepted[start] = earlier
                continue
            if self._size(kept) <= best[-1]:
                continue
            kept = self._accepted(start, kept)
            accepted[start] = {n.name for n in kept}
            yield start, kept

    def _before(self, tensor: str) -> str | None:
        """The tensor before a node that only prolongs a chain: one tensor in, one out, with one reader."""
        node = self.writers.get(tensor)
        if node is None or tensor in self.returned or len(self.readers.get(tensor, ())) != 1:
            return None
        sources = {t for t in reads(node) if t not in self.graph.constants}
        return sources.pop() if len(sources) == 1 and len(node.outputs) == 1 else None

    def _starts(self) -> Iterator[str]:
        """Tensors at which hardware may begin: inputs, and floats with samples along their first axis."""
        live = {v.name for v in self.graph.inputs}
        yield from (v.name for v in self.graph.inputs if not v.proto)
        for node in self.nodes:
            if live.intersection(reads(node)):
                live.update(t for t in node.outputs if t)
                yield from (t for t in node.outputs if t and self.cuttable(t))

    def cuttable(self, tensor: str) -> bool:
        """Whether it is a float with samples along its first axis, as far as is known."""
        kind = self.graph.types.get(tensor)
        return kind is not None and kind.elem == FLOAT and _may_be_samples(kind, self.lead)

    def _may_end(self, tensor: str) -> bool:
        """An output of the network needs no type: nothing has to be written for what follows."""
        return self.cuttable(tensor) or (tensor in self.returned and self.graph.types.get(tensor) is None)

    def behind(self, start: str, among: Sequence[Node]) -> list[Node]:
        """Those nodes that read nothing but a tensor, constants, and what nodes among them write."""
        known = {start, *self.graph.constants}
        reached, kept = {start}, []
        for node in among:
            tensors = reads(node)
            if known.issuperset(tensors) and reached.intersection(tensors):
                known.update(node.outputs)
                reached.update(node.outputs)
                kept.append(node)
        return kept

    def _accepted(self, start: str, kept: list[Node]) -> list[Node]:
        """Those of them that lowering takes as one network."""
        while kept:
            read = {t for node in kept for t in reads(node)}
            wanted = self.returned.union(self.readers)  # a state of a recurrent node may be nobody's
            leaves = [t for node in kept for t in node.outputs if t in wanted and t not in read]
            findings = hardware_findings(part_of(self.graph, kept, [start], leaves), self.backend)
            refused = {f.node for f in findings if f.op != "graph"}
            if not refused.intersection(n.name for n in kept):
                break
            kept = self.behind(start, [n for n in kept if n.name not in refused])
        return kept

    def _ends(self, kept: list[Node]) -> list[tuple[_Size, str, list[Node]]]:
        """Every tensor at which a part may end, with the nodes on the ways to it; the largest first.

        Sets of nodes are numbers here, a bit a node; the bit behind the last stands for all that is not kept.
        """
        place = {t: i for i, node in enumerate(kept) for t in node.outputs if t}
        names = {node.name: i for i, node in enumerate(kept)}
        outside = len(kept)
        ways: list[int] = []  # a node, and what is needed to come to it
        read: list[int] = []  # who reads what is computed on these ways, its own output left out
        found = []
        for i, node in enumerate(kept):
            sources = {place[t] for t in reads(node) if t in place}
            way, by = 1 << i, 0
            for j in sources:
                way, by = way | ways[j], by | read[j]
                for tensor in kept[j].outputs:
                    by |= 1 << outside if tensor in self.returned else 0
                    for reader in self.readers.get(tensor, ()):
                        by |= 1 << names.get(reader.name, outside)
            ways.append(way)
            read.append(by)
            if by & ~way:
                continue
            part = [n for j, n in enumerate(kept) if way >> j & 1]
            found += [(self._size(part), t, part) for t in node.outputs if t and self._may_end(t)]
        return sorted(found, key=lambda one: one[0], reverse=True)

    def _closed(self, part: list[Node], end: str) -> bool:
        """Whether nothing outside reads what the part computes on its way."""
        inside = {n.name for n in part}
        written = {t for n in part for t in n.outputs if t and t != end}
        return not written & self.returned and all(r.name in inside for t in written for r in self.readers.get(t, ()))

    def _stands(self, start: str, end: str, part: list[Node]) -> bool:
        """Whether it is a network for hardware, and what passes it by can be told from samples."""
        before, hardware, _ = parts(self.graph, start, end, part)
        if hardware_findings(hardware, self.backend):
            return False
        given = {v.name for v in self.graph.inputs}
        passing = [v.name for v in (before.outputs if before else ()) if v.name != start and v.name not in given]
        kinds = [self.graph.types.get(t) for t in passing]
        return all(k is not None and _may_be_samples(k, self.lead) for k in kinds)

    def _size(self, nodes: Collection[Node]) -> _Size:
        return _Size(sum(self.work[n.name] for n in nodes), len(nodes))


def lead(kind: TensorType | None) -> int | str | None:
    """The size of a tensor's first axis; None if it is not known."""
    return kind.shape[0] if kind is not None and kind.shape else None


def _may_be_samples(kind: TensorType, lead: int | str | None) -> bool:
    """Whether a tensor may have the samples along its first axis; an unknown size may be any, `2*batch` is not."""
    if kind.shape is None:
        return True
    size = kind.shape[0] if kind.shape else 0
    return size == lead or not (isinstance(size, int) or (size is not None and _COMPUTED.intersection(size)))


def _between(nodes: Sequence[Node], wanted: Collection[str], given: Collection[str]) -> list[Node]:
    """The nodes that compute some tensors from others, in execution order."""
    needed, found = {t for t in wanted if t not in given}, []
    for node in reversed(nodes):
        if needed.intersection(node.outputs):
            found.append(node)
            needed.update(t for t in reads(node) if t not in given)
    return found[::-1]


def parts(graph: Graph, start: str, end: str, inside: list[Node]) -> tuple[Graph | None, Graph, Graph | None]:
    """The graphs before, in and after the hardware. What only constants decide is computed wherever it is read."""
    outputs = list(dict.fromkeys(v.name for v in graph.outputs))
    given = {v.name for v in graph.inputs}
    nodes = graph.needed(outputs)
    first = _between(nodes, [start], given)
    live = set(given)
    for node in nodes:
        if live.intersection(reads(node)):
            live.update(t for t in node.outputs if t)
    known = {t for node in first for t in node.outputs if t in live}
    last = _between(nodes, outputs, {*given, *known, end})
    # What the nodes after the hardware read, and what of the outputs is computed before it.
    read = dict.fromkeys(t for node in last for t in reads(node))
    passing = [t for t in dict.fromkeys([*read, *outputs]) if t in known and t != start]
    before = after = None
    if first:
        fed = dict.fromkeys(t for node in first for t in reads(node))
        before = part_of(graph, first, [t for t in fed if t in given], [start, *passing]).verify()
    if last:
        written = {t for node in last for t in node.outputs}
        fed = [t for t in read if t == end or t in given or t in known]  # type: ignore[assignment]
        after = part_of(graph, last, list(fed), [t for t in outputs if t in written]).verify()
    return before, part_of(graph, inside, [start], [end]).verify(), after


def part_of(graph: Graph, nodes: Sequence[Node], inputs: Sequence[str], outputs: Sequence[str]) -> Graph:
    """Some nodes as a graph of their own."""
    declared = {v.name: v for v in (*graph.outputs, *graph.inputs)}
    ends = [tuple(declared.get(t) or Value(t, graph.types.get(t)) for t in names) for names in (inputs, outputs)]
    read = {t for node in nodes for t in reads(node)}
    return replace(
        graph,
        inputs=ends[0],
        outputs=ends[1],
        nodes=tuple(nodes),
        constants={t: a for t, a in graph.constants.items() if t in read},
    )
