# SPDX-License-Identifier: Apache-2.0
"""Prices of what `swm.layers.rtl.area.counts` counts: LUTs and flip-flops a bit, and a factor a module.

Fitted by `swm bench area --family ecp5 --coefficients swm/layers/rtl/area/coefficients_ecp5.py` to counts of
cells by yosys 0.70, rows of Lattice ECP5 parts: 129 fitted, 112 held out (12 bits).
Rows: benchmarks/results/area_ecp5.json. Kind of every figure: modelled, after measured ones.
"""

__all__ = ["ERROR", "FF", "FF_FACTOR", "LUT", "LUT_FACTOR"]

LUT: dict[str, float] = {
    "adder": 1.000,
    "post": 0.000,
    "restart": 2.000,
    "choice": 0.851,
    "clip": 0.000,
    "shift": 0.000,
    "table": 1.409,
    "constant": 1.496,
    "smooth": 0.153,
    "state": 1.656,
    "rows": 1.230,
    "module": 0.000,
}
LUT_FACTOR: dict[str, float] = {
    "dense": 1.128,
    "rfft_unrolled": 0.961,
    "spectral_mac": 1.061,
    "irfft_unrolled": 1.115,
    "width": 1.040,
    "scale": 0.994,
    "fork": 1.291,
    "prelu": 0.962,
    "layernorm_sums": 1.248,
    "layernorm_apply": 1.468,
    "add": 1.022,
    "concat": 0.985,
    "layernorm_root": 1.432,
    "window": 1.093,
    "max_pool": 0.977,
    "depthwise": 1.247,
    "average_pool": 0.811,
    "upsample": 0.940,
    "pad": 0.990,
    "depth_to_space": 0.950,
    "reverse": 1.046,
    "reorder": 0.852,
    "global_pool": 0.996,
    "rfft_load": 0.742,
    "rfft_pass": 1.092,
    "irfft_collect": 0.975,
    "irfft_pass": 0.977,
    "irfft_store": 1.198,
    "recurrent_steps": 0.938,
    "recurrent_input": 0.856,
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
    "median LUT 6.4%, FF 3.1%; DSP exact in 99%, BRAM in 100%"
)
