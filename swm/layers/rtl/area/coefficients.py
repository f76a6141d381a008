# SPDX-License-Identifier: Apache-2.0
"""Prices of what `swm.layers.rtl.area.counts` counts: LUTs and flip-flops a bit, and a factor a module.

Fitted by `swm bench area --coefficients swm/layers/rtl/area/coefficients.py` to counts of
cells by yosys 0.70, rows of 7-series parts: 283 fitted, 213 held out (12 bits and UltraScale+).
Rows: benchmarks/results/area.json. Kind of every figure: modelled, after measured ones.
"""

__all__ = ["ERROR", "FF", "FF_FACTOR", "LUT", "LUT_FACTOR"]

LUT: dict[str, float] = {
    "adder": 0.584,
    "post": 0.000,
    "restart": 2.085,
    "choice": 0.641,
    "clip": 0.000,
    "shift": 0.913,
    "table": 1.336,
    "constant": 0.399,
    "state": 0.616,
    "rows": 1.030,
    "module": 7.412,
}
LUT_FACTOR: dict[str, float] = {
    "dense": 1.444,
    "rfft_unrolled": 1.177,
    "spectral_mac": 1.163,
    "irfft_unrolled": 1.425,
    "width": 0.970,
    "scale": 0.995,
    "fork": 1.131,
    "prelu": 0.892,
    "layernorm_sums": 1.329,
    "layernorm_apply": 0.999,
    "add": 1.229,
    "concat": 0.840,
    "layernorm_root": 1.216,
    "window": 0.989,
    "max_pool": 1.177,
    "depthwise": 1.636,
    "average_pool": 0.774,
    "upsample": 0.873,
    "pad": 0.957,
    "depth_to_space": 0.873,
    "reverse": 0.917,
    "reorder": 0.748,
    "global_pool": 1.148,
    "rfft_load": 0.964,
    "rfft_pass": 1.363,
    "irfft_collect": 1.331,
    "irfft_pass": 1.238,
    "irfft_store": 1.206,
    "recurrent_steps": 0.879,
    "recurrent_input": 1.058,
    "offset": 1.486,
    "softmax_power": 1.000,
    "softmax_scale": 0.854,
    "softmax_top": 1.263,
    "softmax_divide": 0.798,
    "softmax_factor": 1.159,
    "matmul": 1.065,
}
FF: dict[str, float] = {
    "state": 0.982,
    "register": 0.688,
    "operand": 0.147,
    "shift": 0.000,
    "module": 7.769,
}
FF_FACTOR: dict[str, float] = {
    "dense": 1.029,
    "rfft_unrolled": 1.209,
    "spectral_mac": 1.221,
    "irfft_unrolled": 1.225,
    "width": 1.101,
    "scale": 1.168,
    "fork": 1.137,
    "prelu": 0.940,
    "layernorm_sums": 0.942,
    "layernorm_apply": 0.978,
    "add": 1.086,
    "concat": 1.167,
    "layernorm_root": 0.886,
    "window": 1.275,
    "max_pool": 0.684,
    "depthwise": 1.053,
    "average_pool": 1.039,
    "upsample": 1.244,
    "pad": 1.043,
    "depth_to_space": 1.113,
    "reverse": 1.050,
    "reorder": 1.069,
    "global_pool": 0.617,
    "rfft_load": 0.949,
    "rfft_pass": 1.158,
    "irfft_collect": 0.808,
    "irfft_pass": 1.016,
    "irfft_store": 1.366,
    "recurrent_steps": 0.875,
    "recurrent_input": 1.233,
    "offset": 1.078,
    "softmax_power": 0.839,
    "softmax_scale": 0.918,
    "softmax_top": 1.136,
    "softmax_divide": 0.808,
    "softmax_factor": 0.730,
    "matmul": 0.967,
}
ERROR = (
    "fitted to yosys 0.70, no vendor synthesis; on layers that were held out: "
    "median LUT 7.1%, FF 6.3%; DSP exact in 100%, BRAM in 100%"
)
