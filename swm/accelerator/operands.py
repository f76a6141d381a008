# SPDX-License-Identifier: Apache-2.0
"""What the lowering knows of tensors, and how a node takes its inputs: which stream, in which order, how grouped."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from math import prod

from swm.accelerator.layout import (
    ChannelsLast,
    Demand,
    Order,
    Permuted,
    channels_first,
    demand,
    image_order,
    repeats,
)
from swm.accelerator.patches import Patches, patches_of
from swm.graph import Affine, Concat, Graph, Linear, Mul, Node, Reduction
from swm.layers import registry
from swm.layers.base import Obstacle, Operand
from swm.layers.depth_to_space import DepthToSpace
from swm.layers.global_pool import MODES, AllPositions
from swm.layers.layernorm import Normalize
from swm.layers.prelu import ChannelSlopes
from swm.layers.reorder import Reorder
from swm.layers.values import FloatLayer
from swm.structure import Dense

__all__ = ["REPEATED", "Held", "Streams"]

REPEATED = (
    "hardware repeats heads of keys and values, each for as many heads of queries in a row; repeat nothing else, or"
    " leave it to the host (`swm split`)"
)

PER_CHANNEL: tuple[type[Node], ...] = (Affine, ChannelSlopes, Normalize)  # along the last axis of the model's shape


@dataclass(frozen=True)
class Held:
    """What is known of a tensor of the layers: values a frame, how they are grouped, and whether they are an image.

    None is what is not known.
    """

    size: int | None
    channels: int | None = None
    grid: tuple[int, ...] | None = None

    @property
    def lost(self) -> bool:
        """Whether a node without kernel, or an unknown shape, has hidden the size."""
        return self.size is None


class Streams:
    """Tensors of a graph, and the tensors of layers in which their values pass.

    Attributes:
        layers: so far; `reorder` and `depth_to_space` layers are placed here.
        origin: of every tensor that holds activations, the tensor of a layer (or the input) with the same values.
        orders: of all of these, how the values pass there.
        held: what is known of the tensors of layers.
        copies: tensors of such layers, which hold those of another tensor of the graph.
        reordered: values a sample that they take.
        doublings: of tensors of the graph, which a Concat takes along.
    """

    def __init__(self, graph: Graph, first: Order) -> None:
        """Begin with the inputs, which pass in the order `first`."""
        self.graph = graph
        self.layers: list[FloatLayer] = []
        self.origin: dict[str, str] = {v.name: v.name for v in graph.inputs}
        self.orders: dict[str, Order] = dict.fromkeys(self.origin, first)
        self.held = {v.name: Held(self._input_size(v.name)) for v in graph.inputs}
        self.copies: dict[str, str] = {}
        self.reordered = 0
        self.doublings: dict[str, int] = {}

    def lose(self, node: Node) -> None:
        """Nothing is known of what a node writes."""
        for tensor in node.outputs:
            self.origin[tensor] = tensor
            self.orders[tensor] = None
            self.held[tensor] = Held(None)

    def alias(self, node: Node, source: str, order: Order) -> None:
        """What a node writes passes as one of its inputs, under an order of its own."""
        for tensor in node.outputs:
            self.origin[tensor] = self.origin[source]
            self.orders[tensor] = order

    def alias_in_model_order(self, node: Node, source: str) -> None:
        """What a node writes passes as its input does once that has been brought to the model's order."""
        size = self.of(source).size
        if self.orders[source] is not None and size is not None:
            channels = self._behind(source, -1) or size
            source = self.brought(source, None, channels)
            self.write(source, Held(size, channels), None)
        self.alias(node, source, None)

    def write(self, tensor: str, held: Held, order: Order) -> None:
        """A layer writes a tensor."""
        self.origin[tensor], self.held[tensor], self.orders[tensor] = tensor, held, order

    def of(self, tensor: str) -> Held:
        """What is known of the stream of a tensor of the graph."""
        return self.held[self.origin[tensor]]

    def shape(self, tensor: str) -> tuple[int | str | None, ...] | None:
        """As the graph knows it."""
        return self.graph.shape_of(tensor)

    def sizes(self, tensor: str) -> tuple[int, ...] | None:
        """The shape of a tensor of the graph, the batch aside; None if a dimension is not known."""
        return self.graph.sample_shape(tensor)

    def _input_size(self, tensor: str) -> int | None:
        sizes = self.sizes(tensor)
        return None if sizes is None else prod(sizes)

    def rank(self, tensor: str) -> int | None:
        """How many axes a tensor has; None if it is not known."""
        shape = self.shape(tensor)
        return None if shape is None else len(shape)

    def demand(self, node: Node, sources: list[str]) -> Demand:
        """In which order a node takes its inputs, see `layout.demand`."""
        wanted = demand(node, self.rank(sources[0]))
        if isinstance(node, Mul) and self._gates_image(sources):
            return "image"
        mixed = wanted == "any" and len({self.orders[t] for t in sources}) > 1
        if mixed and any(self._image(t) for t in sources):
            return "image"
        plain = isinstance(node, Concat) and all(self.orders[t] is None for t in sources)
        return "model" if plain else wanted  # what lies behind the axis of a Concat is joined as it is

    def _gates_image(self, sources: list[str]) -> bool:
        """Whether one of two tensors has a value for each channel of the other, an image."""
        shapes = sorted((self.sizes(t) or () for t in sources), key=prod)
        if len(shapes) != 2 or len(shapes[0]) != len(shapes[1]) or len(shapes[1]) < 2:
            return False
        gate, image = shapes
        return gate[0] == image[0] and prod(gate) == gate[0] and prod(image) > prod(gate)

    def order(self, wanted: Demand, sources: list[str]) -> Order:
        """In which order a node that takes any takes its inputs: as the first of them that is turned."""
        return next((o for t in sources if (o := self.orders[t]) is not None), None) if wanted == "any" else None

    def seen(self, node: Node, tensor: str, wanted: Demand) -> Node:
        """The node as its kind sees it: channels along the last axis, columns in the order in which values pass."""
        order = self.orders[tensor]
        if isinstance(node, Linear) and isinstance(node.weight, Dense) and order is not None:
            matrix = node.weight.to_dense()
            flat = matrix.shape[1] == order.size
            return replace(node, weight=Dense(order.to_words(matrix))) if flat else node
        if isinstance(node, Reduction) and (pooling := self._pooling(node, tensor, wanted)) is not None:
            return pooling
        if wanted == "last":
            return channels_first(node)
        if wanted == "image":
            if isinstance(node, ChannelSlopes):
                return replace(node, slopes=node.slopes.reshape(-1))
            return replace(node, axis=-1) if isinstance(node, Affine | Concat) else node
        return _along_last(node, self.rank(tensor))

    def _pooling(self, node: Reduction, tensor: str, wanted: Demand) -> Node | None:
        """A reduction of all positions as the pooling that it is; of tokens where the channels are the last axis."""
        axes, rank = getattr(node, "axes", None), self.rank(tensor) or 0
        everywhere = wanted == "image" or (rank > 2 and axes == tuple(range(1, rank - 1)))
        mode = MODES.get(type(node)) if everywhere else None
        return (
            None if mode is None else AllPositions(name=node.name, inputs=node.inputs, outputs=node.outputs, mode=mode)
        )

    def operands(self, node: Node, sources: list[str], wanted: Demand) -> tuple[Operand, ...] | Obstacle | None:
        """The inputs as the node groups them; None where an obstacle before it, reported already, hides them."""
        held = [self.of(t) for t in sources]
        if isinstance(node, Linear):
            return self._linear(node, sources[0], held[0])
        lost = {self.origin[t] for t, h in zip(sources, held, strict=True) if h.lost}
        if lost:
            if not lost <= {v.name for v in self.graph.inputs}:
                return None  # the obstacle before it is reported already
            if (alone := next((t for t in sources if self.shape(t) == ()), None)) is not None:
                fix = f"fix it if it is the same for all samples: `swm frame --fix {json.dumps(alone)}=NUMBER`"
                return Obstacle(f"it reads {alone!r}, one number without an axis of samples", fix)
            return Obstacle("the number of values a sample is unknown", "export with static shapes but for the batch")
        if any(not h.size for h in held):
            return Obstacle("it reads an empty tensor", "export the model again")
        ranks = {rank for t in sources if (rank := self.rank(t)) is not None}
        if len(ranks) > 1:
            return Obstacle("its operands differ in rank", "hardware takes operands of equal shape; write it out")
        order = self.order(wanted, sources)
        for tensor in sources:
            obstacle = None if wanted == "image" and self._image(tensor) else self.moved(tensor)
            if obstacle is not None and any(self.orders[t] != order for t in sources):
                return obstacle
        if wanted in ("image", "last"):
            return self._images(sources, held, last=wanted == "last")
        if order is not None:
            return tuple(self._turned(t, h, order) for t, h in zip(sources, held, strict=True))
        grouping = {h.channels for h in held}
        if isinstance(node, Concat):
            channels = [self._behind(t, node.axis) for t in sources]
        elif len(grouping) == 1 and not isinstance(node, (*PER_CHANNEL, Reduction)) and None not in grouping:
            channels = [h.channels for h in held]  # each value alone: any grouping will do, and this one costs nothing
        else:
            channels = [self._behind(t, -1) or h.channels for t, h in zip(sources, held, strict=True)]
        sizes = [h.size or 0 for h in held]
        known = [c if c and size % c == 0 else size for c, size in zip(channels, sizes, strict=True)]
        return tuple(
            Operand(self.brought(t, None, c), c, s // c, h.grid if c == h.channels else None)
            for t, c, s, h in zip(sources, known, sizes, held, strict=True)
        )

    def _images(self, sources: list[str], held: list[Held], *, last: bool) -> tuple[Operand, ...] | Obstacle:
        """Images, which pass with their channels last; in the model they lie along axis 1, or along the last axis."""
        found = []
        for tensor, known in zip(sources, held, strict=True):
            sizes = self.sizes(tensor)
            if sizes is None and known.grid and known.channels:
                sizes = (known.channels, *known.grid)
            if sizes is None or len(sizes) < 2 or prod(sizes) != known.size:
                return Obstacle("the size of its image is unknown", "export with static shapes but for the batch")
            channels, *grid = (sizes[-1], *sizes[:-1]) if last else sizes
            want = None if last else image_order(channels, prod(grid))
            found.append(Operand(self.brought(tensor, want, channels), channels, prod(grid), tuple(grid)))
        return tuple(found)

    def _turned(self, tensor: str, held: Held, order: ChannelsLast | Permuted) -> Operand:
        """An input of a node that takes any order; one of another size is left as it is, for its kind to refuse."""
        if held.size != order.size:
            size = held.size or 0
            return Operand(self.origin[tensor], held.channels or size, size // (held.channels or size))
        grid = held.grid if held.channels == order.channels else None
        return Operand(self.brought(tensor, order, order.channels), order.channels, order.positions, grid)

    def _shuffled(self, tensor: str) -> tuple[int, int] | None:
        """Channels a group, and groups, of an image that passes with its groups outermost in each position.

        What a channel shuffle makes: (N, groups, channels, ...) transposed to (N, channels, groups, ...).
        """
        order, sizes = self.orders[tensor], self.sizes(tensor)
        if not isinstance(order, Permuted) or order.perm != (2, 1, 0) or not sizes:
            return None
        channels, groups, _ = order.sizes
        return (channels, groups) if sizes[0] == channels * groups else None

    def shuffles(self, tensor: str) -> bool:
        """Whether layers bring a tensor to the order of an image by a shuffle of its channels."""
        return self._shuffled(tensor) is not None

    def _patches(self, tensor: str) -> Patches | None:
        """How an image passes that a Transpose has laid out of patches: patch by patch, the pixels of each in rows."""
        order, sizes = self.orders[tensor], self.sizes(tensor)
        if not isinstance(order, Permuted) or not sizes or not 2 <= len(sizes) <= 3:
            return None
        return patches_of(order, (sizes[0], 1, sizes[1]) if len(sizes) == 2 else sizes)

    def _image(self, tensor: str) -> bool:
        """Whether layers bring a tensor to the order of an image whose axes pass in another one."""
        return bool(self._shuffled(tensor) or self._patches(tensor))

    def moved(self, tensor: str) -> Obstacle | None:
        """Why a tensor cannot be brought to another order, where no transpose of a matrix does that."""
        order = self.orders[tensor]
        if not isinstance(order, Permuted):
            return None
        if order.repeats > 1:
            return Obstacle("it reads values of a sample that are repeated", REPEATED)
        return Obstacle(
            f"its values pass as axes {order.perm} of {order.sizes}",
            "hardware takes heads of attention where they are, shuffles channels and lays out patches in front of what "
            "reads an image, and transposes matrices; move no other axes",
        )

    def brought(self, tensor: str, want: Order, channels: int) -> str:
        """The tensor of the layers that holds a tensor of the graph in some order, for a reader of so many channels.

        Where there is none, layers `reorder` are placed: to the model's order, and from there on.
        """
        have, source = self.orders[tensor], self.origin[tensor]
        if have == want:
            return source
        if (shuffled := self._shuffled(tensor)) is not None:
            assert isinstance(want, ChannelsLast)
            return self._reorder(tensor, source, want, shuffled, whole=True, frames=want.positions)
        if (patches := self._patches(tensor)) is not None:
            return self._laid_out(tensor, source, want, patches)
        assert not isinstance(have, Permuted)
        assert not isinstance(want, Permuted)
        if have is not None:
            shape, whole = (have.channels, have.positions), channels != have.positions
            source = self._reorder(tensor, source, None, shape, whole=whole)
        if want is not None:
            source = self._reorder(tensor, source, want, (want.positions, want.channels), whole=False)
        return source

    def _laid_out(self, tensor: str, source: str, want: Order, found: Patches) -> str:
        """The tensor of layers that lay patches out: channels behind the pixels of each, then rows of pixels."""
        (rows, columns), (side, wide), channels = found.grid, found.pixels, found.channels
        if found.channels_first:
            shape, flat = (side * wide, channels), replace(found, channels_first=False).order
            source = self._reorder(tensor, source, flat, shape, whole=True, frames=rows * columns)
        if side == 1:
            return source
        kind = registry.kind(DepthToSpace.name)
        assert isinstance(kind, DepthToSpace)

        def made(name: str, output: str) -> FloatLayer:
            tensors = source, output
            return kind.layer(name, f"order of {tensor}", tensors, channels * side * wide, found.grid, found.pixels)

        return self._copy(tensor, source, f"{source}, laid out", want, kind.name, made)

    def _reorder(
        self, tensor: str, source: str, order: Order, shape: tuple[int, int], *, whole: bool, frames: int = 1
    ) -> str:
        """The tensor that a layer `reorder` of this shape writes."""
        output = f"{source}, {shape[1]} x {shape[0]} transposed" + (", whole" if whole else "")
        output += ", each position" if frames > 1 else ""
        kind = registry.kind(Reorder.name)
        assert isinstance(kind, Reorder)

        def made(name: str, output: str) -> FloatLayer:
            return kind.layer(name, f"order of {tensor}", (source, output), shape, whole=whole, frames=frames)

        return self._copy(tensor, source, output, order, kind.name, made)

    def _copy(
        self,
        tensor: str,
        source: str,
        output: str,
        order: Order,
        kind: str,
        made: Callable[[str, str], FloatLayer],
    ) -> str:
        """The tensor of a layer that holds a tensor of the graph in another order; `made` of its names, once."""
        if output not in self.copies:
            while output in self.origin:  # a model may call a tensor anything
                output += "'"
            layer = made(f"l{len(self.layers)}_{kind}", output)
            self.layers.append(layer)
            self.copies[output], self.orders[output] = self.copies.get(source, tensor), order
            self.reordered += layer.m * layer.positions
        return output

    def _behind(self, tensor: str, axis: int) -> int | None:
        """Values of a tensor from an axis on: what that axis and those behind it hold; None if it is not known."""
        shape = self.shape(tensor)
        if not shape or not -len(shape) <= axis < len(shape) or axis == 0:
            return None
        sizes = [s for s in shape[axis:] if isinstance(s, int)]
        return prod(sizes) if len(sizes) == len(shape[axis:]) else None

    def _linear(self, node: Linear, tensor: str, held: Held) -> tuple[Operand, ...] | Obstacle | None:
        n = node.weight.shape[1]
        size, origin = held.size, self.origin[tensor]
        if repeats(self.orders[tensor]) > 1:
            return self.moved(tensor)
        if size is None:
            shape = self.shape(tensor)
            if origin in {v.name for v in self.graph.inputs} and shape is not None and len(shape) > 2:
                return Obstacle(
                    "the number of positions is unknown", "export the model with static shapes but for the batch"
                )
            known = self.sizes(tensor)  # what lies behind an obstacle has the shape that the model says
            size = n if known is None else prod(known)
            self.held[origin] = Held(size)
        last = self._behind(tensor, -1)
        if not size or size % n or (last is not None and last != n and size != n):
            return Obstacle(
                f"it multiplies {n} values while the tensor before it holds {size} a sample",
                "a Flatten is missing, or the model was exported with a wrong shape",
            )
        turned = self.orders[tensor] is not None and size == n and isinstance(node.weight, Dense)  # its columns turn
        if not turned and (obstacle := self.moved(tensor)) is not None:
            return obstacle
        return (Operand(origin if turned else self.brought(tensor, None, n), n, size // n),)


def _along_last(node: Node, rank: int | None) -> Node:
    """The node with its axis counted from the end if it is the last one; a Concat joins all that follows its axis."""
    axis = getattr(node, "axis", None)
    if not isinstance(axis, int) or rank is None or "axis" not in {f.name for f in fields(node)}:
        return node
    if axis == rank - 1 or (isinstance(node, Concat) and 0 < axis < rank):
        return replace(node, axis=-1)  # type: ignore[call-arg]  # not every node has an axis, this one does
    return node
