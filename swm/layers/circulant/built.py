# SPDX-License-Identifier: Apache-2.0
"""Parallelism of a block-circulant layer and the loops that follow; the C++ traits count with the same formulas."""

from __future__ import annotations

from dataclasses import dataclass

from swm.device.memories import Storage
from swm.layers.circulant.passes import pass_cycles, pass_streams
from swm.layers.circulant.spec import CirculantSpec
from swm.layers.products import bank_lanes, product_program
from swm.layers.program import BeatStream, Port, Program, Run
from swm.layers.values import Implementation, ceil_div

__all__ = ["CirculantBuilt"]


@dataclass(frozen=True)
class CirculantBuilt(Implementation):
    """A block-circulant layer as it is built.

    Attributes:
        mac_rows: PO, block rows accumulated side by side.
        mac_columns: QP, block columns multiplied side by side.
        mac_bins: PF, spectral words of a block multiplied side by side; a power of two that divides k/2.
        products: multipliers of a complex product, 3 or 4 (4 for 18-bit weights and for packed pairs).
        fabric_rows: how many of the rows multiply in LUTs.
        packed: 1 if two rows share each multiplier (two products a DSP).
        storage: where the weights lie.
        taps: of a convolution, whose spectra a beat into the products holds side by side.
    """

    spec: CirculantSpec
    mac_rows: int = 1
    mac_columns: int = 1
    mac_bins: int = 1
    products: int = 3
    fabric_rows: int = 0
    packed: int = 0
    storage: Storage = "bram"
    taps: int = 1

    @property
    def fft_lanes(self) -> int:
        """LF: blocks transformed side by side (unrolled: a beat; passes: four values a lane and cycle)."""
        return max(1, self.in_vec // (self.spec.block if self.spec.unrolled else 4))

    @property
    def mac_lanes(self) -> int:
        """Blocks of a beat into the products: those of all its taps."""
        return self.fft_lanes * self.taps

    @property
    def out_lanes(self) -> int:
        """DR: block rows that leave the products together, and are transformed back side by side."""
        return max(1, self.out_vec // (self.spec.block if self.spec.unrolled else 4))

    @property
    def in_parts(self) -> int:
        """Input beats of one block (1 when a beat holds whole blocks)."""
        return max(1, self.spec.block // self.in_vec)

    @property
    def out_parts(self) -> int:
        """Output beats of one block."""
        return max(1, self.spec.block // self.out_vec)

    @property
    def fft_groups(self) -> int:
        """Groups of block columns that are transformed together."""
        return ceil_div(self.spec.q, self.fft_lanes)

    @property
    def row_groups(self) -> int:
        """GP = ceil(p / PO)."""
        return ceil_div(self.spec.p, self.mac_rows)

    @property
    def column_groups(self) -> int:
        """CQ = ceil(q / QP)."""
        return ceil_div(self.spec.q, self.mac_columns)

    @property
    def word_groups(self) -> int:
        """FG = k/2 / PF."""
        return self.spec.words // self.mac_bins

    @property
    def beat_words(self) -> int:
        """Spectral words of one block in a beat into the products."""
        return self.spec.words if self.spec.unrolled else 2

    @property
    def drain_words(self) -> int:
        """Spectral words of one block in a beat out of the products."""
        return self.spec.words if self.spec.unrolled else self.mac_bins

    @property
    def multiplies(self) -> int:
        """Iterations that multiply, a token."""
        return self.row_groups * self.word_groups * self.column_groups

    @property
    def rom_depth(self) -> int:
        """Words of the weight ROM: those iterations, of each group."""
        return self.multiplies * self.spec.groups

    @property
    def rom_lanes(self) -> int:
        """Weight integers of a word of each bank."""
        return bank_lanes(self.lanes * 2, self.spec.weight_bits, self.storage)

    @property
    def rom_banks(self) -> int:
        """Banks of weights."""
        return self.lanes * 2 // self.rom_lanes

    @property
    def loads(self) -> int:
        """L: beats of spectra a token."""
        return ceil_div(self.spec.q, self.mac_lanes) * (self.spec.words // self.beat_words)

    @property
    def mac_period(self) -> int:
        """N: iterations a token of the products."""
        return max(self.multiplies, self.loads)

    @property
    def drain_group(self) -> int:
        """Iterations between two drains."""
        return self.column_groups * (self.word_groups if self.spec.unrolled else 1)

    @property
    def drain_step(self) -> int:
        """Iterations between two beats of a drain."""
        return max(1, self.drain_group // ceil_div(self.mac_rows, self.out_lanes))

    @property
    def last_rows(self) -> int:
        """Block rows of the last group that are not padding."""
        return self.spec.p - (self.row_groups - 1) * self.mac_rows

    @property
    def in_beats(self) -> int:
        """Beats a token that are read."""
        return ceil_div(self.spec.n, self.in_vec)

    @property
    def out_beats(self) -> int:
        """Beats a token that are written."""
        return ceil_div(self.spec.m, self.out_vec)

    @property
    def lanes(self) -> int:
        """Complex words multiplied side by side."""
        return self.mac_rows * self.mac_columns * self.mac_bins

    @property
    def valid(self) -> bool:
        """Whether the kernels take these numbers."""
        s, drains = self.spec, ceil_div(self.mac_rows, self.out_lanes)
        return (
            self.mac_columns % self.mac_lanes == 0
            and s.words % self.mac_bins == 0
            and (s.unrolled or self.mac_bins >= 2)
            and (self.mac_rows % self.out_lanes == 0 or self.row_groups == 1)
            and drains <= self.drain_group
            and (self.in_vec <= s.block or s.unrolled)
            and (self.out_vec <= s.block or s.unrolled)
            and (s.groups == 1 or not (s.p % self.mac_rows or s.p % self.out_lanes or s.q % self.mac_lanes))
        )

    def mac_program(self) -> Program:
        """The products."""
        full, last = ceil_div(self.mac_rows, self.out_lanes), ceil_div(self.last_rows, self.out_lanes)
        each = 1 if self.spec.unrolled else self.word_groups  # drains of a row group
        drains = [full] * (each * (self.row_groups - 1)) + [last] * each
        return product_program(
            "spectra",
            "sums",
            depth=self.multiplies,
            loads=self.loads,
            drain_group=self.drain_group,
            drain_step=self.drain_step,
            drains=drains,
        )

    def rfft_program(self) -> Program:
        """The unrolled forward transform: one group of blocks an iteration."""
        groups = self.fft_groups
        port = _port("in0", groups, self.in_parts, self.in_beats)
        return Program(groups, (port,), (Port("spectra", (Run(0, 1, groups),)),), ii=self.in_parts)

    def irfft_program(self) -> Program:
        """The unrolled inverse transform: one group of block rows an iteration."""
        groups = sum(ceil_div(rows, self.out_lanes) for rows in self._rows())
        port = _port("out0", groups, self.out_parts, self.out_beats)
        return Program(groups, (Port("sums", (Run(0, 1, groups),)),), (port,), ii=self.out_parts)

    def end_cycles(self) -> tuple[int, int]:
        """Cycles a token of the transforms before and behind the products, the slowest process of each."""
        if not self.spec.unrolled:
            return pass_cycles(self)
        return self.rfft_program().cycles, self.irfft_program().cycles

    def _rows(self) -> list[int]:
        return [self.mac_rows] * (self.row_groups - 1) + [self.last_rows]

    def streams(self) -> tuple[BeatStream, ...]:
        """Streams between the processes."""
        s = self.spec
        if not s.unrolled:
            return pass_streams(self)
        spectra = BeatStream("spectra", "spectrum_t", self.mac_lanes * self.beat_words * 2, s.spectrum_bits, self.loads)
        beats = sum(ceil_div(rows, self.out_lanes) for rows in self._rows()) * (s.words // self.drain_words)
        sums = BeatStream("sums", "rounded_t", self.out_lanes * self.drain_words * 2, s.rounded_bits, beats)
        return (spectra, sums)


def _port(stream: str, groups: int, parts: int, beats: int) -> Port:
    """`parts` beats an iteration, fewer in the last one when the tensor ends inside a block."""
    return Port(stream, (Run(0, 1, groups),), beats=parts, total=beats if beats != groups * parts else 0)
