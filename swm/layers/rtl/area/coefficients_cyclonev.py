# SPDX-License-Identifier: Apache-2.0
"""Prices of what `swm.layers.rtl.area.counts` counts: LUTs and flip-flops a bit, and a factor a module.

Fitted by `swm bench area --family cyclonev --coefficients swm/layers/rtl/area/coefficients_cyclonev.py` to counts of
cells by yosys 0.70, rows of Intel Cyclone V parts: 129 fitted, 70 held out (12 bits).
Rows: benchmarks/results/area_cyclonev.json. Kind of every figure: modelled, after measured ones.
"""

__all__ = ["ERROR", "FF", "FF_FACTOR", "LUT", "LUT_FACTOR"]

LUT: dict[str, float] = {
    "adder": 1.000,
    "post": 0.000,
    "restart": 2.000,
    "choice": 0.782,
    "clip": 0.341,
    "shift": 0.000,
    "table": 1.156,
    "constant": 0.525,
    "smooth": 0.000,
    "state": 2.182,
    "rows": 1.595,
    "module": 0.000,
}
LUT_FACTOR: dict[str, float] = {
    "dense": 1.076,
    "rfft_unrolled": 0.954,
    "spectral_mac": 1.030,
    "irfft_unrolled": 1.080,
    "width": 0.992,
    "scale": 1.006,
    "prelu": 0.920,
    "layernorm_sums": 1.170,
    "layernorm_apply": 1.101,
    "fork": 1.144,
    "add": 1.089,
    "concat": 0.933,
    "layernorm_root": 1.250,
    "window": 1.026,
    "max_pool": 0.923,
    "depthwise": 1.094,
    "average_pool": 0.796,
}
FF: dict[str, float] = {
    "state": 1.000,
    "register": 1.000,
    "operand": 0.000,
    "shift": 0.000,
    "module": 2.374,
}
FF_FACTOR: dict[str, float] = {
    "dense": 1.024,
    "rfft_unrolled": 1.045,
    "spectral_mac": 1.034,
    "irfft_unrolled": 1.060,
    "width": 0.994,
    "scale": 1.222,
    "prelu": 0.928,
    "layernorm_sums": 1.230,
    "layernorm_apply": 1.049,
    "fork": 1.040,
    "add": 0.934,
    "concat": 0.946,
    "layernorm_root": 0.993,
    "window": 0.978,
    "max_pool": 0.893,
    "depthwise": 1.112,
    "average_pool": 0.878,
}
ERROR = (
    "fitted to yosys 0.70, no vendor synthesis; on layers that were held out: "
    "median LUT 4.7%, FF 2.5%; DSP exact in 93%, BRAM in 91%"
)
