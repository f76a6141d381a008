# SPDX-License-Identifier: Apache-2.0
"""Bounded C simulation: processes side by side, FIFOs as deep as in the circuit, deadlocks reported."""

import subprocess

import pytest
from hls_tools import HLS, STAND_INS, UNDEFINED, VITIS, WARNINGS, compiler

MINIMAL_DEPTH = 7  # of the shortcut: a token of 6 beats, and the one that is read before the answer


def build(folder, cxx, *flags):
    binary = folder / f"bounded_{cxx}"
    command = [compiler(cxx), *WARNINGS, *VITIS, "-DSWM_SIM_BOUNDED", *STAND_INS, "-I", HLS, *flags]
    command += [HLS / "tests" / "test_dataflow.cpp", "-o", binary]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[:4000]
    return binary


@pytest.fixture(scope="module", params=["g++", "clang++"])
def bounded(tmp_path_factory, request):
    """The test bench with bounded streams, under the sanitiser where there is one."""
    flags = UNDEFINED if request.param == "g++" else ()
    return build(tmp_path_factory.mktemp("dataflow"), request.param, *flags)


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, timeout=100)


def test_processes_run_side_by_side(bounded):
    result = run(bounded)
    assert (result.returncode, result.stdout) == (0, "0 checks failed\n"), result.stderr


@pytest.mark.parametrize("more", [0, 1, 100])
def test_a_shortcut_that_is_deep_enough_passes(bounded, more):
    result = run(bounded, "depth", MINIMAL_DEPTH + more)
    assert (result.returncode, result.stdout) == (0, "0 checks failed\n"), result.stderr


@pytest.mark.parametrize("depth", [1, MINIMAL_DEPTH - 1])
def test_a_shortcut_that_is_too_shallow_is_a_deadlock_that_names_who_waits_for_what(bounded, depth):
    result = run(bounded, "depth", depth)
    assert result.returncode == 4
    assert result.stderr.splitlines() == [
        "deadlock: 5 of 5 processes wait",
        "  input_edge(frames, in, x, status) writes the full stream 'x' of 2 beats",
        f"  split_process(frames, x, straight, shortcut) writes the full stream 'shortcut' of {depth} beats",
        "  reversed_process(frames, straight, y) reads the empty stream 'straight' of 2 beats",
        "  sum_process(frames, y, shortcut, z) reads the empty stream 'y' of 1 beats",
        "  output_edge(frames, z, out) reads the empty stream 'z' of 2 beats",
    ]


@pytest.mark.parametrize(
    ("how", "status", "message"),
    [
        ("leftover", 5, "stream 'inside' is left with 3 beats in it\n"),
        ("starve", 4, "deadlock: 1 of 1 processes wait\n  endless(in, out) reads the empty stream 'in'\n"),
        ("testbench", 3, "read from the empty stream 'out'\n"),
    ],
)
def test_other_ends_have_a_status_of_their_own(bounded, how, status, message):
    result = run(bounded, how)
    assert (result.returncode, result.stderr) == (status, message)


def test_a_stack_that_cannot_be_had_is_said(tmp_path):
    binary = build(tmp_path, "g++", "-DSWM_SIM_STACK=(1L<<60)")
    result = run(binary)
    assert result.returncode == 4
    assert result.stderr == "C simulation: no memory for a stack: lower SWM_SIM_STACK\n"
