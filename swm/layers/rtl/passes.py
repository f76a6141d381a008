# SPDX-License-Identifier: Apache-2.0
"""Transforms of blocks of 32 values and more in SystemVerilog: a module for every pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swm.layers.circulant.built import CirculantBuilt
from swm.layers.circulant.passes import collect_period
from swm.layers.program import Port, ProcessModel, Run
from swm.layers.rtl.base import Parameter, RtlModule, finish_cycles, finish_parameters, rom_file
from swm.layers.rtl.loops import Loop, block_loops, product_loops
from swm.layers.values import FixedLayer, ceil_div

__all__ = ["pass_latencies", "pass_loops", "pass_modules"]

_LOAD = 5
"""Registers of swm_rfft_load: address, memory 2, turned, sums."""
_STORE = 7
"""Those of swm_irfft_store up to the sums: until the last value lies in memory 4, memory 2, turned."""


def _slow(vec: int) -> int:
    """Cycles between two units of a pass beside beats of `vec` values."""
    return max(1, 4 // vec)


def _turn(stage: int, ii: int) -> int:
    """Registers of a rotation: those whose multipliers are shared take longer; stage 3 has none."""
    return 3 if stage == 3 else {1: 3, 2: 4, 4: 5}[ii]


def pass_latencies(built: CirculantBuilt) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of the forward and of the inverse processes."""
    last, (ii, back) = built.spec.stages, (_slow(built.in_vec), _slow(built.out_vec))
    forward = (_LOAD, *(3 + _turn(stage, ii) for stage in range(3, last + 1)))
    inverse = (4 + _turn(last, back), *(3 + _turn(stage, back) for stage in range(last - 1, 2, -1)))
    return forward, (*inverse, _STORE + finish_cycles(built.spec))


def pass_loops(
    built: CirculantBuilt, processes: tuple[ProcessModel, ...], latencies: tuple[int, ...]
) -> tuple[Loop, ...]:
    """Two for each pass, three for the products."""
    spec, units = built.spec, built.spec.block // 4
    beats = ceil_div(spec.p, built.out_lanes)  # groups of blocks that are transformed back side by side
    found: list[Loop] = []
    for process, latency in zip(processes, latencies, strict=True):
        (read,), (write,) = process.program.reads, process.program.writes
        place, ii = process.kernel, process.program.ii
        if place == "spectral_mac":
            found += product_loops(process, latency)
        elif place == "rfft_load":
            time, groups = _time(built.in_vec, units), built.fft_groups
            port = Port(read.stream, (Run(0, 1, built.in_beats),))
            found += block_loops(process, latency, (time,) * groups, (units,) * groups, port, write.stream)
        elif place == "irfft_collect":
            rows, last, _, _ = collect_period(built)
            each = (*(rows,) * (built.row_groups - 1), last)
            loads, emits = tuple(r * built.word_groups for r in each), tuple(r * units for r in each)
            found += block_loops(process, latency, loads, emits, _all(read, loads), write.stream, ii)
        elif place == "irfft_store":
            time = _time(built.out_vec, units)
            loads, emits = (units,) * beats, (*(time,) * (beats - 1), built.out_beats - (beats - 1) * time)
            found += block_loops(process, latency, loads, emits, _all(read, loads), write.stream)
        else:
            loads = (units,) * (built.fft_groups if place == "rfft_pass" else beats)
            found += block_loops(process, latency, loads, loads, _all(read, loads), write.stream, ii)
    return tuple(found)


def _time(vec: int, units: int) -> int:
    """Beats of `vec` values of a group of blocks."""
    return max(units, 4 * units // vec)


def _all(port: Port, loads: tuple[int, ...]) -> Port:
    return Port(port.stream, (Run(0, 1, sum(loads)),))


def pass_modules(
    layer: FixedLayer, built: CirculantBuilt, known: Mapping[str, Any]
) -> tuple[tuple[RtlModule, ...], tuple[RtlModule, ...]]:
    """Those in front of the products, and those behind them."""
    spec = built.spec
    first: dict[str, Parameter] = {"K": spec.block, "IN_BITS": spec.data_bits, "FFT_SHIFTS": spec.fft_shifts}
    load = first | {"IN_VEC": built.in_vec, "IN_BEATS": built.in_beats, "GROUPS": built.fft_groups}
    turns = first | {"LANES": built.fft_lanes, "II": _slow(built.in_vec)}
    last: dict[str, Parameter] = {"K": spec.block, "SUM_BITS": spec.rounded_bits, "FFT_SHIFTS": spec.fft_shifts}
    back = last | {"LANES": built.out_lanes, "II": _slow(built.out_vec)}
    rows, last_rows, _, _ = collect_period(built)
    groups = {"MAC_BINS": built.mac_bins, "ROW_GROUPS": built.row_groups, "ROWS": rows, "LAST_ROWS": last_rows}
    store: dict[str, Parameter] = {
        **last,
        "M": spec.m,
        "BIAS_BITS": spec.bias_bits,
        **finish_parameters(layer, known),
        "OUT_VEC": built.out_vec,
        "GROUPS": ceil_div(spec.p, built.out_lanes),
        "BIAS": rom_file(spec.name, "bias"),
    }
    forward = (RtlModule("swm_rfft_pass", {**turns, "STAGE": stage}) for stage in range(3, spec.stages + 1))
    inverse = (RtlModule("swm_irfft_pass", {**back, "STAGE": stage}) for stage in range(spec.stages - 1, 2, -1))
    return (
        (RtlModule("swm_rfft_load", load), *forward),
        (RtlModule("swm_irfft_collect", {**back, **groups}), *inverse, RtlModule("swm_irfft_store", store)),
    )
