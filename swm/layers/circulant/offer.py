# SPDX-License-Identifier: Apache-2.0
"""The choice of parallelism of a block-circulant layer: the cheapest that meets an interval.

Beats on both sides are as narrow as the interval allows, or one step wider; behind them every number of rows, columns and
bins is tried. Costs of the products fall apart into a part of their own and parts of the beats, so each is tabled once.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.device.primitives import MAX_STREAM_BITS
from swm.layers.base import Implementation, Offer, ceil_div
from swm.layers.circulant.built import CirculantBuilt
from swm.layers.circulant.cost import end_costs, packs_pairs, product_cost
from swm.layers.circulant.spec import CirculantSpec
from swm.layers.products import fabric_choices, lane_choices, powers_of_two, priced

__all__ = ["CirculantOffer"]

_MOST_LANES = 4096  # complex words multiplied side by side that the search looks at
_MOST_COLUMNS = 64  # block columns side by side: their products add up in one chain
_MOST_VECTOR = 64  # words of a beat


class _Tables(NamedTuple):
    """Options of the products, row by row."""

    options: tuple[CirculantBuilt, ...]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    depth: NDArray[np.int64]
    drain_group: NDArray[np.int64]
    one_group: NDArray[np.bool_]
    costs: NDArray[np.float64]


class CirculantOffer(Offer):
    """Every legal parallelism of one shape on one kind of DSP block."""

    def __init__(self, spec: CirculantSpec, ports: DspPorts) -> None:
        """Table the options."""
        self._spec, self._ports = spec, ports
        self._tables = _products(spec, ports)
        top = spec.block if not spec.unrolled else _MOST_VECTOR
        self._vectors = [v for v in powers_of_two(top)]
        self._front: dict[int, tuple[int, int, int, NDArray[np.float64]]] = {}
        self._back: dict[int, tuple[int, int, NDArray[np.float64]]] = {}
        for v in self._vectors:
            built = CirculantBuilt(spec, in_vec=v, out_vec=v, mac_rows=spec.p, mac_bins=min(2, spec.words))
            widest = max(stream.width for stream in built.streams())
            if max(widest, v * max(spec.data_bits, spec.out_bits)) > MAX_STREAM_BITS:
                break
            front, back = end_costs(built, ports)
            front_cycles, back_cycles = built.end_cycles()
            self._front[v] = (front_cycles, built.fft_lanes, built.loads, priced(front))
            self._back[v] = (back_cycles, built.out_lanes, priced(back))

    def cheapest(self, interval: int, weights: tuple[float, ...]) -> Implementation | None:
        """See `Offer`; about as many numpy operations as there are pairs of beats, at most four."""
        token = interval // self._spec.positions
        ins = [v for v, entry in self._front.items() if entry[0] <= token][:2]
        outs = [v for v, entry in self._back.items() if entry[0] <= token][:2]
        price = np.array(weights)
        products = self._weighed(weights)
        best: tuple[float, CirculantBuilt, int, int] | None = None
        for v in ins:
            _, lanes, loads, front = self._front[v]
            for out in outs:
                _, drained, back = self._back[out]
                legal = self._legal(token, lanes, loads, drained, out)
                if not legal.any():
                    continue
                place = int(np.where(legal, products, np.inf).argmin())
                total = float(products[place] + (front + back) @ price)
                if best is None or total < best[0]:
                    best = (total, self._tables.options[place], v, out)
        if best is None:
            return None
        _, option, v, out = best
        return replace(option, in_vec=v, out_vec=out)

    def _legal(self, token: int, lanes: int, loads: int, drained: int, out: int) -> NDArray[np.bool_]:
        t = self._tables
        drains = -(-t.rows // drained)
        legal: NDArray[np.bool_] = (
            (np.maximum(t.depth, loads) <= token)
            & (t.columns % lanes == 0)
            & ((t.rows % drained == 0) | t.one_group)
            & (drains <= t.drain_group)
        )
        if not self._spec.unrolled:  # the collecting pass waits for whole groups of rows (collect_times)
            units, groups = self._spec.block // 4, -(-self._spec.p // t.rows)
            last = -(-(self._spec.p - (groups - 1) * t.rows) // drained)
            rows = np.where(groups == 1, last, drains)
            period = (groups - 1) * rows * units + np.maximum(last * units, rows * (t.depth // groups // t.drain_group))
            legal &= period * max(1, 4 // out) <= token
        return legal

    def _weighed(self, weights: tuple[float, ...]) -> NDArray[np.float64]:
        return _weigh(self._spec, self._ports, weights)


@lru_cache(maxsize=1024)
def _weigh(spec: CirculantSpec, ports: DspPorts, weights: tuple[float, ...]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = _products(spec, ports).costs @ np.array(weights)
    return result


@lru_cache(maxsize=256)
def _products(spec: CirculantSpec, ports: DspPorts) -> _Tables:
    options = []
    columns = sorted({*lane_choices(spec.q), *powers_of_two(spec.q)})
    forms = [(3 if spec.weight_bits < 18 else 4, 0)]
    if packs_pairs(spec, ports):
        forms.append((4, 1))
    for rows in sorted({ceil_div(r, step) * step for r in lane_choices(spec.p) for step in (1, 2, 4, 8)}):
        for side in columns:
            if side > _MOST_COLUMNS:
                break
            for bins in powers_of_two(spec.words):
                if rows * side * bins > _MOST_LANES or (bins < 2 and not spec.unrolled):
                    continue
                for products, packed in forms:
                    if packed and rows % 2:
                        continue
                    options += [
                        CirculantBuilt(
                            spec,
                            mac_rows=rows,
                            mac_columns=side,
                            mac_bins=bins,
                            products=products,
                            fabric_rows=fabric,
                            packed=packed,
                        )
                        for fabric in fabric_choices(rows, packed=bool(packed))
                    ]
    costs = np.stack([priced(product_cost(o, ports)) for o in options])
    return _Tables(
        tuple(options),
        np.array([o.mac_rows for o in options]),
        np.array([o.mac_columns for o in options]),
        np.array([o.rom_depth for o in options]),
        np.array([o.drain_group for o in options]),
        np.array([o.row_groups == 1 for o in options]),
        costs,
    )
