# SPDX-License-Identifier: Apache-2.0
"""The process that multiplies a matrix: its loop, ROMs and C++ configuration, for every kind that has one."""

from __future__ import annotations

import numpy as np

from swm.device.board import DspPorts
from swm.layers.dense.cost import cost
from swm.layers.dense.spec import DenseBuilt
from swm.layers.products import product_program
from swm.layers.program import ProcessModel, Rom
from swm.layers.values import Ints, ceil_div

__all__ = ["dense_members", "dense_process", "dense_roms"]


def dense_process(built: DenseBuilt, ports: DspPorts, weights: int, source: str = "in0") -> ProcessModel:
    """Load, products and drain in one loop.

    Args:
        built: the matrix as it is built.
        ports: port widths of the device's DSP.
        weights: of the network, among those of the matrix; each is multiplied once a token.
        source: stream that it reads.
    """
    spec, drain = built.spec, ceil_div(built.rows, built.out_vec)
    last = ceil_div(spec.m - (built.row_groups - 1) * built.rows, built.out_vec)
    program = product_program(
        source,
        "out0",
        depth=built.multiplies,
        loads=built.loads,
        drain_group=built.column_groups,
        drain_step=max(1, built.column_groups // drain),
        drains=[*[drain] * (built.row_groups - 1), last],
    )
    on_dsp = (built.rows - built.fabric_rows) / built.rows
    products = round(weights * on_dsp / (1 + built.packed))
    return ProcessModel("dense", "dense", program, cost(built, ports), ("weights", "bias"), products=products)


def dense_roms(built: DenseBuilt, weights: Ints, offsets: Ints) -> tuple[Rom, Rom]:
    """Weights (groups * m, n) in the order of the products, and the bias (groups * m,)."""
    spec, groups, rows, columns = built.spec, built.spec.groups, built.rows, built.columns
    padded = np.zeros((groups, built.row_groups * rows, built.column_groups * columns), np.int64)
    padded[:, : spec.m, : spec.n] = weights.reshape(groups, spec.m, spec.n)
    split = padded.reshape(groups * built.row_groups, rows, built.column_groups, columns).transpose(0, 2, 1, 3)
    words = split.reshape(built.rom_depth, rows * columns)
    banks = words.reshape(built.rom_depth, -1, built.rom_lanes).transpose(1, 0, 2)
    bias = np.zeros((groups, built.out_beats * built.out_vec), np.int64)
    bias[:, : spec.m] = offsets.reshape(groups, spec.m)
    return Rom("weights", "weight_t", banks, built.storage), Rom("bias", "bias_t", bias.reshape(-1))


def dense_members(built: DenseBuilt) -> dict[str, int]:
    """What dense.h asks, the bias and the end of the layer aside."""
    spec = built.spec
    return {
        "m": spec.m,
        "n": spec.n,
        "in_bits": spec.data_bits,
        "weight_bits": spec.weight_bits,
        "in_vec": built.in_vec,
        "out_vec": built.out_vec,
        "rows": built.rows,
        "columns": built.columns,
        "fabric_rows": built.fabric_rows,
        "packed": built.packed,
        "rom_banks": built.rom_banks,
        "rom_lanes": built.rom_lanes,
    }
