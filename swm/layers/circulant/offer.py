# SPDX-License-Identifier: Apache-2.0
"""The choice of parallelism of a block-circulant layer: the cheapest that meets an interval.

Beats on both sides are as narrow as the interval allows, or one step wider; behind them every number of rows, columns
and bins is tried. Costs of the products fall apart into a part of their own and parts of the beats, so each is tabled
once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.device.primitives import MAX_STREAM_BITS, Cost
from swm.layers.base import Offer, Preference
from swm.layers.circulant.built import CirculantBuilt
from swm.layers.circulant.cost import end_costs, packs_pairs, product_parts
from swm.layers.circulant.spec import CirculantSpec
from swm.layers.products import NARROW_WEIGHT, ROM_STORAGE, ProductTable, lane_choices, powers_of_two, priced
from swm.layers.values import Implementation, ceil_div

__all__ = ["CirculantOffer", "Front"]

_MOST_LANES = 4096  # complex words multiplied side by side that the search looks at
_MOST_COLUMNS = 64  # block columns side by side: their products add up in one chain
_MOST_VECTOR = 64  # words of a beat


_Way: TypeAlias = tuple[int, int, NDArray[np.float64], NDArray[np.intp]]
"""Words of a beat in and out, resources of what hangs on them, places of the legal options."""


class Front(NamedTuple):
    """What stands before the products, for one width of the input's beats.

    Attributes:
        cycles: a token.
        lanes: blocks side by side.
        loads: beats a token that the products read.
        cost: of all of it.
    """

    cycles: int
    lanes: int
    loads: int
    cost: Cost


class _Options(NamedTuple):
    """Options of the products, row by row."""

    built: tuple[CirculantBuilt, ...]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    depth: NDArray[np.int64]
    drain_group: NDArray[np.int64]
    one_group: NDArray[np.bool_]
    table: ProductTable


class CirculantOffer(Offer):
    """Every legal parallelism of one shape on one kind of DSP block."""

    def __init__(self, spec: CirculantSpec, ports: DspPorts, fronts: Mapping[int, Front] | None = None) -> None:
        """Table the options.

        Args:
            spec: the layer.
            ports: port widths of the device's DSP.
            fronts: what stands before the products, by the words of an input beat; the layer's own forward transform
                unless it is given.
        """
        self._spec, self._ports = spec, ports
        self._options = _options(spec, ports)
        self._front: dict[int, Front] = {}
        self._back: dict[int, tuple[int, int, Cost]] = {}  # cycles, lanes
        self._known: dict[int, list[_Way]] = {}
        for v in powers_of_two(_MOST_VECTOR if spec.unrolled else spec.block):
            built = CirculantBuilt(spec, in_vec=v, out_vec=v, mac_rows=spec.p, mac_bins=min(2, spec.words))
            widest = max(stream.width for stream in built.streams())
            if max(widest, v * max(spec.data_bits, spec.out_bits, spec.bias_bits)) > MAX_STREAM_BITS:
                break
            if spec.groups > 1 and spec.p % built.out_lanes:
                break  # a beat would hold blocks of two groups
            front, back = end_costs(built, ports)
            front_cycles, back_cycles = built.end_cycles()
            self._front[v] = Front(front_cycles, built.fft_lanes, built.loads, front)
            self._back[v] = (back_cycles, built.out_lanes, back)
        self._front = dict(fronts) if fronts is not None else self._front

    def cheapest(self, interval: int, preference: Preference) -> Implementation | None:
        """See `Offer`; a few numpy operations for each of at most four pairs of beats."""
        best = self.best(interval, preference)
        return None if best is None else best[1]

    def best(self, interval: int, preference: Preference) -> tuple[float, CirculantBuilt] | None:
        """The cheapest, and its price."""
        products, fabric, storage = self._options.table.prices(preference)
        weights = np.array(preference.weights)
        best: tuple[float, int, int, int] | None = None
        for v, out, ends, places in self._ways(interval // self._spec.positions):
            here = products[places]
            least = int(here.argmin())
            total = float(here[least]) + float(ends @ weights)
            if best is None or total < best[0]:
                best = (total, int(places[least]), v, out)
        if best is None:
            return None
        price, place, v, out = best
        built = replace(
            self._options.built[place],
            in_vec=v,
            out_vec=out,
            fabric_rows=int(fabric[place]),
            storage=ROM_STORAGE[storage[place]],
        )
        return price, built

    def _ways(self, token: int) -> list[_Way]:
        """Pairs of beats fast enough, what they cost and the options legal with them, whatever the preference."""
        if token not in self._known:
            found = []
            ins = [v for v, entry in self._front.items() if entry.cycles <= token][:2]
            outs = [v for v, entry in self._back.items() if entry[0] <= token][:2]
            for v in ins:
                _, lanes, loads, front = self._front[v]
                for out in outs:
                    _, drained, back = self._back[out]
                    places = np.flatnonzero(self._legal(token, lanes, loads, drained, out))
                    if len(places):
                        found.append((v, out, priced(front.plus(back)), places))
            self._known[token] = found
        return self._known[token]

    def _legal(self, token: int, lanes: int, loads: int, drained: int, out: int) -> NDArray[np.bool_]:
        t = self._options
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


@lru_cache(maxsize=256)
def _options(spec: CirculantSpec, ports: DspPorts) -> _Options:
    forms = [(3 if spec.weight_bits < 18 else 4, 0)]
    if packs_pairs(spec, ports):
        forms.append((4, 1))
    found = [
        CirculantBuilt(spec, mac_rows=rows, mac_columns=columns, mac_bins=bins, products=products, packed=packed)
        for rows in sorted({ceil_div(r, step) * step for r in lane_choices(spec.p) for step in (1, 2, 4, 8)})
        for columns in sorted({*lane_choices(spec.q), *powers_of_two(2 * spec.q - 1)})
        for bins in powers_of_two(spec.words)
        for products, packed in forms
        if columns <= _MOST_COLUMNS and rows * columns * bins <= _MOST_LANES
        if (bins >= 2 or spec.unrolled) and not (packed and rows % 2) and (spec.groups == 1 or spec.p % rows == 0)
    ]
    small = spec.weight_bits <= NARROW_WEIGHT
    table = ProductTable(
        [product_parts(o, ports) for o in found], [o.mac_rows for o in found], [1 + o.packed for o in found], small
    )
    return _Options(
        tuple(found),
        np.array([o.mac_rows for o in found]),
        np.array([o.mac_columns for o in found]),
        np.array([o.multiplies for o in found]),
        np.array([o.drain_group for o in found]),
        np.array([o.row_groups == 1 for o in found]),
        table,
    )
