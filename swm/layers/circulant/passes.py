# SPDX-License-Identifier: Apache-2.0
"""Transforms of blocks of 32 points and more, a process for every pass: loops and resources.

The formulas are those in the headers `hls/swm/rfft_passes.h` and `irfft_passes.h`, which count the same iterations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swm.device.board import DspPorts
from swm.device.memories import memory
from swm.device.primitives import Cost, adder, constant_multiplier, control, multiplexer, multiplier, register
from swm.layers.finish import finish_cost
from swm.layers.program import BeatStream, Port, ProcessModel, Program, Run
from swm.layers.values import TWIDDLE_FRAC, ceil_div, clog2

if TYPE_CHECKING:
    from swm.layers.circulant.built import CirculantBuilt
    from swm.layers.circulant.spec import CirculantSpec

__all__ = [
    "HALF_TURN",
    "collect_period",
    "forward_processes",
    "inverse_processes",
    "pass_cycles",
    "pass_end_costs",
    "pass_streams",
]

HALF_TURN = 46341
"""round(2^16 / sqrt 2): cosine and sine of an eighth turn are equal, so the rotation is one sum and one constant."""
_TWIDDLE_BITS = TWIDDLE_FRAC + 2


def _units(built: CirculantBuilt) -> int:
    return built.spec.block // 4


def _slow(vec: int) -> int:
    """II of the passes beside beats of `vec` values: a pass takes four a cycle."""
    return max(1, 4 // vec)


def _row_beats(built: CirculantBuilt) -> int:
    return ceil_div(built.spec.p, built.out_lanes)


def collect_period(built: CirculantBuilt) -> tuple[int, int, int, int]:
    """Rows of a full and of the last group, in beats, and the iterations of their slots (collect_times)."""
    units, groups = _units(built), built.row_groups
    last = ceil_div(built.last_rows, built.out_lanes)
    rows = last if groups == 1 else ceil_div(built.mac_rows, built.out_lanes)
    return rows, last, rows * units, max(last * units, rows * built.word_groups)


def pass_cycles(built: CirculantBuilt) -> tuple[int, int]:
    """Cycles a token of the slowest forward and of the slowest inverse process."""
    _, _, slot, last_slot = collect_period(built)
    time = max(_units(built), built.fft_lanes * built.spec.block // built.in_vec)
    collect = ((built.row_groups - 1) * slot + last_slot) * _slow(built.out_vec)
    store = _row_beats(built) * max(_units(built), built.out_lanes * built.spec.block // built.out_vec)
    return built.fft_groups * time, max(collect, store)


def pass_streams(built: CirculantBuilt) -> tuple[BeatStream, ...]:
    """Streams between the processes, in the order of the data."""
    spec = built.spec
    units, lanes, back = _units(built), built.fft_lanes * 4, built.out_lanes * 4
    forward = built.fft_groups * units
    names = ["pass2", *(f"pass{s}" for s in range(3, spec.stages)), "spectra"]
    found = [BeatStream(name, "spectrum_t", lanes, spec.spectrum_bits, forward) for name in names]
    sums = _row_beats(built) * built.word_groups
    found.append(BeatStream("sums", "rounded_t", built.out_lanes * built.drain_words * 2, spec.rounded_bits, sums))
    inverse = _row_beats(built) * units
    found += [
        BeatStream(f"back{s}", "inverse_pass_t", back, spec.inverse_pass_bits, inverse)
        for s in range(spec.stages, 2, -1)
    ]
    return tuple(found)


def _pass(source: str, target: str, units: int, beats: int, ii: int) -> Program:
    """A pass: what comes in leaves one block later."""
    read, write = Port(source, (Run(-units, 1, beats),)), Port(target, (Run(0, 1, beats),))
    return Program(beats, (read,), (write,), prologue=units, ii=ii)


def forward_processes(built: CirculantBuilt, ports: DspPorts) -> tuple[ProcessModel, ...]:
    """rfft_load, then a pass for every stage from 3 on."""
    spec, units = built.spec, _units(built)
    time = max(units, built.fft_lanes * spec.block // built.in_vec)
    beats = built.fft_groups * units
    load = Program(
        built.fft_groups * time,
        (Port("in0", (Run(-time, 1, built.in_beats),)),),
        (Port("pass2", (Run(0, time // units, beats),)),),
        prologue=time,
    )
    costs = _forward_costs(built, ports)
    found = [ProcessModel("rfft_load", "rfft_load", load, costs[0])]
    for stage, cost in zip(range(3, spec.stages + 1), costs[1:], strict=True):
        target = "spectra" if stage == spec.stages else f"pass{stage}"
        program = _pass(f"pass{stage - 1}", target, units, beats, _slow(built.in_vec))
        products = _turns(spec.block, stage) * spec.q
        found.append(
            ProcessModel(f"rfft_pass{stage}", "rfft_pass", program, cost, arguments=(stage,), products=products)
        )
    return tuple(found)


def inverse_processes(built: CirculantBuilt, ports: DspPorts) -> tuple[ProcessModel, ...]:
    """irfft_collect (the stage log2 k), a pass for every further stage down to 3, irfft_store."""
    spec, units, rows = built.spec, _units(built), _row_beats(built)
    costs = _inverse_costs(built, ports)
    turns = [_turns(spec.block, stage) * spec.p for stage in range(spec.stages, 2, -1)]
    found = [ProcessModel("irfft_collect", "irfft_collect", _collect(built), costs[0], products=turns[0])]
    for place, stage in enumerate(range(spec.stages - 1, 2, -1), 1):
        program = _pass(f"back{stage + 1}", f"back{stage}", units, rows * units, _slow(built.out_vec))
        found.append(
            ProcessModel(
                f"irfft_pass{stage}", "irfft_pass", program, costs[place], arguments=(stage,), products=turns[place]
            )
        )
    time = max(units, built.out_lanes * spec.block // built.out_vec)
    read = Port("back3", (Run(-time - 1, time // units, rows * units),))
    store = Program(rows * time, (read,), (Port("out0", (Run(0, 1, built.out_beats),)),), prologue=time + 1)
    found.append(ProcessModel("irfft_store", "irfft_store", store, costs[-1], ("bias",)))
    return tuple(found)


def _collect(built: CirculantBuilt) -> Program:
    rows, last, slot, last_slot = collect_period(built)
    groups, words, units = built.row_groups, built.word_groups, _units(built)
    first = rows * words  # beats of group 0
    reads = [Run(-last_slot, last_slot // first, first)]
    for group in range(1, groups):
        beats = (last if group == groups - 1 else rows) * words
        reads.append(Run((group - 1) * slot, slot // beats, beats))
    writes = [Run(g * slot, 1, (last if g == groups - 1 else rows) * units) for g in range(groups)]
    return Program(
        (groups - 1) * slot + last_slot,
        (Port("sums", tuple(reads)),),
        (Port(f"back{built.spec.stages}", tuple(writes)),),
        prologue=last_slot,
        ii=_slow(built.out_vec),
    )


def _turns(block: int, stage: int) -> int:
    """Real multiplications of one stage over one block: three a rotation that is not by 0 or an eighth of a turn."""
    size = 1 << stage
    return 0 if stage == 3 else 3 * (block // size) * (size // 4 - 2)


def pass_end_costs(built: CirculantBuilt, ports: DspPorts) -> tuple[Cost, Cost]:
    """All forward and all inverse processes."""
    return Cost().plus(*_forward_costs(built, ports)), Cost().plus(*_inverse_costs(built, ports))


def _forward_costs(built: CirculantBuilt, ports: DspPorts) -> list[Cost]:
    spec, lanes = built.spec, built.fft_lanes
    grown = spec.stages - spec.fft_shifts
    first = memory(spec.block // 2, spec.data_bits, banks=4 * lanes).plus(
        control(1), _rotators(built.in_vec, lanes, spec), adder(spec.data_bits + 2).times(7 * lanes)
    )
    costs = [first]
    for stage in range(3, spec.stages + 1):
        before, after = (spec.data_bits + min(s, grown) for s in (stage - 1, stage))
        costs.append(_pass_cost(stage, before, after, lanes, spec.block, _slow(built.in_vec), ports))
    return costs


def _inverse_costs(built: CirculantBuilt, ports: DspPorts) -> list[Cost]:
    spec, lanes = built.spec, built.out_lanes
    halvings, ii = spec.stages - spec.fft_shifts, _slow(built.out_vec)
    rows = collect_period(built)[0]
    collect = memory(2 * rows * built.word_groups, lanes * 4 * spec.rounded_bits, banks=built.mac_bins // 2)
    select = multiplexer(built.mac_bins // 2, lanes * 4 * spec.rounded_bits)
    bits = spec.rounded_bits
    costs = [collect.plus(select, _turn_cost(spec.stages, bits + 1, lanes, ii, ports), control(2))]
    for stage in range(spec.stages - 1, 2, -1):
        done = spec.stages - stage
        before, after = (bits + 1 + max(0, d - halvings) for d in (done, done + 1))
        costs.append(_pass_cost(stage, before, after, lanes, spec.block, ii, ports))
    store = memory(spec.block // 2, spec.inverse_bits, banks=4 * lanes)
    arrange = _rotators(built.out_vec, lanes, spec, spec.inverse_bits)
    bias = memory(built.out_beats * spec.groups, built.out_vec * spec.bias_bits, writes=0)
    tail = finish_cost(spec, spec.value_bits, built.out_vec, ports)
    costs.append(store.plus(arrange, adder(spec.inverse_bits).times(7 * lanes), bias, tail, control(2)))
    return costs


def _rotators(vec: int, lanes: int, spec: CirculantSpec, bits: int = 0) -> Cost:
    """Two log shifters over the 4 values of every lane: transposing memories hold beats across their banks."""
    side = min(vec, spec.block // 4)
    levels = clog2(side) + clog2(ceil_div(4 * lanes, max(1, vec // side)))
    return multiplexer(2, (bits or spec.data_bits) * 4 * lanes).times(levels)


def _pass_cost(stage: int, before: int, after: int, lanes: int, block: int, ii: int, ports: DspPorts) -> Cost:
    """Two banks a lane, the rotation, four sums and the choice of word 0."""
    banks = memory(block // 2, 2 * before, banks=2 * lanes)
    swap = multiplexer(2, 8 * before * lanes)
    return banks.plus(swap, _turn_cost(stage, after, lanes, ii, ports), control(1))


def _turn_cost(stage: int, width: int, lanes: int, ii: int, ports: DspPorts) -> Cost:
    sums = adder(width).times(4).plus(multiplexer(2, 4 * width), register(4 * width))
    if stage == 3:
        turn = adder(width + 1).times(2).plus(constant_multiplier(width + 1, HALF_TURN).times(2))
        return sums.plus(turn).times(lanes)
    one = multiplier(_TWIDDLE_BITS, width + 1, ports)
    count = -(-3 * lanes // ii)  # an II above 1 shares them
    table = memory(1 << (stage - 2), 3 * _TWIDDLE_BITS, writes=0)
    return sums.plus(adder(width + _TWIDDLE_BITS).times(3)).times(lanes).plus(one.times(count), table)
