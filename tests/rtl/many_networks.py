# SPDX-License-Identifier: Apache-2.0
"""Many emitted RTL projects as one Verilator model: a build costs seconds, whatever is in it."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import random_networks

from swm.accelerator.backend import RTL
from swm.accelerator.design import Design, Schedule
from swm.accelerator.integers import run_fixed
from swm.accelerator.placement import place
from swm.accelerator.simulation import simulated
from swm.device.board import load_board
from swm.emit import emit_project
from swm.layers.registry import kind
from swm.layers.rtl.registry import rtl_findings

FRAMES = 48


def placed(graph, chosen, ends, board):
    made = load_board(board)
    found = simulated(place(graph.shape, chosen, ends, made.dsp_ports), 100.0, RTL)
    layers, edges = found.placement.layers, found.placement.edges
    return Design(graph, Schedule(made, 100.0, RTL, layers, edges, found.interval, found.latency))


def design(graph, *, built=None, ends=(1, 1), board="zcu104"):
    """A design of minimal parallelism but for what `built` says of layers, by name."""
    chosen = [replace(kind(s.kind).minimal(s), **(built or {}).get(s.name, {})) for s in graph.specs]
    return placed(graph, chosen, ends, board)


def random_design(seed, blocks=(2, 4, 8, 16)):
    """A network and a parallelism drawn at random, and its frames."""
    kept, random_networks.BLOCKS = random_networks.BLOCKS, blocks
    try:
        drawings = (random_networks.draw_lively(seed + 1000 * attempt) for attempt in range(50))
        drawing = next(d for d in drawings if not rtl_findings(d.graph.specs))
    finally:
        random_networks.BLOCKS = kept
    rng = np.random.default_rng(seed)
    board = str(rng.choice(["pynq-z2", "zcu104"]))
    ports = load_board(board).dsp_ports
    chosen = [random_networks.random_implementation(rng, spec, ports) for spec in drawing.graph.specs]
    ends = random_networks.power(rng, 4), random_networks.power(rng, 4)
    return placed(drawing.graph, chosen, ends, board), drawing.frames


@dataclass(frozen=True)
class Result:
    """What the simulation of one network showed."""

    design: Design
    status: int
    text: str
    runs: dict

    @property
    def interval(self):
        ends = self.runs["rate"]["ends"]
        first, last = len(ends) // 4, 3 * len(ends) // 4
        return (ends[last] - ends[first]) / (last - first)

    @property
    def latency(self):
        return self.runs["alone"]["ends"][0]


def run_all(designs, folder: Path, frames=FRAMES):
    """Emit designs, given with integer frames (or None: random ones), build them as one model, run each.

    Returns the results, and what Verilator remarked with all its warnings on.
    """
    projects = []
    for index, (made, values) in enumerate(designs):
        project = emit_project(made, folder / f"n{index}")
        if values is not None:
            done = run_fixed(made.graph, values / 2.0**made.graph.input.frac)
            assert np.array_equal(done.inputs, values)
            np.savetxt(project / "sim" / "input.dat", done.inputs, fmt="%d")
            np.savetxt(project / "sim" / "expected.dat", done.words, fmt="%d")
        projects.append(project)
    remarks = build(projects, folder)
    pairs = enumerate(zip(projects, designs, strict=True))
    return [run(made, project, index, folder, frames) for index, (project, (made, _)) in pairs], remarks


def build(projects, folder):
    modules, tops, cases, bodies = {}, [], [], []
    widths = []
    for index, project in enumerate(projects):
        for file in (project / "rtl").glob("swm_*.sv"):
            if file.name != "swm_top.sv":
                modules[file.name] = file
        text = (project / "rtl" / "swm_top.sv").read_text(encoding="utf-8")
        widths.append(re.findall(r"logic \[(\d+):0\] [sm]_axis_tdata", text))
        text = text.replace("module swm_top (", f"module swm_top_{index} (").replace('"rom/', f'"{project}/rom/')
        (folder / f"swm_top_{index}.sv").write_text(text, encoding="utf-8")
        tops.append(folder / f"swm_top_{index}.sv")
        bench = (project / "sim" / "testbench.cpp").read_text(encoding="utf-8")
        bench = bench.replace("Vswm_top top(&context);", f"Vswm_top top(&context);\n  top.which = {index};")
        bench = re.sub(r"^#include.*$", "", bench, flags=re.M).replace("int main(", "int main_of(")
        bodies.append(f"namespace n{index} {{\n{bench}\n}}\n")
        cases.append(f"    case {index}: return n{index}::main_of(argc - 1, argv + 1);")
    includes = "#include <stdint.h>\n#include <stdlib.h>\n#include <fstream>\n#include <iostream>\n#include <string>\n"
    includes += '#include <vector>\n#include "Vswm_top.h"\n#include "verilated.h"\n'
    main = (
        "int main(int argc, char** argv) {\n  switch (atoi(argv[1])) {\n" + "\n".join(cases) + "\n  }\n  return 9;\n}\n"
    )
    (folder / "bench.cpp").write_text(includes + "\n".join(bodies) + main, encoding="utf-8")
    (folder / "swm_top.sv").write_text(wrapper(widths), encoding="utf-8")
    sources = [*modules.values(), *tops, folder / "swm_top.sv"]
    flags = [
        "--cc",
        "--exe",
        "--build",
        "-O3",
        "-Wall",
        "-Wno-fatal",
        "--top-module",
        "swm_top",
        "-MAKEFLAGS",
        "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0",
    ]
    flags += ["--x-assign", "unique", "--x-initial", "unique", "--Mdir", str(folder / "model")]
    done = subprocess.run(
        ["verilator", *flags, *map(str, sources), str(folder / "bench.cpp")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stderr


def wrapper(widths):
    """A top in which `which` chooses one network: only that one has a clock."""
    wide_in, wide_out = (max(int(w[side]) + 1 for w in widths) for side in (0, 1))
    data_in, data_out = (f"logic [{wide - 1}:0]" for wide in (wide_in, wide_out))
    lines = [
        "module swm_top (",
        "  input logic aclk, aresetn, s_axis_tvalid, s_axis_tlast, m_axis_tready,",
        f"  input logic [7:0] which, input {data_in} s_axis_tdata,",
        f"  output {data_out} m_axis_tdata, output logic s_axis_tready, m_axis_tvalid, m_axis_tlast,",
        "  output logic [31:0] frames, short_frames, long_frames);",
    ]
    chosen = []
    for index, (low, high) in enumerate(widths):
        names = [f"{name}{index}" for name in ("ready", "valid", "last", "data", "frames", "short", "long")]
        ready, valid, last, data, frames, short, long = names
        lines += [
            f"  logic {ready}, {valid}, {last};",
            f"  logic [{int(high)}:0] {data};",
            f"  logic [31:0] {frames}, {short}, {long};",
            f"  swm_top_{index} u{index} (",
            f"    .aclk(aclk && which == {index}), .aresetn, .s_axis_tvalid, .s_axis_tlast, .m_axis_tready,",
            f"    .s_axis_tdata(s_axis_tdata[{int(low)}:0]), .s_axis_tready({ready}), .m_axis_tvalid({valid}),",
            f"    .m_axis_tlast({last}), .m_axis_tdata({data}), .frames({frames}), .short_frames({short}),",
            f"    .long_frames({long}));",
        ]
        chosen += [
            f"      {index if index < len(widths) - 1 else 'default'}: begin",
            f"        s_axis_tready = {ready}; m_axis_tvalid = {valid}; m_axis_tlast = {last};",
            f"        m_axis_tdata = {wide_out}'({data}); frames = {frames}; short_frames = {short};",
            f"        long_frames = {long};",
            "      end",
        ]
    lines += ["  always_comb begin", "    case (which)", *chosen, "    endcase", "  end", "endmodule", ""]
    return "\n".join(lines)


def run(made, project, index, folder, frames):
    measured = folder / f"measured{index}.json"
    files = [project / "sim" / "input.dat", project / "sim" / "expected.dat", frames, folder / "output.bin", measured]
    done = subprocess.run(
        [folder / "model" / "Vswm_top", str(index), *map(str, files)], capture_output=True, text=True, check=False
    )
    runs = json.loads(measured.read_text(encoding="ascii")) if measured.is_file() else {}
    return Result(made, done.returncode, done.stdout + done.stderr, runs)
