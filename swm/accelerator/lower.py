# SPDX-License-Identifier: Apache-2.0
"""From a float graph to the layers that hardware runs: what each node becomes, what fuses, what is in the way."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from numpy.typing import NDArray

from swm.accelerator.backend import VITIS, Backend
from swm.accelerator.channels import take_channels
from swm.accelerator.doublings import joined_layer, take_doublings
from swm.accelerator.forms import normal_forms
from swm.accelerator.layout import ChannelsLast, Order, Permuted, image_order, repeated, repeats, transposed
from swm.accelerator.operands import REPEATED, Held, Streams
from swm.accelerator.places import FREE, fixed_places, without_kernel
from swm.accelerator.ranges import take_values
from swm.accelerator.rows import ROWS, Taken, take_rows
from swm.accelerator.sequences import Sequences
from swm.errors import Finding, UnsupportedModel
from swm.graph import Cast, Expand, Graph, Node, Softmax, Transpose, reads
from swm.layers import registry
from swm.layers.activations import Chosen, activation_of, joined
from swm.layers.base import Obstacle, Operand
from swm.layers.rtl.registry import rtl_findings
from swm.layers.softmax import SoftRows
from swm.layers.values import FloatLayer
from swm.words import many

__all__ = ["Lowered", "hardware_findings", "lower", "safe_identifier"]

FLOAT = 1  # onnx.TensorProto.FLOAT
_ANY_BITS = 12  # whether a layer has RTL does not depend on its width


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
        computed: tensors of the layers that no tensor of the graph holds sample after sample; their kinds compute them.
    """

    layers: tuple[FloatLayer, ...]
    input: str
    output: str
    tensor: str
    shape: tuple[int, ...]
    orders: Mapping[str, ChannelsLast | Permuted]
    output_order: Order
    copies: Mapping[str, str]
    computed: frozenset[str] = frozenset()

    @property
    def tensors(self) -> tuple[str, ...]:
        """Tensors of the graph whose values the layers read or write."""
        named = (t for layer in self.layers for t in (*layer.inputs, layer.output))
        return tuple(dict.fromkeys(self.copies.get(t, t) for t in named if t not in self.computed))

    def passing(self, tensor: str, values: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Values of a tensor of the layers, (samples, ...) in the order in which it passes.

        Args:
            tensor: of the layers.
            values: of `tensors`, (samples, ...) each as the float graph has them.
        """
        order, found = self.orders.get(tensor), values[self.copies.get(tensor, tensor)]
        return found if order is None else order.to_words(found)

    def flowing(self, values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Values of every tensor of the layers, sample after sample in the order in which it passes.

        Args:
            values: of `tensors`, (samples, ...) each as the float graph has them.
        """
        found = {self.input: self.passing(self.input, values)}
        for layer in self.layers:
            written = None
            if layer.output in self.computed:
                pairs = zip(layer.inputs, layer.shapes, strict=True)
                given = tuple(found[tensor].reshape(-1, channels) for tensor, (channels, _) in pairs)
                written = registry.kind(layer.kind).run_float(layer, given)
            found[layer.output] = self.passing(layer.output, values) if written is None else written
        return found


def safe_identifier(text: str, longest: int = 24) -> str:
    """ASCII letters, digits and single underscores of `text`: safe inside C++, Tcl, Makefiles and file names.

    The result may be empty or start with a digit; callers put a fixed prefix before it.
    """
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")[:longest].strip("_")


def hardware_findings(graph: Graph, backend: Backend = VITIS) -> tuple[Finding, ...]:
    """Every node, input or output that keeps the graph from being emitted as hardware; empty if nothing does.

    Args:
        graph: a float graph.
        backend: whose hardware; where it is SystemVerilog, layers without RTL are in the way, too.
    """
    lowering = _lowering(graph)
    if backend.language != "systemverilog":
        return lowering.findings
    specs = (registry.kind(layer.kind).spec(layer, _ANY_BITS) for layer in lowering.layers)
    nodes = {layer.name: layer.node for layer in lowering.layers}
    return (*lowering.findings, *(replace(found, node=nodes[found.node]) for found in rtl_findings(specs)))


def lower(graph: Graph) -> Lowered:
    """Fuse a float graph into hardware layers.

    Raises:
        UnsupportedModel: nodes are in the way; all of them are listed.
    """
    lowering = _lowering(graph)
    if lowering.findings:
        count = many(len(lowering.findings), "obstacle")
        what = f"{graph.source or graph.name!r} cannot become hardware as it is; {count}:"
        raise UnsupportedModel(what, lowering.findings)
    output = graph.outputs[0].name
    streams = lowering.streams
    tensor = streams.origin[output]
    last = next(layer for layer in lowering.layers if layer.output == tensor)
    shape = streams.sizes(output)
    tokens = (last.positions, last.m) if last.positions > 1 else (last.m,)
    kept = {t for layer in lowering.layers for t in (*layer.inputs, layer.output)}
    return Lowered(
        layers=tuple(lowering.layers),
        input=graph.inputs[0].name,
        output=output,
        tensor=tensor,
        shape=shape if shape is not None and prod(shape) == last.m * last.positions else tokens,
        orders={t: order for t, order in streams.orders.items() if order is not None and t in kept},
        output_order=streams.orders[output],
        copies=streams.copies,
        computed=frozenset(lowering.sequences.computed),
    )


def _lowering(graph: Graph) -> _Lowering:
    """The input passes as the model has it, or as an image, whichever leaves less to reorder."""
    plain = _Lowering(graph)
    again = plain.streams.reordered and not plain.findings
    sizes = plain.streams.sizes(graph.inputs[0].name) if again else None
    if sizes is None or len(sizes) < 2:
        return plain
    image = _Lowering(graph, image_order(sizes[0], prod(sizes[1:])))
    return image if not image.findings and image.streams.reordered < plain.streams.reordered else plain


class _Lowering:
    """Walks the nodes once, in execution order, and collects layers and findings.

    `streams` knows where the values of each tensor of the graph pass, and in which order.
    """

    def __init__(self, graph: Graph, first: Order = None) -> None:
        self.graph, forms = graph, normal_forms(graph)
        self.streams = Streams(replace(graph, types=forms.types), first)
        self.layers = self.streams.layers
        self.sequences = Sequences(graph, self.streams, safe_identifier)
        self._writer: dict[str, int] = {}  # place of the layer that writes a tensor
        self._kernels = {node for node, place in fixed_places().items() if place == "kernel"}
        nodes = forms.needed([v.name for v in graph.outputs])
        self._uses = _uses(graph, nodes)
        self._ends = _ends(graph, nodes)
        found = _several_ends(graph)
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
            return [
                Finding(graph.name, "graph", "no layer with weights was found", "give a model with matrix products")
            ]
        if self.streams.origin.get(graph.outputs[0].name) not in written:
            return [Finding(graph.name, "graph", "no layer writes the output", "export the model again")]
        if not any(graph.inputs[0].name in layer.inputs for layer in self.layers):
            return [Finding(graph.name, "graph", "no layer reads the input", "export the model again")]
        if isinstance(self.streams.orders[graph.outputs[0].name], Permuted):
            reason = "the values of the output pass in an order that is no image's"
            return [Finding(graph.name, "graph", reason, "leave the Transpose before the output to the caller")]
        self._regroup_first()
        first, last = (graph.shape_of(value.name) for value in (graph.inputs[0], graph.outputs[0]))
        if first and last and first[0] == 1 and isinstance(last[0], int) and last[0] != 1:
            writer = graph.producers()[graph.outputs[0].name]
            what, remedy = "samples are not the first axis of the output", "export the model with them first"
            return [Finding(writer.name, writer.op_name, what, remedy)]
        return []

    def _take(self, node: Node) -> Obstacle | None:
        """Add a node to the layers, or say why not."""
        sources = [t for t in reads(node) if t not in self.graph.constants]
        if not isinstance(node, (*self._kernels, *FREE, Expand)):
            self.streams.lose(node)  # go on behind it, so that every obstacle is found
            return without_kernel(node, self.graph.constants)
        if not sources or any(t not in self.streams.origin for t in sources):
            self.streams.lose(node)
            return Obstacle("it reads constants only", "fold it: load the model with simplification")
        if self.sequences.takes(node, sources[0]):
            return self.sequences.take(node, sources[0], self._uses)
        if isinstance(node, Transpose):
            return self._transpose(node, sources[0])
        if isinstance(node, Expand):
            return self._repeat(node, sources[0])
        if isinstance(node, FREE):
            self.streams.alias(node, sources[0], self.streams.orders[sources[0]])
            if isinstance(node, Cast) and node.to != FLOAT:
                return Obstacle(
                    "it casts to a type other than float", "remove the cast; formats are chosen by calibration"
                )
            return None
        takes = (take_values, take_channels, take_doublings)
        done = any(take(self.streams, node, sources[0]) for take in takes)
        return None if done else self._layer(node, sources)

    def _transpose(self, node: Transpose, source: str) -> Obstacle | None:
        """The same stream under another order."""
        streams = self.streams
        sizes = streams.sizes(source)
        if streams.of(source).lost and streams.origin[source] not in {v.name for v in self.graph.inputs}:
            streams.lose(node)
            return None  # the obstacle before it is reported already
        if sizes is None or node.perm[:1] != (0,) or len(node.perm) != len(sizes) + 1:
            streams.lose(node)
            return Obstacle(
                "it moves the axis of samples, or its shape is unknown", "export with static shapes but for the batch"
            )
        order = transposed(streams.orders[source], sizes, tuple(axis - 1 for axis in node.perm[1:]))
        if order == "other":
            streams.lose(node)
            return Obstacle(
                f"it permutes axes {sizes} by {node.perm}", "hardware takes channels before positions, or behind them"
            )
        streams.alias(node, source, order)
        return None

    def _repeat(self, node: Expand, source: str) -> Obstacle | None:
        """The same stream, of which a product of two activations may take values more than once."""
        streams = self.streams
        sizes, wide, lost = streams.sizes(source), streams.sizes(node.outputs[0]), streams.of(source).lost
        alone = len(node.shape) == len(wide or ()) + 1 and node.shape[0] == 1  # samples are not repeated
        order = repeated(streams.orders[source], sizes, wide) if sizes and wide and alone and not lost else "other"
        if order == "other":
            streams.lose(node)
            there = lost and streams.origin[source] not in {v.name for v in self.graph.inputs}
            return None if there else Obstacle("it repeats values of a sample", REPEATED)
        streams.alias(node, source, order)
        return None

    def _layer(self, node: Node, sources: list[str]) -> Obstacle | None:
        """A node of a type that some kind takes."""
        if self._fuse(node, sources):
            return None
        streams = self.streams
        if isinstance(node, ROWS):
            return self._place(node, self._rows(node, sources))
        wanted = streams.demand(node, sources)
        operands = streams.operands(node, sources, wanted)
        if isinstance(operands, Obstacle) or operands is None:
            return self._place(node, operands)
        seen = streams.seen(node, sources[0], wanted)
        return self._place(
            node, Taken(seen, operands, "image" if wanted == "image" else streams.order(wanted, sources))
        )

    def _rows(self, node: Node, sources: list[str]) -> Taken | Obstacle | None:
        """A product of two activations, or a Softmax."""
        if isinstance(node, Softmax | SoftRows) and node.outputs[0] in self._ends:
            return Obstacle("it only turns the outputs into probabilities", "leave it to the host (`swm split`)")
        return take_rows(self.streams, node, sources)

    def _place(self, node: Node, taken: Taken | Obstacle | None) -> Obstacle | None:
        """The layer of a node whose operands are known."""
        streams = self.streams
        if not isinstance(taken, Taken):
            streams.lose(node)
            return taken
        operands = taken.operands
        safe = safe_identifier(node.name)
        name = f"l{len(self.layers)}_{safe}" if safe else f"l{len(self.layers)}"
        for kind in registry.kinds():
            layer = kind.lower(taken.node, operands, name)
            if layer is None:
                continue
            self.streams.lose(node)
            if isinstance(layer, Obstacle):
                return layer
            layer = joined_layer(self.streams, node, layer)
            if self._broadcasts(node, layer, 1 if taken.order == "image" else repeats(taken.order)):
                return _larger(operands)
            layer = replace(layer, name=name if safe else f"{name}_{layer.kind}", output=node.outputs[0])
            self._writer[layer.output] = len(self.layers)
            self.layers.append(layer)
            still = operands[0].grid if layer.positions == operands[0].positions else None
            held = Held(layer.m * layer.positions, layer.m, layer.grid or still)
            image = image_order(layer.m, layer.positions)
            streams.write(layer.output, held, image if taken.order == "image" else taken.order)
            return None
        self.streams.lose(node)
        return Obstacle("no hardware kernel for this form of the operator", "run this part of the model on the host")

    def _fuse(self, node: Node, sources: list[str]) -> bool:
        """Put an activation into the layer before it, where nothing else reads that layer's output."""
        chosen = activation_of(node)
        tensor = self.streams.origin[sources[0]]
        place = self._writer.get(tensor)
        if not isinstance(chosen, Chosen) or place is None or self._uses[tensor] != 1:
            return False
        layer = self.layers[place]
        both = joined(layer.activation, chosen)
        if both is None or not registry.kind(layer.kind).fuses:
            return False
        self.layers[place] = replace(layer, **both._asdict(), output=node.outputs[0])
        self._writer[node.outputs[0]] = place
        self.streams.write(node.outputs[0], self.streams.of(sources[0]), self.streams.orders[sources[0]])
        return True

    def _broadcasts(self, node: Node, layer: FloatLayer, times: int) -> bool:
        shape = self.streams.shape(node.outputs[0])
        tail = [s for s in shape[1:] if isinstance(s, int)] if shape else []
        return prod(tail) > layer.m * layer.positions * times

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


def _several_ends(graph: Graph) -> list[Finding]:
    """What to do with more than one input or output."""
    several = {name: values for name, values in (("inputs", graph.inputs), ("outputs", graph.outputs)) if values[1:]}
    if not several:
        return []
    remedies = ["hardware takes one; the host joins several where what lies between them has a form in hardware"]
    if "inputs" in several:
        last = json.dumps(graph.inputs[-1].name)
        remedies.append(f"fix what is the same for all samples: `swm frame --fix {last}=NUMBER`, or =FILE.npy")
    reason = "the graph has " + " and ".join(f"{len(values)} {name}" for name, values in several.items())
    return [Finding(graph.name, "graph", reason, "; ".join(remedies))]


def _larger(operands: tuple[Operand, ...]) -> Obstacle:
    """Why a node is refused that should write more values than its layer does."""
    if len(operands) > 1:
        return Obstacle(
            "its operands broadcast to a larger result", "hardware takes operands of equal shape; write it out"
        )
    return Obstacle("the model says that it writes more values than it computes", "export it with the right shapes")


def _ends(graph: Graph, nodes: list[Node]) -> set[str]:
    """The outputs, and tensors that hold the same values."""
    ends = {v.name for v in graph.outputs}
    for node in reversed(nodes):
        if isinstance(node, FREE) and node.outputs[0] in ends:
            ends.add(node.inputs[0])
    return ends


def _uses(graph: Graph, nodes: list[Node]) -> Counter[str]:
    """How often each tensor is read, by nodes behind free ones and by the outputs too."""
    uses = Counter(v.name for v in graph.outputs)
    for node in reversed(nodes):
        for tensor in reads(node):
            uses[tensor] += uses[node.outputs[0]] if isinstance(node, FREE) else 1
    return uses
