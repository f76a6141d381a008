# SPDX-License-Identifier: Apache-2.0
"""A dense layer by its shapes, and how it is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swm.device.memories import Storage
from swm.layers.products import (
    bank_lanes,
)
from swm.layers.values import (
    Implementation,
    LayerSpec,
    ceil_div,
    clog2,
)

__all__ = ["DenseBuilt", "DenseSpec"]


@dataclass(frozen=True)
class DenseSpec(LayerSpec):
    """A dense layer by its shapes.

    Attributes:
        weight_bits: of a weight.
        beside: positions of a token.
        groups: tokens that follow each other with weights of their own (groups of a convolution); no beat holds values
            of two.
    """

    kind: ClassVar[str] = "dense"

    weight_bits: int = 0
    groups: int = 1
    beside: int = 1

    @property
    def n(self) -> int:
        """Channels of an input position."""
        return self.inputs[0].channels // self.beside

    @property
    def m(self) -> int:
        """Channels of an output position."""
        return self.output.channels // self.beside

    @property
    def accumulator_bits(self) -> int:
        """Bits that hold the exact sum of all products of one output."""
        return self.weight_bits + self.data_bits + clog2(self.n)

    @property
    def bias_bits(self) -> int:
        """Bits of a bias, at the binary point of the sums."""
        return self.accumulator_bits

    @property
    def value_bits(self) -> int:
        """Bits of the pre-activation value: sum plus bias."""
        return self.accumulator_bits + 1

    @property
    def stored_words(self) -> int:
        """Weight integers that are stored: m n, of each group (counted)."""
        return self.m * self.n * self.groups

    @property
    def stored_bits(self) -> int:
        """Bits of all stored weights (counted)."""
        return self.stored_words * self.weight_bits

    @property
    def dense_macs(self) -> int:
        """Multiply-accumulates a frame."""
        return self.m * self.n * self.beside * self.positions


@dataclass(frozen=True)
class DenseBuilt(Implementation):
    """A dense layer as it is built.

    Attributes:
        rows: PE, rows multiplied side by side.
        columns: SIMD, columns multiplied side by side; a multiple of the input beat.
        fabric_rows: how many of the rows multiply in LUTs.
        packed: 1 if two rows share each multiplier (two products a DSP).
        storage: where the weights lie.
    """

    spec: DenseSpec
    rows: int = 1
    columns: int = 1
    fabric_rows: int = 0
    packed: int = 0
    storage: Storage = "bram"

    @property
    def row_groups(self) -> int:
        """ceil(m / PE)."""
        return ceil_div(self.spec.m, self.rows)

    @property
    def column_groups(self) -> int:
        """ceil(n / SIMD)."""
        return ceil_div(self.spec.n, self.columns)

    @property
    def multiplies(self) -> int:
        """Iterations that multiply, a token."""
        return self.row_groups * self.column_groups

    @property
    def rom_depth(self) -> int:
        """Words of the weight ROM: those iterations, of each group."""
        return self.multiplies * self.spec.groups

    @property
    def rom_lanes(self) -> int:
        """Weights of a word of each bank."""
        return bank_lanes(self.rows * self.columns, self.spec.weight_bits, self.storage)

    @property
    def rom_banks(self) -> int:
        """Banks of weights."""
        return self.rows * self.columns // self.rom_lanes

    @property
    def loads(self) -> int:
        """Input beats a token."""
        return ceil_div(self.spec.n, self.in_vec)

    @property
    def valid(self) -> bool:
        """Whether the kernel takes these numbers."""
        return (
            self.columns % self.in_vec == 0
            and (self.rows % self.out_vec == 0 or self.row_groups == 1)
            and ceil_div(self.rows, self.out_vec) <= self.column_groups
            and (not self.packed or self.rows % 2 == 0)
            and (self.spec.groups == 1 or not (self.spec.m % self.out_vec or self.spec.n % self.in_vec))
        )

    @property
    def period(self) -> int:
        """Iterations a token."""
        return max(self.multiplies, self.loads)

    @property
    def out_beats(self) -> int:
        """Output beats a token."""
        return ceil_div(self.spec.m, self.out_vec)
