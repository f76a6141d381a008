# SPDX-License-Identifier: Apache-2.0
"""The Google LSTM of C-LSTM (153 inputs, 1,024 cells, peepholes, projection 512) on a board.

A frame of these papers is one step. Cycles a step are the design's interval over all its steps (token simulation);
resources are modelled. Weights do not matter to either, so there are none here.
"Useful" is the share of all cycles of all DSPs in which they multiply what the layer needs. The rest has three causes,
all of the process `steps`: it waits for a state (between the gates and the projection, and from step to step of a
sequence); rows and columns are padded to whole groups; DSPs of transforms, tables and cells work for a few cycles of a
step only.

    python benchmarks/google_lstm.py                    KU060 at 200 MHz, the table
    python benchmarks/google_lstm.py --block 8 --bits 16 --sequences 2
    python benchmarks/google_lstm.py --block 8 --sequences 2 --cycles 1024    the cheapest design at C-LSTM's pace

`python benchmarks/networks.py --only Google` emits each and runs 20 steps of it in C simulation.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from swm.accelerator.resources import estimate
from swm.accelerator.schedule import make_schedule
from swm.bench.shapes import LSTM_STEPS, lstm
from swm.device.board import load_board
from swm.layers.recurrent import RecurrentBuilt
from swm.layers.recurrent.cost import product_cost

PUBLISHED = {(8, 16): 1024, (16, 16): 539, (8, 12): 832}  # cycles a step: C-LSTM (KU060), E-RNN (7V3); recalled
"""FFT8 and FFT16 of C-LSTM on KU060 (1,024 and 538.9) and FFT8 of E-RNN (832), from frames a second at 200 MHz."""


CELL_PRODUCTS = 6  # of a cell a step: three of the gates, three peepholes


@dataclass(frozen=True)
class Row:
    """One design."""

    block: int
    bits: int
    sequences: int
    cycles: float
    latency: int
    dsp: int
    bram18: int
    lut: int
    useful: float
    waits: float
    padding: float
    cells: float
    fits: bool
    bound: str


def row(block: int, bits: int, sequences: int, board_name: str, clock_mhz: float, cycles: int | None = None) -> Row:
    """Schedule it: as fast as it gets, or the cheapest design of at most so many cycles a step."""
    board = load_board(board_name)
    target = None if cycles is None else cycles * LSTM_STEPS * sequences
    network = lstm(153, 1024, 512, block, bits, sequences=sequences)
    schedule = make_schedule(network, board, clock_mhz=clock_mhz, target_interval=target)
    placed = next(layer for layer in schedule.layers if layer.spec.kind == "recurrent")
    built, used = placed.built, estimate(schedule).routed
    assert isinstance(built, RecurrentBuilt)
    all_cycles, steps = used.dsp * schedule.interval, LSTM_STEPS * sequences
    useful = sum(p.products * p.tokens(placed.spec) for p in placed.processes) / all_cycles
    of_cells = built.spec.hidden * CELL_PRODUCTS * steps / all_cycles
    array = product_cost(built, board.dsp_ports).total(built.mac_rows, 0, built.storage).dsp
    waits, cells = array * built.waiting * steps / all_cycles, 1 - array / used.dsp - of_cells
    bound = f"state, {built.waiting} of {built.period} cycles" if built.waiting else "multipliers"
    return Row(
        block,
        bits,
        sequences,
        schedule.interval / (LSTM_STEPS * sequences),
        built.period * sequences,
        used.dsp,
        used.bram18,
        used.lut,
        useful,
        waits,
        1 - useful - waits - cells,
        cells,
        schedule.fits,
        bound,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", default="adm-pcie-ku3", help="name or .toml (default: adm-pcie-ku3, a KU060)")
    parser.add_argument("--clock", type=float, default=200.0, help="MHz (default 200)")
    parser.add_argument("--block", type=int, choices=(2, 4, 8, 16), nargs="*", default=[8, 16])
    parser.add_argument("--bits", type=int, nargs="*", default=[16, 12])
    parser.add_argument("--sequences", type=int, nargs="*", default=[1, 2, 3, 4])
    parser.add_argument(
        "--cycles", type=int, help="a step at most: the cheapest design that keeps them, not the fastest"
    )
    chosen = parser.parse_args()
    print("| block | bits | sequences | cycles a step | published | cycles from step to step of a sequence |", end="")
    print(" DSP | BRAM18 | LUT | useful | lost: waits | padding | cells | fits | waits for |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|---|")
    for block in chosen.block:
        for bits in chosen.bits:
            for sequences in chosen.sequences:
                r = row(block, bits, sequences, chosen.board, chosen.clock, chosen.cycles)
                known = PUBLISHED.get((block, bits), "-")
                print(
                    f"| {r.block} | {r.bits} | {r.sequences} | {r.cycles:,.1f} | {known} | {r.latency:,} | {r.dsp:,} |"
                    f" {r.bram18:,} | {r.lut:,} | {r.useful:.1%} | {r.waits:.1%} | {r.padding:.1%} | {r.cells:.1%} |"
                    f" {'yes' if r.fits else 'no'} | {r.bound} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
