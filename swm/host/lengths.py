# SPDX-License-Identifier: Apache-2.0
"""Sequences whose lengths are an input (ONNX: sequence_lens): hardware runs all steps, the host cuts its answer.

A layer that runs forward knows nothing of later steps. So whatever follows it step by step, further such layers
included, is right before the end of a sequence without knowing where that is. What leaves such a chain is masked by the
host: behind the length it is what the chain makes of zeros. Y_h is the step of Y at which a sequence ends; of an empty
one it is zeros, as onnxruntime has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from swm.engine import FloatEngine
from swm.graph import (
    Cast,
    Gather,
    Graph,
    Node,
    Recurrent,
    ReduceSum,
    TensorType,
    Transpose,
    Unsqueeze,
    node_names,
    reads,
    tensor_names,
)
from swm.host.joined import Joining
from swm.host.reversals import forward_layers
from swm.host.search import FLOAT, part_of
from swm.host.steps import VIEWS, Axes, axes_behind
from swm.onnx_io import standard

__all__ = ["all_steps"]

_OPSET = 9  # has Where, and Less of integers
_INSIDE = "all steps"


class _Chain(NamedTuple):
    """Of a tensor that is right before the ends of its sequences only.

    Attributes:
        name: that of the tensor with all steps.
        lengths: the tensor that says where sequences end.
        steps: of all sequences.
        axes: where steps and samples lie.
    """

    name: str
    lengths: str
    steps: int
    axes: Axes


def all_steps(graph: Graph) -> Graph:
    """The same network, whose layers run all steps where a caller gives lengths; itself where there are none such.

    These are layers over a known number of steps whose last cells nobody reads; backwards only the first of all runs.

    Args:
        graph: a float graph.
    """
    if graph.opset < _OPSET or not any(isinstance(node, Recurrent) and _lengths(node) for node in graph.nodes):
        return graph
    graph = forward_layers(graph)
    nodes = graph.needed([v.name for v in graph.outputs])  # others may read what a layer gives no more
    made = _Rewriting(graph, nodes)
    for node in nodes:
        made.take(node)
    return made.graph()


def _lengths(node: Recurrent) -> str:
    return node.inputs[1] if len(node.inputs) > 1 else ""


class _Rewriting:
    """The nodes so far: those that know nothing of lengths, then the masks, then those that read what was masked."""

    def __init__(self, graph: Graph, nodes: Sequence[Node]) -> None:
        self._graph, self._types, self._constants = graph, dict(graph.types), dict(graph.constants)
        self._names, self._tensors = node_names(graph), tensor_names(graph)
        self._read = {v.name for v in graph.outputs}.union(*(reads(node) for node in nodes))
        self._writers = graph.producers()
        self._live = {v.name for v in graph.inputs}
        self._early: list[Node] = []
        self._masks: list[Node] = []
        self._late: list[Node] = []
        self._chains: dict[str, _Chain] = {}
        self._layers: set[str] = set()  # Y of each
        self._states: dict[str, str] = {}  # Y_h by Y, where it is read
        self._views: dict[str, Node] = {}  # nodes of chains that compute nothing, by what they write
        self._cut: set[str] = set()  # what late nodes write, chains left out
        self._whole: set[str] = set()  # tensors of chains that are wanted as they were
        self._leaving: dict[str, None] = {}  # those of them, and those whose last steps are, that leave the hardware
        self._copies: dict[str, str] = {}  # names of nodes that are there twice, of the second the first
        self._lengths: dict[str, str] = {}  # those of layers, by what they were before they were cast
        self._checked: dict[tuple[str, int], str] = {}  # lengths that are numbers of so many steps

    def take(self, node: Node) -> None:
        """A node of the network, in execution order."""
        tensors = set(reads(node))
        if self._live & tensors:
            self._live.update(t for t in node.outputs if t)
        if not self._cut & tensors:
            if isinstance(node, Recurrent) and self._is_layer(node):
                self._layer(node)
                return
            if not self._chains.keys() & tensors:
                self._early.append(node)
                return
            if self._follows(node):
                return
        for tensor in reads(node):
            self._want(tensor)
        self._late.append(node)
        self._cut.update(t for t in node.outputs if t)

    def graph(self) -> Graph:
        """The network; the one before where no layer was found, or what leaves cannot be joined."""
        for value in self._graph.outputs:
            self._want(value.name)
        if not self._leaving:
            return self._graph
        first = {tensor: self._samples_first(tensor) for tensor in self._leaving}
        outside = first
        if len(first) > 1:
            sizes = [(self._types[t].shape or ("",))[1:] for t in first.values()]
            if any(not isinstance(size, int) for of in sizes for size in of):
                return self._graph
            whole = self._tensors.unique(f"{next(iter(first))}/joined")
            joining = Joining(whole, self._names, self._tensors, self._types)
            outside = {tensor: joining.add(t, tensor) for tensor, t in first.items()}
            joining.close(whole)
            self._early += joining.before + joining.behind
        for tensor, source in outside.items():
            if tensor in self._whole:
                self._mask(tensor, source)
            if tensor in self._states:
                self._last(tensor, source)
        nodes = self._early + self._masks + self._late
        made = replace(self._graph, nodes=tuple(nodes), types=self._types, constants=self._constants)
        nodes = made.needed([v.name for v in made.outputs])
        there = {node.name for node in nodes}
        alone = {copy: name for copy, name in self._copies.items() if name not in there}
        return replace(made, nodes=tuple(replace(n, name=alone.get(n.name, n.name)) for n in nodes))

    def _is_layer(self, node: Recurrent) -> bool:
        """Whether a layer can run all steps, and what it needs is known."""
        lengths, shape = self._same_lengths(node), self._graph.shape_of(node.inputs[0])
        if lengths not in self._live or node.layout or node.direction != "forward":
            return False
        if self._read.intersection(t for t in node.outputs[2:] if t) or self._chains.keys() & set(node.inputs[2:]):
            return False
        if shape is None or len(shape) != 3 or not isinstance(shape[0], int):
            return False
        before = self._chains.get(node.inputs[0])
        return before is None or before[1:] == (lengths, shape[0], Axes(0, 1))

    def _same_lengths(self, node: Recurrent) -> str:
        """The lengths of a layer, or those of an earlier one that are the same: exporters cast them for each."""
        lengths = root = _lengths(node)
        while isinstance(cast := self._writers.get(root), Cast):
            root = cast.inputs[0]
        return self._lengths.setdefault(root, lengths) if lengths else ""

    def _layer(self, node: Recurrent) -> None:
        shape = self._graph.shape_of(node.inputs[0])
        assert shape is not None
        steps, batch, _ = shape
        assert isinstance(steps, int)
        states = node.outputs[1] if len(node.outputs) > 1 and node.outputs[1] in self._read else ""
        tensor = node.outputs[0] or self._tensors.unique(f"{node.outputs[1]}/sequence")
        self._types[tensor] = TensorType(FLOAT, (steps, 1, batch, node.hidden))
        inputs = [*self._inside(node)[:1], "", *node.inputs[2:]]
        while not inputs[-1]:
            inputs.pop()
        made = self._begin(tensor, self._same_lengths(node), steps, Axes(0, 2))
        self._early.append(replace(node, inputs=tuple(inputs), outputs=(made,)))
        self._layers.add(tensor)
        if states:
            self._states[tensor] = states
            self._leaving[tensor] = None
            self._cut.add(states)

    def _follows(self, node: Node) -> bool:
        """Whether a node computes each step of chains alone; then it is one of them."""
        chains = [self._chains[t] for t in reads(node) if t in self._chains]
        if any(one.lengths != chains[0].lengths for one in chains):
            return False
        axes = axes_behind(self._graph, node, {t: chain.axes for t, chain in self._chains.items()})
        tensor = node.outputs[0]
        if axes is None or self._graph.shape_of(tensor) is None:
            return False
        inputs = self._inside(node)
        made = self._begin(tensor, chains[0].lengths, chains[0].steps, axes)
        self._early.append(replace(node, inputs=inputs, outputs=(made,)))
        if isinstance(node, VIEWS):
            self._views[tensor] = node
        return True

    def _inside(self, node: Node) -> tuple[str, ...]:
        return tuple(self._chains[t].name if t in self._chains else t for t in node.inputs)

    def _begin(self, tensor: str, lengths: str, steps: int, axes: Axes) -> str:
        name = self._tensors.unique(f"{tensor}/{_INSIDE}")
        self._types[name] = self._types[tensor]
        self._chains[tensor] = _Chain(name, lengths, steps, axes)
        return name

    def _want(self, tensor: str) -> None:
        """A tensor as it was: of views what they view, so that values leave once."""
        if tensor not in self._chains or tensor in self._whole:
            return
        self._whole.add(tensor)
        view = self._views.get(tensor)
        if view is None:
            self._leaving[tensor] = None
            return
        self._want(view.inputs[0])
        copy = self._names.unique(f"{view.name}, masked")
        self._copies[copy] = view.name
        self._late.append(replace(view, name=copy))

    def _samples_first(self, tensor: str) -> str:
        """All steps of a tensor, samples in front: hardware may end there."""
        chain, kind = self._chains[tensor], self._types[tensor]
        if chain.axes.samples == 0:
            return chain.name
        assert kind.shape is not None
        perm = _to_front(chain.axes.samples, len(kind.shape))
        name = self._tensors.unique(f"{tensor}/samples first")
        self._early.append(_turned(self._names.unique(f"{tensor}, samples first"), chain.name, name, perm))
        self._types[name] = TensorType(kind.elem, tuple(kind.shape[p] for p in perm))
        return name

    def _mask(self, tensor: str, source: str) -> None:
        """A tensor as it was, of all its steps with the samples first."""
        chain, shape = self._chains[tensor], self._types[tensor].shape
        assert shape is not None
        perm = _to_front(chain.axes.samples, len(shape))
        if chain.axes.samples == 0:
            self._chosen("Less", chain, source, tensor, self._of_zeros(tensor))
            return
        made = self._tensors.unique(f"{tensor}/masked")
        self._chosen("Less", chain, source, made, self._of_zeros(tensor))
        back = tuple(perm.index(a) for a in range(len(perm)))
        self._masks.append(_turned(self._names.unique(f"{tensor}, masked"), made, tensor, back))

    def _last(self, tensor: str, source: str) -> None:
        """Y_h of Y with the samples first: its last step is all that is left, and the sum over time takes it."""
        states = self._states[tensor]
        one, summed = (self._tensors.unique(f"{states}/{what}") for what in ("last step", "samples first"))
        self._chosen("Equal", self._chains[tensor], source, one, np.zeros((), np.float32))
        name, turned = (self._names.unique(f"{states}, {what}") for what in ("last step", "directions first"))
        self._masks.append(ReduceSum(name=name, inputs=(one,), outputs=(summed,), axes=(1,), keepdims=False))
        self._masks.append(_turned(turned, summed, states, (1, 0, 2)))

    def _chosen(self, op: str, chain: _Chain, source: str, output: str, other: NDArray[np.float32]) -> None:
        """The steps whose numbers are less than, or equal to, those of the last; something else in place of others."""
        kind = self._types[source]
        assert kind.shape is not None
        rank = len(kind.shape)
        time = _to_front(chain.axes.samples, rank).index(chain.axes.time)
        first = 0 if op == "Less" else 1  # the last of three steps is the third, and less than three are 0 to 2
        numbers = np.arange(first, first + chain.steps, dtype=np.int32)
        numbers = numbers.reshape([chain.steps if a == time else 1 for a in range(rank)])
        ends, kept = (self._tensors.unique(f"{output}/{what}") for what in ("lengths", "kept"))
        axes = tuple(range(1, rank))
        name = self._names.unique(f"{output}, lengths")
        self._masks.append(Unsqueeze(name=name, inputs=(self._valid(chain),), outputs=(ends,), axes=axes))
        steps = self._constant(f"{output}/steps", numbers)
        self._masks.append(standard(op, self._names.unique(f"{output}, steps kept"), (steps, ends), (kept,)))
        fill = self._constant(f"{output}/behind", other)
        name = self._names.unique(f"{output}, steps")
        self._masks.append(standard("Where", name, (kept, source, fill), (output,)))

    def _valid(self, chain: _Chain) -> str:
        """Lengths that are numbers of steps: looking up others, negative ones as huge ones, ends with an error."""
        lengths, valid = chain.lengths, self._checked.get(chain[1:3])
        if valid is None:
            valid = self._checked[chain[1:3]] = self._tensors.unique(f"{chain.lengths}/valid")
            for to in (TensorProto.UINT32, TensorProto.INT64):
                made = self._tensors.unique(f"{chain.lengths}/place")
                name = self._names.unique(f"{made}, cast")
                self._masks.append(Cast(name=name, inputs=(lengths,), outputs=(made,), to=to))
                lengths = made
            numbers = self._constant(f"{chain.lengths}/numbers", np.arange(chain.steps + 1, dtype=np.int32))
            name = self._names.unique(f"{chain.lengths}, at most {chain.steps}")
            self._masks.append(Gather(name=name, inputs=(numbers, lengths), outputs=(valid,), axis=0))
        return valid

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        name = self._tensors.unique(name)
        self._constants[name] = values
        return name

    def _of_zeros(self, tensor: str) -> NDArray[np.float32]:
        """What is behind the ends of sequences in a tensor, samples first, the same for all of them."""
        zero = np.zeros((), np.float32)
        if tensor in self._layers:
            return zero
        chain = self._chains[tensor]
        starts = {self._chains[t].name: t for t in self._layers}
        wanted, nodes = {chain.name}, []
        for node in reversed(self._early):
            if wanted.intersection(node.outputs) and not starts.keys() & set(node.outputs):
                nodes.append(node)
                wanted.update(reads(node))
        given = [t for t in starts if t in wanted]
        part = part_of(replace(self._graph, types=self._types), nodes[::-1], given, [chain.name])
        feeds = {
            t: np.zeros([d if isinstance(d, int) else 1 for d in self._types[t].shape or ()], np.float32) for t in given
        }
        made = FloatEngine(part, [chain.name], deterministic=True).run(feeds)[chain.name]
        made = made.take([0], axis=chain.axes.samples)
        return made.transpose(_to_front(chain.axes.samples, made.ndim)) if made.any() else zero


def _to_front(axis: int, rank: int) -> tuple[int, ...]:
    return (axis, *(a for a in range(rank) if a != axis))


def _turned(name: str, source: str, output: str, perm: tuple[int, ...]) -> Transpose:
    return Transpose(name=name, inputs=(source,), outputs=(output,), perm=perm)
