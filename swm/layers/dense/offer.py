# SPDX-License-Identifier: Apache-2.0
"""The choice of parallelism of a dense layer: the cheapest that meets an interval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.device.primitives import (
    MAX_STREAM_BITS,
    packs,
)
from swm.layers.base import Offer, Preference
from swm.layers.dense.cost import input_cost, output_cost, parts
from swm.layers.dense.spec import DenseBuilt, DenseSpec
from swm.layers.products import (
    NARROW_WEIGHT,
    ROM_STORAGE,
    ProductTable,
    lane_choices,
    powers_of_two,
    priced,
)
from swm.layers.values import (
    Implementation,
    ceil_div,
)

__all__ = ["DenseOffer"]

_MOST_LANES = 8192  # multipliers of one layer that the search looks at
_MOST_COLUMNS = 128  # columns side by side: an adder tree, and a beat of the input, grow with them


class _Options(NamedTuple):
    """Options of the products, row by row."""

    built: tuple[DenseBuilt, ...]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    depth: NDArray[np.int64]
    table: ProductTable


_Way: TypeAlias = tuple[int, int, NDArray[np.float64], list[NDArray[np.float64]], NDArray[np.intp], NDArray[np.intp]]
"""Words of a beat in and out; resources of the output, and of the input by number of columns; for each legal option its
number of columns, and its place."""


class DenseOffer(Offer):
    """Every legal parallelism of one shape on one kind of DSP block."""

    def __init__(self, spec: DenseSpec, ports: DspPorts, beat: int = 0) -> None:
        """Table the options.

        Args:
            spec: the layer.
            ports: port widths of the device's DSP.
            beat: words of an input beat; 0: any power of two.
        """
        self._spec, self._ports = spec, ports
        self._options = _options(spec, ports, beat or 1)
        self._groups = -(-spec.n // self._options.columns)  # column groups
        self._known: dict[int, list[_Way]] = {}
        self._beats = [beat] if beat else _beats_of(spec.data_bits)
        self._outs = _beats_of(max(spec.out_bits, spec.bias_bits))

    def cheapest(self, interval: int, preference: Preference) -> Implementation | None:
        """See `Offer`; a few numpy operations for each of at most six pairs of beats."""
        best = self.best(interval, preference)
        return None if best is None else best[1]

    def best(self, interval: int, preference: Preference) -> tuple[float, DenseBuilt] | None:
        """The cheapest, and its price."""
        products, fabric, storage = self._options.table.prices(preference)
        weights = np.array(preference.weights)
        best: tuple[float, int, int, int] | None = None
        for v, out, ends, fronts, which, places in self._ways(interval // self._spec.positions):
            here = products[places] + np.array([float(front @ weights) for front in fronts])[which]
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
        """Pairs of beats fast enough, what hangs on them and the options legal with them, whatever the preference."""
        if token not in self._known:
            self._known[token] = list(self._found(token))
        return self._known[token]

    def _found(self, token: int) -> Iterator[_Way]:
        spec, options = self._spec, self._options
        for v in [v for v in self._beats if ceil_div(spec.n, v) <= token][:2]:
            legal = (options.depth <= token) & (options.columns % v == 0)
            whole = [w for w in self._outs if spec.groups == 1 or spec.m % w == 0]  # no beat of two groups
            for out in [w for w in whole if ceil_div(spec.m, w) <= token][:3]:
                drains = -(-options.rows // out)
                usable = legal & ((options.rows % out == 0) | (options.rows >= spec.m)) & (drains <= self._groups)
                places = np.flatnonzero(usable)
                if not len(places):
                    continue
                columns, which = np.unique(options.columns[places], return_inverse=True)
                fronts = [priced(input_cost(spec, c, v)) for c in columns.tolist()]
                yield v, out, priced(output_cost(spec, out, self._ports)), fronts, which, places


def _beats_of(bits: int) -> list[int]:
    """Words of a beat whose widest word, of this many bits a value, a stream or a ROM can have."""
    return [v for v in powers_of_two(_MOST_COLUMNS) if v * bits <= MAX_STREAM_BITS]


@lru_cache(maxsize=256)
def _options(spec: DenseSpec, ports: DspPorts, step: int) -> _Options:
    """With a power of two times `step` columns side by side."""
    pairs = packs(spec.weight_bits, spec.data_bits, ports)
    widest = 1 << (spec.n - 1).bit_length()
    found = [
        DenseBuilt(spec, rows=rows, columns=columns, packed=packed)
        for rows in sorted({ceil_div(r, step) * step for r in lane_choices(spec.m) for step in (1, 2, 4, 8)})
        for columns in [step * v for v in powers_of_two(max(1, min(_MOST_COLUMNS, widest) // step))]
        for packed in ((0, 1) if pairs and rows % 2 == 0 else (0,))
        if rows * columns <= _MOST_LANES
    ]
    small = spec.weight_bits <= NARROW_WEIGHT
    table = ProductTable(
        [parts(o, ports) for o in found], [o.rows for o in found], [1 + o.packed for o in found], small
    )
    rows, columns, depth = (np.array([getattr(o, f) for o in found]) for f in ("rows", "columns", "multiplies"))
    return _Options(tuple(found), rows, columns, depth, table)
