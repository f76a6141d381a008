# SPDX-License-Identifier: Apache-2.0
"""Reductions over axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swm.graph.nodes import Node

__all__ = [
    "ArgMax",
    "ReduceMax",
    "ReduceMean",
    "ReduceSum",
    "Reduction",
]


class Reduction(Node):
    """Base of reductions that keep the element type."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ReduceMean(Reduction):
    """Mean over `axes`, all if None. Axes are sorted and count from the front where the rank is known."""

    op: ClassVar[str] = "ReduceMean"

    axes: tuple[int, ...] | None = None
    keepdims: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class ReduceSum(Reduction):
    """Sum over `axes`, all if None. Axes are sorted and count from the front where the rank is known."""

    op: ClassVar[str] = "ReduceSum"

    axes: tuple[int, ...] | None = None
    keepdims: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class ReduceMax(Reduction):
    """Maximum over `axes`, all if None. Axes are sorted and count from the front where the rank is known."""

    op: ClassVar[str] = "ReduceMax"

    axes: tuple[int, ...] | None = None
    keepdims: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class ArgMax(Node):
    """Index (int64) of the greatest element along `axis`; of equal ones the first, or the last if `last`."""

    op: ClassVar[str] = "ArgMax"

    axis: int = 0
    keepdims: bool = True
    last: bool = False
