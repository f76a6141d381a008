# SPDX-License-Identifier: Apache-2.0
"""Prices of what `swm.layers.rtl.area.counts` counts: LUTs and flip-flops a bit, and a factor a module.

Fitted by `swm bench area --coefficients swm/layers/rtl/area/coefficients.py` to counts of cells by
yosys 0.70, rows of 7-series parts: 118 fitted, 76 held out (12 bits and UltraScale+).
Rows: benchmarks/results/area.json. Kind of every figure: modelled, after measured ones.
"""

__all__ = ["ERROR", "FF", "FF_FACTOR", "LUT", "LUT_FACTOR"]

LUT: dict[str, float] = {
    "adder": 0.742,
    "post": 0.000,
    "restart": 2.299,
    "choice": 0.561,
    "clip": 0.000,
    "shift": 0.019,
    "table": 1.107,
    "constant": 0.354,
    "state": 1.195,
    "module": 1.574,
}
LUT_FACTOR: dict[str, float] = {
    "dense": 1.082,
    "rfft_unrolled": 1.136,
    "spectral_mac": 1.059,
    "irfft_unrolled": 1.316,
    "width": 1.024,
    "scale": 0.970,
    "fork": 1.099,
    "prelu": 0.950,
    "layernorm_sums": 1.243,
    "layernorm_apply": 1.068,
    "add": 1.091,
    "concat": 0.752,
    "layernorm_root": 1.066,
}
FF: dict[str, float] = {
    "state": 0.748,
    "register": 0.750,
    "operand": 0.107,
    "shift": 0.489,
    "module": 14.759,
}
FF_FACTOR: dict[str, float] = {
    "dense": 1.058,
    "rfft_unrolled": 1.026,
    "spectral_mac": 1.133,
    "irfft_unrolled": 1.073,
    "width": 1.044,
    "scale": 1.110,
    "fork": 1.103,
    "prelu": 0.855,
    "layernorm_sums": 1.026,
    "layernorm_apply": 0.971,
    "add": 0.995,
    "concat": 1.085,
    "layernorm_root": 0.828,
}
ERROR = (
    "fitted to yosys 0.70, no vendor synthesis; on layers that were held out: "
    "median LUT 8.6%, FF 4.7%; DSP exact in 100%, BRAM in 100%"
)
