# SPDX-License-Identifier: Apache-2.0
"""From a float graph to the layers that hardware runs: what each node becomes, what fuses, what is in the way."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from math import prod
from typing import Any

from numpy.typing import NDArray

from swm.accelerator.forms import normal_forms
from swm.accelerator.layout import ChannelsLast, Demand, Order, demand, image_order, transposed
from swm.errors import Finding, UnsupportedModel
from swm.graph import Affine, Cast, Concat, Graph, Linear, Node, Reshape, Squeeze, Transpose, Unsqueeze, reads
from swm.layers import registry
from swm.layers.activations import Chosen, activation_of
from swm.layers.base import LayerKind, Obstacle, Operand
from swm.layers.layernorm import Normalize
from swm.layers.prelu import ChannelSlopes
from swm.layers.reorder import Reorder
from swm.layers.values import FloatLayer
from swm.structure import Dense

__all__ = ["FREE", "Lowered", "fixed_places", "hardware_findings", "hls_places", "lower", "safe_identifier"]

FLOAT = 1  # onnx.TensorProto.FLOAT
FREE: tuple[type[Node], ...] = (Reshape, Squeeze, Unsqueeze, Cast, Transpose)  # nothing moves
PER_CHANNEL: tuple[type[Node], ...] = (Affine, ChannelSlopes, Normalize)  # along the last axis of the model's shape


@dataclass(frozen=True, eq=False)
class Lowered:
    """Layers in execution order.

    Attributes:
        layers: at least one. Several may read a tensor.
        input: the graph's input, which the first layers read.
        output: the graph's output.
        tensor: tensor of the layers that holds the output's values.
        shape: of the output as the model has it, the axis of samples left out.
        orders: how tensors of the layers pass, compared with the tensors of the graph of the same names; those that are
            not here pass in the model's order.
        output_order: the same of `tensor`, compared with the output.
        copies: tensors of the layers that hold values of another tensor of the graph, in another order.
    """

    layers: tuple[FloatLayer, ...]
    input: str
    output: str
    tensor: str
    shape: tuple[int, ...]
    orders: Mapping[str, ChannelsLast]
    output_order: Order
    copies: Mapping[str, str]

    @property
    def tensors(self) -> tuple[str, ...]:
        """Tensors of the graph whose values the layers read or write."""
        named = (t for layer in self.layers for t in (*layer.inputs, layer.output))
        return tuple(dict.fromkeys(self.copies.get(t, t) for t in named))

    def passing(self, tensor: str, values: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Values of a tensor of the layers, (samples, ...) in the order in which it passes.

        Args:
            tensor: of the layers.
            values: of `tensors`, (samples, ...) each as the float graph has them.
        """
        order, found = self.orders.get(tensor), values[self.copies.get(tensor, tensor)]
        return found if order is None else order.to_words(found)


def fixed_places() -> dict[type[Node], str]:
    """Where the integer engine runs each type of node: "kernel" or "free"; others stand in the way."""
    return _places(kind for kind in registry.kinds() if type(kind).run is not LayerKind.run)


def hls_places() -> dict[type[Node], str]:
    """Where emitted hardware runs each type of node: its kind has a template, and headers with its kernel."""
    return _places(k for k in registry.kinds() if k.template.is_file() and all(h.is_file() for h in k.headers))


def _places(kinds: Iterable[LayerKind]) -> dict[type[Node], str]:
    kernels = dict.fromkeys((node for kind in kinds for node in kind.takes), "kernel")
    return {**kernels, **dict.fromkeys(FREE, "free")}


def safe_identifier(text: str, longest: int = 24) -> str:
    """ASCII letters, digits and single underscores of `text`: safe inside C++, Tcl, Makefiles and file names.

    The result may be empty or start with a digit; callers put a fixed prefix before it.
    """
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")[:longest].strip("_")


def hardware_findings(graph: Graph) -> tuple[Finding, ...]:
    """Every node, input or output that keeps the graph from being emitted as hardware; empty if nothing does."""
    return _lowering(graph).findings


def lower(graph: Graph) -> Lowered:
    """Fuse a float graph into hardware layers.

    Raises:
        UnsupportedModel: nodes are in the way; all of them are listed.
    """
    lowering = _lowering(graph)
    if lowering.findings:
        count = len(lowering.findings)
        what = f"{graph.source or graph.name!r} cannot become hardware as it is; {count} obstacle(s):"
        raise UnsupportedModel(what, lowering.findings)
    output = graph.outputs[0].name
    tensor = lowering.origin[output]
    last = next(layer for layer in lowering.layers if layer.output == tensor)
    shape = lowering.sizes(output)
    tokens = (last.positions, last.m) if last.positions > 1 else (last.m,)
    kept = {t for layer in lowering.layers for t in (*layer.inputs, layer.output)}
    return Lowered(
        layers=tuple(lowering.layers),
        input=graph.inputs[0].name,
        output=output,
        tensor=tensor,
        shape=shape if shape is not None and prod(shape) == last.m * last.positions else tokens,
        orders={t: order for t, order in lowering.orders.items() if order is not None and t in kept},
        output_order=lowering.orders[output],
        copies=lowering.copies,
    )


def _lowering(graph: Graph) -> _Lowering:
    """The input passes as the model has it, or as an image, whichever leaves less to reorder."""
    plain = _Lowering(graph)
    sizes = plain.sizes(graph.inputs[0].name) if plain.reordered and not plain.findings else None
    if sizes is None or len(sizes) < 2:
        return plain
    image = _Lowering(graph, image_order(sizes[0], prod(sizes[1:])))
    return image if not image.findings and image.reordered < plain.reordered else plain


@dataclass(frozen=True)
class _Held:
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


class _Lowering:
    """Walks the nodes once, in execution order, and collects layers and findings.

    `origin` maps every tensor that holds activations to the tensor of a layer (or the input) with the same values,
    `orders` to how they pass there. `copies` are tensors of `reorder` layers, which write a tensor once more.
    """

    def __init__(self, graph: Graph, first: Order = None) -> None:
        self.graph = graph
        self.layers: list[FloatLayer] = []
        self.origin: dict[str, str] = {v.name: v.name for v in graph.inputs}
        self.orders: dict[str, Order] = dict.fromkeys(self.origin, first)
        self.copies: dict[str, str] = {}
        self.reordered = 0  # values a frame
        self._held = {v.name: _Held(self._input_size(v.name)) for v in graph.inputs}
        self._writer: dict[str, int] = {}  # place of the layer that writes a tensor
        self._kernels = {node for node, place in fixed_places().items() if place == "kernel"}
        nodes = normal_forms(graph).needed([v.name for v in graph.outputs])
        self._uses = _uses(graph, nodes)
        found: list[Finding] = []
        if len(graph.inputs) != 1 or len(graph.outputs) != 1:
            reason = f"the graph has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs"
            found.append(Finding(graph.name, "graph", reason, "hardware takes one of each; split the model"))
        for node in nodes:
            obstacle = self._take(node)
            if obstacle:
                found.append(Finding(node.name, node.op_name, obstacle.reason, obstacle.remedy))
        if not found:
            found += self._whole()
        self.findings = tuple(found)

    def _whole(self) -> list[Finding]:
        """What only the graph as a whole shows."""
        graph, written = self.graph, {layer.output for layer in self.layers}
        if not self.layers:
            remedy = "give a model with at least one matrix product"
            return [Finding(graph.name, "graph", "no layer with weights was found", remedy)]
        if self.origin.get(graph.outputs[0].name) not in written:
            return [Finding(graph.name, "graph", "no layer writes the output", "export the model again")]
        if not any(graph.inputs[0].name in layer.inputs for layer in self.layers):
            return [Finding(graph.name, "graph", "no layer reads the input", "export the model again")]
        self._regroup_first()
        return []

    def _shape(self, tensor: str) -> tuple[int | str | None, ...] | None:
        known = self.graph.types.get(tensor)
        if known is None:
            known = next((v.type for v in self.graph.inputs if v.name == tensor), None)
        return None if known is None else known.shape

    def sizes(self, tensor: str) -> tuple[int, ...] | None:
        """The shape of a tensor of the graph, the batch aside; None if a dimension is not known."""
        shape = self._shape(tensor)
        sizes = tuple(s for s in shape[1:] if isinstance(s, int)) if shape else ()
        return sizes if shape and len(sizes) == len(shape) - 1 else None

    def _input_size(self, tensor: str) -> int | None:
        sizes = self.sizes(tensor)
        return None if sizes is None else prod(sizes)

    def _take(self, node: Node) -> Obstacle | None:
        """Add a node to the layers, or say why not."""
        sources = [t for t in reads(node) if t not in self.graph.constants]
        if not isinstance(node, (*self._kernels, *FREE)):
            self._lose(node)  # go on behind it, so that every obstacle is found
            return Obstacle(
                "no hardware kernel for this operator",
                "replace it by what `swm check --operators` lists as kernel, or leave it to the host (`swm split`)",
            )
        if not sources or any(t not in self.origin for t in sources):
            self._lose(node)
            return Obstacle("it reads constants only", "fold it: load the model with simplification")
        if isinstance(node, Transpose):
            return self._transpose(node, sources[0])
        if isinstance(node, FREE):
            self._alias(node, sources[0])
            if isinstance(node, Cast) and node.to != FLOAT:
                return Obstacle(
                    "it casts to a type other than float", "remove the cast; formats are chosen by calibration"
                )
            return None
        return self._layer(node, sources)

    def _lose(self, node: Node) -> None:
        for tensor in node.outputs:
            self.origin[tensor] = tensor
            self.orders[tensor] = None
            self._held[tensor] = _Held(None)

    def _alias(self, node: Node, source: str) -> None:
        for tensor in node.outputs:
            self.origin[tensor] = self.origin[source]
            self.orders[tensor] = self.orders[source]

    def _transpose(self, node: Transpose, source: str) -> Obstacle | None:
        """The same stream under another order."""
        sizes, held = self.sizes(source), self._held[self.origin[source]]
        if held.lost and self.origin[source] not in {v.name for v in self.graph.inputs}:
            self._lose(node)
            return None  # the obstacle before it is reported already
        if sizes is None or node.perm[:1] != (0,) or len(node.perm) != len(sizes) + 1:
            self._lose(node)
            return Obstacle(
                "it moves the axis of samples, or its shape is unknown", "export with static shapes but for the batch"
            )
        order = transposed(self.orders[source], sizes, tuple(axis - 1 for axis in node.perm[1:]))
        if order == "other":
            self._lose(node)
            return Obstacle(
                f"it permutes axes {sizes} by {node.perm}", "hardware takes channels before positions, or behind them"
            )
        self._alias(node, source)
        self.orders.update(dict.fromkeys(node.outputs, order))
        return None

    def _layer(self, node: Node, sources: list[str]) -> Obstacle | None:
        """A node of a type that some kind takes."""
        if self._fuse(node, sources):
            return None
        wanted = self._demand(node, sources)
        operands = self._operands(node, sources, wanted)
        if isinstance(operands, Obstacle) or operands is None:
            self._lose(node)
            return operands
        order = self._order(wanted, sources)
        seen = self._seen(node, sources[0], wanted)
        safe = safe_identifier(node.name)
        name = f"l{len(self.layers)}_{safe}" if safe else f"l{len(self.layers)}"
        for kind in registry.kinds():
            layer = kind.lower(seen, operands, name)
            if layer is None:
                continue
            self._lose(node)
            if isinstance(layer, Obstacle):
                return layer
            if self._broadcasts(node, layer):
                return Obstacle(
                    "its operands broadcast to a larger result", "hardware takes operands of equal shape; write it out"
                )
            inputs = tuple(operand.tensor for operand in operands)
            layer = replace(layer, name=name if safe else f"{name}_{layer.kind}", inputs=inputs, output=node.outputs[0])
            self._writer[layer.output] = len(self.layers)
            self.layers.append(layer)
            still = operands[0].grid if layer.positions == operands[0].positions else None
            self._held[layer.output] = _Held(layer.m * layer.positions, layer.m, layer.grid or still)
            self.orders[layer.output] = image_order(layer.m, layer.positions) if wanted == "image" else order
            return None
        self._lose(node)
        return Obstacle("no hardware kernel for this form of the operator", "run this part of the model on the host")

    def _fuse(self, node: Node, sources: list[str]) -> bool:
        """Put an activation into the layer before it, where nothing else reads that layer's output."""
        chosen = activation_of(node)
        tensor = self.origin[sources[0]]
        place = self._writer.get(tensor)
        if not isinstance(chosen, Chosen) or place is None or self._uses[tensor] != 1:
            return False
        layer = self.layers[place]
        if layer.activation != "identity" or not registry.kind(layer.kind).fuses:
            return False
        self.layers[place] = replace(layer, **chosen._asdict(), output=node.outputs[0])
        self._writer[node.outputs[0]] = place
        self.origin[node.outputs[0]] = node.outputs[0]
        self.orders[node.outputs[0]] = self.orders[sources[0]]
        self._held[node.outputs[0]] = self._held[tensor]
        return True

    def _demand(self, node: Node, sources: list[str]) -> Demand:
        wanted = demand(node, self._rank(sources[0]))
        plain = isinstance(node, Concat) and all(self.orders[t] is None for t in sources)
        return "model" if plain else wanted  # what lies behind the axis of a Concat is joined as it is

    def _order(self, wanted: Demand, sources: list[str]) -> Order:
        """In which order a node that takes any takes its inputs: as the first of them that is turned."""
        return next((o for t in sources if (o := self.orders[t]) is not None), None) if wanted == "any" else None

    def _seen(self, node: Node, tensor: str, wanted: Demand) -> Node:
        """The node as its kind sees it: channels along the last axis, columns in the order in which values pass."""
        order = self.orders[tensor]
        if isinstance(node, Linear) and isinstance(node.weight, Dense) and order is not None:
            matrix = node.weight.to_dense()
            flat = matrix.shape[1] == order.size
            return replace(node, weight=Dense(order.to_words(matrix))) if flat else node
        if wanted == "image":
            if isinstance(node, ChannelSlopes):
                return replace(node, slopes=node.slopes.reshape(-1))
            return replace(node, axis=-1) if isinstance(node, Affine | Concat) else node
        return _along_last(node, self._rank(tensor))

    def _rank(self, tensor: str) -> int | None:
        shape = self._shape(tensor)
        return None if shape is None else len(shape)

    def _operands(self, node: Node, sources: list[str], wanted: Demand) -> tuple[Operand, ...] | Obstacle | None:
        """The inputs as the node groups them; None where an obstacle before it, reported already, hides them."""
        held = [self._held[self.origin[t]] for t in sources]
        if isinstance(node, Linear):
            return self._linear(node, sources[0], held[0])
        lost = {self.origin[t] for t, h in zip(sources, held, strict=True) if h.lost}
        if lost:
            if not lost <= {v.name for v in self.graph.inputs}:
                return None  # the obstacle before it is reported already
            return Obstacle("the number of values a sample is unknown", "export with static shapes but for the batch")
        if any(not h.size for h in held):
            return Obstacle("it reads an empty tensor", "export the model again")
        ranks = {rank for t in sources if (rank := self._rank(t)) is not None}
        if len(ranks) > 1:
            return Obstacle("its operands differ in rank", "hardware takes operands of equal shape; write it out")
        if wanted == "image":
            return self._images(sources, held)
        order = self._order(wanted, sources)
        if order is not None:
            return tuple(self._turned(t, h, order) for t, h in zip(sources, held, strict=True))
        grouping = {h.channels for h in held}
        if isinstance(node, Concat):
            channels = [self._behind(t, node.axis) for t in sources]
        elif len(grouping) == 1 and not isinstance(node, PER_CHANNEL) and None not in grouping:
            channels = [h.channels for h in held]  # each value alone: any grouping will do, and this one costs nothing
        else:
            channels = [self._behind(t, -1) or h.channels for t, h in zip(sources, held, strict=True)]
        sizes = [h.size or 0 for h in held]
        known = [c if c and size % c == 0 else size for c, size in zip(channels, sizes, strict=True)]
        return tuple(
            Operand(self._brought(t, None, c), c, s // c, h.grid if c == h.channels else None)
            for t, c, s, h in zip(sources, known, sizes, held, strict=True)
        )

    def _images(self, sources: list[str], held: list[_Held]) -> tuple[Operand, ...] | Obstacle:
        """Inputs with their channels along axis 1 of the model's shape, which pass with their channels last."""
        found = []
        for tensor, known in zip(sources, held, strict=True):
            sizes = self.sizes(tensor)
            if sizes is None and known.grid and known.channels:
                sizes = (known.channels, *known.grid)
            if sizes is None or len(sizes) < 2 or prod(sizes) != known.size:
                return Obstacle("the size of its image is unknown", "export with static shapes but for the batch")
            channels, positions = sizes[0], prod(sizes[1:])
            brought = self._brought(tensor, image_order(channels, positions), channels)
            found.append(Operand(brought, channels, positions, sizes[1:]))
        return tuple(found)

    def _turned(self, tensor: str, held: _Held, order: ChannelsLast) -> Operand:
        """An input of a node that takes any order; one of another size is left as it is, for its kind to refuse."""
        if held.size != order.size:
            size = held.size or 0
            return Operand(self.origin[tensor], held.channels or size, size // (held.channels or size))
        grid = held.grid if held.channels == order.channels else None
        return Operand(self._brought(tensor, order, order.channels), order.channels, order.positions, grid)

    def _brought(self, tensor: str, want: Order, channels: int) -> str:
        """The tensor of the layers that holds a tensor of the graph in some order, for a reader of so many channels.

        Where there is none, layers `reorder` are placed: to the model's order, and from there on.
        """
        have, source = self.orders[tensor], self.origin[tensor]
        if have == want:
            return source
        if have is not None:
            shape, whole = (have.channels, have.positions), channels != have.positions
            source = self._reorder(tensor, source, None, shape, whole=whole)
        if want is not None:
            source = self._reorder(tensor, source, want, (want.positions, want.channels), whole=False)
        return source

    def _reorder(self, tensor: str, source: str, order: Order, shape: tuple[int, int], *, whole: bool) -> str:
        """The tensor that a layer `reorder` of this shape writes."""
        output = f"{source}, {shape[1]} x {shape[0]} transposed" + (", whole" if whole else "")
        if output not in self.copies:
            while output in self.origin:  # a model may call a tensor anything
                output += "'"
            kind = registry.kind(Reorder.name)
            assert isinstance(kind, Reorder)
            name = f"l{len(self.layers)}_reorder"
            self.layers.append(kind.layer(name, f"order of {tensor}", (source, output), shape, whole=whole))
            self._writer[output] = len(self.layers) - 1
            self.copies[output], self.orders[output] = self.copies.get(source, tensor), order
            self.reordered += prod(shape)
        return output

    def _behind(self, tensor: str, axis: int) -> int | None:
        """Values of a tensor from an axis on: what that axis and those behind it hold; None if it is not known."""
        shape = self._shape(tensor)
        if not shape or not -len(shape) <= axis < len(shape) or axis == 0:
            return None
        sizes = [s for s in shape[axis:] if isinstance(s, int)]
        return prod(sizes) if len(sizes) == len(shape[axis:]) else None

    def _linear(self, node: Linear, tensor: str, held: _Held) -> tuple[Operand, ...] | Obstacle | None:
        n = node.weight.shape[1]
        size, origin = held.size, self.origin[tensor]
        if size is None:
            shape = self._shape(tensor)
            if origin in {v.name for v in self.graph.inputs} and shape is not None and len(shape) > 2:
                return Obstacle(
                    "the number of positions is unknown", "export the model with static shapes but for the batch"
                )
            size = n
            self._held[origin] = _Held(n)
        last = self._behind(tensor, -1)
        if not size or size % n or (last is not None and last != n and size != n):
            return Obstacle(
                f"it multiplies {n} values while the tensor before it holds {size} a sample",
                "a Flatten is missing, or the model was exported with a wrong shape",
            )
        turned = self.orders[tensor] is not None and size == n and isinstance(node.weight, Dense)  # its columns turn
        return (Operand(origin if turned else self._brought(tensor, None, n), n, size // n),)

    def _broadcasts(self, node: Node, layer: FloatLayer) -> bool:
        shape = self._shape(node.outputs[0])
        tail = [s for s in shape[1:] if isinstance(s, int)] if shape else []
        return prod(tail) > layer.m * layer.positions

    def _regroup_first(self) -> None:
        """A scale of all values alike that reads the input takes them in the groups in which its readers want them."""
        for index, layer in enumerate(self.layers):
            if layer.scale is None or layer.inputs != (self.graph.inputs[0].name,):
                continue
            alike = (layer.scale == layer.scale[0]).all() and (layer.bias == layer.bias[0]).all()
            wanted = {s for r in self.layers for t, s in zip(r.inputs, r.shapes, strict=True) if t == layer.output}
            if not alike or len(wanted) != 1:
                continue
            ((channels, positions),) = wanted
            self.layers[index] = replace(
                layer,
                shapes=((channels, positions),),
                m=channels,
                positions=positions,
                scale=layer.scale[:1].repeat(channels),
                bias=layer.bias[:1].repeat(channels),
            )


def _uses(graph: Graph, nodes: list[Node]) -> Counter[str]:
    """How often each tensor is read, by nodes behind free ones and by the outputs too."""
    uses = Counter(v.name for v in graph.outputs)
    for node in reversed(nodes):
        for tensor in reads(node):
            uses[tensor] += uses[node.outputs[0]] if isinstance(node, FREE) else 1
    return uses


def _along_last(node: Node, rank: int | None) -> Node:
    """The node with its axis counted from the end if it is the last one; a Concat joins all that follows its axis."""
    axis = getattr(node, "axis", None)
    if not isinstance(axis, int) or rank is None or "axis" not in {f.name for f in fields(node)}:
        return node
    if axis == rank - 1 or (isinstance(node, Concat) and 0 < axis < rank):
        return replace(node, axis=-1)  # type: ignore[call-arg]  # not every node has an axis, this one does
    return node
