# SPDX-License-Identifier: Apache-2.0
"""ONNX → Graph: one pass over the nodes in execution order, each typed by its handler or carried along."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, helper

import swm.onnx_io.read.handlers  # noqa: F401  the handlers register themselves
from swm.errors import ModelError
from swm.graph import (
    WEIGHT_FORMATS,
    Graph,
    Names,
    Node,
    Opaque,
    TensorType,
    Value,
    WeightFormat,
    read_formats,
    write_formats,
)
from swm.onnx_io.expand import recognise_expansion
from swm.onnx_io.files import read_bytes
from swm.onnx_io.function import DOMAIN, recognise
from swm.onnx_io.proto import check_graph, check_text, parse, upgrade
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.external import inline_external_data
from swm.onnx_io.read.fuse import fuse
from swm.onnx_io.read.memory import Budget
from swm.onnx_io.read.own_functions import product, take_columns, take_stored
from swm.onnx_io.read.registry import Folded, Forwarded, RawNode, Result, find
from swm.onnx_io.read.roles import WEIGHTED, roles
from swm.onnx_io.scope import captured, inner_names, inner_nodes, sort_nodes
from swm.onnx_io.stored import recognise_stored
from swm.onnx_io.tensors import check_tensor, dense_size, densify, is_native, to_array, walk_tensors
from swm.onnx_io.types import infer_types, tensor_type

__all__ = ["from_proto", "load"]

# Operators still carried along whose constant inputs are weights all the same: NaN there means a broken model.
_WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "GRU", "LSTM", "MatMul", "RNN"})


def load(path: str | os.PathLike[str]) -> Graph:
    """Read an ONNX file. Runs nothing in it.

    Args:
        path: the .onnx file; external data is looked for in its folder.

    Returns:
        The verified graph.

    Raises:
        ModelError: the file is missing, damaged, illegal, or contradicts itself.
    """
    file = Path(path)
    data = read_bytes(file)
    try:
        model, digest = parse(data), hashlib.sha256(data).hexdigest()
        del data
        return replace(_convert(model, str(file), file.parent), sha256=digest)
    except ModelError as exc:
        raise ModelError(f"{str(file)!r}: {exc}") from exc


def from_proto(model: ModelProto, source: str = "", folder: str | os.PathLike[str] | None = None) -> Graph:
    """Convert a model in memory, which stays as it is.

    Args:
        model: the model.
        source: where it came from, for messages and reports.
        folder: where its external data lies, if it has any.

    Returns:
        The verified graph.

    Raises:
        ModelError: the model is illegal or contradicts itself.
    """
    own = ModelProto()
    own.CopyFrom(model)
    try:
        return _convert(own, source, None if folder is None else Path(folder))
    except ModelError as exc:
        raise ModelError(f"{source!r}: {exc}" if source else str(exc)) from exc


def _convert(model: ModelProto, source: str, folder: Path | None) -> Graph:
    check_graph(model)
    check_text(model)
    inline_external_data(model, folder)
    for tensor in walk_tensors(model):
        check_tensor(tensor)
    model, versions = upgrade(model)
    _check_single_assignment(model.graph)
    _check_functions(model)
    return _Import(model, versions, source).run()


class _Import:
    """The state of one conversion."""

    def __init__(self, model: ModelProto, versions: dict[str, int], source: str) -> None:
        self.model = model
        self.versions = versions
        self.source = source
        graph = model.graph
        protos = _with_unique_names(list(graph.node))
        self.order = sort_nodes(protos)
        self.captured = frozenset(t for node in protos for t in captured(node))
        self.outputs = frozenset(v.name for v in graph.output)
        read = frozenset(t for node in protos for t in node.input) | self.captured | self.outputs
        self.context = Context(
            versions[""], {}, infer_types(model), read - {""}, Names(n.name for n in protos), _tensors(graph, protos)
        )
        self.structured = {(f.domain, f.name): s for f in model.functions if (s := recognise(f)) is not None}
        self.expansions = {(f.domain, f.name): e for f in model.functions if (e := recognise_expansion(f)) is not None}
        self.stored = {(f.domain, f.name): t for f in model.functions if (t := recognise_stored(f)) is not None}
        self.functions = {(f.domain, f.name) for f in model.functions}
        self.names = self.context.names
        self.alias: dict[str, str] = {}  # outputs of removed nodes, and what to read instead
        self.renamed: dict[str, str] = {}  # tensors that took the name of a graph output behind a removed node
        self.called: set[tuple[str, str]] = set()  # domain and operator of carried nodes and of those inside them
        self.expanded: dict[str, RawNode] = {}  # calls of expansions by the tensor that they write
        self.nodes: list[Node] = []
        self.budget = Budget(model.ByteSize())
        self.formats: dict[str, dict[str, WeightFormat]] = {}  # of weights that a quantizer made, by node

    def run(self) -> Graph:
        """The graph."""
        self._read_initialisers()
        for proto in self.order:
            self._take(proto)
        self._carry_expansions()
        nodes = fuse([self._with_final_names(n) for n in self.nodes], self.captured | self.outputs)
        return self._graph(nodes)

    def _read_initialisers(self) -> None:
        for tensor in self.model.graph.initializer:
            if is_native(tensor):
                self.context.constants[tensor.name] = to_array(tensor)
            else:  # numpy lacks the type: a Constant node keeps the tensor as it is
                proto = helper.make_node("Constant", [], [tensor.name], value=tensor)
                proto.name = self.names.unique(f"Constant/{tensor.name}")
                self.context.types[tensor.name] = TensorType(tensor.data_type, tuple(tensor.dims))
                self._carry(RawNode(proto.name, (), (tensor.name,), proto))
        for sparse in self.model.graph.sparse_initializer:
            self.budget.reserve(dense_size(sparse), f"sparse initialiser {sparse.values.name!r}, written out,")
            self.context.constants[sparse.values.name] = densify(sparse)

    def _take(self, proto: NodeProto) -> None:
        inputs = tuple(self.alias.get(t, t) for t in proto.input)
        node = RawNode(proto.name, inputs, tuple(proto.output), proto)
        what = self.expansions.get((node.domain, node.op))
        held = self.stored.get((node.domain, node.op))
        if (what is not None and take_columns(self.context, node, what)) or (
            held is not None and take_stored(self.context, node, held)
        ):
            self.expanded[node.outputs[0]] = node
            return
        before = len(self.context.constants)
        result = self._convert_node(node)
        for value in islice(reversed(self.context.constants.values()), len(self.context.constants) - before):
            self.budget.keep(value, f"{node.op} node {node.name!r}, taken apart,")
        match result:
            case Folded(value):
                self.budget.keep(value, f"{node.op} node {node.name!r}, folded,")
                self.context.constants[node.outputs[0]] = value
                if node.inputs and node.inputs[0] in self.context.formats:  # moved weights keep their format
                    self.context.formats.setdefault(node.outputs[0], self.context.formats[node.inputs[0]])
            case Forwarded(from_) if self._forward(from_, node.outputs[0]):
                pass
            case Node():
                self._add(node, (result,))
            case tuple():
                self._add(node, result)
            case _:
                self._carry(node)

    def _add(self, node: RawNode, made: tuple[Node, ...]) -> None:
        for new in made:
            self.budget.keep_node(new)
        self.nodes += made
        formats = self.context.formats
        found = {r: formats[t] for r, t in zip(roles(node.op), node.inputs, strict=False) if r and t in formats}
        layer = next((n.name for n in made if isinstance(n, WEIGHTED)), None)
        if found and layer is not None:
            self.formats[layer] = found

    def _convert_node(self, node: RawNode) -> Result:
        key = (node.domain, node.op)
        if key in self.structured:
            return product(self.context, node, self.structured[key])
        handler = None if key in self.functions else find(*key, self.versions.get(node.domain, 0))
        if handler is None:
            return None
        try:
            return handler(self.context, node)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # what a handler did not think of
            raise node.error(
                f"could not be read ({type(error).__name__}: {error}); the model is damaged, or swm has a fault here: "
                "please report it with the model"
            ) from error

    def _carry_expansions(self) -> None:
        """Keep the calls whose tensor something reads besides the layers that took the structure over."""
        read = {t for n in self.nodes for t in n.inputs} | self.captured | self.outputs
        kept, self.nodes = self.nodes, []
        for tensor, node in self.expanded.items():
            if tensor in read:
                self._carry(node)
        self.nodes += kept

    def _forward(self, source: str, target: str) -> bool:
        """Let the readers of `target` read `source`; False if both names have to stay."""
        if target in self.captured:
            return False
        value = self.context.constants.get(source)
        if value is not None:
            self.context.constants[target] = value
            return True
        if target in self.outputs:
            # The name of a graph output stays, so the tensor before it takes that name, if its own is free to go.
            made = any(source in n.outputs for n in self.nodes)
            if not made or source in self.captured or source in self.outputs or source in self.renamed:
                return False
            self.renamed[source] = target
        self.alias[target] = source
        return True

    def _carry(self, node: RawNode) -> None:
        if not node.op:
            raise ModelError(f"node {node.name!r} names no operator; the file is damaged")
        if node.op in _WEIGHTED and not node.domain:
            for name in node.inputs:
                self.context.check_finite(name, node)
        self.called |= _calls([node.proto])
        self.nodes.append(
            Opaque(
                name=node.name,
                inputs=node.inputs,
                outputs=node.outputs,
                op_type=node.op,
                domain=node.domain,
                proto=node.proto.SerializeToString(deterministic=True),
                reads=captured(node.proto),
            )
        )

    def _with_final_names(self, node: Node) -> Node:
        inputs, outputs = (tuple(self.renamed.get(t, t) for t in side) for side in (node.inputs, node.outputs))
        return (
            node if (inputs, outputs) == (node.inputs, node.outputs) else replace(node, inputs=inputs, outputs=outputs)
        )

    def _graph(self, nodes: list[Node]) -> Graph:
        proto, constants = self.model.graph, self.context.constants
        needed = self.captured | self.outputs | {t for n in nodes for t in n.inputs}
        kept = {name: value for name, value in constants.items() if name in needed}
        fixed = {t.name for t in proto.initializer} | {s.values.name for s in proto.sparse_initializer}
        inputs = tuple(self._value(v) for v in proto.input if v.name not in fixed)
        known = {v.name for v in inputs} | set(kept) | {t for n in nodes for t in n.outputs}
        types = {name: kind for name, kind in self.context.types.items() if name in known}
        types |= {name: _array_type(value) for name, value in kept.items()}
        # Of our own functions, only those stay that a node which could not be typed calls.
        own = self.structured.keys() | self.expansions.keys() | self.stored.keys()
        foreign = [f for f in self.model.functions if (f.domain, f.name) not in own]
        called = self.called.union(*(_calls(f.node) for f in foreign))
        functions = [
            *foreign,
            *(f for f in self.model.functions if (f.domain, f.name) in own & called),
        ]
        ours = any(f.domain == DOMAIN for f in functions) or any(domain == DOMAIN for domain, _ in called)
        return Graph(
            name=proto.name,
            inputs=inputs,
            outputs=tuple(self._value(v) for v in proto.output),
            nodes=tuple(nodes),
            constants=kept,
            types=types,
            opset=self.versions[""],
            domains={d: v for d, v in self.versions.items() if d and (ours or d != DOMAIN)},
            functions=tuple(f.SerializeToString(deterministic=True) for f in functions),
            metadata=self._metadata(),
            source=self.source,
        ).verify()

    def _metadata(self) -> dict[str, str]:
        found = {p.key: p.value for p in self.model.metadata_props}
        if self.formats:
            found[WEIGHT_FORMATS] = write_formats(read_formats(found.get(WEIGHT_FORMATS, "")) | self.formats)
        return found

    def _value(self, info: Any) -> Value:
        kind = tensor_type(info.type)
        if kind is not None or not info.type.WhichOneof("value"):
            return Value(info.name, self.context.types.get(info.name) or kind)
        return Value(info.name, None, info.SerializeToString(deterministic=True))


def _tensors(graph: GraphProto, nodes: Iterable[NodeProto]) -> Names:
    """Every name of a tensor in a graph and its subgraphs."""
    names = Names(t.name for t in (*graph.input, *graph.output, *graph.initializer))
    names.add(s.values.name for s in graph.sparse_initializer)
    for node in nodes:
        names.add((*node.input, *node.output, *inner_names(node)))
    return names


def _calls(nodes: Iterable[NodeProto]) -> set[tuple[str, str]]:
    return {(n.domain, n.op_type) for node in nodes for n in (node, *inner_nodes(node))}


def _array_type(value: NDArray[Any]) -> TensorType:
    return TensorType(helper.np_dtype_to_tensor_dtype(np.dtype(value.dtype)), value.shape)


def _with_unique_names(nodes: list[NodeProto]) -> list[NodeProto]:
    """Give a name to nodes that have none, and a new one to later nodes of the same name."""
    count = Counter(n.name for n in nodes)
    names = Names(count)
    seen: set[str] = set()
    for i, node in enumerate(nodes):
        if not node.name or node.name in seen:
            node.name = names.unique(node.name or f"{node.op_type or 'node'}_{i}")
        seen.add(node.name)
    return nodes


def _check_functions(model: ModelProto) -> None:
    """Raise ModelError if two functions of the model answer to one name."""
    for name, count in Counter((f.domain, f.name, getattr(f, "overload", "")) for f in model.functions).items():
        if count > 1:
            raise ModelError(f"{count} functions of the model are named {name!r}; keep one, export the model again")


def _check_single_assignment(graph: GraphProto) -> None:
    """Raise ModelError if a tensor is defined twice or has no name."""
    initialisers = [t.name for t in graph.initializer] + [s.values.name for s in graph.sparse_initializer]
    inputs = [v.name for v in graph.input]
    for what, names in (("initialiser", initialisers), ("input", inputs), ("output", [v.name for v in graph.output])):
        if "" in names:
            raise ModelError(f"an {what} of the graph has no name; export the model again")
        for name, count in Counter(names).items():
            if count > 1 and what != "output":
                raise ModelError(f"{count} {what}s are named {name!r}; names must be unique, export the model again")
    defined: dict[str, str] = dict.fromkeys([*inputs, *initialisers], "an input or initialiser")
    for node in graph.node:
        for tensor in node.output:
            if tensor in defined:
                raise ModelError(
                    f"tensor {tensor!r} is written by {node.op_type} {node.name!r}, but {defined[tensor]} has that "
                    "name already; each tensor must be written once, export the model again"
                )
            if tensor:
                defined[tensor] = f"{node.op_type} {node.name!r}"
