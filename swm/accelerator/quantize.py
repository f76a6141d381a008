# SPDX-License-Identifier: Apache-2.0
"""Formats from calibration, and integer parameters: a graph of float layers becomes a graph of integer layers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.fixed_graph import FixedGraph, NetworkShape, ShapedLayer
from swm.accelerator.lower import Lowered
from swm.accelerator.residuals import with_residual_bits
from swm.accelerator.saturation import measured
from swm.errors import OptionError
from swm.graph import Graph
from swm.layers import registry
from swm.layers.formats import best_format, check_bits
from swm.layers.values import FixedLayer, Format
from swm.progress import Note, quiet

__all__ = ["network_shape", "quantize_layers"]


def network_shape(
    lowered: Lowered, bits: int, residual_bits: int | None = None, exact_division: bool = False
) -> NetworkShape:
    """Shapes and widths of every layer; they follow from shapes and bits alone, so no calibration is needed.

    Args:
        lowered: the layers.
        bits: of data and weights, 4 to 18.
        residual_bits: of residual streams (residuals.py), not fewer; None: as all else.
        exact_division: whether a Softmax divides, instead of multiplying by a reciprocal from a table.

    Raises:
        OptionError: impossible bits.
    """
    check_bits(bits)
    layers = []
    for layer in lowered.layers:
        kind = registry.kind(layer.kind)
        spec = kind.spec(layer, bits)
        layers.append(ShapedLayer(kind.divided_exactly(spec) if exact_division else spec, layer.inputs, layer.output))
    shape = NetworkShape(tuple(layers), lowered.input, lowered.tensor)
    if residual_bits is None:
        return shape
    check_bits(residual_bits)
    if residual_bits < bits:
        raise OptionError(f"residual streams have at least the {bits} bits of everything else, got {residual_bits}")
    return with_residual_bits(shape, residual_bits)


def quantize_layers(
    graph: Graph,
    lowered: Lowered,
    bits: int,
    activations: Mapping[str, NDArray[np.floating]],
    note: Note = quiet,
    *,
    residual_bits: int | None = None,
    exact_division: bool = False,
) -> FixedGraph:
    """Quantize a network: one format a tensor by calibration, whoever reads it, and integer parameters.

    Args:
        graph: the float graph, kept for reference.
        lowered: its layers.
        bits: data and weight bits, 4 to 18.
        activations: float values over the calibration set of `lowered.tensors`, (samples, ...) each.
        note: called with what is going on, for every layer.
        residual_bits: as for `network_shape`.
        exact_division: as for `network_shape`.

    Raises:
        OptionError: impossible bits.
        CalibrationError: a layer cannot be built exactly for values as these.
    """
    shape = network_shape(lowered, bits, residual_bits, exact_division)
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
        hardware=graph,
    )
