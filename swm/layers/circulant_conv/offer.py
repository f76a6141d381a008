# SPDX-License-Identifier: Apache-2.0
"""The choice of parallelism of a block-circulant convolution: blocks and taps side by side, then the products."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from swm.device.board import DspPorts
from swm.device.primitives import MAX_STREAM_BITS
from swm.layers.base import Offer, Preference
from swm.layers.beside import Beside, beside
from swm.layers.circulant.cost import end_costs
from swm.layers.circulant.offer import CirculantOffer, Front
from swm.layers.circulant_conv.spec import CirculantConvBuilt, CirculantConvSpec
from swm.layers.products import powers_of_two
from swm.layers.values import Implementation

__all__ = ["CirculantConvOffer"]

_MOST_VECTOR = 64  # words of a beat
_TRIED = 3  # line buffers priced for an interval: the narrowest beats that are fast enough


class CirculantConvOffer(Offer):
    """Every legal parallelism of one shape on one kind of DSP block."""

    def __init__(self, spec: CirculantConvSpec, ports: DspPorts) -> None:
        """List the line buffers of one position in a token, and of several."""
        whole = spec.groups == 1 and spec.n % spec.block == spec.m % spec.block == 0  # blocks of one position each
        bits = max(spec.data_bits, spec.out_bits)
        columns = Beside.choices(spec.geometry, spec.n, spec.m, bits) if whole else []
        self._ways = _ways(spec, ports)
        self._several = [_ways(beside(spec, some), ports) for some in columns]

    def cheapest(self, interval: int, preference: Preference) -> Implementation | None:
        """See `Offer`; the fewest positions in a token that are fast enough."""
        found = self._cheapest(self._ways, interval, preference)
        for ways in self._several if preference.beside else []:
            found = self._cheapest(ways, interval, preference) if found is None else found
        return found

    @staticmethod
    def _cheapest(ways: list[_Way], interval: int, preference: Preference) -> Implementation | None:
        found: tuple[float, Implementation] | None = None
        tried = 0
        for way in ways:
            if way.cycles > interval or tried == _TRIED:
                continue
            best = way.product.best(interval, preference)
            if best is None:
                continue
            tried += 1
            if found is None or best[0] < found[0]:
                p, b = best[1], way.built
                lanes = (p.mac_rows, p.mac_columns, p.mac_bins, p.products, p.fabric_rows, p.packed)
                front = (b.in_vec, p.out_vec, b.tap_rows, b.tap_columns)
                found = best[0], CirculantConvBuilt(b.spec, *front, *lanes, p.storage)
        return None if found is None else found[1]


def _ways(spec: CirculantConvSpec, ports: DspPorts) -> list[_Way]:
    """Line buffers of one layer, those of narrow beats first."""
    layer, found = spec.over_tokens, list[CirculantConvBuilt]()
    front = layer.read
    for v in powers_of_two(_MOST_VECTOR if front.unrolled else front.block):
        built = CirculantConvBuilt(spec, v)
        if spec.groups > 1 and front.q // spec.groups % built.front.fft_lanes:
            break  # a beat would hold blocks of two groups
        widest = max(stream.width for stream in built.front.streams())
        if max(widest, v * spec.data_bits) > MAX_STREAM_BITS:
            break
        taps = (replace(built, tap_rows=r, tap_columns=c) for r, c in layer.geometry.side_by_side())
        found += (one for one in taps if one.window.out_words * front.spectrum_bits <= MAX_STREAM_BITS)
    found.sort(key=lambda one: (one.product.mac_lanes, one.in_vec, one.tap_rows))
    return [_Way(built, ports) for built in found]


class _Way:
    """Transforms and line buffer for one width of the beats, and the products behind them."""

    def __init__(self, built: CirculantConvBuilt, ports: DspPorts) -> None:
        self.built, self._ports = built, ports
        each = built.front.end_cycles()[0] * built.layer.positions
        self.cycles = max(each, built.window.program("spectra", "windows").period)

    @cached_property
    def product(self) -> CirculantOffer:
        """Everything behind this width; built where it is asked for."""
        built = self.built
        front, product = built.front, built.product
        cost = end_costs(front, self._ports)[0].plus(built.window.cost())
        ahead = Front(product.loads, product.mac_lanes, product.loads, cost)
        return CirculantOffer(product.spec, self._ports, {built.in_vec: ahead})
