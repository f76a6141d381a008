# SPDX-License-Identifier: Apache-2.0
"""Shapes and widths of one fixed-point layer: all that scheduling and resource models need to know of it.

The rules are those of `docs/arithmetic.md`; the C++ traits in `hls/` derive the same widths and assert them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "ACCUMULATOR_GUARD",
    "DSP_WIDE_PORT",
    "TWIDDLE_FRAC",
    "Activation",
    "Kind",
    "LayerSpec",
    "clog2",
    "forward_shifts",
]

TWIDDLE_FRAC = 16  # fractional bits of the cosine and sine tables (18-bit signed entries)
ACCUMULATOR_GUARD = 4  # a rounded spectral sum keeps 4 bits more than the data
DSP_WIDE_PORT = 25  # the wide multiplier port of a DSP48E1, the narrowest among the supported devices

Kind = Literal["circulant", "dense", "scale"]
Activation = Literal["identity", "relu", "sigmoid", "tanh"]


def clog2(n: int) -> int:
    """Ceiling of log2(n), n >= 1."""
    return (n - 1).bit_length()


def forward_shifts(data_bits: int, block: int) -> int:
    """Right shifts inside the forward transform: none while the grown spectrum fits a DSP port, else half of log2 k."""
    stages = clog2(block)
    return 0 if data_bits + stages <= DSP_WIDE_PORT else stages // 2


@dataclass(frozen=True)
class LayerSpec:
    """One hardware layer: `m` outputs, `n` inputs, block size `block` (1 for dense and scale layers).

    `name` is a C identifier, unique in its graph. Bits are total widths of two's complement words.
    """

    name: str
    kind: Kind
    m: int
    n: int
    block: int
    data_bits: int
    weight_bits: int
    out_bits: int
    activation: Activation
    bias_bits: int
    fft_shifts: int = 0

    @property
    def p(self) -> int:
        """Block rows, the last one padded."""
        return -(-self.m // self.block)

    @property
    def q(self) -> int:
        """Block columns, the last one padded."""
        return -(-self.n // self.block)

    @property
    def stages(self) -> int:
        """Radix-2 stages of one transform, log2 of the block size."""
        return clog2(self.block)

    @property
    def spectrum_bits(self) -> int:
        """WX: bits of one part of a spectral word of the input."""
        return self.data_bits + self.stages - self.fft_shifts

    @property
    def accumulator_bits(self) -> int:
        """Bits that hold the exact sum of all products of one output."""
        if self.kind == "circulant":
            return self.weight_bits + self.spectrum_bits + 1 + clog2(self.q)
        return self.weight_bits + self.data_bits + (clog2(self.n) if self.kind == "dense" else 0)

    @property
    def rounded_bits(self) -> int:
        """WA: bits of a spectral sum after its one rounding (circulant layers)."""
        return self.data_bits + ACCUMULATOR_GUARD

    @property
    def inverse_bits(self) -> int:
        """WY: bits of every intermediate value of the inverse transform (circulant layers)."""
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
    def finish_bits(self) -> int:
        """Bits of the pre-activation value `v` = sum plus bias."""
        value = self.inverse_bits if self.kind == "circulant" else self.accumulator_bits
        return max(value, self.bias_bits) + 1

    @property
    def weight_words(self) -> int:
        """Stored weight integers: p*q*k for circulant, m*n for dense, one gain a channel for scale."""
        return (
            self.p * self.q * self.block
            if self.kind == "circulant"
            else self.m * (self.n if self.kind == "dense" else 1)
        )
