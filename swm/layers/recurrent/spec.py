# SPDX-License-Identifier: Apache-2.0
"""A recurrent layer by its shapes; hls/swm/recurrent.h counts with the same formulas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from swm.layers.functions import Activation, Parameters
from swm.layers.values import LayerSpec, ceil_div, clog2

__all__ = ["JOIN_GUARD", "LARGEST_BLOCK", "STATE_GUARD", "CellKind", "RecurrentSpec"]

CellKind: TypeAlias = Literal["rnn", "lstm", "gru", "gru_after"]
"""A GRU resets its state before the product with it, or (`gru_after`, linear_before_reset) what the product gave."""
LARGEST_BLOCK = 64  # of the constants of transforms in straight-line code (hls/swm/rotate.h)
JOIN_GUARD = 6  # most bits that a sum over x moves left to meet the one over h
STATE_GUARD = 4  # bits that a cell's state has more than the data: it is rounded in every step


@dataclass(frozen=True)
class RecurrentSpec(LayerSpec):
    """An LSTM, GRU or RNN in one direction over `steps` positions.

    Attributes:
        cell: which.
        hidden: cells; `m` is the same, or the outputs of a projection.
        block: k, 1 for a dense layer.
        weight_bits: of a weight.
        fft_shifts: halving stages of the forward transform.
        activations: of the places f, g, h (as many as the cell has).
        activation_parameters: of each.
        peephole: whether gates of an LSTM see its cell.
        initial: whether cells start from other values than 0.
        first_bias: whether biases of step 0 differ: what an initial h adds.
        start: whether states come on streams of their own, h and (LSTM) c, in a token in front of each sequence.
        clip: whether the gates' sums are clipped.
        last: whether only the last step's output leaves.
        cells: whether a token of cells, as the last step leaves them, follows the outputs of an LSTM.
        sequences: that take turns in the loop.
    """

    kind: ClassVar[str] = "recurrent"

    cell: CellKind = "lstm"
    hidden: int = 1
    block: int = 1
    weight_bits: int = 0
    fft_shifts: int = 0
    activations: tuple[Activation, ...] = ("sigmoid", "tanh", "tanh")
    activation_parameters: tuple[Parameters, ...] = ((), (), ())
    peephole: bool = False
    initial: bool = False
    first_bias: bool = False
    start: bool = False
    clip: bool = False
    last: bool = False
    cells: bool = False
    sequences: int = 1

    @property
    def tokens(self) -> int:
        """A period is a frame; the loops of its processes count steps."""
        return 1

    @property
    def steps(self) -> int:
        """Of a sequence."""
        return self.positions // self.sequences

    @property
    def turns(self) -> int:
        """Tokens that the loop of the steps takes a frame: all steps, and the states in front of each sequence."""
        return self.positions + self.sequences * self.start

    @property
    def given(self) -> int:
        """Tokens that a sequence gives: outputs of its steps or of the last one, and its cells where they leave."""
        return (1 if self.last else self.steps) + self.cells

    @property
    def projected(self) -> bool:
        """Whether a matrix stands between cells and outputs."""
        return self.m != self.hidden

    @property
    def phases(self) -> int:
        """Products of a step that wait for each other."""
        return 2 if self.projected or self.cell == "gru" else 1

    @property
    def second_reads_input(self) -> bool:
        """Whether phase B reads x beside what phase A gave."""
        return self.cell == "gru"

    @property
    def gates(self) -> int:
        """Rows of a unit in phase A."""
        return {"rnn": 1, "lstm": 4, "gru": 2, "gru_after": 3}[self.cell]

    @property
    def sums(self) -> int:
        """Sums of a unit in phase A: one more than gates where the candidate's are kept apart."""
        return self.gates + (self.cell == "gru_after")

    @property
    def biases(self) -> int:
        """Biases of a cell."""
        return 3 if self.cell == "gru" else self.sums

    @property
    def units(self) -> int:
        """Blocks of cells."""
        return ceil_div(self.hidden, self.block)

    @property
    def out_units(self) -> int:
        """Blocks of outputs."""
        return ceil_div(self.m, self.block)

    @property
    def in_blocks(self) -> int:
        """Blocks of inputs, the last one padded."""
        return ceil_div(self.n, self.block)

    @property
    def second_blocks(self) -> int:
        """Block columns of phase B."""
        if self.phases == 1:
            return 0
        return (self.in_blocks if self.second_reads_input else 0) + self.units

    @property
    def most_blocks(self) -> int:
        """Block columns of the phase that has more of them."""
        return max(self.in_blocks + self.out_units, self.second_blocks)

    @property
    def word_bits(self) -> int:
        """Bits of a stored value, or of a part of a stored spectrum."""
        return self.data_bits + (clog2(self.block) - self.fft_shifts if self.block > 1 else 0)

    @property
    def accumulator_bits(self) -> int:
        """Bits that hold the exact sum of all products of one word."""
        return self.weight_bits + self.word_bits + (self.block > 1) + clog2(self.most_blocks) + JOIN_GUARD

    @property
    def rounded_bits(self) -> int:
        """Bits of a spectral sum after its one rounding."""
        return self.data_bits + 4

    @property
    def sum_bits(self) -> int:
        """Bits of a sum that left the products."""
        return self.rounded_bits + 1 + self.fft_shifts if self.block > 1 else self.accumulator_bits

    @property
    def bias_bits(self) -> int:
        """Bits of a bias, at the binary point of the sums."""
        return self.sum_bits

    @property
    def value_bits(self) -> int:
        """Bits of a sum with its bias."""
        return self.sum_bits + 1

    @property
    def state_bits(self) -> int:
        """Bits of a cell's state."""
        return self.data_bits + STATE_GUARD

    @property
    def weight_count(self) -> tuple[int, int]:
        """Stored integers of both phases."""
        first = self.gates * self.units * (self.in_blocks + self.out_units) * self.block
        return first, self.out_units * self.second_blocks * self.block

    @property
    def stored_words(self) -> int:
        """Weight integers that are stored (counted)."""
        return sum(self.weight_count)

    @property
    def stored_bits(self) -> int:
        """Bits of all stored weights (counted)."""
        return self.stored_words * self.weight_bits

    @property
    def dense_macs(self) -> int:
        """Multiply-accumulates a frame of the same layer left dense."""
        second = self.m * (self.hidden + (self.n if self.second_reads_input else 0)) if self.phases == 2 else 0
        return (self.gates * self.hidden * (self.n + self.m) + second) * self.positions
