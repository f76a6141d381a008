# SPDX-License-Identifier: Apache-2.0
"""Formats from calibration, and integer parameters: a chain of float layers becomes a chain of integer layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from swm.errors import OptionError
from swm.fixed._graph import FixedGraph, FixedLayer, Format
from swm.fixed._lower import FloatLayer, Lowered
from swm.fixed.spec import LayerSpec, forward_shifts
from swm.graph import Graph
from swm.structure import BlockCirculant, WeightStructure

__all__ = ["MAX_BITS", "MIN_BITS", "best_format", "check_bits", "layer_specs", "quantize_layers"]

MIN_BITS, MAX_BITS = 4, 18  # 18 bits is the narrow multiplier port of every supported DSP block
SAMPLE_LIMIT = 1 << 20  # values looked at when a format is chosen; more change nothing and cost time
MAX_FRAC = 40  # all-zero tensors get some binary point


def check_bits(bits: int) -> int:
    """Return `bits` if data of that width can be built.

    Raises:
        OptionError: not an integer from 4 to 18.
    """
    if isinstance(bits, bool) or not isinstance(bits, int | np.integer) or not MIN_BITS <= bits <= MAX_BITS:
        raise OptionError(f"{bits!r} bits are impossible: choose {MIN_BITS} to {MAX_BITS} (the ports of one DSP block)")
    return int(bits)


def best_format(values: NDArray[np.floating], bits: int, most_frac: int = MAX_FRAC) -> Format:
    """The binary point with the smallest mean squared error over `values`, saturation included.

    Looks at the point that just holds the largest value and at the two finer ones, which trade rare saturation for
    finer steps.
    """
    flat = np.asarray(values, np.float64).reshape(-1)
    largest = float(np.abs(flat).max(initial=0.0))
    if largest == 0.0:
        return Format(bits, min(bits - 1, most_frac))
    step = max(1, len(flat) // SAMPLE_LIMIT)
    sample = flat[::step]
    holds = bits - 1 - int(np.ceil(np.log2(largest)))
    candidates = [Format(bits, min(holds + finer, most_frac)) for finer in range(3)]
    return min(candidates, key=lambda f: float(np.mean((f.quantise(sample) / 2.0**f.frac - sample) ** 2)))


def layer_specs(lowered: Lowered, bits: int) -> tuple[LayerSpec, ...]:
    """Shapes and widths of every layer; they follow from shapes and bits alone, so no calibration is needed."""
    check_bits(bits)
    return tuple(_spec(layer, bits) for layer in lowered.layers)


def _spec(layer: FloatLayer, bits: int) -> LayerSpec:
    shifts = forward_shifts(bits, layer.block) if layer.kind == "circulant" else 0
    spec = LayerSpec(
        name=layer.name,
        kind=layer.kind,
        m=layer.m,
        n=layer.n,
        block=layer.block,
        data_bits=bits,
        weight_bits=bits,
        out_bits=bits,
        activation=layer.activation,
        bias_bits=0,
        fft_shifts=shifts,
    )
    return replace(spec, bias_bits=spec.inverse_bits if spec.kind == "circulant" else spec.accumulator_bits)


def quantize_layers(
    graph: Graph, lowered: Lowered, bits: int, activations: Mapping[str, NDArray[np.floating]]
) -> FixedGraph:
    """Quantise a chain: weights in the spectrum, formats a tensor by calibration.

    Args:
        graph: the float graph, kept for reference.
        lowered: its layers.
        bits: data and weight bits, 4 to 18.
        activations: float values over the calibration set of every tensor that a layer reads or writes,
            (samples, ...) each.

    Raises:
        OptionError: impossible bits.
    """
    specs = layer_specs(lowered, bits)
    first = activations[lowered.layers[0].input]
    incoming = best_format(first, bits)
    saturated = {lowered.layers[0].input: incoming.overflows(first)}
    layers: list[FixedLayer] = []
    for spec, layer in zip(specs, lowered.layers, strict=True):
        inputs = activations[layer.input].reshape(len(activations[layer.input]), -1)
        fixed = _quantize_layer(spec, layer, inputs, activations[layer.output], incoming)
        saturated[layer.output] = fixed.output.overflows(activations[layer.output])
        layers.append(fixed)
        incoming = fixed.output
    return FixedGraph(graph.name, tuple(layers), lowered.host, graph, bits, lowered.input, lowered.output, saturated)


def _quantize_layer(
    spec: LayerSpec, layer: FloatLayer, inputs: NDArray[np.floating], outputs: NDArray[np.floating], incoming: Format
) -> FixedLayer:
    values = _weight_values(layer)
    bias = layer.bias.astype(np.float64)
    # The bias is stored at the binary point of the sum; that point may not be finer than the bias width allows.
    bias_frac = (
        Format(spec.bias_bits, 0).bits
        - 1
        - int(np.ceil(np.log2(max(float(np.abs(bias).max(initial=0)), 2.0**-40) + 1e-30)))
    )
    weights = best_format(values, spec.weight_bits)
    if spec.kind == "circulant":
        sums = _spectral_sums(layer.weight, inputs) / 2.0**spec.fft_shifts
        rounded = best_format(sums, spec.rounded_bits, most_frac=min(incoming.frac + weights.frac, bias_frac))
        acc_shift = incoming.frac + weights.frac - rounded.frac
    else:
        weights = Format(weights.bits, min(weights.frac, bias_frac - incoming.frac))
        acc_shift = 0
    value_frac = incoming.frac + weights.frac - acc_shift
    finest = value_frac if spec.activation in ("identity", "relu") else spec.out_bits - 1
    output = best_format(outputs, spec.out_bits, most_frac=finest)
    integers = weights.quantise(values)
    stored_bias = Format(spec.bias_bits, value_frac).quantise(bias)
    return FixedLayer(spec, layer.node, integers, stored_bias, incoming, weights.frac, acc_shift, output)


def _weight_values(layer: FloatLayer) -> NDArray[np.float64]:
    """What is stored: packed spectra (p, q, k/2, 2), the matrix (m, n), or the gains (n,)."""
    if isinstance(layer.weight, BlockCirculant):
        return packed_spectrum(layer.weight.columns)
    if layer.weight is not None:
        return layer.weight.to_dense().astype(np.float64)
    assert layer.scale is not None  # a layer without a matrix is a scale
    return layer.scale.astype(np.float64)


def packed_spectrum(columns: NDArray[np.floating]) -> NDArray[np.float64]:
    """Half spectrum of real vectors (..., k) as (..., k/2, 2): word 0 holds the two real bins 0 and k/2."""
    half = np.fft.rfft(columns.astype(np.float64))
    packed = np.stack([half.real, half.imag], axis=-1)[..., :-1, :]
    packed[..., 0, 1] = half[..., -1].real
    return packed


def _spectral_sums(weight: WeightStructure | None, inputs: NDArray[np.floating]) -> NDArray[np.float64]:
    assert isinstance(weight, BlockCirculant)  # only circulant layers have spectra
    half = weight.spectral_product(np.asarray(inputs, np.float64))
    return np.stack([half.real, half.imag]).reshape(-1)
