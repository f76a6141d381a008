# SPDX-License-Identifier: Apache-2.0
"""The end of a layer (docs/arithmetic.md section 5): activation, one rounding, saturation; its cost and C++ names."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from swm.device.board import DspPorts
from swm.device.memories import memory
from swm.device.primitives import Cost, adder, multiplier, register
from swm.layers.arithmetic import TABLE_INPUT_FRAC, TABLE_SEGMENTS, apply_activation, saturate
from swm.layers.values import Activation, FixedLayer, Ints

__all__ = ["CPP_ACTIVATION", "finish", "finish_configuration", "finish_cost"]

# C++ has `tanh` as a function; the policy types of hls/ carry other names where that would clash.
CPP_ACTIVATION: dict[Activation, str] = {"identity": "identity", "relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh_"}

_TABLE_BITS, _TABLE_STEP_BITS = 18, 9  # width of an entry of an activation table, and of the step between two of them


def finish(values: Ints, layer: FixedLayer) -> tuple[Ints, int]:
    """Activation, change of binary point and saturation of sums at `layer.value_frac` (the bias is in them already).

    Returns:
        The output integers, and how many of them saturated.
    """
    activated = apply_activation(values, layer.spec.activation, layer.value_frac, layer.output_format.frac)
    return saturate(activated, layer.spec.out_bits)


def finish_configuration(layer: FixedLayer) -> dict[str, Any]:
    """The members of a C++ configuration that the activation policies of finish.h read, `activation` among them."""
    return {
        "out_bits": layer.spec.out_bits,
        "out_shift": layer.value_frac - layer.output_format.frac,
        "act_shift": layer.value_frac - TABLE_INPUT_FRAC,
        "out_frac": layer.output_format.frac,
        "activation": CPP_ACTIVATION[layer.spec.activation],
    }


@lru_cache(maxsize=4096)
def finish_cost(value_bits: int, out_bits: int, activation: Activation, vec: int, ports: DspPorts) -> Cost:
    """Adder of the bias, activation, one rounding and saturation for each of `vec` words (modelled).

    The ROM of the bias and the stream behind are not in it.

    Args:
        value_bits: bits of the sum, the bias added.
        out_bits: bits of the output.
        activation: sigmoid and tanh take a table and a multiplier a word.
        vec: words a cycle.
        ports: port widths of the device's DSP.
    """
    # the bias, half of the last bit that goes, saturation: a comparison of the bits above the output, then a choice
    lane = adder(value_bits).plus(
        adder(value_bits), Cost(logic=(value_bits - out_bits) / 4 + out_bits), register(out_bits)
    )
    if activation in ("sigmoid", "tanh"):
        step = multiplier(_TABLE_BITS, _TABLE_STEP_BITS, ports).plus(adder(_TABLE_BITS + 8), adder(_TABLE_BITS))
        lane = lane.plus(step, memory(TABLE_SEGMENTS + 1, _TABLE_BITS, reads=2, writes=0))
    return lane.times(vec)
