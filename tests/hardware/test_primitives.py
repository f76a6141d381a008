# SPDX-License-Identifier: Apache-2.0
"""Operators, memories and FIFOs against the rows of public csynth reports that the rules were read from."""

import pytest

from swm.hardware import load_board
from swm.hardware.primitives import bram18, fifo, fifo_bram18, memory, multiplier

ZYNQ, MPSOC = load_board("pynq-z2").dsp_ports, load_board("zcu104").dsp_ports


@pytest.mark.parametrize(
    ("depth", "width", "blocks"), [(36, 16, 1), (40, 384, 22), (1156, 32, 4), (4356, 32, 16), (16900, 32, 64)]
)
def test_fifo_blocks(depth, width, blocks):
    assert fifo_bram18(depth, width) == blocks
    assert fifo(depth, width).bram18 == blocks


def test_shallow_fifo_takes_no_block_ram():
    assert fifo(2, 1400).bram18 == 0
    assert fifo(32, 64).bram18 == 0
    assert fifo(33, 64).bram18 == 4


@pytest.mark.parametrize(
    ("depth", "width", "blocks"),
    [(512, 36, 1), (512, 37, 2), (513, 36, 2), (1024, 18, 1), (16384, 1, 1), (64, 18, 1), (1024, 12, 1)],
)
def test_memory_shapes(depth, width, blocks):
    assert bram18(depth, width) == blocks


def test_large_memory_within_a_per_mille_of_the_report():
    assert bram18(614_656, 32) == pytest.approx(1091, rel=0.001)  # Vivado HLS 2018.2


def test_true_dual_port_has_no_wide_shape():
    assert (bram18(512, 36), bram18(512, 36, two_ports=True)) == (1, 2)


def test_small_memories_are_lutram():
    assert memory(64, 16).bram18 == 0
    assert memory(65, 16).bram18 == 1
    assert memory(36, 32, banks=4).bram18 == 4


@pytest.mark.parametrize(("a", "b", "lut"), [(6, 5, 23), (8, 6, 40), (9, 7, 50), (10, 7, 62)])
def test_narrow_multipliers_are_luts(a, b, lut):
    cost = multiplier(a, b, ZYNQ)
    assert cost.dsp == 0
    assert cost.logic == pytest.approx(lut, rel=0.1)


@pytest.mark.parametrize(
    ("a", "b", "dsp"),
    [(16, 5, 1), (18, 11, 1), (18, 25, 1), (25, 18, 1), (14, 32, 2), (32, 17, 2), (18, 32, 2), (32, 32, 4)],
)
def test_wide_multipliers_are_dsps(a, b, dsp):
    assert multiplier(a, b, ZYNQ).dsp == dsp


def test_port_width_decides():
    assert multiplier(18, 27, ZYNQ).dsp == 2
    assert multiplier(18, 27, MPSOC).dsp == 1
