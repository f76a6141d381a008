# SPDX-License-Identifier: Apache-2.0
"""Samples along the first axis of every tensor, whatever exporters do with that axis inside.

`nn.MultiheadAttention` moves samples behind the tokens and joins them to the heads; hardware takes samples one after
the other, along axis 0 throughout. What the graph does to a batch of one is what it does to a sample, and that is
written again for any batch: of a batch of one, an axis of one element becomes the samples' axis, and whatever lay
between two operations becomes at most a Slice, a Transpose and the Reshapes around them (`views.py`). Where the
outputs of a matrix product are taken apart (queries, keys and values of one product), it becomes a product for each
part.
Whether samples are independent, a trial shows, not this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from swm.graph import (
    MOVES,
    Activation,
    Add,
    Affine,
    Concat,
    Elementwise,
    Gather,
    Graph,
    LayerNormalization,
    Linear,
    MatMul,
    Mul,
    Node,
    Opaque,
    Pad,
    Reduction,
    RMSNormalization,
    Rotation,
    Slice,
    Softmax,
    Split,
    Transpose,
    Value,
    node_names,
    reads,
    rotations_of,
    tensor_names,
)
from swm.onnx_io import reread
from swm.simplify.bases import Bases, Left, Shape
from swm.simplify.cleanup import without_dead_nodes

__all__ = ["moves_samples", "of_one", "samples_apart", "samples_first"]


def moves_samples(graph: Graph) -> bool:
    """Whether samples may lie along another axis inside, or outputs of a matrix product are taken apart."""
    parts: set[str] = set()  # outputs of matrix products, moved
    for node in graph.nodes:
        if isinstance(node, Transpose) and node.perm[:1] != (0,):
            return True
        if isinstance(node, Opaque) and node.op_type == "Shape" and not node.domain:
            return True
        if isinstance(node, Linear) or (isinstance(node, MOVES) and node.inputs[0] in parts):
            if isinstance(node, Gather | Slice | Split):
                return True
            parts.update(node.outputs)
    return False


def samples_apart(graph: Graph) -> Graph:
    """The graph with every Transpose that moves samples and permutes their values as one for each.

    Recurrent layers take samples behind the steps; what is permuted before them passes with samples first.
    """
    nodes: list[Node] = []
    names, tensors = node_names(graph), tensor_names(graph)
    for node in graph.nodes:
        shape = graph.shape_of(node.inputs[0]) if isinstance(node, Transpose) else None
        open_ = [axis for axis, length in enumerate(shape or ()) if not isinstance(length, int)]
        ones = [axis for axis, length in enumerate(shape or ()) if length == 1]
        samples = next(iter(open_ if len(open_) == 1 else ones if len(ones) == 1 and not open_ else []), None)
        if not isinstance(node, Transpose) or samples is None:
            nodes.append(node)
            continue
        rank, place = len(node.perm), node.perm.index(samples)
        values = [axis for axis in node.perm if axis != samples]
        if values == sorted(values) or (samples == 0 and place == 0):
            nodes.append(node)
            continue
        first = (samples, *sorted(values))  # samples in front, values in order, samples to their place
        turned = (0, *(first.index(axis) for axis in values))
        last = (*range(1, place + 1), 0, *range(place + 1, rank))
        tensor = node.inputs[0]
        steps = [perm for perm in (first, turned, last) if perm != tuple(range(rank))]
        for number, perm in enumerate(steps):
            end = number == len(steps) - 1
            output = node.outputs[0] if end else tensors.unique(f"{node.outputs[0]}/samples")
            name = node.name if end else names.unique(f"{node.name}/samples")
            nodes.append(Transpose(name=name, inputs=(tensor,), outputs=(output,), perm=perm))
            tensor = output
    return graph if len(nodes) == len(graph.nodes) else reread(replace(graph, nodes=tuple(nodes)))


def of_one(graph: Graph) -> Graph | None:
    """The graph for a batch of one; None where an input leaves more open than the batch."""

    def fixed(value: Value) -> Value | None:
        shape = None if value.type is None else value.type.shape
        if value.type is None or not shape or (shape[0] not in (None, 1) and not isinstance(shape[0], str)):
            return None
        rest = shape[1:]
        if not all(isinstance(d, int) for d in rest):
            return None
        return replace(value, type=replace(value.type, shape=(1, *rest)))

    inputs = [fixed(value) for value in graph.inputs]
    outputs = [v if v.type is None else replace(v, type=replace(v.type, shape=None)) for v in graph.outputs]
    known = tuple(v for v in inputs if v is not None)
    if len(known) != len(inputs):
        return None
    return reread(replace(graph, inputs=known, outputs=tuple(outputs), types={}))


def samples_first(one: Graph, graph: Graph) -> Graph | None:
    """A graph with samples along axis 0 throughout; None where a node does not allow it.

    Args:
        one: the graph for a batch of one, its shape arithmetic folded.
        graph: the same for its own batch, whose inputs and outputs the result has.
    """
    walk = _Walk(one)
    if not walk.take_all():
        return None
    read = {t for node in walk.bases.nodes for t in reads(node)}
    constants = {t: values for t, values in (*one.constants.items(), *walk.bases.constants.items()) if t in read}
    made = replace(
        one, inputs=graph.inputs, outputs=graph.outputs, nodes=tuple(walk.bases.nodes), constants=constants, types={}
    )
    return reread(without_dead_nodes(made.verify()))


class _Walk:
    """Every operation written again, with its operands in the shape that it takes behind the axis of samples."""

    def __init__(self, one: Graph) -> None:
        self.bases = Bases(one)
        self._one = one
        found = rotations_of(one, lambda t: _fixed(one.shape_of(t)))
        self._rotations = {rotation.output: rotation for rotation in found}
        self._inside = {t for rotation in found for node in rotation.nodes for t in node.outputs}

    def take_all(self) -> bool:
        """Write every node again; whether that was possible."""
        try:
            for value in self._one.inputs:
                self.bases.base(value.name, self.bases.shape(value.name), self.bases.shape(value.name)[1:])
            for node in self._one.nodes:
                if node.outputs[0] in self._rotations:
                    self._rotate(self._rotations[node.outputs[0]])
                elif node.outputs[0] not in self._inside:
                    self._take(node)
            for value in self._one.outputs:
                self.bases.end(value.name)
        except (Left, ValueError, IndexError):  # numpy refuses shapes that contradict each other, as damaged files say
            return False
        return True

    def _take(self, node: Node) -> None:
        if isinstance(node, MOVES) and self.bases.knows(node.inputs[0]):
            self.bases.move(node)
            return
        make = next((rule for kinds, rule in self._rules() if isinstance(node, kinds)), None)
        if make is None or len(node.outputs) != 1:
            raise Left
        shape = self.bases.shape(node.outputs[0])
        written, sample = make(node, shape)
        self.bases.write(written, shape, sample)

    def _rotate(self, found: Rotation) -> None:
        """A rotary embedding in one form, however it was spelt out: pairs lie in two halves of the last axis."""
        bases, shape, apart = self.bases, self.bases.shape(found.output), 2 * found.half
        sample = _dropped(shape, _samples_axis(shape))
        while len(sample) > 1 and sample[-1] % apart:
            sample = (*sample[:-2], sample[-2] * sample[-1])
        if sample[-1] % apart:
            raise Left
        pairs = sample if sample[-1] == apart else (*sample[:-1], sample[-1] // apart, apart)
        last = len(pairs)

        def half(start: int) -> str:
            ends = {"starts": (start,), "ends": (start + found.half,), "axes": (last,), "steps": (1,)}
            return bases.step(Slice, found.output, source, (*pairs[:-1], found.half), **ends)

        def times(tensor: str, table: NDArray[np.float32], role: str) -> str:
            once = table.reshape(pairs)
            for axis in range(len(pairs)):
                first = once.take([0], axis)
                once = first if (once == first).all() else once
            constant = bases.constant(f"{found.output}/{role}", once)
            return bases.computed(Mul, (tensor, constant), f"{found.output}/{role}", pairs)

        source = bases.operand(found.source, pairs)
        turned = bases.computed(Concat, (half(found.half), half(0)), f"{found.output}/turned", pairs, axis=last)
        parts = times(source, found.cosines, "cosines"), times(turned, found.sines, "sines")
        made = Add(name=found.nodes[-1].name, inputs=parts, outputs=(found.output,))
        bases.write(made, shape, pairs)

    def _rules(self) -> Iterable[tuple[type[Node] | tuple[type[Node], ...], Callable[..., tuple[Node, Shape]]]]:
        yield (Activation, Elementwise), self._broadcast
        yield (Linear, Affine, Softmax, LayerNormalization, RMSNormalization), self._along
        yield MatMul, self._product
        yield Reduction, self._reduction
        yield Concat, self._joined
        yield Node, self._as_it_is

    def _broadcast(self, node: Node, shape: Shape) -> tuple[Node, Shape]:
        """Operands in the shape that broadcasts to the result's without its axis of samples."""
        without = _samples_axis(shape)

        def fitting(tensor: str) -> str:
            own = self.bases.shape(tensor)
            padded = (1,) * (len(shape) - len(own)) + own
            if tensor in self._one.constants:
                values = self._one.constants[tensor]
                if without is None or len(own) < len(shape) - without:
                    return tensor
                kept = _dropped(padded, without)
                return tensor if kept == own else self.bases.constant(tensor, values.reshape(kept))
            return self.bases.operand(tensor, _dropped(padded, without))

        inputs = tuple(fitting(t) if t else t for t in node.inputs)
        return replace(node, inputs=inputs), _dropped(shape, without)

    def _along(self, node: Node, shape: Shape) -> tuple[Node, Shape]:
        """What works along the last axes of its first input, or along one axis."""
        own = self.bases.shape(node.inputs[0])
        rank = len(own)
        axis = getattr(node, "axis", -1)
        if isinstance(node, Affine) and len(node.scale) == 1:
            axis = -1
        axis = axis + rank if axis < 0 else axis
        if isinstance(node, Softmax) and node.flattened and axis != rank - 1:
            raise Left
        until = 1 if isinstance(node, Affine | Softmax) else rank  # axes from `axis` on that it works along
        without = _samples_axis(own, but=range(axis, min(axis + until, rank)))
        source = self.bases.operand(node.inputs[0], _dropped(own, without))
        made = replace(node, inputs=(source, *node.inputs[1:]))
        place = axis + 1 - (without is not None and without < axis) - (rank + 1 - (without is not None))
        if hasattr(node, "axis"):
            made = replace(made, axis=place)  # type: ignore[call-arg]
        if isinstance(made, Softmax):
            made = replace(made, flattened=False)
        return made, _dropped(shape, without)

    def _product(self, node: Node, shape: Shape) -> tuple[Node, Shape]:
        shapes = [self.bases.shape(t) for t in node.inputs]
        if any(t in self._one.constants for t in node.inputs) or {len(s) for s in shapes} != {len(shape)}:
            raise Left
        rank = len(shape)
        without = _samples_axis(shape, but=range(rank - 2, rank))
        if rank < 2 or any(s[:-2] != shape[:-2] for s in shapes):
            raise Left
        inputs = tuple(self.bases.operand(t, _dropped(s, without)) for t, s in zip(node.inputs, shapes, strict=True))
        return replace(node, inputs=inputs), _dropped(shape, without)

    def _reduction(self, node: Node, shape: Shape) -> tuple[Node, Shape]:
        own, axes = self.bases.shape(node.inputs[0]), getattr(node, "axes", None)
        if axes is None or any(axis < 0 for axis in axes):
            raise Left
        without = _samples_axis(own, but=axes)
        source = self.bases.operand(node.inputs[0], _dropped(own, without))
        moved_axes = tuple(axis + 1 - (without is not None and without < axis) for axis in axes)
        sample = tuple(
            1 if axis in axes else length
            for axis, length in enumerate(own)
            if axis != without and (getattr(node, "keepdims", True) or axis not in axes)
        )
        return replace(node, inputs=(source, *node.inputs[1:]), axes=moved_axes), sample  # type: ignore[call-arg]

    def _joined(self, node: Node, shape: Shape) -> tuple[Node, Shape]:
        axis = getattr(node, "axis", 0) % len(shape)
        without = _samples_axis(shape, but=(axis,))
        sample, place = _dropped(shape, without), axis + 1 - (without is not None and without < axis)
        given = [t for t in node.inputs if t not in self._one.constants]
        if len(given) == len(node.inputs):
            inputs = tuple(self.bases.operand(t, _dropped(self.bases.shape(t), without)) for t in given)
            return replace(node, inputs=inputs, axis=place), sample  # type: ignore[call-arg]
        if len(given) != 1:
            raise Left
        return self._joined_to_constants(node, given[0], shape, axis), sample

    def _joined_to_constants(self, node: Node, tensor: str, shape: Shape, axis: int) -> Node:
        """Constants are of a batch of one: zeros take their place, and they are added, which broadcasts."""
        without = _samples_axis(shape, but=(axis,))
        first = node.inputs.index(tensor)
        lengths = [self.bases.shape(t)[axis] for t in node.inputs]
        dtype = next(v.dtype for t, v in self._one.constants.items() if t in node.inputs)
        parts = [np.zeros(self.bases.shape(t), dtype) if t == tensor else self._one.constants[t] for t in node.inputs]
        table = np.concatenate(parts, axis)
        sample, place = _dropped(shape, without), axis + 1 - (without is not None and without < axis)
        pads = [0] * (2 * len(sample) + 2)
        pads[place], pads[place + len(sample) + 1] = sum(lengths[:first]), sum(lengths[first + 1 :])
        source = self.bases.operand(tensor, _dropped(self.bases.shape(tensor), without))
        padded = self.bases.step(Pad, node.name, source, sample, pads=tuple(pads))
        held = self.bases.constant(f"{node.name}/constants", table.reshape(sample))
        return Add(name=node.name, inputs=(padded, held), outputs=node.outputs)

    def _as_it_is(self, node: Node, shape: Shape) -> tuple[Node, Shape]:
        """A node whose operands begin with the axis of samples, as that of images does."""
        given = [t for t in reads(node) if t not in self._one.constants]
        own = [self.bases.shape(t) for t in given]
        if isinstance(node, Opaque) or not given or any(s[:1] != (1,) for s in (*own, shape)):
            raise Left
        pads: tuple[int, ...] = getattr(node, "pads", ())
        if len(pads) == 2 * len(shape) and (pads[0] or pads[len(shape)]):
            raise Left
        named = {t: self.bases.operand(t, s[1:]) for t, s in zip(given, own, strict=True)}
        return replace(node, inputs=tuple(named.get(t, t) for t in node.inputs)), shape[1:]


def _fixed(shape: tuple[int | str | None, ...] | None) -> Shape | None:
    """A shape, if all of it is known."""
    sizes = tuple(d for d in shape or () if isinstance(d, int))
    return sizes if shape is not None and len(sizes) == len(shape) else None


def _samples_axis(shape: Shape, but: Iterable[int] = ()) -> int | None:
    """The axis of one element that samples take: the first one that is free; None where a new one is needed."""
    taken = set(but)
    return next((axis for axis, length in enumerate(shape) if length == 1 and axis not in taken), None)


def _dropped(shape: Shape, axis: int | None) -> Shape:
    return shape if axis is None else shape[:axis] + shape[axis + 1 :]
