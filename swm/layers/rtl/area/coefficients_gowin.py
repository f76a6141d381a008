# SPDX-License-Identifier: Apache-2.0
"""Prices of what `swm.layers.rtl.area.counts` counts: LUTs and flip-flops a bit, and a factor a module.

Fitted by `swm bench area --family gowin --coefficients swm/layers/rtl/area/coefficients_gowin.py` to counts of
cells by yosys 0.70, rows of Gowin GW2A parts: 129 fitted, 108 held out (12 bits).
Rows: benchmarks/results/area_gowin.json. Kind of every figure: modelled, after measured ones.
"""

__all__ = ["ERROR", "FF", "FF_FACTOR", "LUT", "LUT_FACTOR"]

LUT: dict[str, float] = {
    "adder": 1.000,
    "post": 0.000,
    "restart": 2.000,
    "choice": 0.983,
    "clip": 0.000,
    "shift": 0.000,
    "table": 1.330,
    "constant": 1.109,
    "smooth": 0.191,
    "state": 1.961,
    "rows": 1.305,
    "module": 0.000,
}
LUT_FACTOR: dict[str, float] = {
    "dense": 1.167,
    "rfft_unrolled": 0.917,
    "spectral_mac": 1.045,
    "irfft_unrolled": 1.099,
    "width": 1.134,
    "scale": 0.992,
    "fork": 1.418,
    "prelu": 0.815,
    "layernorm_sums": 1.267,
    "layernorm_apply": 1.279,
    "add": 1.016,
    "concat": 1.056,
    "layernorm_root": 1.700,
    "window": 1.223,
    "max_pool": 1.180,
    "depthwise": 1.236,
    "average_pool": 0.807,
    "upsample": 1.010,
    "pad": 1.226,
    "depth_to_space": 0.939,
    "reverse": 1.123,
    "reorder": 0.753,
    "global_pool": 1.192,
    "rfft_load": 0.720,
    "rfft_pass": 1.056,
    "irfft_collect": 0.974,
    "irfft_pass": 0.981,
    "irfft_store": 1.678,
    "recurrent_steps": 0.899,
    "recurrent_input": 0.830,
}
FF: dict[str, float] = {
    "state": 1.000,
    "register": 1.000,
    "operand": 0.000,
    "shift": 0.000,
    "module": 0.343,
}
FF_FACTOR: dict[str, float] = {
    "dense": 0.999,
    "rfft_unrolled": 1.059,
    "spectral_mac": 0.992,
    "irfft_unrolled": 0.988,
    "width": 1.036,
    "scale": 0.935,
    "fork": 1.064,
    "prelu": 0.722,
    "layernorm_sums": 1.001,
    "layernorm_apply": 0.895,
    "add": 0.915,
    "concat": 0.922,
    "layernorm_root": 0.912,
    "window": 1.009,
    "max_pool": 0.947,
    "depthwise": 0.982,
    "average_pool": 0.747,
    "upsample": 0.995,
    "pad": 1.045,
    "depth_to_space": 1.201,
    "reverse": 1.776,
    "reorder": 1.147,
    "global_pool": 0.999,
    "rfft_load": 0.927,
    "rfft_pass": 0.870,
    "irfft_collect": 0.905,
    "irfft_pass": 0.902,
    "irfft_store": 0.969,
    "recurrent_steps": 0.821,
    "recurrent_input": 0.990,
}
ERROR = (
    "fitted to yosys 0.70, no vendor synthesis; on layers that were held out: "
    "median LUT 6.8%, FF 3.1%; DSP exact in 100%, BRAM in 100%"
)
