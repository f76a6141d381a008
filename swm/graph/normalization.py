# SPDX-License-Identifier: Apache-2.0
"""Normalisation by statistics of the tensor itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swm.graph.nodes import Node

__all__ = [
    "GroupNormalization",
    "InstanceNormalization",
    "LayerNormalization",
    "LogSoftmax",
    "RMSNormalization",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class LogSoftmax(Node):
    """Logarithm of softmax along `axis`; `flattened` as in `Softmax`."""

    op: ClassVar[str] = "LogSoftmax"

    axis: int = -1
    flattened: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerNormalization(Node):
    """Inputs x, scale, maybe bias: over the axes from `axis` on, to mean 0 and variance 1, then scaled and shifted.

    `axis` counts from the end, so it is negative.
    """

    op: ClassVar[str] = "LayerNormalization"

    axis: int = -1
    epsilon: float = 1e-5


@dataclass(frozen=True, kw_only=True, eq=False)
class RMSNormalization(Node):
    """Inputs x and scale: over the axes from `axis` (negative) to the last, divided by the root of the mean square."""

    op: ClassVar[str] = "RMSNormalization"

    axis: int = -1
    epsilon: float = 1e-5


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupNormalization(Node):
    """Inputs x, scale, bias: each sample's channels (axis 1) in `groups` groups, each group to mean 0 and variance 1.

    Scale and bias have one value a channel, or with `per_group` (ONNX before opset 21) one a group.
    """

    op: ClassVar[str] = "GroupNormalization"

    groups: int
    epsilon: float = 1e-5
    per_group: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class InstanceNormalization(Node):
    """Inputs x, scale, bias: each channel of each sample to mean 0 and variance 1, then scaled and shifted."""

    op: ClassVar[str] = "InstanceNormalization"

    epsilon: float = 1e-5
