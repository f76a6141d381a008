# SPDX-License-Identifier: Apache-2.0
"""The fixed-point network: a DAG of integer layers, each with its formats and integer parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from swm.accelerator.layout import Order
from swm.accelerator.saturation import Saturation
from swm.graph import Graph, Value
from swm.layers.finish import describe
from swm.layers.registry import kind
from swm.layers.values import FixedLayer, Format, LayerSpec, TensorShape
from swm.notebook import html

__all__ = ["FixedGraph", "HostParts", "NetworkShape", "Origin", "ShapedLayer"]


@dataclass(frozen=True)
class ShapedLayer:
    """A layer of a network by its shapes alone, and the tensors that join it to others."""

    spec: LayerSpec
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True)
class NetworkShape:
    """A network by its shapes alone: what a schedule is made from. Layers stand in execution order.

    A tensor may be read with other positions than it was written with (a reshape costs nothing): the values of a frame
    are the same in the same order.

    Attributes:
        layers: at least one.
        input: tensor that the first layers read.
        output: tensor that leaves.
    """

    layers: tuple[ShapedLayer, ...]
    input: str
    output: str

    @property
    def entering(self) -> TensorShape:
        """What a frame brings in, as its first reader says."""
        first = next(layer for layer in self.layers if self.input in layer.inputs)
        return first.spec.inputs[first.inputs.index(self.input)]

    @property
    def leaving(self) -> TensorShape:
        """What a frame gives."""
        return next(layer for layer in self.layers if layer.output == self.output).spec.output

    def left_dense(self) -> NetworkShape:
        """The same network without weight structures: its dense twin."""
        layers = tuple(replace(layer, spec=kind(layer.spec.kind).left_dense(layer.spec)) for layer in self.layers)
        return replace(self, layers=layers)


@dataclass(frozen=True)
class Origin:
    """Where a fixed-point network came from: what its report says of it, also when it was read back from a project.

    Attributes:
        model: file name of the float model; empty for one from memory.
        sha256: of that file.
        format_samples: calibration samples that set the number formats.
        format_hashes: of all of them and of the first, by which a report knows them again.
        conversion: record of the conversion as the model's metadata has it, JSON; empty without.
    """

    model: str = ""
    sha256: str = ""
    format_samples: int = 0
    format_hashes: tuple[str, ...] = ()
    conversion: str = ""


@dataclass(frozen=True, eq=False)
class HostParts:
    """What the host computes around the hardware, in float, and what of the network a caller sees.

    Attributes:
        before: from the network's inputs to the tensor that the hardware reads (and what `after` reads besides); None
            where the hardware reads an input of the network.
        after: from the tensor that the hardware writes to the network's outputs; None where that is the output.
        inputs: what a caller feeds.
        outputs: what a caller gets.
        shape: of the tensor that the hardware writes, the axis of samples left out.
    """

    before: Graph | None
    after: Graph | None
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    shape: tuple[int, ...]

    @property
    def reads_inputs(self) -> bool:
        """Whether the host needs the network's inputs themselves, not only the hardware."""
        names = {v.name for v in self.inputs}
        return any(v.name in names for part in (self.before, self.after) if part is not None for v in part.inputs)

    @property
    def operators(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The operators before and after the hardware, in order."""
        before, after = (() if g is None else tuple(n.op_name for n in g.nodes) for g in (self.before, self.after))
        return before, after


@dataclass(frozen=True, eq=False)
class FixedGraph:
    """A network in fixed point, in execution order.

    Attributes:
        name: the model's name, any text.
        layers: at least one; a tensor has one format, whoever reads it.
        host: what the host computes before the first and after the last layer; None if nothing.
        source: the float graph it came from, host parts included, as it was cut; None when read back from a project.
        bits: data bits asked for.
        input_name: the tensor that is quantized: an input of the network or of what the host computes before.
        output_name: the tensor of the float graph that leaves the hardware.
        output_tensor: tensor that the last layer writes.
        saturated: values of the calibration set that saturate, by tensor.
        origin: the model and the samples that it was made from.
        output_shape: of what leaves the hardware as the float graph has it, the axis of samples left out; empty: one
            axis.
        input_order: how the values of the input pass; None: as the float graph has them.
        output_order: the same of the output.
        hardware: the part of `source` that the layers are; None when read back from a project.
    """

    name: str
    layers: tuple[FixedLayer, ...]
    host: HostParts | None
    source: Graph | None
    bits: int
    input_name: str
    output_name: str
    output_tensor: str
    saturated: Mapping[str, Saturation]
    origin: Origin = Origin()
    output_shape: tuple[int, ...] = ()
    input_order: Order = None
    output_order: Order = None
    hardware: Graph | None = None

    def __repr__(self) -> str:
        kinds = Counter(spec.kind for spec in self.specs)
        layers = ", ".join(f"{count} {name}" for name, count in kinds.most_common())
        bits = sum(spec.stored_bits for spec in self.specs)
        return (
            f"<FixedGraph {self.name!r}: {self.inputs:,} -> {self.outputs:,} values, {self.widths},"
            f" {len(self.layers)} layers ({layers}), weights {bits:,} bits{self._around}>"
        )

    @property
    def widths(self) -> str:
        """Bits of data and weights in words, and those of residual streams and of the output where they are others."""
        inner = (layer.spec.out_bits for layer in self.layers if layer.output != self.output_tensor)
        most = max(inner, default=self.bits)
        given = max(layer.spec.out_bits for layer in self.layers if layer.output == self.output_tensor)
        found = f"{self.bits} bits" + (f", {most} on residual streams" if most > self.bits else "")
        return found + (f", {given} at the output" if given > self.bits else "")

    @property
    def _around(self) -> str:
        if self.host is None:
            return ""
        places = zip(("before", "after"), self.host.operators, strict=True)
        return "".join(f"; host {place}: {', '.join(operators)}" for place, operators in places if operators)

    def _repr_html_(self) -> str:
        rows = (
            (
                layer.node,
                layer.spec.kind,
                f"{layer.spec.n} -> {layer.spec.m}",
                ", ".join(map(str, layer.input_formats)),
                layer.output_format,
                f"{layer.spec.stored_bits:,}",
            )
            for layer in self.layers
        )
        return html(self, ("layer", "kind", "channels", "input", "output", "bits stored"), rows)

    def formats(self) -> dict[str, dict[str, str]]:
        """Formats of input, weights and output of every layer, as text, by the name of the float node.

        Where a layer has an activation that is more than a comparison, "activation" says what it is built as, with its
        largest error.
        """
        return {
            layer.node: {
                "input": ", ".join(map(str, layer.input_formats)),
                "weights": str(Format(layer.spec.data_bits, layer.weight_frac)),
                "output": str(layer.output_format),
                **({"activation": describe(layer)} if layer.curve is not None else {}),
            }
            for layer in self.layers
        }

    @property
    def specs(self) -> tuple[LayerSpec, ...]:
        """The layers' shapes and widths."""
        return tuple(layer.spec for layer in self.layers)

    @property
    def shape(self) -> NetworkShape:
        """The network by its shapes alone."""
        layers = tuple(ShapedLayer(layer.spec, layer.inputs, layer.output) for layer in self.layers)
        return NetworkShape(layers, self.input_name, self.output_tensor)

    @property
    def first(self) -> FixedLayer:
        """A layer that reads the network's input."""
        return next(layer for layer in self.layers if self.input_name in layer.inputs)

    @property
    def last(self) -> FixedLayer:
        """The layer that writes the network's output."""
        return next(layer for layer in self.layers if layer.output == self.output_tensor)

    @property
    def input(self) -> Format:
        """Format of the network's input."""
        return self.first.input_formats[self.first.inputs.index(self.input_name)]

    @property
    def output(self) -> Format:
        """Format of the network's output."""
        return self.last.output_format

    @property
    def sequences(self) -> int:
        """Samples that a frame holds: sequences that take turns (`interleave.py`), 1 for all other networks."""
        return max(getattr(spec, "sequences", 1) for spec in self.specs)

    @property
    def inputs(self) -> int:
        """Values a frame that go in."""
        shape = self.first.spec.inputs[self.first.inputs.index(self.input_name)]
        return shape.channels * shape.positions

    @property
    def outputs(self) -> int:
        """Values a frame that come out."""
        return self.last.spec.output.channels * self.last.spec.output.positions
