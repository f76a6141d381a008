# SPDX-License-Identifier: Apache-2.0
"""Prices of what `swm.layers.rtl.area.counts` counts: LUTs and flip-flops a bit, and a factor a module.

Fitted by `swm bench area --coefficients swm/layers/rtl/area/coefficients.py` to counts of
cells by yosys 0.70, rows of 7-series parts: 303 fitted, 230 held out (12 bits and UltraScale+).
Rows: benchmarks/results/area.json. Kind of every figure: modelled, after measured ones.
"""

__all__ = ["ERROR", "FF", "FF_FACTOR", "LUT", "LUT_FACTOR"]

LUT: dict[str, float] = {
    "adder": 1.000,
    "post": 0.000,
    "restart": 2.000,
    "choice": 0.432,
    "clip": 0.000,
    "shift": 1.000,
    "table": 1.000,
    "constant": 1.000,
    "smooth": 0.209,
    "state": 0.087,
    "rows": 1.000,
    "module": 19.292,
}
LUT_FACTOR: dict[str, float] = {
    "dense": 1.059,
    "spectral_mac": 1.017,
    "irfft_unrolled": 0.995,
    "rfft_unrolled": 0.952,
    "width": 1.084,
    "scale": 0.829,
    "fork": 1.441,
    "prelu": 0.780,
    "layernorm_sums": 1.633,
    "layernorm_apply": 0.871,
    "add": 1.013,
    "concat": 0.776,
    "layernorm_root": 1.236,
    "window": 0.979,
    "max_pool": 1.141,
    "depthwise": 1.242,
    "average_pool": 0.699,
    "upsample": 1.074,
    "pad": 1.132,
    "depth_to_space": 1.001,
    "reverse": 0.950,
    "reorder": 0.945,
    "global_pool": 1.113,
    "rfft_load": 1.003,
    "rfft_pass": 1.423,
    "irfft_collect": 1.209,
    "irfft_pass": 1.090,
    "irfft_store": 1.135,
    "recurrent_steps": 0.868,
    "recurrent_input": 0.908,
    "offset": 0.956,
    "softmax_power": 1.189,
    "softmax_scale": 0.903,
    "softmax_top": 1.441,
    "softmax_divide": 0.674,
    "softmax_factor": 1.399,
    "matmul": 1.115,
}
FF: dict[str, float] = {
    "state": 1.000,
    "register": 1.000,
    "operand": 0.000,
    "shift": 0.000,
    "module": 0.000,
}
FF_FACTOR: dict[str, float] = {
    "dense": 0.994,
    "spectral_mac": 0.985,
    "irfft_unrolled": 0.897,
    "rfft_unrolled": 0.935,
    "width": 1.041,
    "scale": 1.483,
    "fork": 1.051,
    "prelu": 0.834,
    "layernorm_sums": 1.063,
    "layernorm_apply": 0.834,
    "add": 0.936,
    "concat": 0.952,
    "layernorm_root": 0.691,
    "window": 0.967,
    "max_pool": 0.576,
    "depthwise": 0.961,
    "average_pool": 0.916,
    "upsample": 0.997,
    "pad": 1.047,
    "depth_to_space": 1.030,
    "reverse": 1.023,
    "reorder": 0.954,
    "global_pool": 0.491,
    "rfft_load": 0.728,
    "rfft_pass": 0.930,
    "irfft_collect": 0.636,
    "irfft_pass": 0.764,
    "irfft_store": 0.989,
    "recurrent_steps": 0.663,
    "recurrent_input": 0.982,
    "offset": 0.875,
    "softmax_power": 0.638,
    "softmax_scale": 0.930,
    "softmax_top": 1.134,
    "softmax_divide": 0.585,
    "softmax_factor": 0.631,
    "matmul": 0.912,
}
ERROR = (
    "fitted to yosys 0.70, no vendor synthesis; on layers that were held out: "
    "median LUT 6.6%, FF 2.1%; DSP exact in 100%, BRAM in 100%"
)
