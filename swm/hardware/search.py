# SPDX-License-Identifier: Apache-2.0
"""The search for parallelism: the cheapest parameters of every layer whose processes all meet an interval.

For one interval T the choice is a shortest path along the chain of processes. Neighbours share a parameter (the
words a cycle of an edge, the FFT lanes, the MAC blocks and bins) and costs add up, so dynamic programming gives the
exact minimum. Cost is a weighted sum of DSP, BRAM18, LUT and FF; several fixed weightings are tried until the result
fits. Neither weights nor candidates depend on what a board holds: a design that fits a board fits every larger one, so
the bisection over T never ends higher on the larger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from swm.fixed.spec import LayerSpec
from swm.hardware import resources as res
from swm.hardware.board import Board
from swm.hardware.layout import (
    FILL,
    LayerSchedule,
    Process,
    bins,
    ceil_div,
    container_bits,
    padded_columns,
    passes,
    units,
)
from swm.hardware.primitives import Cost

__all__ = ["WEIGHTS", "Chain", "edge_choices", "lanes"]

WEIGHTS: tuple[tuple[float, float, float, float], ...] = (
    (150.0, 150.0, 1.0, 0.25),  # about what a device holds: one DSP and one BRAM18 for 100-400 LUTs
    (40.0, 1000.0, 1.0, 0.25),  # block RAM is short
    (1000.0, 100.0, 1.0, 0.25),  # DSPs are short
    (20.0, 40.0, 1.0, 1.0),  # logic is short
    (600.0, 1000.0, 1.0, 0.25),  # both are short
)
"""Weights of DSP, BRAM18, routed LUT and routed FF, in LUTs."""
_MAX_VECTOR = 32  # words a cycle on a stream between layers
_MAX_PRODUCTS = 4096  # multipliers (dense) or complex multipliers (circulant) of one layer

_Float = NDArray[np.float64]


def lanes(count: int) -> list[int]:
    """Numbers of lanes worth trying for `count` items: the smallest for each distinct ceil(count / lanes)."""
    found, lane = [], 1
    while True:
        found.append(lane)
        groups = ceil_div(count, lane)
        if groups == 1:
            return found
        lane = ceil_div(count, groups - 1)


def edge_choices(specs: Sequence[LayerSpec], stream_bits: int) -> list[list[int]]:
    """Words a cycle that each edge may carry, powers of two, edge 0 first.

    A circulant layer takes and gives at most a block a cycle; AXI edges carry whole 8, 16 or 32-bit containers.
    """
    choices = []
    for edge in range(len(specs) + 1):
        consumer = specs[edge] if edge < len(specs) else None
        words = specs[edge].n if consumer else specs[-1].m
        top = min(_MAX_VECTOR, 1 << (words - 1).bit_length())
        neighbours = specs[max(edge - 1, 0) : edge + 1]
        top = min([top, *(s.block for s in neighbours if s.kind == "circulant")])
        if edge in (0, len(specs)):
            bits = specs[0].data_bits if edge == 0 else specs[-1].out_bits
            top = min(top, max(1, stream_bits // container_bits(bits)))
        choices.append([1 << e for e in range(top.bit_length())])
    return choices


class _Step(NamedTuple):
    """Lowest cost to reach each option of a layer's output, and the choices that lead there."""

    cost: _Float  # by output vector
    back: tuple[NDArray[np.intp], ...]


class _Circulant:
    """Tables of one circulant layer; options: (V, LF), (LF, PO x PF), (PO x PF x LI, V')."""

    def __init__(self, spec: LayerSpec, board: Board, in_vecs: list[int], out_vecs: list[int]) -> None:
        u, p, words = units(spec), passes(spec), bins(spec)
        self.spec, self.in_vecs, self.out_vecs = spec, in_vecs, out_vecs
        self.lf = lanes(spec.q)
        shapes = [(po, 1 << e) for po in lanes(spec.p) for e in range(words.bit_length())]
        self.mac = [(po, pf) for po, pf in shapes if po * pf <= _MAX_PRODUCTS]
        self.back_end = [(b, li) for b, (po, _) in enumerate(self.mac) for li in _divisors(po)]
        groups = np.array([ceil_div(spec.q, lf) for lf in self.lf])
        load = groups * np.array(self.lf) * spec.block
        self.rfft_cycles = load[None] // np.array(in_vecs)[:, None] + p * groups * u + (1 + p) * FILL
        self.rfft_cost = _table([[res.rfft_cost(spec, board, v, lf) for lf in self.lf] for v in in_vecs])
        beats = np.array([ceil_div(spec.p, po) * (words // pf) for po, pf in self.mac])
        self.mac_cycles = (groups * u)[:, None] + (beats * spec.q)[None] + 2 * FILL
        every_pf = sorted({pf for _, pf in self.mac})
        buffers = _table([[res.mac_buffer(spec, lf, pf) for pf in every_pf] for lf in self.lf])
        work = _table([[res.mac_work(spec, board, po, pf) for po, pf in self.mac]])
        self.mac_cost = buffers[:, [every_pf.index(pf) for _, pf in self.mac]] + work
        self.of_mac = np.array([b for b, _ in self.back_end])
        options = [[self._irfft(o, v) for v in out_vecs] for o in range(len(self.back_end))]
        self.irfft_cycles = np.array([[layer.processes[2].cycles for layer in row] for row in options])
        self.irfft_cost = _table([[res.irfft_cost(layer, board) for layer in row] for row in options])

    def _irfft(self, option: int, out_vec: int) -> LayerSchedule:
        b, li = self.back_end[option]
        po, pf = self.mac[b]
        return LayerSchedule(self.spec, out_vec=out_vec, mac_blocks=po, mac_bins=pf, ifft_lanes=li)

    def weigh(self, weights: _Float) -> tuple[_Float, ...]:
        return self.rfft_cost @ weights, self.mac_cost @ weights, self.irfft_cost @ weights

    def step(self, cost: _Float, interval: int, weighed: tuple[_Float, ...]) -> _Step:
        rfft = cost[:, None] + np.where(self.rfft_cycles <= interval, weighed[0], np.inf)
        v, rfft = rfft.argmin(0), rfft.min(0)
        mac = rfft[:, None] + np.where(self.mac_cycles <= interval, weighed[1], np.inf)
        lf, mac = mac.argmin(0), mac.min(0)
        irfft = mac[self.of_mac][:, None] + np.where(self.irfft_cycles <= interval, weighed[2], np.inf)
        return _Step(irfft.min(0), (v, lf, irfft.argmin(0)))

    def choose(self, step: _Step, out: int) -> tuple[int, LayerSchedule]:
        v_of_lf, lf_of_mac, option_of_out = step.back
        option = int(option_of_out[out])
        lf = int(lf_of_mac[self.back_end[option][0]])
        v = int(v_of_lf[lf])
        layer = self._irfft(option, self.out_vecs[out])
        return v, replace(layer, in_vec=self.in_vecs[v], fft_lanes=self.lf[lf])


class _Dense:
    """Tables of one dense layer; options (V, PE x SIMD, V')."""

    def __init__(self, spec: LayerSpec, board: Board, in_vecs: list[int], out_vecs: list[int]) -> None:
        self.spec, self.in_vecs, self.out_vecs = spec, in_vecs, out_vecs
        simd = [1 << e for e in range(min(10, (spec.n - 1).bit_length()) + 1)]
        # A beat of outputs lies inside one group of rows, so PE is a multiple of V'.
        every_pe = sorted({ceil_div(pe, v) * v for pe in lanes(spec.m) for v in out_vecs})
        self.shapes = [(pe, s) for pe in every_pe for s in simd if pe * s <= _MAX_PRODUCTS]
        layers = [[LayerSchedule(spec, in_vec=v, rows=pe, columns=s) for pe, s in self.shapes] for v in in_vecs]
        write = np.array([ceil_div(spec.m, v) for v in out_vecs])
        work = np.array([[la.processes[0].cycles - spec.m for la in row] for row in layers])
        beat_fits = np.array([[pe % v == 0 for v in out_vecs] for pe, _ in self.shapes])
        self.cycles = np.where(beat_fits[None], work[:, :, None] + write, np.iinfo(np.int64).max)
        pads = {(s, v): padded_columns(spec, s, v) for s in simd for v in in_vecs}
        front = _table(
            [
                [
                    res.dense_work(spec, board, pe, s, pads[s, v]).plus(res.dense_input(spec, s, v))
                    for pe, s in self.shapes
                ]
                for v in in_vecs
            ]
        )
        ends = _table([[res.dense_output(spec, board, pe, v) for v in out_vecs] for pe in every_pe])
        self.front, self.ends = front, ends[[every_pe.index(pe) for pe, _ in self.shapes]]

    def weigh(self, weights: _Float) -> tuple[_Float, ...]:
        return ((self.front @ weights)[:, :, None] + (self.ends @ weights)[None],)

    def step(self, cost: _Float, interval: int, weighed: tuple[_Float, ...]) -> _Step:
        total = cost[:, None, None] + np.where(self.cycles <= interval, weighed[0], np.inf)
        flat = total.reshape(-1, total.shape[2])
        return _Step(flat.min(0), (flat.argmin(0),))

    def choose(self, step: _Step, out: int) -> tuple[int, LayerSchedule]:
        v, shape = divmod(int(step.back[0][out]), len(self.shapes))
        pe, simd = self.shapes[shape]
        return v, LayerSchedule(self.spec, self.in_vecs[v], self.out_vecs[out], rows=pe, columns=simd)


class _Scale:
    """Tables of one scale layer: the same vector on both sides."""

    def __init__(self, spec: LayerSpec, board: Board, in_vecs: list[int], out_vecs: list[int]) -> None:
        self.spec, self.in_vecs, self.out_vecs = spec, in_vecs, out_vecs
        same = np.array(in_vecs)[:, None] == np.array(out_vecs)[None]
        cycles = np.array([[LayerSchedule(spec, v, v).processes[0].cycles for v in out_vecs]])
        self.cycles = np.where(same, cycles, np.iinfo(np.int64).max)
        self.cost = _table([[res.scale_cost(spec, board, v) for v in out_vecs]])

    def weigh(self, weights: _Float) -> tuple[_Float, ...]:
        return (self.cost @ weights,)

    def step(self, cost: _Float, interval: int, weighed: tuple[_Float, ...]) -> _Step:
        total = cost[:, None] + np.where(self.cycles <= interval, weighed[0], np.inf)
        return _Step(total.min(0), (total.argmin(0),))

    def choose(self, step: _Step, out: int) -> tuple[int, LayerSchedule]:
        v = int(step.back[0][out])
        return v, LayerSchedule(self.spec, self.in_vecs[v], self.out_vecs[out])


_KINDS: dict[str, type[_Circulant] | type[_Dense] | type[_Scale]] = {
    "circulant": _Circulant,
    "dense": _Dense,
    "scale": _Scale,
}


@dataclass(frozen=True)
class Found:
    """One choice of parallelism."""

    layers: tuple[LayerSchedule, ...]
    edges: tuple[int, ...]


class Chain:
    """All layers of one accelerator with their tables, ready to be asked for any interval."""

    def __init__(self, specs: Sequence[LayerSpec], board: Board) -> None:
        """Build the tables; layers of the same shape share theirs."""
        self.specs = tuple(specs)
        self.choices = edge_choices(specs, board.stream.bits)
        known: dict[object, _Circulant | _Dense | _Scale] = {}
        self.tables = []
        for spec, in_vecs, out_vecs in zip(self.specs, self.choices, self.choices[1:], strict=False):
            shape = replace(spec, name="")
            key = (shape, tuple(in_vecs), tuple(out_vecs))
            if key not in known:
                known[key] = _KINDS[spec.kind](shape, board, in_vecs, out_vecs)
            self.tables.append(known[key])
        self._weighed: dict[tuple[int, int], tuple[_Float, ...]] = {}

    def cheapest(self, interval: int, weighting: int) -> Found | None:
        """Find the cheapest parallelism whose every process takes at most `interval` cycles.

        Args:
            interval: Cycles.
            weighting: Index into `WEIGHTS`.

        Returns:
            The choice, or None when no choice is that fast.
        """
        steps: list[_Step] = []
        first, last = self.specs[0], self.specs[-1]
        cost = np.array([0.0 if _edge(first.n, v) <= interval else np.inf for v in self.choices[0]])
        for table in self.tables:
            key = (id(table), weighting)
            if key not in self._weighed:
                self._weighed[key] = table.weigh(np.array(WEIGHTS[weighting]))
            steps.append(table.step(cost, interval, self._weighed[key]))
            cost = steps[-1].cost
        cost = np.array(
            [c if _edge(last.m, v) <= interval else np.inf for c, v in zip(cost, self.choices[-1], strict=True)]
        )
        if not np.isfinite(cost).any():
            return None
        out = int(cost.argmin())
        edges, layers = [self.choices[-1][out]], []
        for spec, table, step in zip(reversed(self.specs), reversed(self.tables), reversed(steps), strict=True):
            out, layer = table.choose(step, out)
            layers.append(replace(layer, spec=spec))
            edges.append(layer.in_vec)
        return Found(tuple(reversed(layers)), tuple(reversed(edges)))


def _edge(words: int, vec: int) -> int:
    return Process("", ceil_div(words, vec), 1).cycles


def _divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def _table(costs: list[list[Cost]]) -> _Float:
    """Costs as [row, column, (DSP, BRAM18, routed LUT, routed FF)]."""
    raw = np.array(costs, dtype=np.float64)
    routed = [
        raw[..., 0],
        raw[..., 1],
        res.LUT_ROUTED * raw[..., 2] + raw[..., 3],
        res.FF_ROUTED * raw[..., 4],
    ]
    return np.stack(routed, axis=-1)
