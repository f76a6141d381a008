# SPDX-License-Identifier: Apache-2.0
"""Binary points inside a recurrent layer, and the shifts that follow (docs/arithmetic.md section 8)."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import numpy as np

from swm.layers.curves import Curve
from swm.layers.fit import curve_of
from swm.layers.recurrent.spec import RecurrentSpec
from swm.layers.values import FixedLayer, Ints

__all__ = ["Points", "curves", "leaving_shifts", "points_of", "shifts", "start_shifts", "value_frac"]


_FAR = 40  # a shift by which every word of 4 to 22 bits has become 0, or has saturated


@dataclass(frozen=True)
class Points:
    """Fractional bits, but for shift_b, join and bound.

    Attributes:
        gate_f: words of the activation f.
        gate_g: words of the activation g.
        gate_h: words of the activation h.
        state: of a cell.
        peephole: of a weight.
        inner: R h of a candidate that resets after the product, narrowed.
        middle: what phase A gives to phase B.
        weight_b: weights of a projection.
        shift_b: right shift of the one rounding of a spectral sum of a projection.
        join: left shift of a sum over x where that over h joins it.
        bound: of the gates' sums, at their binary point; 0 for none.
        output: of the outputs that go round, where the layer's last cells follow them in a format for both.
    """

    gate_f: int = 0
    gate_g: int = 0
    gate_h: int = 0
    state: int = 0
    peephole: int = 0
    inner: int = 0
    middle: int = 0
    weight_b: int = 0
    shift_b: int = 0
    join: int = 0
    output: int = 0
    bound: int = 0

    def array(self) -> Ints:
        """As it is kept among a layer's integers."""
        return np.array(astuple(self), np.int64)


def points_of(layer: FixedLayer) -> Points:
    """Those of a layer; some, where it is known by its shapes alone."""
    values = layer.arrays.get("points")
    if values is None:
        return Points()
    if values.shape != (len(fields(Points)),) or np.abs(values[:-1]).max() > 256:
        raise ValueError("no recurrent layer has such binary points")
    return Points(*values.tolist())


def value_frac(layer: FixedLayer) -> int:
    """Fractional bits of the gates' sums: those of products with x, whatever formats states have that come."""
    return layer.input_formats[0].frac + layer.weight_frac - layer.acc_shift


def shifts(layer: FixedLayer) -> dict[str, int]:
    """The members of the C++ configuration that are binary points against each other."""
    spec, points = layer.spec, points_of(layer)
    assert isinstance(spec, RecurrentSpec)
    out = _output(layer)
    value, f, g, h, state = value_frac(layer), points.gate_f, points.gate_g, points.gate_h, points.state
    result = points.middle if spec.projected else out
    found = dict.fromkeys(
        ("peephole_shift", "state_shift", "kept_shift", "new_shift", "unit_shift", "out_shift"), 0
    ) | dict.fromkeys(("inner_shift", "reset_shift", "project_shift", "f_shift", "g_shift", "h_shift"), 0)
    found["f_shift"] = value - f
    if spec.cell == "lstm":
        finest = max(f + state, f + g)
        found |= {
            "peephole_shift": points.peephole + state - value if spec.peephole else 0,
            "kept_shift": finest - f - state,
            "new_shift": finest - f - g,
            "state_shift": finest - state,
            "out_shift": f + h - result,
            "g_shift": value - g,
            "h_shift": state - h,
        }
    elif spec.cell != "rnn":
        finest = max(g, state)
        found |= {
            "kept_shift": finest - state,
            "new_shift": finest - g,
            "unit_shift": f,
            "state_shift": finest + f - state,
            "out_shift": state - out,
            "g_shift": value - g,
        }
        if spec.cell == "gru_after":
            found |= {"inner_shift": value - points.inner, "reset_shift": f + points.inner - value}
        else:
            found["reset_shift"] = f + state - out
    if spec.projected:
        found["project_shift"] = points.middle + points.weight_b - points.shift_b - out
    return found


def start_shifts(layer: FixedLayer) -> dict[str, int]:
    """Right shifts of the states that come to the binary points that they have inside."""
    spec, points = layer.spec, points_of(layer)
    assert isinstance(spec, RecurrentSpec)
    h, c = layer.input_formats[1].frac, layer.input_formats[-1].frac
    return {
        "start_shift": _bounded(h - _output(layer)),
        "state_shift_h": _bounded(h - points.state) if spec.cell.startswith("gru") else 0,
        "state_shift_c": _bounded(c - points.state) if spec.cell == "lstm" else 0,
    }


def leaving_shifts(layer: FixedLayer) -> tuple[int, int]:
    """Right shifts of outputs and last cells to the binary point of both, where they leave as one tensor."""
    points, frac = points_of(layer), layer.output_format.frac
    doublings = int(layer.arrays["doublings"][0]) if "doublings" in layer.arrays else 0
    return points.output - frac, _bounded(points.state - doublings - frac)


def _bounded(shift: int) -> int:
    """A shift in whose place any larger one gives the same of every word."""
    return max(-_FAR, min(shift, _FAR))


def _output(layer: FixedLayer) -> int:
    """Fractional bits of the outputs that go round."""
    assert isinstance(layer.spec, RecurrentSpec)
    return points_of(layer).output if layer.spec.cells else layer.output_format.frac


def curves(layer: FixedLayer) -> tuple[Curve | None, ...]:
    """Integers of the activations f, g, h for a layer's binary points; None where there is nothing to know."""
    spec, points = layer.spec, points_of(layer)
    assert isinstance(spec, RecurrentSpec)
    value = value_frac(layer)
    places = ((value, points.gate_f), (value, points.gate_g), (points.state, points.gate_h))
    made = zip(spec.activations, spec.activation_parameters, places, strict=False)
    return tuple(
        curve_of(activation, parameters, before, after, spec.data_bits)
        for activation, parameters, (before, after) in made
    )
