# SPDX-License-Identifier: Apache-2.0
"""Which graph nodes are activations, and with which parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from swm.graph import (
    Clip,
    Elu,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Mish,
    Node,
    Quant,
    Relu,
    Sigmoid,
    Softplus,
    Swish,
    Tanh,
)
from swm.layers.base import Obstacle
from swm.layers.functions import Activation, Parameters, check_parameters

__all__ = ["ACTIVATIONS", "Chosen", "Levels", "activation_of", "joined"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Levels(Node):
    """A quantizer whose numbers are known: `clip(round(x / step), low, high) * step`."""

    op: ClassVar[str] = "Quant"

    step: float
    low: int
    high: int


ACTIVATIONS: tuple[type[Node], ...] = (
    *(Relu, Clip, LeakyRelu, HardSigmoid, Sigmoid, Tanh),
    *(Gelu, Swish, Softplus, Elu, Mish, HardSwish),
    *(Quant, Levels),
)
_UNBOUNDED = float(np.finfo(np.float32).max)  # what stands for a bound that a Clip has not


class Chosen(NamedTuple):
    """An activation and its parameters."""

    activation: Activation
    parameters: Parameters = ()


def activation_of(node: Node) -> Chosen | Obstacle | None:
    """The activation that a node is; None where it is none, an obstacle where its parameters cannot be built."""
    if isinstance(node, Quant):  # `normal_forms` has made Levels of those that can be built
        return Obstacle(
            "its scale, zero point and bits are not one constant each, or it does not round to the nearest",
            "quantize by tensor, or run this part of the model on the host",
        )
    chosen = _chosen(node)
    problem = "" if chosen is None else check_parameters(*chosen)
    if problem:
        return Obstacle(problem, "change the parameter in the model, or run this part of the model on the host")
    return chosen


def joined(activation: Activation, behind: Chosen) -> Chosen | None:
    """One activation that does two, the second `behind` the first; None where there is none."""
    if activation == "identity":
        return behind
    if activation == "relu" and behind.activation == "steps" and behind.parameters[2] >= 0:
        step, low, high = behind.parameters
        return Chosen("steps", (step, max(low, 0.0), high))
    return None


def _chosen(node: Node) -> Chosen | None:
    if isinstance(node, Clip):
        low, high = (-_UNBOUNDED if node.low is None else node.low), (_UNBOUNDED if node.high is None else node.high)
        return Chosen("relu") if (low, high) == (0.0, _UNBOUNDED) else Chosen("clip", (float(low), float(high)))
    if isinstance(node, LeakyRelu):
        return Chosen("leaky_relu", (float(node.alpha),)) if node.alpha else Chosen("relu")
    if isinstance(node, HardSigmoid):
        return Chosen("hard_sigmoid", (float(node.alpha), float(node.beta)))
    if isinstance(node, Swish):
        return Chosen("swish", (float(node.alpha),))
    if isinstance(node, Elu):
        return Chosen("elu", (float(node.alpha),))
    if isinstance(node, Levels):
        return Chosen("steps", (node.step, float(node.low), float(node.high)))
    if isinstance(node, Gelu):
        return Chosen("gelu_tanh" if node.tanh else "gelu")
    plain: dict[type[Node], Activation] = {
        Relu: "relu",
        Sigmoid: "sigmoid",
        Tanh: "tanh",
        Softplus: "softplus",
        Mish: "mish",
        HardSwish: "hard_swish",
    }
    return Chosen(plain[type(node)]) if type(node) in plain else None
