# SPDX-License-Identifier: Apache-2.0
"""Prices of what `swm.layers.rtl.area.counts` counts: LUTs and flip-flops a bit, and a factor a module.

Fitted by `swm bench area --family cyclonev --coefficients swm/layers/rtl/area/coefficients_cyclonev.py` to counts of
cells by yosys 0.70, rows of Intel Cyclone V parts: 129 fitted, 70 held out (12 bits).
Rows: benchmarks/results/area_cyclonev.json. Kind of every figure: modelled, after measured ones.
"""

__all__ = ["ERROR", "FF", "FF_FACTOR", "LUT", "LUT_FACTOR"]

LUT: dict[str, float] = {
    "adder": 1.073,
    "post": 0.000,
    "restart": 2.144,
    "choice": 0.745,
    "clip": 0.209,
    "shift": 0.000,
    "table": 1.133,
    "constant": 0.444,
    "state": 2.167,
    "rows": 1.569,
    "module": 0.000,
}
LUT_FACTOR: dict[str, float] = {
    "dense": 1.068,
    "rfft_unrolled": 0.929,
    "spectral_mac": 1.003,
    "irfft_unrolled": 1.035,
    "width": 1.011,
    "scale": 0.995,
    "prelu": 0.940,
    "layernorm_sums": 1.152,
    "layernorm_apply": 1.093,
    "fork": 1.160,
    "add": 1.093,
    "concat": 0.959,
    "layernorm_root": 1.232,
    "window": 1.008,
    "max_pool": 0.926,
    "depthwise": 1.082,
    "average_pool": 0.776,
}
FF: dict[str, float] = {
    "state": 0.989,
    "register": 1.054,
    "operand": 0.000,
    "shift": 0.000,
    "module": 0.000,
}
FF_FACTOR: dict[str, float] = {
    "dense": 1.107,
    "rfft_unrolled": 1.029,
    "spectral_mac": 0.963,
    "irfft_unrolled": 1.009,
    "width": 0.997,
    "scale": 1.165,
    "prelu": 0.889,
    "layernorm_sums": 1.196,
    "layernorm_apply": 1.011,
    "fork": 1.031,
    "add": 0.902,
    "concat": 0.928,
    "layernorm_root": 0.949,
    "window": 0.959,
    "max_pool": 0.903,
    "depthwise": 1.141,
    "average_pool": 0.809,
}
ERROR = (
    "fitted to yosys 0.70, no vendor synthesis; on layers that were held out: "
    "median LUT 4.7%, FF 2.3%; DSP exact in 91%, BRAM in 91%"
)
