# SPDX-License-Identifier: Apache-2.0
"""Prices of what `swm.layers.rtl.area.counts` counts: LUTs and flip-flops a bit, and a factor a module.

Fitted by `swm bench area --coefficients swm/layers/rtl/area/coefficients.py` to counts of
cells by yosys 0.70, rows of 7-series parts: 258 fitted, 176 held out (12 bits and UltraScale+).
Rows: benchmarks/results/area.json. Kind of every figure: modelled, after measured ones.
"""

__all__ = ["ERROR", "FF", "FF_FACTOR", "LUT", "LUT_FACTOR"]

LUT: dict[str, float] = {
    "adder": 0.612,
    "post": 0.000,
    "restart": 2.097,
    "choice": 0.683,
    "clip": 0.000,
    "shift": 0.870,
    "table": 1.322,
    "constant": 0.383,
    "state": 0.483,
    "rows": 1.034,
    "module": 8.573,
}
LUT_FACTOR: dict[str, float] = {
    "dense": 1.464,
    "rfft_unrolled": 1.162,
    "spectral_mac": 1.151,
    "irfft_unrolled": 1.410,
    "width": 0.983,
    "scale": 1.004,
    "fork": 1.169,
    "prelu": 0.899,
    "layernorm_sums": 1.400,
    "layernorm_apply": 1.019,
    "add": 1.237,
    "concat": 0.842,
    "layernorm_root": 1.013,
    "window": 0.984,
    "max_pool": 1.182,
    "depthwise": 1.683,
    "average_pool": 0.774,
    "upsample": 0.881,
    "pad": 0.970,
    "depth_to_space": 0.911,
    "reverse": 0.957,
    "reorder": 0.772,
    "global_pool": 1.179,
    "rfft_load": 0.946,
    "rfft_pass": 1.340,
    "irfft_collect": 1.324,
    "irfft_pass": 1.209,
    "irfft_store": 1.180,
    "recurrent_steps": 0.894,
    "recurrent_input": 1.045,
}
FF: dict[str, float] = {
    "state": 0.994,
    "register": 0.703,
    "operand": 0.149,
    "shift": 0.000,
    "module": 6.880,
}
FF_FACTOR: dict[str, float] = {
    "dense": 1.015,
    "rfft_unrolled": 1.187,
    "spectral_mac": 1.197,
    "irfft_unrolled": 1.203,
    "width": 1.109,
    "scale": 1.162,
    "fork": 1.148,
    "prelu": 0.931,
    "layernorm_sums": 1.004,
    "layernorm_apply": 1.015,
    "add": 1.080,
    "concat": 1.155,
    "layernorm_root": 0.898,
    "window": 1.256,
    "max_pool": 0.681,
    "depthwise": 1.038,
    "average_pool": 1.026,
    "upsample": 1.232,
    "pad": 1.050,
    "depth_to_space": 1.107,
    "reverse": 1.049,
    "reorder": 1.058,
    "global_pool": 0.611,
    "rfft_load": 0.936,
    "rfft_pass": 1.138,
    "irfft_collect": 0.794,
    "irfft_pass": 0.999,
    "irfft_store": 1.340,
    "recurrent_steps": 0.858,
    "recurrent_input": 1.222,
}
ERROR = (
    "fitted to yosys 0.70, no vendor synthesis; on layers that were held out: "
    "median LUT 6.4%, FF 6.3%; DSP exact in 100%, BRAM in 100%"
)
