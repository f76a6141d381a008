# SPDX-License-Identifier: Apache-2.0
"""Shapes and widths of a block-circulant layer (docs/arithmetic.md); the C++ traits derive the same and assert it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swm.layers.values import LayerSpec, ceil_div, clog2

__all__ = ["ACCUMULATOR_GUARD", "DSP_WIDE_PORT", "LARGEST_BLOCK", "LARGEST_UNROLLED", "CirculantSpec", "forward_shifts"]

ACCUMULATOR_GUARD = 4  # a rounded spectral sum keeps 4 bits more than the data
DSP_WIDE_PORT = 25  # the wide multiplier port of a DSP48E1, the narrowest among the supported devices
LARGEST_BLOCK = 256  # of the tables of twiddles in hls/swm
LARGEST_UNROLLED = 16  # blocks up to this size are transformed by straight-line code, larger ones pass by pass


def forward_shifts(data_bits: int, block: int) -> int:
    """Right shifts inside the forward transform: none while the grown spectrum fits a DSP port, else half of log2 k."""
    stages = clog2(block)
    return 0 if data_bits + stages <= DSP_WIDE_PORT else stages // 2


@dataclass(frozen=True)
class CirculantSpec(LayerSpec):
    """`y = activation(C x + b)`, C made of p x q circulant blocks of `block`, at every position.

    Attributes:
        block: k.
        weight_bits: of a part of a spectral weight.
        fft_shifts: right shifts inside the forward transform.
        groups: tokens that follow each other with weights of their own (groups of a convolution); no beat and no group
            of rows holds blocks of two.
    """

    kind: ClassVar[str] = "circulant"

    block: int = 2
    weight_bits: int = 0
    fft_shifts: int = 0
    groups: int = 1

    @property
    def p(self) -> int:
        """Block rows, the last one padded."""
        return ceil_div(self.m, self.block)

    @property
    def q(self) -> int:
        """Block columns, the last one padded."""
        return ceil_div(self.n, self.block)

    @property
    def stages(self) -> int:
        """Radix-2 stages of one transform, log2 of the block size."""
        return clog2(self.block)

    @property
    def words(self) -> int:
        """Complex words of one packed half spectrum."""
        return self.block // 2

    @property
    def unrolled(self) -> bool:
        """Whether a block is transformed at once, by straight-line code; else pass by pass."""
        return self.block <= LARGEST_UNROLLED

    @property
    def spectrum_bits(self) -> int:
        """WX: bits of one part of a spectral word of the input."""
        return self.data_bits + self.stages - self.fft_shifts

    @property
    def accumulator_bits(self) -> int:
        """Bits that hold the exact sum of all products of one word."""
        return self.weight_bits + self.spectrum_bits + 1 + clog2(self.q)

    @property
    def rounded_bits(self) -> int:
        """WA: bits of a spectral sum after its one rounding."""
        return self.data_bits + ACCUMULATOR_GUARD

    @property
    def inverse_bits(self) -> int:
        """WY: bits of every intermediate value of the inverse transform."""
        return self.rounded_bits + 1 + self.fft_shifts

    @property
    def inverse_pass_bits(self) -> int:
        """Bits of a part of a word between passes of the inverse; its last two stages, which may grow, store none."""
        return self.rounded_bits + 1 + max(0, self.fft_shifts - 2)

    @property
    def inverse_turn_bits(self) -> int:
        """Bits that a multiplier of an inverse rotation takes (one bit above the words of the pass before)."""
        return self.rounded_bits + 2 + max(0, self.fft_shifts - 3)

    @property
    def bias_bits(self) -> int:
        """Bits of a bias, at the binary point of the sums."""
        return self.inverse_bits

    @property
    def value_bits(self) -> int:
        """Bits of the pre-activation value: sum plus bias."""
        return self.inverse_bits + 1

    @property
    def stored_words(self) -> int:
        """Weight integers that are stored: p q k, of each group (counted)."""
        return self.p * self.q * self.block * self.groups

    @property
    def stored_bits(self) -> int:
        """Bits of all stored weights (counted)."""
        return self.stored_words * self.weight_bits

    @property
    def dense_macs(self) -> int:
        """Multiply-accumulates a frame of the same layer left dense."""
        return self.m * self.n * self.positions
