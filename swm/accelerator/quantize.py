# SPDX-License-Identifier: Apache-2.0
"""Formats from calibration, and integer parameters: a graph of float layers becomes a graph of integer layers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.fixed_graph import FixedGraph, NetworkShape, ShapedLayer
from swm.accelerator.lower import Lowered
from swm.accelerator.saturation import measured
from swm.graph import Graph
from swm.layers import registry
from swm.layers.formats import best_format, check_bits
from swm.layers.values import FixedLayer, Format
from swm.progress import Note, quiet

__all__ = ["network_shape", "quantize_layers"]


def network_shape(lowered: Lowered, bits: int) -> NetworkShape:
    """Shapes and widths of every layer; they follow from shapes and bits alone, so no calibration is needed.

    Raises:
        OptionError: impossible bits.
    """
    check_bits(bits)
    layers = tuple(
        ShapedLayer(registry.kind(layer.kind).spec(layer, bits), layer.inputs, layer.output) for layer in lowered.layers
    )
    return NetworkShape(layers, lowered.input, lowered.tensor)


def quantize_layers(
    graph: Graph,
    lowered: Lowered,
    bits: int,
    activations: Mapping[str, NDArray[np.floating]],
    note: Note = quiet,
) -> FixedGraph:
    """Quantize a network: one format a tensor by calibration, whoever reads it, and integer parameters.

    Args:
        graph: the float graph, kept for reference.
        lowered: its layers.
        bits: data and weight bits, 4 to 18.
        activations: float values over the calibration set of `lowered.tensors`, (samples, ...) each.
        note: called with what is going on, for every layer.

    Raises:
        OptionError: impossible bits.
        CalibrationError: a layer cannot be built exactly for values as these.
    """
    shape = network_shape(lowered, bits)
    first = activations[lowered.input]
    formats: dict[str, Format] = {lowered.input: best_format(first, bits)}
    saturated = {lowered.input: measured(formats[lowered.input], first)}
    values = lowered.flowing(activations)
    layers: list[FixedLayer] = []
    for shaped, layer in zip(shape.layers, lowered.layers, strict=True):
        note(f"formats of {shaped.spec.name}")
        written = values[layer.output]
        fixed = registry.kind(layer.kind).quantize(
            shaped.spec,
            layer,
            tuple(values[t].reshape(-1, s.channels) for t, s in zip(layer.inputs, shaped.spec.inputs, strict=True)),
            written.reshape(-1, layer.m),
            tuple(formats[t] for t in layer.inputs),
        )
        formats[layer.output] = fixed.output_format
        saturated[layer.output] = measured(fixed.output_format, written)
        layers.append(fixed)
    return FixedGraph(
        name=graph.name,
        layers=tuple(layers),
        host=None,
        source=graph,
        bits=bits,
        input_name=lowered.input,
        output_name=lowered.output,
        output_tensor=lowered.tensor,
        saturated=saturated,
        output_shape=lowered.shape,
        input_order=lowered.orders.get(lowered.input),
        output_order=lowered.output_order,
    )
