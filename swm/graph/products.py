# SPDX-License-Identifier: Apache-2.0
"""Products of tensors of which none is a weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swm.graph.nodes import Node

__all__ = [
    "MatMul",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class MatMul(Node):
    """The product of two tensors as numpy's matmul; batch axes broadcast, vectors are rows or columns.

    With `transpose_b` the last two axes of the second operand change places first.
    """

    op: ClassVar[str] = "MatMul"

    transpose_b: bool = False
