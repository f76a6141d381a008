# SPDX-License-Identifier: Apache-2.0
"""Sequences in the lowering: recurrent nodes, and tensors whose axis of samples is not the first one.

ONNX lays sequences out as (time, batch, channels). Exporters put a Transpose in front, and Transpose, Squeeze and
Reshape behind. Of one sample the values keep their order through all of these: what moves is the axis of samples, which
is followed here. Where a model has a batch of 1, any axis of one element may be that axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from swm.accelerator.doublings import doublings_of
from swm.accelerator.initial_states import Start, start_of, taken_from
from swm.accelerator.operands import Held, Streams
from swm.accelerator.ranges import Shape, cut_tokens, range_along
from swm.graph import (
    LSTM,
    Affine,
    Concat,
    Gather,
    Graph,
    Node,
    Recurrent,
    Reshape,
    Slice,
    Squeeze,
    Transpose,
    Unsqueeze,
    one_direction,
    one_length,
    reads,
)
from swm.layers import registry
from swm.layers.base import Obstacle, Operand
from swm.layers.recurrent import RecurrentLayer, Steps
from swm.layers.recurrent.node import outputs_obstacle, states_obstacle
from swm.layers.reverse import Reverse
from swm.layers.values import FloatLayer

__all__ = ["Sequences", "same_place"]

_FREE = (Transpose, Reshape, Squeeze, Unsqueeze)


class Sequences:
    """What is known of sequences while the nodes are walked.

    Attributes:
        computed: tensors of layers that no tensor of the graph holds sample after sample.
    """

    def __init__(self, graph: Graph, streams: Streams, identifier: Callable[[str], str]) -> None:
        """Begin with samples along the first axis of every input; `identifier` makes C identifiers of names."""
        self.graph, self.streams, self._identifier = graph, streams, identifier
        self.computed: set[str] = set()
        self._axis: dict[str, int] = {}  # of samples, where it is not the first
        self._steps: dict[str, int] = {}  # of tensors of recurrent layers
        self._doublings: dict[str, int] = {}  # of the cells that leave a node
        self._taken: set[str] = set()  # names of nodes that a recurrent layer took along
        shape = streams.shape(graph.inputs[0].name) if graph.inputs else None
        self._one = bool(shape) and shape is not None and shape[0] == 1
        self._returned = {v.name for v in graph.outputs}

    def takes(self, node: Node, source: str) -> bool:
        """Whether a node is about sequences: it is recurrent, or it reads or writes samples along another axis."""
        if isinstance(node, Recurrent) or source in self._axis or node.name in self._taken:
            return True
        if self.streams.origin.get(source) in self._steps and isinstance(node, Slice | Gather):
            return True
        return isinstance(node, Transpose) and self._moves_samples(node, source)

    def _moves_samples(self, node: Transpose, source: str) -> bool:
        if self.streams.of(source).lost:
            return False
        if self.streams.orders[source] is not None:  # steps pass in the model's order, to which layers bring it
            return node.perm[:1] != (0,) and self._kept(node, source) and self.streams.moved(source) is None
        return node.perm[:1] != (0,) or (self._one and self._kept(node, source))

    def take(self, node: Node, source: str, uses: Mapping[str, int]) -> Obstacle | None:
        """The layers of a recurrent node; the way of samples through a node that moves them; an obstacle."""
        streams = self.streams
        if node.name in self._taken:
            if node.outputs[0] not in streams.origin:  # between the layer and the tensor that it writes
                streams.lose(node)
            return None
        if isinstance(node, Recurrent):
            return self._recurrent(node, source, uses)
        if isinstance(node, Slice | Gather) and streams.origin[source] in self._steps:
            return self._some_steps(node, source, uses)
        before = self._axis.get(source, 0)
        after = self._behind(node, source, before) if isinstance(node, _FREE) else None
        if after is None:
            streams.lose(node)
            what = "it permutes values of a sample" if isinstance(node, Transpose) else "samples are not its first axis"
            return Obstacle(what, "export the model with batch_first=True, so that samples are the first axis")
        streams.alias_in_model_order(node, source)
        if after:
            self._axis[node.outputs[0]] = after
        if after and node.outputs[0] in self._returned and not self._one:
            return Obstacle("samples are not the first axis of the output", "export the model with batch_first=True")
        return None

    def _behind(self, node: Node, source: str, axis: int) -> int | None:
        """The axis of samples behind a node that keeps the order of a sample's values; None where it does not."""
        shape = self.streams.shape(source)
        if isinstance(node, Transpose):
            if not self._kept(node, source):
                return None
            return 0 if self._one else node.perm.index(axis)
        if self._one:
            return 0
        if isinstance(node, Squeeze):
            if shape is None and node.axes is None:
                return None
            rank = len(shape) if shape is not None else 0
            gone = node.axes if node.axes is not None else tuple(i for i, s in enumerate(shape or ()) if s == 1)
            axes = {a if a >= 0 else a + rank for a in gone}
            return None if axis in axes else axis - sum(a < axis for a in axes)
        if isinstance(node, Unsqueeze):
            out = self.streams.shape(node.outputs[0])
            axes = {a if a >= 0 or out is None else a + len(out) for a in node.axes}
            for place in sorted(axes):
                axis += place <= axis
            return axis
        made = self.streams.shape(node.outputs[0])
        return None if shape is None or made is None else same_place(shape, made, axis)

    def _kept(self, node: Transpose, source: str) -> bool:
        """Whether the values of one sample keep their order: axes of more than one element do."""
        shape, samples = self.streams.shape(source), self._axis.get(source, 0)
        rank = len(node.perm)
        alone = {i for i in range(rank) if shape is not None and len(shape) == rank and shape[i] == 1}
        real = [a for a in node.perm if a != samples and a not in alone]
        return real == sorted(real)

    def _recurrent(self, node: Recurrent, source: str, uses: Mapping[str, int]) -> Obstacle | None:
        """A layer for each direction, reversals around the backward one, and both joined."""
        streams, held = self.streams, self.streams.of(source)
        wanted = [place for place, tensor in enumerate(node.outputs) if tensor and uses.get(tensor)]
        start = start_of(self.graph, streams, node, self._samples)
        streams.lose(node)
        if start is None:
            named = replace(node, inputs=tuple(taken_from(self.graph, t) for t in node.inputs))
            return states_obstacle(named, [v.name for v in self.graph.inputs])
        if held.lost:
            if streams.origin[source] not in {v.name for v in self.graph.inputs}:
                return None  # the obstacle before it is reported already
            return Obstacle(
                "the length of its sequences is unknown", "fix it by `swm frame --size NAME=N`; leave the batch open"
            )
        cells = self._appended(node, wanted, uses) if 2 in wanted else None
        if cells is None and wanted not in ([0], [1]):
            return outputs_obstacle(node, wanted)
        shape = streams.shape(source)
        length = None if not shape or len(shape) != 3 else shape[0]
        if self._axis.get(source, 0) != 1 and not (self._one and shape and len(shape) == 3 and shape[1] == 1):
            return Obstacle(
                "its sequences lie along the first axis, which is that of samples",
                "put samples first by `swm frame --batch-axis 1`, or export the model with batch_first=True",
            )
        place = wanted[0]
        n, size = node.input_weight[0].shape[1], held.size or 0
        if (obstacle := streams.moved(source)) is not None:
            return obstacle
        operand = Operand(streams.brought(source, None, n), n, size // n)
        if size % n or (isinstance(length, int) and length * n != size):
            return Obstacle(
                f"it reads {length} steps of {n} values while the tensor before it holds {size} a sample",
                "a Transpose is missing, or the model was exported with a wrong shape",
            )
        lengths = node.inputs[1] if len(node.inputs) > 1 else ""
        whole, cut = operand, one_length(self.graph, lengths) if lengths else operand.positions
        if cut is None or not 0 < cut <= operand.positions:
            what = f"its sequences end after {np.asarray(self.graph.constants[lengths]).ravel()[:8].tolist()} steps"
            return Obstacle(f"{what} of {operand.positions}", "hardware takes sequences of one length, a step at least")
        if cut < operand.positions:
            first = self._lengthened(node, operand.tensor, (n, operand.positions), cut - operand.positions)
            operand = replace(operand, tensor=first.output, positions=cut)
        ends = []
        for d in range(node.directions):
            made = self._direction(node, d, operand, start, last=place == 1, cells=cells)
            if isinstance(made, Obstacle):
                return made
            ends.append(made)
        if place == 0 and cut < whole.positions:
            ends = [self._lengthened(node, e.output, (e.m, e.positions), whole.positions - cut) for e in ends]
        tensor = cells or node.outputs[place]
        self._join(node, tensor, ends)
        last = self.streams.layers[-1]
        streams.write(tensor, Held(last.m * last.positions, last.m), None)
        if place == 0 and isinstance(last, RecurrentLayer):
            self._steps[tensor] = len(streams.layers) - 1
        if not self._one:
            self._axis[tensor] = 2 - place
        return None

    def _appended(self, node: Recurrent, wanted: list[int], uses: Mapping[str, int]) -> str | None:
        """The tensor of an LSTM's outputs with its last cells behind them; None where they are read in another way.

        `host/states.py` writes it so, Y_c times a power of two: Concat of Y and of Y_c with an axis in front, or of Y_h
        and Y_c, along axis 0.
        """
        plain = isinstance(node, LSTM) and not node.layout and node.inputs[1:2] in ((), ("",))
        if not plain or wanted not in ([0, 2], [1, 2]) or any(uses[node.outputs[place]] != 1 for place in wanted):
            return None
        tensor, found = node.outputs[2], {t: n for n in self.graph.nodes for t in reads(n)}
        ranged = found.get(tensor)
        if not isinstance(ranged, Affine) or (doublings := doublings_of(ranged)) is None:
            return None
        tensor = ranged.outputs[0]
        between = found.get(tensor)
        if wanted[0] == 0:
            if not isinstance(between, Unsqueeze) or between.axes != (0,):
                return None
            tensor = between.outputs[0]
        joined = found.get(tensor)
        if not isinstance(joined, Concat) or joined.axis != 0 or joined.inputs != (node.outputs[wanted[0]], tensor):
            return None
        self._doublings[node.name] = doublings
        self._taken |= {n.name for n in (ranged, between, joined) if n is not None}
        return joined.outputs[0]

    def _leaves(self, tensor: str) -> bool:
        """Whether nothing but the outputs of the graph holds a tensor's values."""
        readers = [node for node in self.graph.nodes if tensor in reads(node)]
        if tensor in self._returned:
            return not readers
        return len(readers) == 1 and isinstance(readers[0], _FREE) and self._leaves(readers[0].outputs[0])

    def _direction(
        self,
        node: Recurrent,
        d: int,
        operand: Operand,
        start: Start,
        *,
        last: bool,
        cells: str | None,
    ) -> FloatLayer | Obstacle:
        """The layers of one direction, the last of which is returned; its output has a name of its own."""
        forward = one_direction(node, d)
        backward = node.direction == "reverse" or d == 1
        if backward:
            turned = self._reverse(node, operand.tensor, (operand.channels, operand.positions))
            operand = replace(operand, tensor=turned.output)
        steps = Steps(
            name=node.name,
            inputs=(operand.tensor, *(self._one_direction(node, t, d) for t in start.tensors)),
            outputs=(self._fresh(f"{node.name}, direction {d}"),),
            layer=forward,
            initial_h=start.known[0][d],
            initial_c=start.known[1][d],
            last=last,
            cells=cells is not None,
            doublings=self._doublings.get(node.name, 0),
            wide=cells is not None and node.direction == "forward" and self._leaves(cells),
            length=operand.positions,
        )
        made = self._place(registry.kind("recurrent").lower(steps, (operand,), self._name(node)))
        if not backward or last or isinstance(made, Obstacle):
            return made
        if cells is None:
            return self._reverse(node, made.output, (made.m, made.positions))
        # the outputs from their end, the cells behind them again
        shape, output = (made.m, made.positions), made.output
        outputs = self._lengthened(node, output, shape, -1)
        turned = self._reverse(node, outputs.output, (outputs.m, outputs.positions))
        parts = turned, self._lengthened(node, output, shape, 0, -outputs.positions)
        shapes = tuple((part.m * part.positions, 1) for part in parts)
        return self._concat(node, self._fresh(f"{output}, forwards"), parts, shapes)

    def _one_direction(self, node: Recurrent, tensor: str, d: int) -> str:
        """The states of one direction, of a tensor that holds those of all."""
        if node.directions == 1:
            return tensor
        return self._lengthened(node, tensor, (node.hidden, 2), d - 1, -d).output

    def _samples(self, tensor: str) -> int | None:
        """The axis of samples of a tensor; None where it may be any, as there is one sample."""
        return None if self._one else self._axis.get(tensor, 0)

    def _reverse(self, node: Recurrent, tensor: str, shape: tuple[int, int]) -> FloatLayer:
        kind = registry.kind(Reverse.name)
        assert isinstance(kind, Reverse)
        name = f"l{len(self.streams.layers)}_reverse"
        layer = kind.layer(name, node.name, (tensor, self._fresh(f"{tensor}, backwards")), shape)
        self.streams.layers.append(layer)
        self.computed.add(layer.output)
        return layer

    def _lengthened(self, node: Node, tensor: str, shape: tuple[int, int], more: int, before: int = 0) -> FloatLayer:
        """Steps of zeros behind a sequence and before it, or (negative) steps left away."""
        what = "some steps" if more < 0 or before < 0 else "and zeros"
        layer = cut_tokens(self.streams, node, (tensor, self._fresh(f"{tensor}, {what}")), shape, more, before)
        self.computed.add(layer.output)
        return layer

    def _place(self, layer: FloatLayer | Obstacle | None) -> FloatLayer | Obstacle:
        if isinstance(layer, FloatLayer):
            self.streams.layers.append(layer)
            self.computed.add(layer.output)
            return layer
        return layer or Obstacle("no hardware kernel for this form of the operator", "run it on the host")

    def _join(self, node: Recurrent, tensor: str, ends: list[FloatLayer]) -> None:
        """The layers' output under the name of the graph's tensor."""
        layers = self.streams.layers
        if len(ends) == 1:
            layers[-1] = replace(layers[-1], output=tensor)
            self.computed.discard(ends[0].output)
        else:
            values = ends[0].m * ends[0].positions
            self._concat(node, tensor, ends, tuple((node.hidden, values // node.hidden) for _ in ends))
        self.computed.add(tensor)

    def _concat(
        self, node: Recurrent, tensor: str, parts: Sequence[FloatLayer], shapes: tuple[tuple[int, int], ...]
    ) -> FloatLayer:
        """Parts beside each other, each read in tokens of this shape."""
        layers, inputs, m = self.streams.layers, tuple(part.output for part in parts), sum(n for n, _ in shapes)
        name = f"l{len(layers)}_concat"
        layers.append(FloatLayer("concat", name, node.name, inputs, tensor, shapes, m, shapes[0][1]))
        self.computed.add(tensor)
        return layers[-1]

    def _name(self, node: Node) -> str:
        safe = self._identifier(node.name)
        count = len(self.streams.layers)
        return f"l{count}_{safe}" if safe else f"l{count}_recurrent"

    def _fresh(self, tensor: str) -> str:
        while tensor in self.streams.origin or tensor in self.computed:  # a model may call a tensor anything
            tensor += "'"
        return tensor

    def _some_steps(self, node: Node, source: str, uses: Mapping[str, int]) -> Obstacle | None:
        """The last step of all: the layer then gives no other; a range of steps: the others are cut away."""
        streams = self.streams
        origin = streams.origin[source]
        place, shape = self._steps[origin], streams.shape(source)
        samples = -1 if self._one else self._axis.get(source, 0)  # of one sample no axis is known, and none is needed
        layer, output = streams.layers[place], node.outputs[0]
        streams.lose(node)
        taken = range_along(node, self.graph.constants, shape or ())
        refused = Obstacle("it takes some steps of a sequence", "hardware takes one range of steps, each of them")
        if shape is None or taken is None:
            return refused
        axis, first, behind = taken
        tail = prod(s for s in shape[axis + 1 :] if isinstance(s, int))
        if axis == samples or shape[axis] != layer.positions or (layer.positions > 1 and tail != layer.m):
            return refused
        at_end = (first, behind) == (layer.positions - 1, layer.positions)
        if isinstance(layer, RecurrentLayer) and not layer.cells and uses.get(origin) == 1 and at_end:
            streams.layers[place] = replace(layer, last=True, positions=1, output=output)
            del self._steps[origin]
        else:
            ends, cut = (layer.m, layer.positions), (behind - layer.positions, -first)
            made = self._lengthened(node, origin, ends, *cut)
            streams.layers[-1] = replace(made, output=output)
            self.computed.discard(made.output)
        self.computed.add(output)
        streams.write(output, Held(layer.m * (behind - first), layer.m), None)
        gone = isinstance(node, Gather) and np.ndim(self.graph.constants[node.inputs[1]]) == 0
        after = 0 if self._one else samples - (gone and axis < samples)
        if after:
            self._axis[output] = after
        return None


def same_place(shape: Shape, made: Shape, axis: int) -> int | None:
    """Where an axis lies behind a Reshape that keeps it whole, with as many values before it as there were."""
    before = shape[:axis]
    if made[: axis + 1] == shape[: axis + 1]:
        return axis
    known = [s for s in before if isinstance(s, int)]
    for place, size in enumerate(made):
        front = [s for s in made[:place] if isinstance(s, int)]
        whole = len(known) == axis and len(front) == place
        same = size == shape[axis] or (isinstance(size, str) and isinstance(shape[axis], str) and _renamed(shape, made))
        if same and size not in (None, 1) and whole and prod(front) == prod(known):
            return place
    return None


def _renamed(shape: Shape, made: Shape) -> bool:
    """Whether both shapes leave one axis open, whose size is the same: inference may have named it anew."""
    rest = [[s for s in sizes if isinstance(s, int)] for sizes in (shape, made)]
    return len(rest[0]) == len(shape) - 1 and len(rest[1]) == len(made) - 1 and prod(rest[0]) == prod(rest[1])
