# SPDX-License-Identifier: Apache-2.0
"""Memories and FIFOs against rows of public csynth reports, and against the ports that they really have."""

import pytest

from swm.device.memories import LUTS_PER_BRAM18, bram18, fifo, fifo_bram18, memory, shift_register, storage


@pytest.mark.parametrize(
    ("depth", "width", "blocks"), [(36, 16, 1), (40, 384, 22), (1156, 32, 4), (4356, 32, 16), (16900, 32, 64)]
)
def test_fifo_blocks(depth, width, blocks):
    assert fifo_bram18(depth, width) == blocks
    assert fifo(depth, width, kind="bram").bram18 == blocks


def test_shallow_fifo_is_a_shift_register():
    assert fifo(2, 1400).bram18 == 0
    assert fifo(32, 64).memory == 64  # a LUT a bit
    assert fifo(1, 64).memory == 0
    assert fifo(1, 64).ff >= 2 * 64


def test_deeper_fifos_go_where_they_are_cheaper():
    assert fifo(64, 18).memory == 4 * 6
    assert fifo(64, 18).bram18 == 0
    assert (fifo(512, 18).bram18, fifo(512, 18).memory) == (1, 0)
    assert fifo(512, 18, luts_per_bram18=1000).bram18 == 0


@pytest.mark.parametrize(
    ("depth", "width", "blocks"),
    [(512, 36, 1), (512, 37, 2), (513, 36, 2), (1024, 18, 1), (16384, 1, 1), (64, 18, 1), (1024, 12, 1)],
)
def test_memory_shapes(depth, width, blocks):
    assert bram18(depth, width) == blocks
    assert memory(depth, width, kind="bram").bram18 == blocks


def test_large_memory_within_a_per_mille_of_the_report():
    assert bram18(614_656, 32) == pytest.approx(1091, rel=0.001)  # Vivado HLS 2018.2


def test_true_dual_port_has_no_wide_shape():
    assert (bram18(512, 36), bram18(512, 36, two_ports=True)) == (1, 2)
    assert memory(512, 36, writes=2).bram18 == 2
    assert memory(512, 36, reads=2, writes=2).bram18 == 2


def test_two_writes_never_go_to_luts():
    assert storage(8, 15) == "lutram"
    assert storage(8, 15, writes=2) == "bram"
    assert memory(8, 15, writes=2).bram18 == 1
    with pytest.raises(ValueError, match="one write port"):
        memory(8, 15, writes=2, kind="lutram")
    with pytest.raises(ValueError, match="no such memory"):
        memory(8, 15, writes=3)


def test_reads_are_copies_or_the_second_port():
    assert memory(512, 36, reads=2, kind="bram").bram18 == 2  # RAM: one copy a read
    assert memory(1024, 18, reads=2, writes=0, kind="bram").bram18 == 1  # ROM: both ports of one block
    assert memory(1024, 18, reads=3, writes=0, kind="bram").bram18 == 2
    assert memory(64, 15, reads=3, kind="lutram").memory == 4 * 15  # RAM64M has three read ports


def test_small_shapes():
    assert memory(1, 36).lut == 0
    assert memory(1, 36).ff == 36
    assert memory(1, 36, writes=0) == memory(1, 36, writes=0, kind="registers")
    assert memory(32, 6, kind="lutram").memory == 4  # RAM32M
    assert memory(64, 3, kind="lutram").memory == 4  # RAM64M
    assert [memory(d, 10, writes=0, kind="lutram").memory for d in (32, 64, 128, 256)] == [5, 10, 20, 40]
    assert memory(64, 10, banks=7).lut == 7 * memory(64, 10).lut


@pytest.mark.parametrize("depth", [2, 16, 33, 64, 100, 256, 512, 1024, 4096])
@pytest.mark.parametrize("width", [1, 12, 36, 72, 1000])
@pytest.mark.parametrize("writes", [0, 1])
def test_the_choice_is_the_cheaper_one(depth, width, writes):
    luts = memory(depth, width, writes=writes, kind="lutram").lut
    blocks = memory(depth, width, writes=writes, kind="bram").bram18
    chosen = memory(depth, width, writes=writes)
    assert chosen.lut + LUTS_PER_BRAM18 * chosen.bram18 == min(luts, LUTS_PER_BRAM18 * blocks)
    assert memory(depth, width, writes=writes, luts_per_bram18=0.001).bram18 == blocks


def test_ultraram_is_asked_for_and_loaded():
    assert memory(4096, 72, kind="uram").uram == 1
    assert memory(4097, 73, kind="uram").uram == 4
    assert memory(4096, 72, reads=2, kind="uram").uram == 2
    assert memory(100_000, 72).uram == 0
    with pytest.raises(ValueError, match="no initial contents"):
        memory(4096, 72, writes=0, kind="uram")


def test_shift_registers():
    assert shift_register(2, 16).ff == 32
    assert shift_register(32, 16).memory == 16
    assert shift_register(33, 16).memory == 32
