# SPDX-License-Identifier: Apache-2.0
"""Prices of what `swm.layers.rtl.area.counts` counts: LUTs and flip-flops a bit, and a factor a module.

Fitted by `swm bench area --family ecp5 --coefficients swm/layers/rtl/area/coefficients_ecp5.py` to counts of
cells by yosys 0.70, rows of Lattice ECP5 parts: 129 fitted, 112 held out (12 bits).
Rows: benchmarks/results/area_ecp5.json. Kind of every figure: modelled, after measured ones.
"""

__all__ = ["ERROR", "FF", "FF_FACTOR", "LUT", "LUT_FACTOR"]

LUT: dict[str, float] = {
    "adder": 0.902,
    "post": 0.000,
    "restart": 2.054,
    "choice": 0.873,
    "clip": 0.000,
    "shift": 0.000,
    "table": 1.480,
    "constant": 1.270,
    "state": 1.691,
    "rows": 1.270,
    "module": 0.000,
}
LUT_FACTOR: dict[str, float] = {
    "dense": 1.137,
    "rfft_unrolled": 1.010,
    "spectral_mac": 1.083,
    "irfft_unrolled": 1.197,
    "width": 1.006,
    "scale": 0.959,
    "fork": 1.249,
    "prelu": 0.989,
    "layernorm_sums": 1.230,
    "layernorm_apply": 1.538,
    "add": 1.038,
    "concat": 0.992,
    "layernorm_root": 1.084,
    "window": 1.101,
    "max_pool": 0.980,
    "depthwise": 1.288,
    "average_pool": 0.804,
    "upsample": 0.913,
    "pad": 0.960,
    "depth_to_space": 0.941,
    "reverse": 1.053,
    "reorder": 0.872,
    "global_pool": 0.987,
    "rfft_load": 0.742,
    "rfft_pass": 1.080,
    "irfft_collect": 0.954,
    "irfft_pass": 0.996,
    "irfft_store": 1.225,
    "recurrent_steps": 0.927,
    "recurrent_input": 0.868,
}
FF: dict[str, float] = {
    "state": 1.291,
    "register": 0.873,
    "operand": 0.000,
    "shift": 0.000,
    "module": 0.000,
}
FF_FACTOR: dict[str, float] = {
    "dense": 1.087,
    "rfft_unrolled": 1.127,
    "spectral_mac": 1.099,
    "irfft_unrolled": 1.068,
    "width": 1.022,
    "scale": 1.026,
    "fork": 0.986,
    "prelu": 0.783,
    "layernorm_sums": 1.027,
    "layernorm_apply": 1.011,
    "add": 0.899,
    "concat": 0.947,
    "layernorm_root": 1.019,
    "window": 1.051,
    "max_pool": 0.968,
    "depthwise": 0.983,
    "average_pool": 0.755,
    "upsample": 1.012,
    "pad": 0.963,
    "depth_to_space": 1.071,
    "reverse": 1.536,
    "reorder": 1.076,
    "global_pool": 1.140,
    "rfft_load": 0.992,
    "rfft_pass": 0.974,
    "irfft_collect": 1.010,
    "irfft_pass": 1.006,
    "irfft_store": 1.060,
    "recurrent_steps": 0.916,
    "recurrent_input": 1.054,
}
ERROR = (
    "fitted to yosys 0.70, no vendor synthesis; on layers that were held out: "
    "median LUT 6.8%, FF 4.5%; DSP exact in 99%, BRAM in 100%"
)
