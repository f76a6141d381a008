# SPDX-License-Identifier: Apache-2.0
"""Choice of number formats: which binary point a tensor, its weights and its bias take."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from swm.errors import OptionError
from swm.layers.functions import Activation
from swm.layers.values import FixedLayer, FloatLayer, Format, LayerSpec

__all__ = [
    "MAX_BITS",
    "MAX_FRAC",
    "MIN_BITS",
    "best_format",
    "check_bits",
    "finest_bias",
    "of_two_streams",
    "output_format",
    "quantized_weights",
]

MIN_BITS, MAX_BITS = 4, 18  # 18 bits is the narrow multiplier port of every supported DSP block
SAMPLE_LIMIT = 1 << 20  # values looked at when a format is chosen; more change nothing and cost time
MAX_FRAC = 40  # all-zero tensors get some binary point


def check_bits(bits: int) -> int:
    """Return `bits` if data of that width can be built.

    Raises:
        OptionError: it is not an integer from 4 to 18.
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
    return min(candidates, key=lambda f: float(np.mean((f.quantize(sample) / 2.0**f.frac - sample) ** 2)))


def finest_bias(bias: NDArray[np.floating], bits: int) -> int:
    """The most fractional bits at which a bias of `bits` bits still holds every value.

    The bias is stored at the binary point of the sum, so that point may not be finer than this.
    """
    largest = max(float(np.abs(np.asarray(bias, np.float64)).max(initial=0)), 2.0**-40) + 1e-30
    return bits - 1 - int(np.ceil(np.log2(largest)))


def output_format(outputs: NDArray[np.floating], bits: int, activation: Activation, value_frac: int) -> Format:
    """Format of a layer's output: no finer than what its sum, or the table of its activation, resolves."""
    finest = value_frac if activation in ("identity", "relu", "clip", "leaky_relu") else bits - 1
    return best_format(outputs, bits, most_frac=finest)


def quantized_weights(
    spec: LayerSpec,
    layer: FloatLayer,
    values: NDArray[np.floating],
    outputs: NDArray[np.floating],
    formats: tuple[Format, ...],
    *,
    weight_bits: int,
    bias_bits: int,
    weights: Format | None = None,
) -> FixedLayer:
    """A layer of exact products and sums: weights at their best binary point that leaves the bias room.

    Args:
        spec: shapes and widths.
        layer: its bias, activation and tensors.
        values: the weights, in the shape in which the kind keeps them.
        outputs: of the calibration samples.
        formats: of the inputs.
        weight_bits: bits of a weight.
        bias_bits: bits of the bias, which lies at the binary point of the sums.
        weights: the format of the weights where it does not follow from them.
    """
    if weights is None:
        most = finest_bias(layer.bias, bias_bits) - formats[0].frac
        weights = Format(weight_bits, min(best_format(values, weight_bits).frac, most))
    value_frac = formats[0].frac + weights.frac
    arrays = {
        "weights": weights.quantize(values),
        "bias": Format(bias_bits, value_frac).quantize(layer.bias.astype(np.float64)),
    }
    output = output_format(outputs, spec.out_bits, spec.activation, value_frac)
    return FixedLayer(spec, layer.node, layer.inputs, layer.output, formats, output, arrays, weight_frac=weights.frac)


def of_two_streams(
    spec: LayerSpec, layer: FloatLayer, outputs: NDArray[np.floating], formats: tuple[Format, ...]
) -> FixedLayer:
    """A layer whose values are products of its two inputs, or their sums, exact: only the output's format is chosen.

    Args:
        spec: shapes and widths.
        layer: in float.
        outputs: values that the float layer writes.
        formats: of both inputs.
    """
    a, b = formats
    shift = max(a.frac, b.frac) - a.frac - b.frac  # `value_frac` starts from the finer input; so it is the products'
    output = output_format(outputs, spec.out_bits, spec.activation, a.frac + b.frac)
    return FixedLayer(spec, layer.node, layer.inputs, layer.output, formats, output, acc_shift=shift)
