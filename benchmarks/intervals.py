# SPDX-License-Identifier: Apache-2.0
"""What the search makes of the bundled network: intervals, resources and gains at every block size, width and board.

    python benchmarks/intervals.py                                    # prints the table and what is not monotone
    python benchmarks/intervals.py --block 8 --bits 12 --board kv260  # a part of it
    python benchmarks/intervals.py --json intervals.json --md intervals.md

Weights are projected, not calibrated: schedules follow from shapes and widths alone. Every figure but the wall time of
the search is modelled, at the first clock of each board. The exit status is 1 where a larger block is slower than a
smaller one, the smallest slower than the dense twin, or a board slower than one that it exceeds in every resource.
A network that does not fit ("no") is given the same device with as much block RAM as it needs, and is held against
nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise, permutations
from pathlib import Path

import swm
from swm import bundled
from swm.accelerator.fixed_graph import NetworkShape
from swm.accelerator.lower import lower
from swm.accelerator.quantize import network_shape
from swm.accelerator.schedule import make_schedule
from swm.compress import fold_affine
from swm.device import Board, board_names, load_board
from swm.report import design_figures

__all__ = ["Row", "main", "measure", "table", "violations"]

BLOCKS = (2, 4, 8, 16, 32)
BITS = (8, 12)
DENSE = 1  # the block size of the dense twin
HEAD = (
    "board",
    "MHz",
    "bits",
    "block",
    "fits",
    "interval",
    "gain",
    "latency",
    "useful",
    "DSP",
    "BRAM18",
    "LUT",
    "FF",
    "widest word",
    "search, s",
)


@dataclass(frozen=True)
class Row:
    """One network on one board. `gain`: the dense twin's interval over this one; None where one does not fit."""

    board: str
    clock_mhz: float
    bits: int
    block: int
    fits: bool
    overflow: str
    interval: int
    latency: int
    useful_share: float | None
    dsp: int
    bram18: int
    uram: int
    lut: int
    ff: int
    stream_bits_max: int
    search_s: float
    gain: float | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """As in `HEAD`."""
        return (
            self.board,
            f"{self.clock_mhz:g}",
            str(self.bits),
            "dense" if self.block == DENSE else str(self.block),
            "yes" if self.fits else "no",
            f"{self.interval:,}" if self.fits else "-",
            "" if self.block == DENSE else "-" if self.gain is None else f"{self.gain:.2f}",
            f"{self.latency:,}" if self.fits else "-",
            "-" if self.useful_share is None else f"{self.useful_share:.1%}",
            f"{self.dsp:,}",
            f"{self.bram18:,}",
            f"{self.lut:,}",
            f"{self.ff:,}",
            f"{self.stream_bits_max:,}",
            f"{self.search_s:.1f}",
        )


def networks(blocks: Iterable[int], bits: int) -> dict[int, NetworkShape]:
    """The bundled network by block size, the dense twin among them."""
    dense = swm.load(bundled.model_path())
    graphs = {DENSE: dense} | {block: swm.convert(dense, block=block).graph for block in blocks}
    return {block: network_shape(lower(fold_affine(graph)), bits) for block, graph in graphs.items()}


def row(network: NetworkShape, board: Board, bits: int, block: int) -> Row:
    """Search one schedule."""
    start = time.perf_counter()
    plan = make_schedule(network, board, clock_mhz=board.clock.mhz)
    seconds = time.perf_counter() - start
    figures = design_figures(plan)
    used = figures.used.routed
    return Row(
        board=board.name,
        clock_mhz=plan.clock_mhz,
        bits=bits,
        block=block,
        fits=plan.fits,
        overflow=plan.overflow,
        interval=plan.interval,
        latency=plan.latency,
        useful_share=figures.useful_share,
        dsp=used.dsp,
        bram18=used.bram18,
        uram=used.uram,
        lut=used.lut,
        ff=used.ff,
        stream_bits_max=figures.stream_bits_max,
        search_s=round(seconds, 2),
    )


def measure(boards: Sequence[Board], blocks: Sequence[int], widths: Sequence[int]) -> list[Row]:
    """All rows: by board, by bits, the dense twin first."""
    by_bits = {bits: networks(blocks, bits) for bits in widths}
    found: list[Row] = []
    for board in boards:
        for bits in widths:
            dense: Row | None = None
            for block, network in by_bits[bits].items():
                one = row(network, board, bits, block)
                dense = dense or one
                gain = dense.interval / one.interval if one.fits and dense.fits else None
                found.append(replace(one, gain=gain))
                print("  ".join(found[-1].cells), file=sys.stderr)
    return found


def violations(rows: Sequence[Row], boards: Sequence[Board]) -> list[str]:
    """Sentences on what should be faster and is not, among what fits."""
    said = []
    fitting = {(r.board, r.bits, r.block): r.interval for r in rows if r.fits}
    for board, bits in dict.fromkeys((r.board, r.bits) for r in rows):
        sizes = sorted(block for b, w, block in fitting if (b, w) == (board, bits))
        for small, large in pairwise(sizes):
            slow, fast = fitting[board, bits, large], fitting[board, bits, small]
            if slow > fast:
                name = "dense" if small == DENSE else f"block {small}"
                said.append(f"{board}, {bits} bits: block {large} takes {slow} cycles, {name} {fast}")
    for large_board, small_board in permutations(boards, 2):
        if not _exceeds(large_board, small_board):
            continue
        for (name, bits, block), fast in fitting.items():
            slow = fitting.get((large_board.name, bits, block))
            if name == small_board.name and slow is not None and slow > fast:
                what = "dense" if block == DENSE else f"block {block}"
                said.append(f"{what}, {bits} bits: {slow} cycles on {large_board.name}, {fast} on {name}")
    return said


def _exceeds(large: Board, small: Board) -> bool:
    """Whether a board has as much of everything as another, on the same DSP blocks."""
    a, b = large.resources, small.resources
    same = (large.dsp_ports.wide, large.dsp_ports.narrow) == (small.dsp_ports.wide, small.dsp_ports.narrow)
    more = all(getattr(a, name) >= getattr(b, name) for name in ("lut", "ff", "bram18", "dsp", "uram"))
    return same and more and large.stream.bits >= small.stream.bits


def table(rows: Sequence[Row]) -> str:
    """A Markdown table."""
    lines = [HEAD, ("---", "--:", "--:", "--:", "---", *("--:",) * (len(HEAD) - 5)), *(r.cells for r in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 1 if something is not monotone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--board", action="append", help="a name or a .toml file; all boards by default")
    parser.add_argument("--block", action="append", type=int, help=f"default: {', '.join(map(str, BLOCKS))}")
    parser.add_argument("--bits", action="append", type=int, help=f"default: {', '.join(map(str, BITS))}")
    parser.add_argument("--json", type=Path, help="write the rows there")
    parser.add_argument("--md", type=Path, help="write the table there")
    options = parser.parse_args(arguments)
    boards = [load_board(name) for name in options.board or board_names()]
    rows = measure(boards, sorted(options.block or BLOCKS), options.bits or BITS)
    faults = violations(rows, boards)
    text = table(rows)
    if not all(r.fits for r in rows):
        text += "\nWhat does not fit has the resources of its smallest form, and neither speed nor a gain.\n"
    print(text)
    for fault in faults:
        print(f"not monotone: {fault}")
    print(f"{len(rows)} schedules, {len(faults)} not monotone")
    if options.json:
        data = {"network": "bundled", "rows": [asdict(r) for r in rows], "violations": faults}
        options.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    if options.md:
        listed = "".join(f"- {fault}\n" for fault in faults) or "none\n"
        options.md.write_text(f"{text}\nNot monotone:\n\n{listed}", encoding="utf-8")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
