# SPDX-License-Identifier: Apache-2.0
"""The end of a layer (docs/arithmetic.md section 5): activation, one rounding, saturation; its cost and C++ names."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from swm.device.board import DspPorts
from swm.device.memories import memory
from swm.device.primitives import Cost, adder, multiplexer, multiplier, register
from swm.layers.curves import Bounds, Curve, Ramp, Steps, Table
from swm.layers.fit import widest_curve
from swm.layers.functions import Activation, Parameters
from swm.layers.rounding import Ints, round_shift, saturate
from swm.layers.values import FixedLayer, LayerSpec

__all__ = ["curve_struct", "describe", "describe_curve", "finish", "finish_configuration", "finish_cost", "policy"]


def finish(values: Ints, layer: FixedLayer) -> tuple[Ints, int]:
    """Activation, change of binary point and saturation of sums at `layer.value_frac` (the bias is in them already).

    Returns:
        The output integers, and how many of them saturated.
    """
    if layer.curve is not None:
        return saturate(layer.curve.apply(values), layer.spec.out_bits)
    passed = np.maximum(values, 0) if layer.spec.activation == "relu" else values
    return saturate(round_shift(passed, layer.value_frac - layer.output_format.frac), layer.spec.out_bits)


def finish_configuration(layer: FixedLayer) -> dict[str, Any]:
    """The members of a C++ configuration that the activation policies of finish.h read, `activation` among them."""
    return {
        "out_bits": layer.spec.out_bits,
        "out_shift": layer.value_frac - layer.output_format.frac,
        "activation": policy(layer.spec.activation, layer.curve, curve_struct(layer.spec)),
    }


def policy(activation: Activation, curve: Curve | None, struct: str) -> str:
    """The C++ type of an activation.

    Args:
        activation: which.
        curve: its integers, if it has any.
        struct: name of the C++ struct that holds them.
    """
    if curve is None:
        return activation
    return f"clip<{curve.low}, {curve.high}>" if isinstance(curve, Bounds) else f"{curve.policy}<{struct}>"


def curve_struct(spec: LayerSpec) -> str:
    """Name of the C++ struct that holds the integers of a layer's activation."""
    return f"{spec.name}_activation"


def describe(layer: FixedLayer) -> str:
    """The activation of a layer in words: what it is built as, and its largest error (over all inputs).

    The error is that before the last rounding, which adds half of the output's last bit; inputs beyond the output's
    range are left out.
    """
    spec = layer.spec
    return describe_curve(spec.activation, spec.parameters, layer.curve, layer.value_frac, layer.output_format.frac)


def describe_curve(
    activation: Activation, parameters: Parameters, curve: Curve | None, value_frac: int, out_frac: int
) -> str:
    """The same of any activation, at the binary points of its sum and its output."""
    name = " ".join([activation, *(f"{value:g}" for value in parameters)])
    if isinstance(curve, Bounds):
        return f"{name}: bounds {curve.low} and {curve.high} of the output's words, exact"
    if curve is None:
        return f"{name}: exact"
    if isinstance(curve, Steps):
        levels = f"{curve.ramp.high - curve.ramp.low + 1} levels of {parameters[0]:g}"
        edges = (
            f"sums within {curve.doubt:.1e} of a step from an edge may get the other level" if curve.doubt else "exact"
        )
        return f"{name}: {levels}, off by at most {curve.error:.1e}; {edges}"
    steps = curve.error * 2.0**out_frac
    off = f"off by at most {curve.error:.1e} ({steps:.2f} of the output's last bit) before the last rounding"
    if isinstance(curve, Ramp):
        return f"{name}: slope {curve.slope} / 2^{curve.offset_shift}, {off}"
    width = 2.0 ** (curve.step_bits - (value_frac - curve.input_shift))
    form = "lines" if curve.rises else "constants"
    return f"{name}: table of {len(curve.starts)} {form}, each {width:g} wide, {off}"


def finish_cost(spec: LayerSpec, value_bits: int, vec: int, ports: DspPorts) -> Cost:
    """Adder of the bias, activation, one rounding and saturation for each of `vec` words (modelled).

    The ROM of the bias and the stream behind are not in it. A table is charged at the finest output of the layer's
    bits, [-1, 1); the binary point that calibration chooses can only make it smaller.

    Args:
        spec: the layer; its activation and the bits of its output count.
        value_bits: bits of the sum, the bias added.
        vec: words a cycle.
        ports: port widths of the device's DSP.
    """
    return _lane_cost(value_bits, spec.out_bits, spec.activation, spec.parameters, ports).times(vec)


@lru_cache(maxsize=4096)
def _lane_cost(value_bits: int, out_bits: int, activation: Activation, parameters: Parameters, ports: DspPorts) -> Cost:
    # the bias, half of the last bit that goes, saturation: a comparison of the bits above the output, then a choice
    lane = adder(value_bits).plus(
        adder(value_bits), Cost(logic=(value_bits - out_bits) / 4 + out_bits), register(out_bits)
    )
    curve = widest_curve(activation, parameters, out_bits)
    if isinstance(curve, Steps):
        code, word = curve.ramp, curve.code_bits + curve.width_bits
        products = [(code.input_bits, code.slope_bits, code.slope), (curve.code_bits, curve.width_bits, curve.width)]
        for left, right, constant in products:
            lane = lane.plus(multiplier(left, right, ports) if abs(constant) > 1 else Cost())
        return lane.plus(_narrowing(code.input_bits), _narrowing(curve.code_bits), adder(word))
    if isinstance(curve, Ramp):
        # a constant, which tools may also make of adders
        product = multiplier(curve.input_bits, curve.slope_bits, ports) if abs(curve.slope) > 1 else Cost()
        rounded = adder(curve.input_bits + curve.slope_bits)
        choice = multiplexer(2, out_bits) if curve.leaky else rounded  # the other side, or the offset
        return lane.plus(_narrowing(curve.input_bits), product, rounded, choice)
    if isinstance(curve, Table):
        rom = memory(len(curve.starts), curve.start_bits + curve.rise_bits, writes=0)
        sums = adder(curve.value_bits).times(1 + curve.rectified)
        # clipping to the table: two comparisons and a choice
        lane = lane.plus(_narrowing(curve.input_bits), Cost(logic=curve.input_bits), rom, sums)
        return lane.plus(multiplier(curve.rise_bits, curve.step_bits + 1, ports)) if curve.rises else lane
    return lane


def _narrowing(bits: int) -> Cost:
    """Rounding and saturation of a sum to `bits`."""
    return adder(bits).plus(Cost(logic=bits / 2))
