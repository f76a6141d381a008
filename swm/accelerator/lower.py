# SPDX-License-Identifier: Apache-2.0
"""From a float graph to the layers that hardware runs: what each node becomes, what fuses, what is in the way."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from math import prod

from swm.accelerator.forms import normal_forms
from swm.errors import Finding, UnsupportedModel
from swm.graph import Affine, Cast, Concat, Graph, Linear, Node, Reshape, Squeeze, Unsqueeze, reads
from swm.layers import registry
from swm.layers.activations import Chosen, activation_of
from swm.layers.base import LayerKind, Obstacle, Operand
from swm.layers.layernorm import Normalize
from swm.layers.prelu import ChannelSlopes
from swm.layers.values import FloatLayer

__all__ = ["FREE", "Lowered", "fixed_places", "hardware_findings", "hls_places", "lower", "safe_identifier"]

FLOAT = 1  # onnx.TensorProto.FLOAT
FREE: tuple[type[Node], ...] = (Reshape, Squeeze, Unsqueeze, Cast)  # the values of a frame keep their order
PER_CHANNEL: tuple[type[Node], ...] = (Affine, ChannelSlopes, Normalize)  # along the last axis of the model's shape


@dataclass(frozen=True, eq=False)
class Lowered:
    """Layers in execution order.

    Attributes:
        layers: at least one. Several may read a tensor.
        input: the graph's input, which the first layers read.
        output: the graph's output.
        tensor: tensor of the layers that holds the output's values.
    """

    layers: tuple[FloatLayer, ...]
    input: str
    output: str
    tensor: str


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
    return _Lowering(graph).findings


def lower(graph: Graph) -> Lowered:
    """Fuse a float graph into hardware layers.

    Raises:
        UnsupportedModel: nodes are in the way; all of them are listed.
    """
    lowering = _Lowering(graph)
    if lowering.findings:
        count = len(lowering.findings)
        what = f"{graph.source or graph.name!r} cannot become hardware as it is; {count} obstacle(s):"
        raise UnsupportedModel(what, lowering.findings)
    output = graph.outputs[0].name
    return Lowered(
        layers=tuple(lowering.layers),
        input=graph.inputs[0].name,
        output=output,
        tensor=lowering.origin[output],
    )


@dataclass(frozen=True)
class _Held:
    """What is known of a tensor of the layers: values a frame, and how they are grouped; None if it is not known."""

    size: int | None
    channels: int | None = None

    @property
    def lost(self) -> bool:
        """Whether a node without kernel, or an unknown shape, has hidden the size."""
        return self.size is None


class _Lowering:
    """Walks the nodes once, in execution order, and collects layers and findings.

    `origin` maps every tensor that holds activations to the tensor of a layer (or the input) with the same values.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.layers: list[FloatLayer] = []
        self.origin: dict[str, str] = {v.name: v.name for v in graph.inputs}
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

    def _input_size(self, tensor: str) -> int | None:
        """Values a frame, the batch aside; None if a dimension is not known."""
        shape = self._shape(tensor)
        sizes = [s for s in shape[1:] if isinstance(s, int)] if shape else []
        return prod(sizes) if shape and len(sizes) == len(shape) - 1 else None

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
            self._held[tensor] = _Held(None)

    def _alias(self, node: Node, source: str) -> None:
        for tensor in node.outputs:
            self.origin[tensor] = self.origin[source]

    def _layer(self, node: Node, sources: list[str]) -> Obstacle | None:
        """A node of a type that some kind takes."""
        if self._fuse(node, sources):
            return None
        operands = self._operands(node, sources)
        if isinstance(operands, Obstacle) or operands is None:
            self._lose(node)
            return operands
        safe = safe_identifier(node.name)
        name = f"l{len(self.layers)}_{safe}" if safe else f"l{len(self.layers)}"
        for kind in registry.kinds():
            layer = kind.lower(_along_last(node, self._rank(sources[0])), operands, name)
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
            self._held[layer.output] = _Held(layer.m * layer.positions, layer.m)
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
        self._held[node.outputs[0]] = self._held[tensor]
        return True

    def _rank(self, tensor: str) -> int | None:
        shape = self._shape(tensor)
        return None if shape is None else len(shape)

    def _operands(self, node: Node, sources: list[str]) -> tuple[Operand, ...] | Obstacle | None:
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
        grouping = {h.channels for h in held}
        if isinstance(node, Concat):
            channels = [self._behind(t, node.axis) for t in sources]
        elif len(grouping) == 1 and not isinstance(node, PER_CHANNEL) and None not in grouping:
            channels = [h.channels for h in held]  # each value alone: any grouping will do, and this one costs nothing
        else:
            channels = [self._behind(t, -1) or h.channels for t, h in zip(sources, held, strict=True)]
        sizes = [h.size or 0 for h in held]
        known = [c if c and size % c == 0 else size for c, size in zip(channels, sizes, strict=True)]
        return tuple(Operand(self.origin[t], c, s // c) for t, c, s in zip(sources, known, sizes, strict=True))

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
        return (Operand(origin, n, size // n),)

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
