# SPDX-License-Identifier: Apache-2.0
"""Prices of what `swm.layers.rtl.area.counts` counts: LUTs and flip-flops a bit, and a factor a module.

Fitted by `swm bench area --coefficients swm/layers/rtl/area/coefficients.py` to counts of
cells by yosys 0.70, rows of 7-series parts: 323 fitted, 230 held out (12 bits and UltraScale+).
Rows: benchmarks/results/area.json. Kind of every figure: modelled, after measured ones.
"""

__all__ = ["ERROR", "FF", "FF_FACTOR", "LUT", "LUT_FACTOR"]

LUT: dict[str, float] = {
    "adder": 1.000,
    "post": 0.000,
    "restart": 2.000,
    "choice": 0.419,
    "clip": 0.000,
    "shift": 1.000,
    "table": 1.000,
    "constant": 1.000,
    "smooth": 0.265,
    "state": 0.118,
    "rows": 1.000,
    "module": 19.076,
}
LUT_FACTOR: dict[str, float] = {
    "dense": 1.030,
    "spectral_mac": 1.018,
    "irfft_unrolled": 0.995,
    "rfft_unrolled": 0.950,
    "width": 1.080,
    "scale": 0.827,
    "fork": 1.430,
    "prelu": 0.780,
    "layernorm_sums": 1.620,
    "layernorm_apply": 0.877,
    "add": 1.009,
    "concat": 0.773,
    "layernorm_root": 1.151,
    "window": 0.978,
    "max_pool": 1.138,
    "depthwise": 1.232,
    "average_pool": 0.696,
    "upsample": 1.072,
    "pad": 1.130,
    "depth_to_space": 0.991,
    "reverse": 0.941,
    "reorder": 0.948,
    "global_pool": 1.113,
    "rfft_load": 1.006,
    "rfft_pass": 1.426,
    "irfft_collect": 1.206,
    "irfft_pass": 1.093,
    "irfft_store": 1.141,
    "recurrent_steps": 0.839,
    "recurrent_input": 0.908,
    "offset": 0.959,
    "softmax_power": 1.098,
    "softmax_scale": 0.916,
    "softmax_top": 1.309,
    "softmax_divide": 0.797,
    "softmax_factor": 1.363,
    "matmul": 1.098,
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
    "layernorm_apply": 0.808,
    "add": 0.936,
    "concat": 0.952,
    "layernorm_root": 0.688,
    "window": 0.970,
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
    "offset": 0.903,
    "softmax_power": 0.626,
    "softmax_scale": 0.950,
    "softmax_top": 1.117,
    "softmax_divide": 0.658,
    "softmax_factor": 0.608,
    "matmul": 0.912,
}
ERROR = (
    "fitted to yosys 0.70, no vendor synthesis; on layers that were held out: "
    "median LUT 6.4%, FF 1.7%; DSP exact in 100%, BRAM in 100%"
)
