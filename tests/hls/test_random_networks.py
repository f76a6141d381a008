# SPDX-License-Identifier: Apache-2.0
"""Random networks, emitted for both back ends: every word, every loop and every deadlock as the Python side says.

Networks are drawn with random integers, binary points and bits; built as random legal implementations or as the search
chooses on a small board. Many projects are compiled as one program (see random_networks.merged).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from hls_tools import HLS, STAND_INS, UNDEFINED, UNOPTIMIZED, VITIS, WARNINGS, compile_together, compiler
from random_networks import ACTIVATIONS, BLOCKS, FRAMES, draw_lively, joins, merged, power, random_design

from swm.accelerator.backend import GENERIC
from swm.accelerator.backend import VITIS as STREAMS
from swm.accelerator.design import Design
from swm.accelerator.integers import run_integers
from swm.accelerator.network import checked_depths
from swm.accelerator.placement import Placement
from swm.accelerator.schedule import make_schedule
from swm.accelerator.simulation import frame_network
from swm.accelerator.tokens import Deadlock, play
from swm.device.board import load_board
from swm.device.limits import Limits
from swm.emit import emit_project, expected_iterations
from swm.emit.context import stream_depths

RANDOM, SEARCHED = 12, 5
FILES = 2  # programs of a back end, compiled side by side


def searched_design(rng, graph):
    """What the search makes of a network on a corner of a device."""
    board = load_board(str(rng.choice(["pynq-z2", "zcu104", "arty-a7-100t"])))
    share = float(rng.choice([0.02, 0.05, 0.15]))
    limits = Limits(lut=2 * share, ff=2 * share, bram18=share, dsp=share)
    return Design(graph, make_schedule(graph.shape, board, limits=limits, hybrid=bool(rng.integers(2))))


@pytest.fixture(scope="module")
def drawn():
    """Drawings and their designs (streaming)."""
    rng = np.random.default_rng(7)
    drawings = [draw_lively(seed) for seed in range(RANDOM + SEARCHED)]
    designs = [random_design(rng, d.graph, STREAMS) for d in drawings[:RANDOM]]
    return drawings, designs + [searched_design(rng, d.graph) for d in drawings[RANDOM:]]


def build(folder, cxx, drawings, designs, flags):
    """Emit, merge and compile: a command to run each of them."""
    projects = []
    for index, (drawing, made) in enumerate(zip(drawings, designs, strict=True)):
        form = drawing.graph.input
        vectors = (drawing.frames / 2.0**form.frac).astype(np.float32)  # exact: at most 18 bits
        projects.append(emit_project(made, folder / f"p{index}", vectors=vectors))
    commands, runs = [], []
    for part in range(FILES):
        binary, mine = folder / f"part{part}", projects[part::FILES]
        binary.with_suffix(".cpp").write_text(merged(mine), encoding="utf-8")
        commands.append([cxx, *WARNINGS, *flags, "-I", HLS, binary.with_suffix(".cpp"), "-o", binary])
        for i, project in enumerate(mine):
            command = [binary, str(i), project / "tb/input.dat", project / "tb/expected.dat"]
            runs.append((projects.index(project), command))
    compile_together(commands)
    return [command for _, command in sorted(runs, key=lambda r: r[0])]


def run(command, depths=None, *more):
    """One network; `depths` of some streams overrule the design's."""
    text = "".join(f"{name}={depth} " for name, depth in (depths or {}).items())
    environment = {**os.environ, "SWM_DEPTHS": text}
    return subprocess.run([*command, *more], env=environment, capture_output=True, text=True, check=False, timeout=60)


def check(folder, drawing, made, command):
    output, counts = folder / "output", folder / "counts"
    result = run(command, None, output, counts)
    assert result.returncode == 0, (result.stderr or result.stdout)[:2000]
    words, _ = run_integers(drawing.graph, drawing.frames)
    np.testing.assert_array_equal(np.loadtxt(output, np.int64, ndmin=2), words)
    pairs = (line.split() for line in counts.read_text().splitlines())
    assert {name: int(count) for name, count in pairs} == expected_iterations(made, FRAMES)


@pytest.fixture(scope="module")
def streaming(drawn, tmp_path_factory):
    """By clang++ where there is one, in a third of the time of g++, which compiles emitted projects in tests/emit."""
    cxx = shutil.which("clang++") or compiler("g++")
    flags = [*UNOPTIMIZED, *VITIS, "-DSWM_SIM_BOUNDED", *STAND_INS]
    return build(tmp_path_factory.mktemp("vitis"), cxx, *drawn, flags)


@pytest.fixture(scope="module")
def arrays(drawn, tmp_path_factory):
    drawings, designs = drawn
    designs = [of_arrays(d) for d in designs]
    return build(tmp_path_factory.mktemp("generic"), compiler("g++"), drawings, designs, UNDEFINED)


def of_arrays(made):
    """The same parallelism as calls over arrays."""
    return replace(made, schedule=replace(made.schedule, backend=GENERIC))


def test_the_networks_hold_what_they_should(drawn):
    drawings, designs = drawn
    found = set().union(*(joins(d.graph) for d in drawings))
    kinds = {"circulant", "dense", "scale", "layernorm", "add", "concat"}
    kinds |= {"tokens", "regrouped", "three readers", "chain"}
    kinds |= {"whole blocks", "parts of blocks"}
    kinds |= {"rotary", "rotated neighbours", "rotated halves", "some left alone"}
    assert kinds | set(ACTIVATIONS) | {f"block {k}" for k in BLOCKS} <= found
    assert {"width", "fork"} <= {placed.spec.kind for made in designs for placed in made.schedule.layers}
    bits = {shape.bits for d in drawings for spec in d.graph.specs for shape in (*spec.inputs, spec.output)}
    assert bits >= {4, 18}
    assert len(bits) > 10
    builts = [placed.built for made in designs for placed in made.schedule.layers]
    assert any(getattr(b, "packed", 0) for b in builts)
    assert any(getattr(b, "fabric_rows", 0) for b in builts)
    assert any(made.schedule.fits for made in designs[RANDOM:])


@pytest.mark.parametrize("index", range(RANDOM + SEARCHED))
def test_streams_of_the_designs_depths_carry_the_right_words(drawn, streaming, tmp_path, index):
    drawings, designs = drawn
    check(tmp_path, drawings[index], designs[index], streaming[index])


@pytest.mark.parametrize("index", range(RANDOM + SEARCHED))
def test_calls_over_arrays_give_the_right_words(drawn, arrays, tmp_path, index):
    drawings, designs = drawn
    check(tmp_path, drawings[index], of_arrays(designs[index]), arrays[index])


class Fifos:
    """The token simulation of a design, asked for deadlocks only."""

    def __init__(self, made):
        schedule = made.schedule
        self.network = frame_network(Placement(schedule.layers, schedule.edges), schedule.clock_mhz)
        self.depths = stream_depths(made)  # by C++ variable
        self.edges = {edge.name: edge.name for edge in schedule.edges}
        for placed in schedule.layers:
            name = placed.spec.name
            self.edges |= {f"{name}_{stream}": f"{name}.{stream}" for stream, _ in placed.depths}

    def passes(self, depths):
        """Whether all frames get through the simulation."""
        if min(depths.values()) < 1:
            return False
        try:
            play(self.network, FRAMES, checked_depths(self.network, {self.edges[n]: d for n, d in depths.items()}))
        except Deadlock:
            return False
        return True

    def outcome(self, depths):
        """Whether the C simulation passes."""
        return self.passes({**self.depths, **depths})

    def least(self, name):
        """The smallest depth of a stream that passes, the others as designed."""
        low, high = 0, self.depths[name]
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.outcome({name: middle}) else (middle, high)
        return high


def ended(result):
    """Whether a program came to its end with the right words; a deadlock is the only other way."""
    assert result.returncode in (0, 4), (result.returncode, result.stderr[:1000])
    assert (result.returncode == 4) == ("deadlock" in result.stderr)
    return result.returncode == 0


def test_a_stream_below_its_least_depth_is_a_deadlock(drawn, streaming):
    """Every stream that can be too shallow, the others as deep as designed."""
    found = []
    for made, command in zip(drawn[1], streaming, strict=True):
        fifos = Fifos(made)
        for name in (n for n in fifos.depths if not fifos.outcome({n: 1})):
            least = fifos.least(name)
            found.append((name, least, ended(run(command, {name: least - 1})), ended(run(command, {name: least}))))
    assert len(found) > 10
    assert [entry for entry in found if entry[-2:] != (False, True)] == []


@pytest.mark.parametrize("index", range(RANDOM + SEARCHED))
def test_any_depths_come_to_a_deadlock_when_the_token_simulation_says_so(drawn, streaming, index):
    rng, fifos = np.random.default_rng(index), Fifos(drawn[1][index])
    trials = [dict.fromkeys(fifos.depths, 1), *({n: power(rng, 8) for n in fifos.depths} for _ in range(4))]
    trials += [{n: min(d, power(rng, 512)) for n, d in fifos.depths.items()} for _ in range(4)]
    for depths in trials:
        assert ended(run(streaming[index], depths)) == fifos.outcome(depths), depths
