# SPDX-License-Identifier: Apache-2.0
"""The graph: inputs, outputs, nodes in execution order, constants. A value, never edited in place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.errors import ModelError
from swm.graph.formats import WEIGHT_FORMATS, WeightFormat, read_formats
from swm.graph.nodes import Affine, Linear, Node, Opaque
from swm.graph.weighted import verify_weighted
from swm.notebook import html
from swm.structure import WeightStructure
from swm.words import many

__all__ = ["Graph", "TensorType", "Value"]


@dataclass(frozen=True)
class TensorType:
    """Element type by its ONNX number and shape; a dimension is a number, a name (symbolic) or None (unknown).

    `shape` is None when even the rank is unknown.
    """

    elem: int
    shape: tuple[int | str | None, ...] | None


@dataclass(frozen=True)
class Value:
    """A named input or output of a graph. `proto` keeps the exact ValueInfoProto for types that are not tensors."""

    name: str
    type: TensorType | None
    proto: bytes = b""


@dataclass(frozen=True, eq=False)
class Graph:
    """A network. Nodes stand in execution order; each tensor name is produced once.

    Attributes:
        name: the model's graph name, any text.
        inputs: what a caller must feed (initialisers with defaults are not inputs here).
        outputs: what a run returns.
        nodes: typed and opaque nodes in execution order.
        constants: arrays by tensor name that nodes read as inputs (typed nodes hold their own weights).
        types: what is known of the type of any tensor.
        opset: version of the default ONNX domain in which opaque nodes are written.
        domains: versions of the other domains that opaque nodes use.
        functions: serialised FunctionProto that opaque nodes call.
        metadata: the model's metadata properties.
        source: where the graph came from, for messages and reports.
        sha256: of the file that it was read from, without external data; empty for a model in memory.
    """

    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    types: Mapping[str, TensorType] = field(default_factory=dict)
    opset: int = 21
    domains: Mapping[str, int] = field(default_factory=dict)
    functions: tuple[bytes, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    sha256: str = ""

    def __repr__(self) -> str:
        kinds = Counter(n.op_name for n in self.nodes)
        shown = ", ".join(f"{count} {op}" for op, count in kinds.most_common(4)) + (", ..." if len(kinds) > 4 else "")
        ends = " -> ".join(", ".join(map(_shown, values[:3])) for values in (self.inputs, self.outputs))
        where = f" from {self.source!r}" if self.source else ""
        nodes = f"{many(len(self.nodes), 'node')} ({shown})"
        return f"<Graph {self.name!r}{where}: {ends}; {nodes}, {self._weights:,} weights>"

    def _repr_html_(self) -> str:
        rows = []
        for node in self.nodes:
            held = _structures(node)
            words = f"{sum(w.words for w in held):,}" if held else ""
            shapes = ", ".join(dict.fromkeys(" x ".join(map(str, w.shape)) for w in held))
            made = ", ".join(dict.fromkeys(w.label for w in held))
            rows.append((node.name, node.op_type if isinstance(node, Opaque) else node.op, shapes, made, words))
        return html(self, ("node", "operator", "weights", "structure", "stored"), rows)

    @property
    def _weights(self) -> int:
        """Stored numbers of all weight structures."""
        return sum(weights.words for node in self.nodes for weights in _structures(node))

    def producers(self) -> dict[str, Node]:
        """The node that writes each tensor."""
        return {t: node for node in self.nodes for t in node.outputs if t}

    def consumers(self) -> dict[str, list[Node]]:
        """The nodes that read each tensor, in execution order."""
        readers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for tensor in dict.fromkeys(reads(node)):
                readers.setdefault(tensor, []).append(node)
        return readers

    def readers(self) -> dict[str, list[Node | None]]:
        """All who read each tensor: None for the caller, who reads the outputs, then nodes as `consumers` has them."""
        found: dict[str, list[Node | None]] = {v.name: [None] for v in self.outputs}
        for tensor, nodes in self.consumers().items():
            found.setdefault(tensor, []).extend(nodes)
        return found

    def needed(self, outputs: Sequence[str]) -> list[Node]:
        """The nodes on which some tensors depend, in execution order."""
        wanted = set(outputs)
        found: list[Node] = []
        for node in reversed(self.nodes):
            if wanted & set(node.outputs):
                found.append(node)
                wanted |= set(reads(node))
        return found[::-1]

    def type_of(self, tensor: str) -> TensorType | None:
        """What is known of the type of a tensor, an input of the graph or another."""
        return self.types.get(tensor) or next((v.type for v in self.inputs if v.name == tensor), None)

    def shape_of(self, tensor: str) -> tuple[int | str | None, ...] | None:
        """The shape of a tensor with its open dimensions; None where not even the rank is known."""
        known = self.type_of(tensor)
        return None if known is None else known.shape

    def sample_shape(self, tensor: str) -> tuple[int, ...] | None:
        """The shape of a tensor behind its first axis, that of samples; None unless it is known whole."""
        shape = self.shape_of(tensor)
        sizes = tuple(d for d in shape[1:] if isinstance(d, int)) if shape else ()
        return sizes if shape and len(sizes) == len(shape) - 1 else None

    def first_sizes(self) -> set[int | str | None]:
        """The first dimensions of the inputs; None for one of which it is not known, or that has none."""
        return {v.type.shape[0] if v.type is not None and v.type.shape else None for v in self.inputs}

    def linear(self) -> tuple[Linear, ...]:
        """All Linear nodes in execution order."""
        return tuple(n for n in self.nodes if isinstance(n, Linear))

    def weight_formats(self) -> dict[str, dict[str, WeightFormat]]:
        """Formats that weights were trained in, by node name and role; empty for a float model.

        Conversion keeps them: its weights lie no longer on that grid, but the bits that sufficed are known.
        """
        names = {n.name for n in self.nodes}
        return {k: v for k, v in read_formats(self.metadata.get(WEIGHT_FORMATS, "")).items() if k in names}

    def with_nodes(self, nodes: Sequence[Node]) -> Graph:
        """The same graph with other nodes, verified."""
        return replace(self, nodes=tuple(nodes)).verify()

    def with_replaced(self, old: Node, new: Node) -> Graph:
        """The same graph with one node replaced by another in its place, verified."""
        return self.with_nodes([new if n is old else n for n in self.nodes])

    def verify(self) -> Graph:
        """Check that the graph is well formed and return it.

        Raises:
            ModelError: a tensor is read before it is written, written twice or missing; two nodes share a name; the
                shapes of a typed node's parameters contradict each other.
        """
        known = {v.name for v in self.inputs} | set(self.constants)
        for node in self.nodes:
            for tensor in reads(node):
                if tensor and tensor not in known:
                    raise ModelError(
                        f"node {node.name!r} reads tensor {tensor!r}, which no input, initialiser or earlier node gives"
                    )
            for tensor in node.outputs:
                if tensor in known and tensor:
                    raise ModelError(f"node {node.name!r} writes tensor {tensor!r}, which exists already")
                known.add(tensor)
            _verify_parameters(node)
        for name, count in Counter(n.name for n in self.nodes).items():
            if count > 1:
                raise ModelError(f"{count} nodes are named {name!r}; names must be unique in a graph")
        for value in self.outputs:
            if value.name not in known:
                raise ModelError(f"output {value.name!r} of the graph is written by no node")
        return self


def _shown(value: Value) -> str:
    if value.type is None or value.type.shape is None:
        return value.name
    return f"{value.name} ({', '.join('?' if d is None else str(d) for d in value.type.shape)})"


def reads(node: Node) -> tuple[str, ...]:
    """Every tensor that a node reads, captured ones of control flow included, omitted ones left out."""
    captured = node.reads if isinstance(node, Opaque) else ()
    return tuple(t for t in (*node.inputs, *captured) if t)


def _verify_parameters(node: Node) -> None:
    verify_weighted(node)
    if isinstance(node, Linear):
        m, _ = node.weight.shape
        if node.bias is not None and node.bias.shape != (m,):
            raise ModelError(f"node {node.name!r}: bias of shape {node.bias.shape} beside a matrix with {m} rows")
    elif isinstance(node, Affine) and (node.scale.ndim != 1 or node.scale.shape != node.shift.shape):
        raise ModelError(
            f"node {node.name!r}: scale {node.scale.shape} and shift {node.shift.shape} must be vectors of one length"
        )
    for value in vars(node).values():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and not np.isfinite(value).all():
            raise ModelError(f"node {node.name!r} holds NaN or infinite weights; retrain or repair the model")


def _structures(node: Node) -> list[WeightStructure]:
    """The weight structures that a node holds, whatever its kind."""
    held = [getattr(node, name, ()) for name in ("weight", "input_weight", "recurrent_weight")]
    each = [w for weights in held for w in (weights if isinstance(weights, tuple) else (weights,))]
    return [w for w in each if isinstance(w, WeightStructure)]
