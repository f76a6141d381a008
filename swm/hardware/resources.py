# SPDX-License-Identifier: Apache-2.0
"""DSP, block RAM, LUT and FF of a schedule, at HLS level and after routing (modelled).

Multipliers and memories come from the real shapes of each kernel; their unit costs from `primitives`. Where a kernel's
memory layout is not fixed by `docs/arithmetic.md`, a bank is assumed for every word that is read or written in a cycle.
AXI DMA and interconnect of the board are not included (`Board.overhead`, where known, is added).

Error: no synthesis of our own kernels has calibrated this model. Over public pairs of csynth and implementation
reports the ratio csynth / routed was 1.66-2.33 for LUT (1.16 in an over-full part), 1.0-3.3 for FF, 0.96-1.11 for DSP
(one design 0.5) and 1.0-1.47 for BRAM.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

from swm.fixed.spec import LayerSpec
from swm.hardware.board import Board, DspPorts
from swm.hardware.layout import (
    LayerSchedule,
    Schedule,
    bins,
    ceil_div,
    container_bits,
    padded_columns,
    passes,
)
from swm.hardware.primitives import NOTHING, Cost, adder, fifo, memory, multiplier, register

__all__ = [
    "FF_ROUTED",
    "LUT_ROUTED",
    "RESOURCE_ERROR",
    "Estimate",
    "LayerUsage",
    "ProcessUsage",
    "Usage",
    "dense_input",
    "dense_output",
    "dense_work",
    "estimate",
    "irfft_cost",
    "mac_buffer",
    "mac_work",
    "rfft_cost",
    "scale_cost",
]

LUT_ROUTED = 0.5
"""Routed LUTs of logic for each LUT of csynth: 1 / (1.66 .. 2.33)."""
FF_ROUTED = 0.55
"""Routed FFs for each FF of csynth: geometric middle of 1 / (1.0 .. 3.3)."""
RESOURCE_ERROR = (
    "not calibrated against a synthesis of swm's own kernels; published csynth/routed ratios: "
    "LUT 1.66-2.33, FF 1.0-3.3, DSP 0.96-1.11, BRAM 1.0-1.47"
)
_TWIDDLE_BITS = 18
_TABLE_WORDS, _TABLE_BITS, _TABLE_STEP_BITS = 257, 18, 9  # activation tables of docs/arithmetic.md section 5


@dataclass(frozen=True)
class Usage:
    """Resources at one level; `bram18` counts 18 Kb blocks."""

    dsp: int
    bram18: int
    lut: int
    ff: int


@dataclass(frozen=True)
class ProcessUsage:
    """One process with the FIFO it writes: as csynth would report it, and after routing."""

    name: str
    hls: Usage
    routed: Usage


@dataclass(frozen=True)
class LayerUsage:
    """The processes of one layer; the name "" holds the AXI edges, control and the board's overhead."""

    name: str
    processes: tuple[ProcessUsage, ...]


@dataclass(frozen=True)
class Estimate:
    """Resources of a whole accelerator (modelled, see `RESOURCE_ERROR`)."""

    layers: tuple[LayerUsage, ...]
    hls: Usage
    routed: Usage
    error: str = RESOURCE_ERROR


def estimate(schedule: Schedule) -> Estimate:
    """Resources of a schedule, by layer and process.

    Args:
        schedule: Parallelism of every layer.

    Returns:
        Breakdown and totals, at HLS level and routed.
    """
    rows = [(layer.spec.name, _layer(layer, schedule.board)) for layer in schedule.layers]
    rows.append(("", {"axi": _edges(schedule), "board": _overhead(schedule.board)}))
    layers = tuple(LayerUsage(n, tuple(ProcessUsage(k, _hls(c), _routed(c)) for k, c in d.items())) for n, d in rows)
    total = NOTHING.plus(*(cost for _, costs in rows for cost in costs.values()))
    return Estimate(layers, _hls(total), _routed(total))


def rfft_cost(spec: LayerSpec, board: Board, in_vec: int, lanes: int) -> Cost:
    """Forward transform: `lanes` butterflies, load buffer, pass buffers, twiddles, stream to the MAC."""
    width, groups, words = spec.spectrum_bits, ceil_div(spec.q, lanes), bins(spec)
    load_banks = min(4 * in_vec, spec.block)  # V consecutive words come in, four quarters of a block go out
    buffers = memory(groups * spec.block // load_banks, spec.data_bits, load_banks * lanes)
    spectra = memory(groups * words, 2 * width, lanes, two_ports=True).times(min(2, passes(spec) - 1))
    lane = _butterfly(spec, width, board.dsp_ports, width)
    beat = lanes * min(2, words) * 2 * width
    return _control(1 + passes(spec)).plus(lane.times(lanes), buffers, spectra, _twiddles(spec), fifo(2, beat))


def mac_buffer(spec: LayerSpec, lanes: int, bins_: int) -> Cost:
    """Spectrum buffer of the MAC: `lanes` blocks by two words come in, `bins_` words of one block go out."""
    banks = min(max(2, bins_), bins(spec))
    cost = memory(ceil_div(spec.q, lanes) * bins(spec) // banks, 2 * spec.spectrum_bits, banks * lanes)
    return cost.plus(Cost(logic=(lanes - 1) * bins_ * spec.spectrum_bits / 2))  # the multiplexer between lanes


def mac_work(spec: LayerSpec, board: Board, blocks: int, bins_: int) -> Cost:
    """Complex multipliers, accumulators, rounding, and the weight ROM."""
    product, total = spec.weight_bits + spec.spectrum_bits, spec.accumulator_bits
    four = multiplier(spec.weight_bits, spec.spectrum_bits, board.dsp_ports).times(4)
    sums = adder(product + 1).plus(adder(total), adder(total), Cost(logic=2 * spec.rounded_bits)).times(2)
    lane = four.plus(sums, register(2 * spec.weight_bits + 2 * product))
    depth = ceil_div(spec.p, blocks) * (bins(spec) // bins_) * spec.q
    rom = memory(depth, blocks * bins_ * 2 * spec.weight_bits)
    return _control(2).plus(lane.times(blocks * bins_), rom)


def irfft_cost(layer: LayerSchedule, board: Board) -> Cost:
    """Inverse transform with bias and activation, its buffers, and the streams on both sides."""
    spec, width, words = layer.spec, layer.spec.inverse_bits, bins(layer.spec)
    lane = _butterfly(spec, width, board.dsp_ports, spec.inverse_turn_bits)
    beat = layer.mac_blocks * layer.mac_bins * 2 * spec.rounded_bits
    # Both pass buffers have a bank for every word that arrives in a cycle; k <= 4 needs only the first.
    banks, word = layer.mac_blocks * layer.mac_bins, 2 * spec.inverse_pass_bits
    spectra = memory(layer.mac_groups * words // layer.mac_bins, word, banks, two_ports=True)
    spectra = spectra.times(min(2, passes(spec)))
    out_banks = max(4 * layer.ifft_lanes, layer.out_vec)
    outputs = memory(ceil_div(layer.ifft_groups * layer.ifft_lanes * spec.block, out_banks), width, out_banks)
    return _control(2 + passes(spec)).plus(
        lane.times(layer.ifft_lanes),
        spectra,
        outputs,
        _twiddles(spec),
        fifo(layer.fifo_accumulated, beat),
        _finish(spec, board.dsp_ports, layer.out_vec),
    )


def dense_work(spec: LayerSpec, board: Board, rows: int, columns: int, n_pad: int) -> Cost:
    """PE x SIMD multipliers, adder trees, accumulators, and the weight ROM."""
    product, total = spec.weight_bits + spec.data_bits, spec.accumulator_bits
    lane = multiplier(spec.weight_bits, spec.data_bits, board.dsp_ports).plus(register(product))
    tree = Cost(logic=product + 1, ff=product + 1).times(columns - 1)
    row = lane.times(columns).plus(tree, adder(total))
    rom = memory(ceil_div(spec.m, rows) * (n_pad // columns), rows * columns * spec.weight_bits)
    return _control(3).plus(row.times(rows), rom)


def dense_input(spec: LayerSpec, columns: int, in_vec: int) -> Cost:
    """Input buffer of a dense layer: V words in, SIMD words out."""
    banks = max(columns, in_vec)
    return memory(padded_columns(spec, columns, in_vec) // banks, spec.data_bits, banks)


def dense_output(spec: LayerSpec, board: Board, rows: int, out_vec: int) -> Cost:
    """Output buffer, bias, activation and output stream of a dense layer."""
    banks = max(rows, out_vec)
    buffer = memory(ceil_div(spec.m, banks), spec.accumulator_bits, banks)
    return buffer.plus(_finish(spec, board.dsp_ports, out_vec))


def scale_cost(spec: LayerSpec, board: Board, vec: int) -> Cost:
    """V multipliers with their gains, bias and activation."""
    gains = memory(ceil_div(spec.m, vec), vec * spec.weight_bits)
    lane = multiplier(spec.weight_bits, spec.data_bits, board.dsp_ports)
    return _control(1).plus(lane.times(vec), gains, _finish(spec, board.dsp_ports, vec))


def _layer(layer: LayerSchedule, board: Board) -> dict[str, Cost]:
    spec = layer.spec
    if spec.kind == "circulant":
        work = mac_work(spec, board, layer.mac_blocks, layer.mac_bins)
        return {
            "rfft": rfft_cost(spec, board, layer.in_vec, layer.fft_lanes),
            "mac": work.plus(mac_buffer(spec, layer.fft_lanes, layer.mac_bins)),
            "irfft": irfft_cost(layer, board),
        }
    if spec.kind == "dense":
        work = dense_work(spec, board, layer.rows, layer.columns, layer.n_pad)
        ends = (
            dense_input(spec, layer.columns, layer.in_vec),
            dense_output(spec, board, layer.rows, layer.out_vec),
        )
        return {"dense": work.plus(*ends)}
    return {"scale": scale_cost(spec, board, layer.in_vec)}


@lru_cache(maxsize=4096)
def _butterfly(spec: LayerSpec, width: int, ports: DspPorts, factor: int) -> Cost:
    # The pass over two stages (8 additions with its roundings), then one complex product of 18-bit twiddles and four
    # additions, selection of the i = 0 case, and addresses; the passes of a transform share it.
    radix4 = adder(width).times(4 if spec.block < 4 else 8)
    if spec.block < 8:
        return radix4.plus(register(4 * width))
    product = multiplier(_TWIDDLE_BITS, factor, ports).times(4).plus(adder(width + _TWIDDLE_BITS).times(2))
    return radix4.plus(product, adder(width).times(4), Cost(logic=4 * width + 60), register(12 * width))


def _twiddles(spec: LayerSpec) -> Cost:
    return memory(spec.block // 4, 2 * _TWIDDLE_BITS) if spec.block >= 8 else NOTHING


@lru_cache(maxsize=4096)
def _finish(spec: LayerSpec, ports: DspPorts, vec: int) -> Cost:
    # Bias, activation, one rounding and saturation for each of `vec` words, bias ROM, stream to the next layer.
    value = spec.finish_bits
    lane = adder(value).plus(adder(value), Cost(logic=value + 2 * spec.out_bits), register(value))
    if spec.activation in ("sigmoid", "tanh"):
        step = multiplier(_TABLE_BITS, _TABLE_STEP_BITS, ports).plus(adder(_TABLE_BITS + 8), adder(_TABLE_BITS))
        lane = lane.plus(step, memory(_TABLE_WORDS, _TABLE_BITS, two_ports=True))
    bias = memory(ceil_div(spec.m, vec), vec * spec.bias_bits)
    return lane.times(vec).plus(bias, fifo(2, vec * spec.out_bits))


def _control(loops: int) -> Cost:
    # State machine and counters: FINN's constant of 300 LUTs for a unit of three loops, 60 more a loop beyond.
    return Cost(logic=120 + 60 * loops, ff=80 + 60 * loops)


def _edges(schedule: Schedule) -> Cost:
    # AXI stream register slices and the s_axi control port (36-267 FF, 40-430 LUT in public reports).
    first, last = schedule.layers[0].spec, schedule.layers[-1].spec
    ends = ((schedule.edges[0], first.data_bits), (schedule.edges[-1], last.out_bits))
    slices = NOTHING.plus(*(Cost(logic=v * container_bits(b), ff=2 * v * container_bits(b)) for v, b in ends))
    return slices.plus(_control(1).times(2), fifo(2, schedule.edges[0] * first.data_bits), Cost(logic=240, ff=150))


def _overhead(board: Board) -> Cost:
    if board.overhead is None:
        return NOTHING
    o = board.overhead
    return Cost(dsp=o.dsp, bram18=o.bram18, memory=o.lut, ff=o.ff / FF_ROUTED)


def _hls(cost: Cost) -> Usage:
    return Usage(cost.dsp, cost.bram18, ceil(cost.logic + cost.memory), ceil(cost.ff))


def _routed(cost: Cost) -> Usage:
    return Usage(cost.dsp, cost.bram18, ceil(LUT_ROUTED * cost.logic + cost.memory), ceil(FF_ROUTED * cost.ff))
