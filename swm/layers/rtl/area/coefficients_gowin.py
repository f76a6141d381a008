# SPDX-License-Identifier: Apache-2.0
"""Prices of what `swm.layers.rtl.area.counts` counts: LUTs and flip-flops a bit, and a factor a module.

Fitted by `swm bench area --family gowin --coefficients swm/layers/rtl/area/coefficients_gowin.py` to counts of
cells by yosys 0.70, rows of Gowin GW2A parts: 129 fitted, 108 held out (12 bits).
Rows: benchmarks/results/area_gowin.json. Kind of every figure: modelled, after measured ones.
"""

__all__ = ["ERROR", "FF", "FF_FACTOR", "LUT", "LUT_FACTOR"]

LUT: dict[str, float] = {
    "adder": 0.894,
    "post": 0.000,
    "restart": 2.023,
    "choice": 1.027,
    "clip": 0.000,
    "shift": 0.000,
    "table": 1.419,
    "constant": 1.028,
    "state": 1.979,
    "rows": 1.354,
    "module": 0.000,
}
LUT_FACTOR: dict[str, float] = {
    "dense": 1.176,
    "rfft_unrolled": 0.946,
    "spectral_mac": 1.065,
    "irfft_unrolled": 1.176,
    "width": 1.091,
    "scale": 0.970,
    "fork": 1.366,
    "prelu": 0.822,
    "layernorm_sums": 1.250,
    "layernorm_apply": 1.320,
    "add": 1.036,
    "concat": 1.063,
    "layernorm_root": 1.389,
    "window": 1.201,
    "max_pool": 1.182,
    "depthwise": 1.258,
    "average_pool": 0.808,
    "upsample": 0.975,
    "pad": 1.187,
    "depth_to_space": 0.929,
    "reverse": 1.133,
    "reorder": 0.772,
    "global_pool": 1.183,
    "rfft_load": 0.715,
    "rfft_pass": 1.047,
    "irfft_collect": 0.964,
    "irfft_pass": 0.999,
    "irfft_store": 1.691,
    "recurrent_steps": 0.876,
    "recurrent_input": 0.839,
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
    "median LUT 8.2%, FF 4.5%; DSP exact in 100%, BRAM in 100%"
)
