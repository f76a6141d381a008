# SPDX-License-Identifier: Apache-2.0
"""The integer engine: the same bits as the C simulation of the emitted project."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swm.errors import CalibrationError
from swm.fixed import FixedGraph, FixedLayer
from swm.fixed._integer import (
    Ints,
    apply_activation,
    forward_transform,
    inverse_transform,
    round_shift,
    saturate,
    spectral_product,
)

__all__ = ["FixedResult", "flatten_inputs", "run_fixed", "run_integers"]

BATCH = 256  # samples at a time; bounds the memory of the spectra


@dataclass(frozen=True, eq=False)
class FixedResult:
    """Outcome of an integer run.

    Attributes:
        inputs: (samples, n) quantised inputs.
        words: (samples, m) output integers, what the hardware writes.
        values: (samples, m) float32 outputs after the host's part (a final Softmax).
        saturated: how many values saturated, by layer name and place.
    """

    inputs: Ints
    words: Ints
    values: NDArray[np.float32]
    saturated: dict[str, int]


def run_fixed(graph: FixedGraph, x: NDArray[np.floating], *, compiled: bool = False) -> FixedResult:
    """Quantise float inputs (samples, ...), run the integer layers, give integers and floats back.

    Args:
        graph: the network.
        x: (samples, ...) float inputs.
        compiled: let the compiled kernel run the layers that it can prove exact: the same bits, much sooner for many
            samples, after seconds of compilation the first time.

    Raises:
        CalibrationError: x does not hold the network's number of inputs a sample.
    """
    flat = flatten_inputs(graph, x)
    inputs = graph.input.quantise(flat)
    if compiled:
        from swm.engine.kernels import run_integers_fast  # it builds on this module

        words, saturated = run_integers_fast(graph, inputs, threads=os.cpu_count() or 1)
    else:
        words, saturated = run_integers(graph, inputs)
    saturated = {graph.input_name: graph.input.overflows(flat), **saturated}
    values = graph.output.dequantise(words)
    for _ in graph.host:  # Softmax is the only operator left to the host
        from scipy.special import softmax  # here, as it takes 0.15 s that no other call should pay

        values = softmax(values, axis=-1).astype(np.float32)
    return FixedResult(inputs, words, values, saturated)


def flatten_inputs(graph: FixedGraph, x: NDArray[np.floating]) -> NDArray[np.floating]:
    """(samples, ...) → (samples, n).

    Raises:
        CalibrationError: wrong number of values a sample.
    """
    n = graph.layers[0].spec.n
    if x.ndim < 2 or x[0:1].size != n:
        raise CalibrationError(f"inputs must hold {n} values a sample, got an array of shape {x.shape}")
    return x.reshape(len(x), n)


def run_integers(graph: FixedGraph, inputs: Ints) -> tuple[Ints, dict[str, int]]:
    """(samples, n) input integers → (samples, m) output integers, and saturation counts by layer and place."""
    saturated: dict[str, int] = {}
    parts = []
    for start in range(0, len(inputs), BATCH):
        values = inputs[start : start + BATCH]
        for layer in graph.layers:
            values, counts = run_layer(layer, values)
            for place, count in counts.items():
                key = f"{layer.spec.name}.{place}"
                saturated[key] = saturated.get(key, 0) + count
        parts.append(values)
    return np.concatenate(parts), saturated


def run_layer(layer: FixedLayer, values: Ints) -> tuple[Ints, dict[str, int]]:
    """One layer on (samples, n) integers: (samples, m) integers and saturation counts by place."""
    spec = layer.spec
    counts: dict[str, int] = {}
    if spec.kind == "circulant":
        sums, counts["sum"] = _circulant(layer, values)
    elif spec.kind == "dense":
        # Exact: every sum stays below 2^53 by the width rules, so float64 BLAS adds integers without rounding.
        sums = (values.astype(np.float64) @ layer.weights.T.astype(np.float64)).astype(np.int64)
    else:
        sums = values * layer.weights
    activated = apply_activation(sums + layer.bias, spec.activation, layer.value_frac, layer.output.frac)
    out, counts["output"] = saturate(activated, spec.out_bits)
    return out, counts


def _circulant(layer: FixedLayer, values: Ints) -> tuple[Ints, int]:
    spec = layer.spec
    batch = len(values)
    padded = np.zeros((batch, spec.q * spec.block), np.int64)
    padded[:, : spec.n] = values
    re, im = forward_transform(padded.reshape(batch, spec.q, spec.block), spec.fft_shifts)
    sum_re, sum_im = spectral_product(re, im, layer.weights, spec.accumulator_bits)
    a_re, lost_re = saturate(round_shift(sum_re, layer.acc_shift), spec.rounded_bits)
    a_im, lost_im = saturate(round_shift(sum_im, layer.acc_shift), spec.rounded_bits)
    y = inverse_transform(a_re, a_im, spec.fft_shifts)
    return y.reshape(batch, -1)[:, : spec.m], lost_re + lost_im
