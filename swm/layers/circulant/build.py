# SPDX-License-Identifier: Apache-2.0
"""ROMs and C++ configuration of spectral products, for every kind that has them."""

from __future__ import annotations

import numpy as np

from swm.layers.circulant.built import CirculantBuilt
from swm.layers.program import Rom
from swm.layers.values import Ints

__all__ = ["spectral_members", "spectral_roms", "unit_order"]


def spectral_roms(built: CirculantBuilt, weights: Ints, offsets: Ints) -> tuple[Rom, Rom]:
    """The memories of the products (hls/swm/spectral_mac.h) and of the bias.

    Args:
        built: the matrix of a group.
        weights: packed spectra (groups * p, q, k/2, 2).
        offsets: (groups * m,).
    """
    spec = built.spec
    if not spec.unrolled:
        weights = weights[:, :, unit_order(spec.block)]
    groups, rows, columns, bins = spec.groups, built.mac_rows, built.mac_columns, built.mac_bins
    padded = np.zeros((groups, built.row_groups * rows, built.column_groups * columns, spec.words, 2), np.int64)
    padded[:, : spec.p, : spec.q] = weights.reshape(groups, spec.p, *weights.shape[1:])
    split = padded.reshape(groups * built.row_groups, rows, built.column_groups, columns, built.word_groups, bins, 2)
    # address (g, f, c), lane (row, column, bin, part)
    words = split.transpose(0, 4, 2, 1, 3, 5, 6).reshape(built.rom_depth, -1)
    banks = words.reshape(built.rom_depth, -1, built.rom_lanes).transpose(1, 0, 2)
    bias = np.zeros((groups, built.out_beats * built.out_vec), np.int64)
    bias[:, : spec.m] = offsets.reshape(groups, spec.m)
    return Rom("weights", "weight_t", banks, built.storage), Rom("bias", "bias_t", bias.reshape(-1))


def spectral_members(built: CirculantBuilt) -> dict[str, int]:
    """What circulant.h asks, the shift of the sums and the end of the layer aside."""
    spec = built.spec
    return {
        "m": spec.m,
        "n": spec.n,
        "k": spec.block,
        "in_bits": spec.data_bits,
        "weight_bits": spec.weight_bits,
        "bias_bits": spec.bias_bits,
        "fft_shifts": spec.fft_shifts,
        "in_vec": built.in_vec,
        "out_vec": built.out_vec,
        "mac_rows": built.mac_rows,
        "mac_columns": built.mac_columns,
        "mac_bins": built.mac_bins,
        "products": built.products,
        "fabric_rows": built.fabric_rows,
        "packed": built.packed,
        "rom_banks": built.rom_banks,
        "rom_lanes": built.rom_lanes,
    }


def unit_order(block: int) -> list[int]:
    """Spectral words in the order of the units of the last pass: 0, k/4, then u, k/2 - u for u = 1 .. k/4 - 1."""
    quarter = block // 4
    return [0, quarter, *(word for u in range(1, quarter) for word in (u, block // 2 - u))]
