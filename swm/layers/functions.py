# SPDX-License-Identifier: Apache-2.0
"""Activations in float: which there are, their parameters, and the part of each that a table holds.

A function that goes through a table is `f(x) = g(x)` or `f(x) = max(x, 0) + g(x)`, whichever leaves a `g` that is
constant but for a short stretch around zero. Written so, GELU and SiLU need no more table than a sigmoid. Every `g`
here is computed without cancellation, so it is right to the last bits of a double where it is small, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

__all__ = ["TABLES", "Activation", "Parameters", "Tabled", "check_parameters", "evaluate"]

Activation = Literal[
    "identity",
    "relu",
    "clip",
    "leaky_relu",
    "hard_sigmoid",
    "sigmoid",
    "tanh",
    "gelu",
    "gelu_tanh",
    "swish",
    "softplus",
    "elu",
    "mish",
    "hard_swish",
    "exponential",
    "steps",
]
"""The first three are comparisons, the next two take a multiplication by a constant, the last takes two, the others go
through a table."""
Parameters: TypeAlias = tuple[float, ...]
Floats: TypeAlias = NDArray[np.float64]

# the least and the largest of each parameter; None for one that may be any number but NaN
_LIMITS: Mapping[str, tuple[tuple[float, float] | None, ...]] = {
    "clip": (None, None),
    "leaky_relu": ((-64.0, 64.0),),
    "hard_sigmoid": ((2.0**-10, 4.0), (-16.0, 16.0)),
    "swish": ((0.25, 8.0),),
    "elu": ((2.0**-6, 2.0),),
    "exponential": ((2.0**-6, 64.0),),
    "steps": ((2.0**-24, 2.0**24), (-(2.0**15), 2.0**16), (-(2.0**15), 2.0**16)),  # width, least and largest code
}


def check_parameters(activation: str, parameters: Parameters) -> str:
    """What is wrong with the parameters of an activation, in words; empty where they can be built."""
    limits = _LIMITS.get(activation, ())
    if activation not in get_args(Activation) or len(parameters) != len(limits):
        return f"there is no {activation} of {len(parameters)} parameters"
    for value, limit in zip(parameters, limits, strict=True):
        low, high = limit or (-np.inf, np.inf)
        if not low <= value <= high:
            return f"its parameter {value:g} is not one of {low:g} to {high:g}"
    if activation == "steps" and not (parameters[1] <= parameters[2] and all(v == int(v) for v in parameters[1:])):
        return f"its codes from {parameters[1]:g} to {parameters[2]:g} are no range of integers"
    if activation == "clip" and not parameters[0] <= parameters[1]:
        return f"its lower bound {parameters[0]:g} lies above its upper one {parameters[1]:g}"
    return ""


@dataclass(frozen=True)
class Tabled:
    """A function that goes through a table.

    Attributes:
        g: the part that the table holds, (x, parameters) → g(x) in float64.
        rectified: whether max(x, 0) is added to it.
        reach: beyond -reach and reach g is as good as constant (to 2^-24), for parameters of 1.
        scaled: whether the first parameter multiplies x, so that the reach shrinks as it grows.
    """

    g: Callable[[Floats, Parameters], Floats]
    rectified: bool = False
    reach: float = 24.0
    scaled: bool = False

    def extent(self, parameters: Parameters) -> float:
        """The reach for some parameters."""
        return self.reach / parameters[0] if self.scaled else self.reach


def _logistic(x: Floats) -> Floats:
    """1 / (1 + exp(-x)) without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def _gelu(x: Floats, parameters: Parameters) -> Floats:
    from scipy.special import erfc  # here, as it takes 0.15 s that networks without GELU should not pay

    size = np.abs(x)
    return np.asarray(-0.5 * size * erfc(size * sqrt(0.5)), np.float64)


def _gelu_tanh(x: Floats, parameters: Parameters) -> Floats:
    size = np.abs(x)
    return -size * _logistic(-2.0 * sqrt(2.0 / np.pi) * (size + 0.044715 * size**3))


def _mish(x: Floats, parameters: Parameters) -> Floats:
    grown = np.exp(np.minimum(x, 40.0))
    n = grown * (grown + 2.0)  # tanh(log(1 + e^x)) = n / (n + 2)
    return np.where(x > 0, -2.0 * x, x * n) / (n + 2.0)


TABLES: Mapping[str, Tabled] = {
    "sigmoid": Tabled(lambda x, _: _logistic(x)),
    "tanh": Tabled(lambda x, _: np.tanh(x), reach=12.0),
    "gelu": Tabled(_gelu, rectified=True, reach=8.0),
    "gelu_tanh": Tabled(_gelu_tanh, rectified=True, reach=8.0),
    "swish": Tabled(lambda x, p: -np.abs(x) * _logistic(-p[0] * np.abs(x)), rectified=True, reach=32.0, scaled=True),
    "softplus": Tabled(lambda x, _: np.log1p(np.exp(-np.abs(x))), rectified=True),
    "elu": Tabled(lambda x, p: p[0] * np.expm1(np.minimum(x, 0.0)), rectified=True),
    "mish": Tabled(_mish, rectified=True, reach=32.0),
    "exponential": Tabled(lambda x, p: np.exp(np.minimum(p[0] * x, 0.0)), reach=17.0, scaled=True),  # of Softmax
    "hard_swish": Tabled(lambda x, _: -np.abs(x) * np.maximum(0.0, 0.5 - np.abs(x) / 6.0), rectified=True, reach=4.0),
}


def evaluate(activation: str, parameters: Parameters, x: NDArray[np.floating]) -> Floats:
    """The function itself in float64: what the integers come close to."""
    values = np.asarray(x, np.float64)
    if activation in TABLES:
        table = TABLES[activation]
        return table.g(values, parameters) + (np.maximum(values, 0.0) if table.rectified else 0.0)
    if activation == "relu":
        return np.maximum(values, 0.0)
    if activation == "clip":
        return np.clip(values, parameters[0], parameters[1])
    if activation == "leaky_relu":
        return np.where(values < 0, parameters[0] * values, values)
    if activation == "hard_sigmoid":
        return np.clip(parameters[0] * values + parameters[1], 0.0, 1.0)
    if activation == "steps":
        return np.clip(np.floor(values / parameters[0] + 0.5), parameters[1], parameters[2]) * parameters[0]
    return values
