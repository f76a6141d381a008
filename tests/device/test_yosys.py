# SPDX-License-Identifier: Apache-2.0
"""The cost rules beside what a synthesiser makes of the primitives (yosys 0.23, `synth_xilinx -family xc7`).

`MEASURED` holds counts of 2026-11-21; the slow test takes some of them anew where yosys is installed. yosys leaves
every small LUT alone where the device holds two in one LUT6_2, and that is what the wider tolerances are for.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from swm.device import load_board
from swm.device.memories import fifo, memory, shift_register
from swm.device.primitives import Cost, adder, constant_multiplier, multiplexer, multiplier

PORTS = load_board("pynq-z2").dsp_ports
SOURCE = Path(__file__).with_name("primitives.v")
LUTS = {"RAM64M": 4, "RAM32M": 4, "RAM64X1S": 1, "SRLC32E": 1, "SRL16E": 1, **{f"LUT{n}": 1 for n in range(1, 7)}}

# name: module, parameters, flags, modelled, measured (LUT, DSP), tolerance
MEASURED = {
    "adder 34": ("add", {"W": 34}, "", adder(34), (34, 0), 0.05),
    "mux 2:1 x 32": ("mux", {"N": 2, "W": 32, "S": 1}, "", multiplexer(2, 32), (32, 0), 0.5),  # pairs share a LUT6_2
    "mux 4:1 x 16": ("mux", {"N": 4, "W": 16, "S": 2}, "", multiplexer(4, 16), (16, 0), 0.05),
    "mux 16:1 x 16": ("mux", {"N": 16, "W": 16, "S": 4}, "-widemux 5", multiplexer(16, 16), (64, 0), 0.05),
    "mux 49:1 x 16": ("mux", {"N": 49, "W": 16, "S": 6}, "-widemux 5", multiplexer(49, 16), (208, 0), 0.2),
    "delay 32 x 16": ("delay", {"D": 32, "W": 16}, "", shift_register(32, 16), (16, 0), 0.05),
    "delay 16 x 16": ("delay", {"D": 16, "W": 16}, "", shift_register(16, 16), (16, 0), 0.05),
    "RAM 32 x 15": ("ram", {"D": 32, "W": 15, "L": 5}, "", memory(32, 15, kind="lutram"), (12, 0), 0.05),
    "RAM 64 x 15": ("ram", {"D": 64, "W": 15, "L": 6}, "", memory(64, 15, kind="lutram"), (20, 0), 0.05),
    "RAM 128 x 15": ("ram", {"D": 128, "W": 15, "L": 7}, "", memory(128, 15, kind="lutram"), (57, 0), 0.05),
    "RAM 256 x 15": ("ram", {"D": 256, "W": 15, "L": 8}, "", memory(256, 15, kind="lutram"), (99, 0), 0.05),
    "ROM 64 x 12": ("rom", {"D": 64, "L": 6}, "-nobram", memory(64, 12, writes=0, kind="lutram"), (12, 0), 0.05),
    "ROM 256 x 12": ("rom", {"D": 256, "L": 8}, "-nobram", memory(256, 12, writes=0, kind="lutram"), (48, 0), 0.05),
    "FIFO 64 x 16": ("queue64", {"W": 16}, "", fifo(64, 16, kind="lutram"), (37, 0), 0.2),
    "14 bits x 46341": ("root_half", {}, "-nodsp", constant_multiplier(14, 46341), (82, 0), 0.2),
    "5 x 5 in LUTs": ("rows", {"A": 5, "B": 5}, "-nodsp", multiplier(5, 5, PORTS, fabric=True), (30, 0), 0.25),
    "12 x 12 in LUTs": ("rows", {"A": 12, "B": 12}, "-nodsp", multiplier(12, 12, PORTS, fabric=True), (180, 0), 0.25),
    "12 x 15 on DSP": ("times", {"A": 12, "B": 15}, "", multiplier(12, 15, PORTS), (0, 1), 0.05),
    "18 x 25 on DSP": ("times", {"A": 18, "B": 25}, "", multiplier(18, 25, PORTS), (0, 1), 0.05),
}


@pytest.mark.parametrize("name", MEASURED)
def test_rules_against_the_counts(name):
    *_, cost, (luts, dsps), tolerance = MEASURED[name]
    assert isinstance(cost, Cost)
    assert cost.lut == pytest.approx(luts, rel=tolerance)
    assert cost.dsp == dsps
    assert cost.bram18 == cost.uram == 0


# One of each group of flags and primitives; yosys takes most of its time to read its library, whatever the design.
TAKEN = [
    "adder 34",
    "delay 32 x 16",
    "RAM 64 x 15",
    "ROM 256 x 12",
    "14 bits x 46341",
    "5 x 5 in LUTs",
    "12 x 15 on DSP",
]


def synthesise(names: list[str], flags: str, folder: Path) -> dict[str, tuple[int, int]]:
    """LUTs and DSP blocks of some primitives, side by side in one design and each a module of its own there."""
    parts = [MEASURED[name][:2] for name in names]
    instances = [
        f"(* keep *) {module} #({', '.join(f'.{k}({v})' for k, v in parameters.items())}) i_{module}();"
        for module, parameters in parts
    ]
    top = folder / "all.v"
    top.write_text("\n".join(["module all();", *instances, "endmodule", ""]))
    script = f"read_verilog {SOURCE} {top}; synth_xilinx -family xc7 -noiopad -top all {flags}; tee -o /dev/stdout stat"
    out = subprocess.run(["yosys", "-q", "-p", script], capture_output=True, text=True, check=True).stdout
    found = {}
    for title, text in re.findall(r"^=== (.*?) ===\n(.*?)(?=^===|\Z)", out, re.M | re.S):
        cells = {name: int(n) for name, n in re.findall(r"^\s+(\w+)\s+(\d+)$", text, re.M)}
        counts = sum(LUTS.get(c, 0) * n for c, n in cells.items()), cells.get("DSP48E1", 0)
        found |= {name: counts for name in names if re.search(rf"(^|\\){MEASURED[name][0]}(\\|$)", title)}
    return found


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    groups = {MEASURED[name][2] for name in TAKEN}
    folder, found = tmp_path_factory.mktemp("yosys"), {}
    for flags in groups:
        found |= synthesise([name for name in TAKEN if MEASURED[name][2] == flags], flags, folder)
    return found


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("yosys") is None, reason="yosys is not installed")
@pytest.mark.parametrize("name", TAKEN)
def test_counts_are_what_yosys_makes(name, counted):
    *_, (luts, dsps), _ = MEASURED[name]
    measured_luts, measured_dsps = counted[name]
    assert measured_luts == pytest.approx(luts, rel=0.1)  # other releases differ a little
    assert measured_dsps == dsps
