# SPDX-License-Identifier: Apache-2.0
"""A Verilog file of VTR's Koios beside a block-circulant matrix of ours: the same yosys, as many multipliers.

    python benchmarks/koios.py clstm_like.small.v
    python benchmarks/koios.py clstm_like.small.v --family xcup --cycles 2688 --json koios.json

Koios is a part of verilog-to-routing (vtr_flow/benchmarks/verilog/koios). A user fetches its files; nothing of them is
kept. clstm_like is an LSTM of block-circulant matrices, 18 bits, blocks of 16; the comparison is of ours for its four
gates, --outputs x --inputs, built by the search with as many DSP blocks as the file takes, or a little fewer. The file
has gates, state and projection besides, ours the streams that it needs; so the DSP blocks are equal, not the work.

Cycles of a step are given (--cycles), or counted where the name of a module says how many words of weights there are,
of which one is read a cycle (stage1_parameter_buffer_<bits>_<parallel>_<block>_<columns>_<words>). Cells are counted by
the tool, both out of context.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from swm.accelerator.backend import RTL
from swm.accelerator.design import Design
from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.resources import estimate
from swm.accelerator.schedule import make_schedule
from swm.device import load_board
from swm.device.limits import Limits
from swm.emit import emit_project, rtl_instances
from swm.errors import OptionError, SwmError, ToolError
from swm.kernels.cache import cache_folder
from swm.layers.circulant import CirculantSpec
from swm.layers.circulant.spec import forward_shifts
from swm.layers.values import FixedLayer, Format, TensorShape
from swm.opentools import find_family, synthesise
from swm.opentools.families import Family, area_of
from swm.opentools.run import run_logged
from swm.opentools.synth import cells_of
from swm.opentools.tools import YOSYS, find_tool
from swm.report.measured import Area

TOP = "C_LSTM_datapath"
BOARDS = {"xc7": "arty-a7-100t", "xcup": "zcu104", "ecp5": "ulx3s", "gowin": "tangnano20k"}
DEPTH = re.compile(r"^\s*module\s+stage1_parameter_buffer_(\d+)_(\d+)_(\d+)_(\d+)_(\d+)\b", re.M)
MOST_CYCLES = 1 << 24
MODULE = re.compile(r"^\s*module\s+(\w+)", re.M)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="a Verilog file")
    parser.add_argument("--top", default=TOP, help=f"module to be mapped [{TOP}]")
    parser.add_argument("--family", default="xc7", help="xc7, xcup, ecp5 or gowin [xc7]")
    parser.add_argument("--cycles", type=int, help="a step of the file's takes; counted from the file where absent")
    parser.add_argument("--inputs", type=int, default=672, help="columns of our matrix [672]")
    parser.add_argument("--outputs", type=int, default=4096, help="rows of our matrix, all gates [4096]")
    parser.add_argument("--block", type=int, default=16)
    parser.add_argument("--bits", type=int, default=18)
    parser.add_argument("--hours", type=float, default=1.0, help="limit for each start of yosys")
    parser.add_argument("--json", type=Path, help="also write the figures")
    options = parser.parse_args()
    try:
        family, limit = find_family(options.family), 3600 * options.hours
        theirs, tool = measure_file(options.file, options.top, family, limit)
        cycles, how = (options.cycles, "given") if options.cycles else counted_cycles(options.file)
        design = matching(theirs.dsp, options)
        ours = measure_design(design, family, limit)
    except SwmError as error:
        print(error, file=sys.stderr)
        return 1
    plan = design.schedule
    modelled = estimate(plan).routed
    own = f"swm, {options.outputs} x {options.inputs}, block {options.block}, {options.bits} bits"
    theirs_name = f"{options.file.name}, {options.top}"
    rows = [(theirs_name, asdict(theirs), cycles), (own, asdict(ours), plan.interval)]
    print(f"| {tool}, {family.part} | LUT | FF | DSP | BRAM18 | cycles a step | LUT x cycles |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, area, step in rows:
        figures = [area[key] for key in ("lut", "ff", "dsp", "bram18")]
        more = [f"{step:,}", f"{step * area['lut']:,}"] if step else ["not known", ""]
        print("|", " | ".join([name, *(f"{n:,}" for n in figures), *more]), "|")
    print(f"cycles of the file: {how}; ours by the token simulation, which swm verify --rtl measures.")
    print(f"ours modelled: LUT {modelled.lut:,}, FF {modelled.ff:,}, DSP {modelled.dsp}, BRAM18 {modelled.bram18}")
    if options.json:
        found = [{"name": name, **area, "cycles": step} for name, area, step in rows]
        options.json.write_text(json.dumps({"tool": tool, "family": family.name, "how": how, "rows": found}, indent=1))
    return 0


def measure_file(file: Path, top: str, family: Family, limit_s: float) -> tuple[Area, str]:
    """What yosys counts of a module of a file, flat and out of context, and the tool.

    Raises:
        ToolError: there is no such file or module, or yosys does not map it.
    """
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ToolError(f"cannot read {str(file)!r}: {error.strerror}") from error
    modules = MODULE.findall(text)
    if top not in modules:
        raise ToolError(f"{str(file)!r} has no module {top!r}; give one with --top: {', '.join(modules[:8]) or 'none'}")
    yosys = find_tool(YOSYS)
    log = cache_folder() / "synth" / "koios.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="swm-koios-") as scratch:
        folder = Path(scratch)
        shutil.copyfile(file, folder / "file.v")  # no name of the user's stands in a script
        script = ["read_verilog -sv file.v", f"{family.part} -top {top}", "tee -q -o stat.json stat -json"]
        (folder / "map.ys").write_text("\n".join(script) + "\n", encoding="utf-8")
        run_logged([yosys.program, "-q", "-s", "map.ys"], folder, log, limit_s=limit_s)
        return area_of(cells_of(folder / "stat.json", log)), yosys.title


def counted_cycles(file: Path) -> tuple[int | None, str]:
    """Cycles of a step, and how they are known."""
    found = DEPTH.search(file.read_text(encoding="utf-8", errors="replace"))
    if found is None:
        return None, "not known: give --cycles"
    return int(found[5]), f"words of {found[0].split()[-1]}, one a cycle"


def matching(dsp: int, options: argparse.Namespace) -> Design:
    """The fastest design of a block-circulant matrix with at most so many DSP blocks, to a hundredth of its interval.

    Raises:
        ToolError: none takes so few.
    """
    bits, block = options.bits, options.block
    inputs, outputs = TensorShape(options.inputs, bits), TensorShape(options.outputs, bits)
    spec = CirculantSpec("gates", (inputs,), outputs, "identity", block, bits, forward_shifts(bits, block))
    rng, high = np.random.default_rng(0), 1 << (bits - 2)
    arrays = {
        "weights": rng.integers(-high, high, (spec.p, spec.q, spec.words, 2)),
        "bias": rng.integers(-high, high, spec.m),
    }
    form = Format(bits, bits - 1)
    layer = FixedLayer(spec, "gates", ("x",), "y", (form,), Format(bits, bits - 3), arrays, bits - 1, bits - 3)
    graph = FixedGraph("gates", (layer,), None, None, bits, "x", "y", "y", {})
    board, free = load_board(BOARDS[options.family]), Limits(*[float("inf")] * 5)

    def design(interval: int) -> Design | None:
        """The cheapest that is so fast, no multiplier in LUTs; None where none is so fast or it takes too many."""
        try:
            made = make_schedule(graph.shape, board, backend=RTL, limits=free, target_interval=interval)
        except OptionError:
            return None
        return Design(graph, made) if estimate(made).routed.dsp <= dsp else None

    slow, fast = 1, 0
    while (best := design(slow)) is None:
        slow, fast = 2 * slow, slow
        if slow > MOST_CYCLES:
            raise ToolError(f"the file takes {dsp} DSP blocks; ours takes more at the least")
    while slow - fast > max(1, slow // 100):
        middle = (slow + fast) // 2
        found = design(middle)
        best, slow, fast = (best, slow, middle) if found is None else (found, middle, fast)
    return best


def measure_design(design: Design, family: Family, limit_s: float) -> Area:
    """What yosys counts of a design."""
    with tempfile.TemporaryDirectory(prefix="swm-koios-") as scratch:
        project = emit_project(design, Path(scratch) / "project")
        cache = cache_folder() / "synth"
        found = synthesise(
            project, family, rtl_instances(design), cache=cache, progress=lambda *_: None, limit_s=limit_s
        )
        return found.area


if __name__ == "__main__":
    sys.exit(main())
