# SPDX-License-Identifier: Apache-2.0
"""Nodes that act on each element alone: activations, functions, arithmetic with broadcasting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swm.graph.nodes import Node

__all__ = [
    "Abs",
    "Add",
    "Clip",
    "Div",
    "Elementwise",
    "Elu",
    "Erf",
    "Exp",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "Max",
    "Min",
    "Mish",
    "Mul",
    "Neg",
    "PRelu",
    "Pow",
    "Reciprocal",
    "Selu",
    "Softplus",
    "Sqrt",
    "Sub",
    "Swish",
]


class Elementwise(Node):
    """Base of what acts on each element alone, after broadcasting as numpy does. Any element type that ONNX allows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Abs(Elementwise):
    """`|x|`."""

    op: ClassVar[str] = "Abs"


@dataclass(frozen=True, kw_only=True, eq=False)
class Neg(Elementwise):
    """`-x`."""

    op: ClassVar[str] = "Neg"


@dataclass(frozen=True, kw_only=True, eq=False)
class Reciprocal(Elementwise):
    """`1 / x`."""

    op: ClassVar[str] = "Reciprocal"


@dataclass(frozen=True, kw_only=True, eq=False)
class Exp(Elementwise):
    """`e ** x`."""

    op: ClassVar[str] = "Exp"


@dataclass(frozen=True, kw_only=True, eq=False)
class Sqrt(Elementwise):
    """Square root; NaN below zero."""

    op: ClassVar[str] = "Sqrt"


@dataclass(frozen=True, kw_only=True, eq=False)
class Erf(Elementwise):
    """The Gauss error function."""

    op: ClassVar[str] = "Erf"


@dataclass(frozen=True, kw_only=True, eq=False)
class Softplus(Elementwise):
    """`log(1 + exp(x))`."""

    op: ClassVar[str] = "Softplus"


@dataclass(frozen=True, kw_only=True, eq=False)
class Mish(Elementwise):
    """`x * tanh(softplus(x))`."""

    op: ClassVar[str] = "Mish"


@dataclass(frozen=True, kw_only=True, eq=False)
class HardSwish(Elementwise):
    """`x * max(0, min(1, x / 6 + 0.5))`."""

    op: ClassVar[str] = "HardSwish"


@dataclass(frozen=True, kw_only=True, eq=False)
class LeakyRelu(Elementwise):
    """`x` above zero, `alpha * x` below."""

    op: ClassVar[str] = "LeakyRelu"

    alpha: float = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class Elu(Elementwise):
    """`x` above zero, `alpha * (exp(x) - 1)` below."""

    op: ClassVar[str] = "Elu"

    alpha: float = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Selu(Elementwise):
    """`gamma * x` above zero, `gamma * alpha * (exp(x) - 1)` below."""

    op: ClassVar[str] = "Selu"

    alpha: float = 1.67326319217681884765625
    gamma: float = 1.05070102214813232421875


@dataclass(frozen=True, kw_only=True, eq=False)
class HardSigmoid(Elementwise):
    """`max(0, min(1, alpha * x + beta))`."""

    op: ClassVar[str] = "HardSigmoid"

    alpha: float = 0.2
    beta: float = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Swish(Elementwise):
    """`x * sigmoid(alpha * x)`."""

    op: ClassVar[str] = "Swish"

    alpha: float = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Gelu(Elementwise):
    """`x * Phi(x)` with the normal distribution's Phi, or its approximation by tanh."""

    op: ClassVar[str] = "Gelu"

    tanh: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Clip(Elementwise):
    """`min(max(x, low), high)` on float32; None means no bound."""

    op: ClassVar[str] = "Clip"

    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class PRelu(Elementwise):
    """Inputs x and slope: `x` above zero, `slope * x` below; the slope broadcasts to x."""

    op: ClassVar[str] = "PRelu"


@dataclass(frozen=True, kw_only=True, eq=False)
class Add(Elementwise):
    """`a + b`."""

    op: ClassVar[str] = "Add"


@dataclass(frozen=True, kw_only=True, eq=False)
class Sub(Elementwise):
    """`a - b`."""

    op: ClassVar[str] = "Sub"


@dataclass(frozen=True, kw_only=True, eq=False)
class Mul(Elementwise):
    """`a * b`."""

    op: ClassVar[str] = "Mul"


@dataclass(frozen=True, kw_only=True, eq=False)
class Div(Elementwise):
    """`a / b`; integers are cut toward zero."""

    op: ClassVar[str] = "Div"


@dataclass(frozen=True, kw_only=True, eq=False)
class Pow(Elementwise):
    """`a ** b`, in the type of a."""

    op: ClassVar[str] = "Pow"


@dataclass(frozen=True, kw_only=True, eq=False)
class Min(Elementwise):
    """The least of one or more inputs."""

    op: ClassVar[str] = "Min"


@dataclass(frozen=True, kw_only=True, eq=False)
class Max(Elementwise):
    """The greatest of one or more inputs."""

    op: ClassVar[str] = "Max"
