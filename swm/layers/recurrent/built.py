# SPDX-License-Identifier: Apache-2.0
"""How a recurrent layer is built, and the loops that follow; hls/swm/recurrent.h counts with the same formulas."""

from __future__ import annotations

from dataclasses import dataclass

from swm.device.memories import Storage
from swm.device.primitives import MAX_STREAM_BITS
from swm.layers.products import bank_lanes
from swm.layers.program import BeatStream, Port, Program, Run
from swm.layers.recurrent.spec import RecurrentSpec
from swm.layers.values import Implementation, ceil_div, clog2

__all__ = ["RecurrentBuilt", "feedback_of"]

FEEDBACK = 48
"""Iterations from a drained sum until its state can be read, blocks of at most 16: products 14, inverse transform,
gate, cell, output and forward transform (modelled, no synthesis of ours behind it)."""
_STAGE_FEEDBACK = 8  # and for every doubling above 16: a stage of both transforms


def feedback_of(block: int) -> int:
    """Iterations from a drained sum until its state can be read."""
    return FEEDBACK + _STAGE_FEEDBACK * max(0, clog2(block) - 4)


@dataclass(frozen=True)
class RecurrentBuilt(Implementation):
    """A recurrent layer as it is built; `out_vec` cells leave a cycle.

    Attributes:
        mac_rows: block rows side by side: a multiple or a divisor of the gates.
        mac_columns: block columns side by side.
        products: multipliers of a complex product, 3 or 4.
        storage: where the weights lie.
        feedback: iterations from a drained beat until its state can be read.
    """

    spec: RecurrentSpec
    mac_rows: int = 1
    mac_columns: int = 1
    products: int = 3
    storage: Storage = "bram"
    feedback: int = FEEDBACK

    def reads(self, port: int) -> int:
        """Words of a beat of an input: states come as outputs leave."""
        return self.out_vec if port else self.in_vec

    @property
    def lanes(self) -> int:
        """Blocks that leave together."""
        return max(1, self.out_vec // self.spec.block)

    @property
    def parts(self) -> int:
        """Beats of a block."""
        return max(1, self.spec.block // self.out_vec)

    @property
    def in_lanes(self) -> int:
        """Blocks of an input beat."""
        return max(1, self.in_vec // self.spec.block)

    @property
    def loads(self) -> int:
        """Beats of blocks that bring one token."""
        return ceil_div(self.spec.in_blocks, self.in_lanes)

    @property
    def in_groups(self) -> int:
        """Groups of columns of x."""
        return ceil_div(self.spec.in_blocks, self.mac_columns)

    @property
    def column_groups(self) -> tuple[int, int]:
        """Groups of columns of both phases."""
        spec, of_x = self.spec, self.in_groups
        first = of_x + ceil_div(spec.out_units, self.mac_columns)
        if spec.phases == 1:
            return first, 0
        return first, (of_x if spec.second_reads_input else 0) + ceil_div(spec.units, self.mac_columns)

    @property
    def units_side(self) -> int:
        """Units side by side in phase A."""
        return max(1, self.mac_rows // self.spec.gates)

    @property
    def turns(self) -> int:
        """Turns until a unit is complete."""
        return max(1, self.spec.gates // self.mac_rows)

    @property
    def groups(self) -> tuple[int, int]:
        """Groups of units of phase A, of rows of phase B."""
        second = ceil_div(self.spec.out_units, self.mac_rows) if self.spec.phases == 2 else 0
        return ceil_div(self.spec.units, self.units_side), second

    @property
    def group_products(self) -> int:
        """Iterations of a group of phase A."""
        return self.turns * self.column_groups[0]

    @property
    def products_of(self) -> tuple[int, int]:
        """Iterations that multiply in both phases."""
        return self.groups[0] * self.group_products, self.groups[1] * self.column_groups[1]

    @property
    def beats(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Beats that leave for a group of each phase, and for its last one."""
        first, second = self.groups
        last = self.spec.units - (first - 1) * self.units_side
        found = (self._group(first, self.units_side, last),)
        if self.spec.phases == 1:
            return (*found, (0, 0))
        rest = self.spec.out_units - (second - 1) * self.mac_rows
        return (*found, self._group(second, self.mac_rows, rest))

    def _group(self, groups: int, blocks: int, rest: int) -> tuple[int, int]:
        full, last = (ceil_div(count, self.lanes) * self.parts for count in (blocks, rest))
        return (full if groups > 1 else last), last

    @property
    def cell_beats(self) -> int:
        """Beats of a step in phase A."""
        full, last = self.beats[0]
        return (self.groups[0] - 1) * full + last

    @property
    def second_start(self) -> int:
        """Iteration of a token in which phase B begins."""
        if self.spec.phases == 1:
            return 0
        done = self.products_of[0] + self.beats[0][1]
        return max(done, done + self.feedback - (self.in_groups if self.spec.second_reads_input else 0))

    @property
    def end(self) -> int:
        """Iterations until the last product of a token."""
        return self.second_start + self.products_of[1] if self.spec.phases == 2 else self.products_of[0]

    @property
    def last_beats(self) -> int:
        """Beats of the last group of a token."""
        return self.beats[self.spec.phases - 1][1]

    @property
    def ready(self) -> int:
        """Iterations from the start of a step until the next one of its sequence may start."""
        return self.end + self.last_beats + self.feedback - self.in_groups

    @property
    def period(self) -> int:
        """Iterations a token."""
        return max(self.end, self.loads, ceil_div(self.ready, self.spec.sequences))

    @property
    def waiting(self) -> int:
        """Iterations a token that do nothing but wait for a state: what one more sequence could use."""
        return self.period - max(sum(self.products_of), self.loads)

    @property
    def rom_depth(self) -> int:
        """Words of the weight ROM."""
        return sum(self.products_of)

    @property
    def weight_lanes(self) -> int:
        """Weight integers of a cycle."""
        return self.mac_rows * self.mac_columns * self.spec.block

    @property
    def rom_lanes(self) -> int:
        """Weights of a word of each bank."""
        return bank_lanes(self.weight_lanes, self.spec.weight_bits, self.storage)

    @property
    def rom_banks(self) -> int:
        """Banks of weights."""
        return self.weight_lanes // self.rom_lanes

    @property
    def vector_sets(self) -> int:
        """Values of a cell that are no matrix: biases, those of step 0, peepholes, an initial state."""
        spec = self.spec
        return spec.biases * (1 + spec.first_bias) + 3 * spec.peephole + spec.initial

    @property
    def vector_banks(self) -> int:
        """Banks of these: one, or one a set where its word were too wide."""
        wide = self.vector_sets * self.out_vec * self.spec.bias_bits > MAX_STREAM_BITS
        return self.vector_sets if wide else 1

    @property
    def in_beats(self) -> int:
        """Input beats a token."""
        return ceil_div(self.spec.n, self.in_vec)

    @property
    def out_beats(self) -> int:
        """Output beats of a step that gives an output."""
        return ceil_div(self.spec.m, self.out_vec)

    @property
    def valid(self) -> bool:
        """Whether the kernels take these numbers."""
        spec, (first, second) = self.spec, self.groups
        most = max(max(pair) for pair in self.beats)
        return (
            (self.mac_rows % spec.gates == 0 or spec.gates % self.mac_rows == 0)
            and self.mac_columns % self.in_lanes == 0
            and self.mac_columns % self.lanes == 0
            and (self.units_side % self.lanes == 0 or first == 1)
            and (spec.phases == 1 or self.mac_rows % self.lanes == 0 or second == 1)
            and most <= self.group_products
            and (spec.phases == 1 or max(self.beats[1]) <= self.column_groups[1])
        )

    def input_program(self) -> Program:
        """The transform of x: a beat of blocks an iteration."""
        parts = max(1, self.spec.block // self.in_vec)
        total = self.in_beats if self.in_beats != self.loads * parts else 0
        read = Port("in0", (Run(0, 1, self.loads),), beats=parts, total=total)
        return Program(self.loads, (read,), (Port("spectra", (Run(0, 1, self.loads),)),), ii=parts)

    def program(self) -> Program:
        """The steps."""
        period, loads = self.period, self.loads
        source = "spectra" if self.spec.block > 1 else "in0"
        ahead, sequences = (Run(-period, period // loads, loads),), self.spec.sequences
        in_front = self.spec.start * sequences  # tokens of states, for which no input is loaded
        steps = self.spec.positions if in_front else 0
        read = Port(source, ahead, () if in_front else (Run(0, 1, loads),), tail=steps)
        phase = self.spec.phases - 1
        start, group = (self.second_start, self.column_groups[1]) if phase else (0, self.group_products)
        count, (full, last) = self.groups[phase], self.beats[phase]
        runs = tuple(Run(start + (g + 1) * group, 1, last if g == count - 1 else full) for g in range(count))
        tail = sequences if self.spec.last else steps
        writes = [Port("values" if self.spec.cells else "out0", runs, tail=tail)]
        if self.spec.cells:
            writes.append(Port("cells", runs, tail=sequences))
        states = [Port(f"in{place}", runs, head=in_front) for place in range(1, len(self.spec.inputs))]
        return Program(
            period, (read, *states), tuple(writes), prologue=loads, epilogue=max(0, self.end + self.last_beats - period)
        )

    def append_program(self) -> Program:
        """The last cells behind the outputs of a frame."""
        cells = self.spec.sequences * self.out_beats
        values = cells * (self.spec.given - 1)
        reads = Port("values", (Run(0, 1, values),)), Port("cells", (Run(values, 1, cells),))
        return Program(values + cells, reads, (Port("out0", (Run(0, 1, values + cells),)),))

    def streams(self) -> tuple[BeatStream, ...]:
        """The spectra of x; outputs and cells where both leave."""
        spec, found = self.spec, []
        if spec.block > 1:
            beats = self.loads * spec.positions
            found.append(BeatStream("spectra", "word_t", self.in_lanes * spec.block, spec.word_bits, beats))
        if spec.cells:
            beats = spec.sequences * self.out_beats
            found.append(BeatStream("values", "in_t", self.out_vec, spec.data_bits, beats * (spec.given - 1)))
            found.append(BeatStream("cells", "state_t", self.out_vec, spec.state_bits, beats))
        return tuple(found)
