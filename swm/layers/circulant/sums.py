# SPDX-License-Identifier: Apache-2.0
"""Sums of spectral products, for matrices and convolutions: their number formats, and their exact integers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from swm.layers.arithmetic import inverse_transform, packed_spectrum, spectral_product
from swm.layers.circulant.spec import CirculantSpec
from swm.layers.finish import finish
from swm.layers.formats import best_format, finest_bias, output_format
from swm.layers.rounding import Ints, round_shift, saturate
from swm.layers.values import FixedLayer, FloatLayer, Format, LayerSpec

__all__ = ["finished_sums", "quantized_spectra"]


def quantized_spectra(
    spec: LayerSpec,
    summed: CirculantSpec,
    layer: FloatLayer,
    columns: NDArray[np.floating],
    half: NDArray[np.complexfloating],
    outputs: NDArray[np.floating],
    formats: tuple[Format, ...],
) -> FixedLayer:
    """Spectra of the first columns, the binary point of their sums by calibration, bias at that point.

    Args:
        spec: of the layer.
        summed: of the matrix that each output position is a product with.
        layer: its bias, activation and tensors.
        columns: (p, q, k) of that matrix.
        half: spectra of what it answers to calibration samples.
        outputs: of the calibration samples.
        formats: of the inputs.
    """
    values = packed_spectrum(columns)
    weights = best_format(values, summed.weight_bits)
    sums = np.stack([half.real, half.imag]).reshape(-1) / 2.0**summed.fft_shifts
    exact = formats[0].frac + weights.frac
    rounded = best_format(sums, summed.rounded_bits, most_frac=min(exact, finest_bias(layer.bias, summed.bias_bits)))
    arrays = {
        "weights": weights.quantize(values),
        "bias": Format(summed.bias_bits, rounded.frac).quantize(layer.bias.astype(np.float64)),
    }
    output = output_format(outputs, spec.out_bits, spec.activation, rounded.frac)
    return FixedLayer(
        spec, layer.node, layer.inputs, layer.output, formats, output, arrays, weights.frac, exact - rounded.frac
    )


def finished_sums(layer: FixedLayer, summed: CirculantSpec, re: Ints, im: Ints) -> tuple[Ints, dict[str, int]]:
    """Exact sums of products of spectra (rows, groups * q, words), one rounding, inverse transforms, finish.

    Returns:
        Words (rows, m), and how many values saturated: of the sums, of the outputs.
    """
    weights = layer.arrays["weights"]
    groups = (np.split(re, summed.groups, 1), np.split(im, summed.groups, 1), np.split(weights, summed.groups))
    sums = [spectral_product(*each, summed.accumulator_bits) for each in zip(*groups, strict=True)]
    sum_re, sum_im = (np.concatenate(part, axis=1) for part in zip(*sums, strict=True))
    a_re, lost_re = saturate(round_shift(sum_re, layer.acc_shift), summed.rounded_bits)
    a_im, lost_im = saturate(round_shift(sum_im, layer.acc_shift), summed.rounded_bits)
    y = inverse_transform(a_re, a_im, summed.fft_shifts).reshape(len(a_re), -1)[:, : layer.spec.m]
    out, lost = finish(y + layer.arrays["bias"], layer)
    return out, {"sum": lost_re + lost_im, "output": lost}
