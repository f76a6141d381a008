# SPDX-License-Identifier: Apache-2.0
"""Recurrent layers in C++: every word and iteration as the Python side says, over cells, blocks, widths and lanes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hls_tools import HLS, STAND_INS, UNDEFINED, UNOPTIMIZED, VITIS, WARNINGS, compile_together, compiler
from random_networks import merged

sys.path.append(str(Path(__file__).parents[1] / "emit"))
from designs import Sketch, design

from swm.accelerator.integers import run_fixed
from swm.emit import emit_project, expected_iterations
from swm.layers.registry import kind

FRAMES = 5

# cell, inputs, cells, steps, block, bits; what else the layer has; lanes (in_vec, out_vec, mac_rows, mac_columns)
STREAMS = [
    ("lstm", 12, 16, 3, 8, 16, {"peepholes": True, "start": True, "bound": 1.5}, (8, 8, 4, 2)),
    ("lstm", 20, 32, 2, 16, 12, {"peepholes": True, "last": True}, (32, 8, 2, 2)),
    ("lstm", 5, 6, 4, None, 18, {"start": True}, (2, 1, 12, 4)),
    ("lstm", 3, 4, 4, 2, 4, {}, (2, 4, 8, 2)),
    ("lstm", 6, 16, 3, 4, 8, {"projection": 8}, (1, 8, 8, 2)),
    ("gru", 5, 16, 3, 8, 16, {"start": True, "bound": 0.7}, (4, 16, 4, 2)),
    ("gru", 5, 6, 3, None, 12, {"last": True}, (1, 1, 1, 2)),
    ("gru_after", 5, 16, 4, 4, 8, {"start": True, "last": True}, (2, 8, 6, 2)),
    ("gru_after", 7, 8, 2, None, 9, {"bound": 0.9}, (1, 1, 1, 1)),
    ("rnn", 5, 16, 3, 4, 12, {"start": True, "gates": (("relu", ()),)}, (4, 8, 2, 2)),
    ("lstm", 40, 64, 3, 32, 12, {"projection": 32}, (8, 16, 4, 1)),
    ("gru", 7, 64, 2, 64, 18, {"start": True}, (4, 64, 2, 1)),
    ("gru_after", 70, 64, 2, 64, 8, {"bound": 0.7}, (64, 32, 1, 1)),
    ("lstm", 5, 7, 3, None, 12, {"cells": True}, (1, 2, 8, 4)),
    ("lstm", 8, 16, 2, 8, 16, {"cells": True, "last": True, "start": True}, (2, 4, 4, 1)),
    ("lstm", 5, 16, 3, 8, 12, {"states": 2, "cells": True, "peepholes": True}, (2, 8, 4, 2)),
    ("lstm", 5, 7, 1, None, 16, {"states": 2, "bound": 0.9}, (1, 2, 8, 4)),
    ("gru", 7, 16, 3, 4, 12, {"states": 1, "last": True}, (4, 4, 2, 2)),
    ("gru_after", 3, 6, 2, None, 18, {"states": 1}, (2, 1, 3, 2)),
    ("rnn", 5, 8, 2, 2, 8, {"states": 1}, (1, 2, 1, 1)),
]
ARRAYS = [
    ("lstm", 5, 6, 2, None, 12, {"peepholes": True, "projection": 4, "last": True}),
    ("lstm", 5, 8, 3, 4, 10, {"start": True}),
    ("gru", 5, 8, 2, 4, 12, {"start": True}),
    ("gru_after", 5, 6, 3, 2, 6, {"bound": 0.8, "last": True}),
    ("rnn", 5, 8, 2, 8, 18, {"bound": 0.5}),
    ("rnn", 5, 32, 2, 32, 4, {}),
    ("lstm", 3, 4, 2, 4, 8, {"cells": True}),
    ("lstm", 3, 6, 2, None, 8, {"states": 2, "cells": True, "last": True}),
    ("gru", 3, 8, 2, 4, 12, {"states": 1}),
]


def graph_of(cell, n, hidden, steps, block, bits, options):
    sketch = Sketch(n, positions=steps, bits=bits, seed=hidden + steps, samples=24)
    states = tuple(f"{name}0" for name in "hc"[: options.get("states", 0)])
    for state in states:  # of all the frame
        sketch.product("x", state, hidden)
    return sketch.recurrent("x", "h", cell, hidden, block=block, **{**options, "states": states}).graph(), sketch


def placed(result):
    return next(layer for layer in result.schedule.layers if layer.spec.kind == "recurrent")


def made(case, backend):
    graph, sketch = graph_of(*case[:7])
    built = None
    if len(case) > 7:
        built = {
            f"l{case[6].get('states', 0)}_recurrent": dict(
                zip(("in_vec", "out_vec", "mac_rows", "mac_columns"), case[7], strict=True)
            )
        }
    result = design(graph, backend, built=built)
    assert placed(result).built.valid, case
    frames = sketch.inputs[:FRAMES].copy()
    frames[-1] *= 30  # saturates
    return result, frames


def built_together(folder, cases, backend, cxx, flags):
    """Emitted, compiled as one program, run: words and iterations of each."""
    designs = [made(case, backend) for case in cases]
    projects = [emit_project(d, folder / f"p{i}", vectors=x) for i, (d, x) in enumerate(designs)]
    source, binary = folder / "all.cpp", folder / "all"
    source.write_text(merged(projects), encoding="utf-8")
    compile_together([[cxx, *WARNINGS, *flags, "-I", HLS, source, "-o", binary]])
    found = []
    for index, project in enumerate(projects):
        output, counts = folder / f"output{index}", folder / f"counts{index}"
        files = [project / "tb/input.dat", project / "tb/expected.dat", output, counts]
        run = subprocess.run([binary, str(index), *files], capture_output=True, text=True, check=False, timeout=60)
        assert run.returncode == 0, (cases[index], (run.stderr or run.stdout)[:2000])
        pairs = (line.split() for line in counts.read_text().splitlines())
        found.append((*designs[index], np.loadtxt(output, np.int64, ndmin=2), {k: int(v) for k, v in pairs}))
    return found


@pytest.fixture(scope="module")
def streams(tmp_path_factory):
    cxx = shutil.which("clang++") or compiler("g++")
    flags = [*UNOPTIMIZED, *VITIS, "-DSWM_SIM_BOUNDED", *STAND_INS]
    return built_together(tmp_path_factory.mktemp("streams"), STREAMS, "vitis", cxx, flags)


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    return built_together(tmp_path_factory.mktemp("arrays"), ARRAYS, "generic", compiler("g++"), UNDEFINED)


@pytest.mark.parametrize("index", range(len(STREAMS)))
def test_streaming_loops_give_the_words_and_iterations(streams, index):
    """At the design's depths, frames back to back: states of one never reach the next."""
    result, frames, words, counts = streams[index]
    np.testing.assert_array_equal(words, run_fixed(result.graph, frames).words)
    assert counts == expected_iterations(result, FRAMES)


@pytest.mark.parametrize("index", range(len(ARRAYS)))
def test_array_loops_give_the_words_and_iterations(arrays, index):
    result, frames, words, counts = arrays[index]
    np.testing.assert_array_equal(words, run_fixed(result.graph, frames).words)
    assert counts == expected_iterations(result, FRAMES)


def test_one_sequence_waits_for_its_state_and_the_schedule_says_so():
    """Few products: most of a step is the way round."""
    result, _ = made(STREAMS[0], "vitis")
    built = placed(result).built
    products = sum(built.products_of)
    assert built.period == products + built.last_beats + built.feedback - built.in_groups
    assert built.waiting == built.period - products > 40
    loop = placed(result).processes[1].program
    assert loop.period == built.period
    assert result.schedule.interval >= built.spec.steps * built.period


@pytest.mark.parametrize(
    ("change", "legal"),
    [({}, True), ({"mac_rows": 3}, False), ({"out_vec": 32}, False), ({"mac_columns": 1, "in_vec": 16}, False)],
)
def test_illegal_lanes_are_known(change, legal):
    from dataclasses import replace

    graph, _ = graph_of(*STREAMS[0][:7])
    assert replace(kind("recurrent").minimal(graph.specs[0]), **change).valid is legal
