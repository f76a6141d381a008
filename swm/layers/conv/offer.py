# SPDX-License-Identifier: Apache-2.0
"""The choice of parallelism of a dense convolution: channels and taps side by side, then the product."""

from __future__ import annotations

from functools import cached_property

from swm.device.board import DspPorts
from swm.device.primitives import MAX_STREAM_BITS
from swm.layers.base import Offer, Preference
from swm.layers.beats import vectors
from swm.layers.conv.beside import ConvBesideOffer
from swm.layers.conv.spec import ConvBuilt, ConvSpec
from swm.layers.dense.offer import DenseOffer
from swm.layers.products import price
from swm.layers.values import Implementation

__all__ = ["ConvOffer", "beats_of_windows"]

_MOST_WORDS = 128  # of a beat out of the line buffer
_TRIED = 4  # line buffers priced for an interval: the narrowest beats that are fast enough


class ConvOffer(Offer):
    """Every line buffer of one shape, each with every product; where none is fast enough, positions side by side.

    Groups of channels take turns: one position of one group a cycle is the fastest.
    """

    def __init__(self, spec: ConvSpec, ports: DspPorts) -> None:
        """List the line buffers, those of narrow beats first."""
        self._spec = spec
        self._beside = ConvBesideOffer(spec, ports) if spec.groups == 1 else None
        self._ways = [_Way(ConvBuilt(spec, v, 1, rows, columns), ports) for v, rows, columns in beats_of_windows(spec)]

    def cheapest(self, interval: int, preference: Preference) -> Implementation | None:
        """See `Offer`."""
        found: tuple[float, Implementation] | None = None
        tried = 0
        for way in self._ways:
            if way.period > interval or tried == _TRIED:
                continue
            best = way.product.best(interval, preference)
            if best is None:
                continue
            tried += 1
            total = best[0] + price(way.cost, preference)
            if found is None or total < found[0]:
                p = best[1]
                forms = (p.rows, p.columns, p.fabric_rows, p.packed, p.storage)
                built = way.built
                found = total, ConvBuilt(self._spec, built.in_vec, p.out_vec, built.tap_rows, built.tap_columns, *forms)
        if found is None:  # one position a cycle is too slow
            return self._beside.cheapest(interval, preference) if preference.beside and self._beside else None
        return found[1]


def beats_of_windows(spec: ConvSpec) -> list[tuple[int, int, int]]:
    """Channels, kernel rows and kernel columns side by side, in rising order of the words that they are."""
    found = [
        (v, rows, columns)
        for v in vectors(spec.n // spec.groups, spec.data_bits)
        if spec.groups == 1 or spec.n // spec.groups % v == 0  # no beat of two groups
        for rows, columns in spec.geometry.side_by_side()
        if v * rows * columns <= _MOST_WORDS and v * rows * columns * spec.data_bits <= MAX_STREAM_BITS
    ]
    return sorted(found, key=lambda one: (one[0] * one[1] * one[2], one[1], one[2]))


class _Way:
    """A line buffer, its cycles and cost, and the products behind it, tabled when they are asked for."""

    def __init__(self, built: ConvBuilt, ports: DspPorts) -> None:
        self.built, self._ports = built, ports
        window = built.window
        self.period, self.cost = window.program("in0", "windows").period, window.cost()

    @cached_property
    def product(self) -> DenseOffer:
        """Of a patch as this line buffer gives it."""
        product = self.built.product
        return DenseOffer(product.spec, self._ports, product.in_vec)
