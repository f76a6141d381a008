# SPDX-License-Identifier: Apache-2.0
"""A product of two streams by its shapes, and how it is built.

For each head: Y[r, c] = sum over k of A[r, k] B[k, c]. A streams, row after row; B is kept on chip, a frame at a time.
Heads may lie inside the rows (row 0 of all heads, then row 1) or outside (all rows of head 0, then of head 1), for A
and B apart, so that splitting and merging heads moves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from swm.graph import Node
from swm.layers.values import Implementation, LayerSpec, ceil_div, clog2

__all__ = ["HeadProducts", "MatMulBuilt", "MatMulSpec"]


@dataclass(frozen=True, kw_only=True, eq=False)
class HeadProducts(Node):
    """A MatMul of two activations, with the orders in which they pass.

    Attributes:
        heads: products of matrices a sample.
        rows: of A, for each head.
        inner: columns of A and rows of B.
        columns: of B.
        heads_inside: whether heads lie inside the rows of A, and of the result.
        stored_inside: whether they lie inside the lines of B.
        along_inner: whether a line of B is one column of it (K of attention), else one row (V).
        shared: heads of A in a row that meet one of B.
    """

    op: ClassVar[str] = "MatMul"

    heads: int
    rows: int
    inner: int
    columns: int
    heads_inside: bool
    stored_inside: bool
    along_inner: bool
    shared: int = 1


@dataclass(frozen=True)
class MatMulSpec(LayerSpec):
    """Two streams by their shapes: inputs[0] is heads x rows tokens of `inner` words, inputs[1] the lines of B.

    Attributes: those of `HeadProducts`; `inner` and `columns` follow from the shapes.
    """

    kind: ClassVar[str] = "matmul"

    heads: int = 1
    heads_inside: bool = True
    stored_inside: bool = True
    along_inner: bool = True
    shared: int = 1

    def __post_init__(self) -> None:
        a, b = self.inputs
        line, lines = (self.n, self.m) if self.along_inner else (self.m, self.n)
        fits = self.heads >= 1 and a.positions % self.heads == 0 and self.output.positions == a.positions
        fits = fits and self.shared >= 1 and self.heads % self.shared == 0
        if not fits or (b.channels, b.positions) != (line, lines * self.stored_heads):
            raise ValueError(f"matrices of {a} and {b} give no {self.output} for {self.heads} heads")

    @property
    def tokens(self) -> int:
        """B is a whole frame."""
        return 1

    @property
    def stored_heads(self) -> int:
        """Heads of B."""
        return self.heads // self.shared

    @property
    def rows(self) -> int:
        """Rows of A, for each head."""
        return self.positions // self.heads

    @property
    def stored_width(self) -> int:
        """Bits of a value of B."""
        return self.inputs[1].bits

    @property
    def accumulator_bits(self) -> int:
        """Bits that hold the exact sum of all products of one output."""
        return self.data_bits + self.stored_width + clog2(self.n)

    @property
    def value_bits(self) -> int:
        """Bits of the pre-activation value."""
        return self.accumulator_bits + 1

    @property
    def dense_macs(self) -> int:
        """Multiply-accumulates a frame."""
        return self.positions * self.n * self.m


@dataclass(frozen=True)
class MatMulBuilt(Implementation):
    """A product of two streams as it is built.

    Attributes:
        rows: outputs multiplied side by side.
        columns: inner words side by side; a multiple of the input beat.
    """

    spec: MatMulSpec
    rows: int = 1
    columns: int = 1

    @property
    def row_groups(self) -> int:
        """Groups of outputs."""
        return ceil_div(self.spec.m, self.rows)

    @property
    def column_groups(self) -> int:
        """Groups of inner words."""
        return ceil_div(self.spec.n, self.columns)

    @property
    def depth(self) -> int:
        """Iterations that multiply, a row of A."""
        return self.row_groups * self.column_groups

    @property
    def loads(self) -> int:
        """Beats of a row of A."""
        return ceil_div(self.spec.n, self.in_vec)

    @property
    def stored_beats(self) -> int:
        """Beats of B, a frame."""
        shape = self.spec.inputs[1]
        return shape.positions * ceil_div(shape.channels, self.in_vec)

    @property
    def row_period(self) -> int:
        """Iterations a row of A: its products, the load of the next, the share of B that is loaded meanwhile."""
        return max(self.depth, self.loads, ceil_div(self.stored_beats, self.spec.positions))

    @property
    def period(self) -> int:
        """Iterations a frame."""
        return self.spec.positions * self.row_period

    @property
    def banks(self) -> int:
        """Memories of B side by side; a word is a beat."""
        return self.rows * self.columns // self.in_vec

    @property
    def valid(self) -> bool:
        """Whether the kernel takes these numbers."""
        return (
            self.columns % self.in_vec == 0
            and (self.spec.along_inner or self.rows % self.in_vec == 0)
            and (self.rows % self.out_vec == 0 or self.row_groups == 1)
            and ceil_div(self.rows, self.out_vec) <= self.column_groups
        )

    def members(self) -> dict[str, Any]:
        """What matmul.h asks, the end of the layer aside."""
        spec = self.spec
        return {
            "m": spec.m,
            "n": spec.n,
            "heads": spec.heads,
            "positions": spec.rows,
            "heads_inside": int(spec.heads_inside),
            "stored_inside": int(spec.stored_inside),
            "along_inner": int(spec.along_inner),
            "in_bits": spec.data_bits,
            "stored_bits": spec.stored_width,
            "in_vec": self.in_vec,
            "out_vec": self.out_vec,
            "rows": self.rows,
            "columns": self.columns,
        }
