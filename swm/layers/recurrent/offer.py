# SPDX-License-Identifier: Apache-2.0
"""The choice of parallelism of a recurrent layer: the cheapest that meets an interval."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.device.primitives import MAX_STREAM_BITS
from swm.layers.base import Offer, Preference
from swm.layers.products import ROM_STORAGE, lane_choices, powers_of_two, priced
from swm.layers.recurrent.built import RecurrentBuilt, feedback_of
from swm.layers.recurrent.cost import cell_cost, input_cost, product_cost
from swm.layers.recurrent.spec import RecurrentSpec
from swm.layers.values import Implementation, ceil_div

__all__ = ["RecurrentOffer"]

_MOST_LANES = 4096  # multipliers side by side that the search looks at
_MOST_COLUMNS = 64
_MOST_VECTOR = 64


class _Options(NamedTuple):
    """Options, row by row: products with the cells that leave side by side."""

    built: tuple[RecurrentBuilt, ...]
    period: NDArray[np.int64]
    columns: NDArray[np.int64]
    costs: NDArray[np.float64]  # but for the ROM
    roms: dict[str, NDArray[np.float64]]


class RecurrentOffer(Offer):
    """Every legal parallelism of one shape on one kind of DSP block."""

    def __init__(self, spec: RecurrentSpec, ports: DspPorts) -> None:
        self._spec, self._ports = spec, ports
        self._options = _options(spec, ports)

    def cheapest(self, interval: int, preference: Preference) -> Implementation | None:
        """See `Offer`."""
        spec, options, token = self._spec, self._options, interval // self._spec.turns
        vec = _input_vector(spec, token)
        if vec is None:
            return None
        lanes = max(1, vec // spec.block)
        places = np.flatnonzero((options.period <= token) & (options.columns % lanes == 0))
        if not len(places):
            return None
        weights = np.array(preference.weights)
        roms = np.stack([options.roms[kind][places] @ weights for kind in ROM_STORAGE])
        price = options.costs[places] @ weights + roms.min(0)
        least = int(price.argmin())
        return replace(options.built[int(places[least])], in_vec=vec, storage=ROM_STORAGE[int(roms[:, least].argmin())])


def _input_vector(spec: RecurrentSpec, token: int) -> int | None:
    """Words of an input beat: the fewest that bring a token in time."""
    for vec in powers_of_two(_MOST_VECTOR):
        blocks = ceil_div(spec.in_blocks, max(1, vec // spec.block))
        reads = blocks * max(1, spec.block // vec) if spec.block > 1 else ceil_div(spec.n, vec)
        wide = max(vec * spec.data_bits, max(1, vec // spec.block) * spec.block * spec.word_bits)
        if max(blocks, reads) <= token and wide <= MAX_STREAM_BITS:
            return vec
    return None


@lru_cache(maxsize=64)
def _options(spec: RecurrentSpec, ports: DspPorts) -> _Options:
    products = 3 if spec.weight_bits < 18 else 4
    multipliers = 1 if spec.block == 1 else products * (spec.block // 2 - 1) + 2
    gates = spec.gates
    units = sorted({ceil_div(u, step) * step for u in lane_choices(spec.units) for step in (1, 2, 4)})
    rows = [*(r for r in range(1, gates) if gates % r == 0), *(gates * u for u in units)]
    columns = sorted({*powers_of_two(2 * spec.most_blocks - 1), *lane_choices(spec.most_blocks)})
    found = []
    for row in rows:
        for column in columns:
            if column > _MOST_COLUMNS or row * column * multipliers > _MOST_LANES:
                continue
            for vec in powers_of_two(_MOST_VECTOR):
                built = RecurrentBuilt(spec, 1, vec, row, column, products, feedback=feedback_of(spec.block))
                if built.valid and vec * spec.bias_bits <= MAX_STREAM_BITS:
                    found.append(built)
    costs: list[NDArray[np.float64]] = []
    roms: dict[str, list[NDArray[np.float64]]] = {kind: [] for kind in ROM_STORAGE}
    front = priced(input_cost(spec, 1, ports)) if spec.block > 1 else 0.0
    for built in found:
        parts = product_cost(replace(built, out_vec=1), ports)
        cells = cell_cost(spec, built.out_vec, built.cell_beats, ports)
        costs.append(priced(parts.base.plus(parts.dsp_row.times(built.mac_rows), cells)) + front)
        for kind in ROM_STORAGE:
            roms[kind].append(priced(parts.rom(kind)))
    return _Options(
        tuple(found),
        np.array([b.period for b in found], np.int64),
        np.array([b.mac_columns for b in found], np.int64),
        np.array(costs).reshape(-1, 5),
        {kind: np.array(entries).reshape(-1, 5) for kind, entries in roms.items()},
    )
