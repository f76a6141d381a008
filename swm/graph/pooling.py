# SPDX-License-Identifier: Apache-2.0
"""Pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swm.graph.nodes import Node

__all__ = [
    "AveragePool",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "MaxPool",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class MaxPool(Node):
    """The greatest value under a window.

    Spatial axes follow batch and channels. `pads` holds all begins, then all ends. `ceil` rounds the output size up.
    `auto_pad` is "" or, where the input size is not known, "SAME_UPPER" or "SAME_LOWER" instead of `pads`.
    """

    op: ClassVar[str] = "MaxPool"

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilations: tuple[int, ...]
    ceil: bool = False
    auto_pad: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class AveragePool(Node):
    """The mean under a window, of the padded zeros too if `include_pad`.

    Spatial axes follow batch and channels. `pads` holds all begins, then all ends. `ceil` rounds the output size up.
    `auto_pad` is "" or, where the input size is not known, "SAME_UPPER" or "SAME_LOWER" instead of `pads`.
    """

    op: ClassVar[str] = "AveragePool"

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilations: tuple[int, ...]
    ceil: bool = False
    auto_pad: str = ""
    include_pad: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class GlobalAveragePool(Node):
    """The mean over all spatial axes, which stay with length 1."""

    op: ClassVar[str] = "GlobalAveragePool"


@dataclass(frozen=True, kw_only=True, eq=False)
class GlobalMaxPool(Node):
    """The maximum over all spatial axes, which stay with length 1."""

    op: ClassVar[str] = "GlobalMaxPool"
