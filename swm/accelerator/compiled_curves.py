# SPDX-License-Identifier: Apache-2.0
"""What the compiled integer engine is told of an activation: names and integers for all libraries, and a C struct."""

from __future__ import annotations

import ctypes
from typing import ClassVar

import numpy as np

from swm.layers.curves import Curve, Ramp, Steps
from swm.layers.values import Ints

__all__ = ["CURVE", "POLICIES", "SwmCurve", "curve_integers", "curve_struct"]

POLICIES = ("identity", "relu", "clip", "ramp", "leaky", "curve", "steps")
CURVE = ("input_shift", "input_bits", "out_shift", "low", "high", "slope", "offset", "first", "last", "step_bits")


class SwmCurve(ctypes.Structure):
    """`SwmCurve` of fixed_words.h."""

    _integers = (
        *("activation", "plain_shift", "input_shift", "input_bits", "out_shift", "low", "high", "slope", "offset"),
        *("first", "last", "step_bits", "lines", "rectified", "base_shift", "width", "width_shift"),
    )
    _fields_: ClassVar = [
        *((name, ctypes.c_int64) for name in _integers),
        *((name, ctypes.c_void_p) for name in ("starts", "rises")),
    ]


def curve_integers(curve: Curve | None) -> dict[str, int]:
    """What the kernels know of an activation, tables aside; 0 for all that it has not."""
    ramp = curve.ramp if isinstance(curve, Steps) else curve
    found = {name: int(getattr(ramp, name, 0)) for name in (*CURVE, "rectified", "base_shift")}
    if isinstance(ramp, Ramp):
        found["offset"] = ramp.offset << ramp.offset_shift
    width = (curve.width, curve.width_shift) if isinstance(curve, Steps) else (0, 0)
    return {**found, "lines": int(bool(getattr(ramp, "rises", ()))), "width": width[0], "width_shift": width[1]}


def curve_struct(curve: Curve | None, policy: str, plain_shift: int) -> tuple[SwmCurve, tuple[Ints, Ints]]:
    """The struct of an activation, and the arrays that it points to.

    Args:
        curve: its integers, if it has any.
        policy: one of `POLICIES`.
        plain_shift: binary point of the sum minus that of the word.
    """
    starts, rises = (np.array(getattr(curve, name, ()) or (0,), np.int64) for name in ("starts", "rises"))
    made = SwmCurve(
        activation=POLICIES.index(policy),
        plain_shift=plain_shift,
        **curve_integers(curve),
        starts=starts.ctypes.data,
        rises=rises.ctypes.data,
    )
    return made, (starts, rises)
