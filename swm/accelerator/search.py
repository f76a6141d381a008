# SPDX-License-Identifier: Apache-2.0
"""The search for parallelism: the shortest interval whose cheapest implementations stay inside the board.

For one interval every layer offers its cheapest implementation by itself; neighbours that chose other beats are joined
by width converters. Cost is a weighted sum of DSP, BRAM18, URAM, LUT and FF; several fixed weightings are tried until
the result fits. Neither weights nor candidates depend on what a board holds: what fits a board fits every larger one,
so the bisection over the interval, which halves the same way on both until they differ, never ends higher on the
larger. The same holds for weights that move out of block RAM (`swm.accelerator.spare`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from swm.accelerator.backend import VITIS, Backend
from swm.accelerator.fixed_graph import NetworkShape
from swm.accelerator.judging import Judge, Option
from swm.accelerator.placement import Placement, ends_of, place
from swm.accelerator.resources import container_bits, estimate_parts, lacking, overflow
from swm.accelerator.spare import spared
from swm.device.board import Board
from swm.device.limits import Limits
from swm.device.primitives import routed
from swm.layers.base import Offer, Preference
from swm.layers.products import price
from swm.layers.registry import kind
from swm.layers.values import Implementation, LayerSpec, TensorShape
from swm.progress import Note, quiet

__all__ = ["WEIGHTS", "Found", "Search"]

WEIGHTS: tuple[tuple[float, ...], ...] = (
    (150.0, 150.0, 600.0, 1.0, 0.25),  # about what a device holds: one DSP and one BRAM18 for 100-400 LUTs
    (400.0, 150.0, 600.0, 1.0, 0.25),  # DSPs are short
    (1000.0, 100.0, 600.0, 1.0, 0.25),
    (40.0, 1000.0, 1000.0, 1.0, 0.25),  # block RAM is short
    (20.0, 40.0, 160.0, 1.0, 1.0),  # logic is short
    (60.0, 60.0, 240.0, 1.0, 1.0),
    (600.0, 1000.0, 2000.0, 1.0, 0.25),  # both are short
)
"""Weights of DSP, BRAM18, URAM, LUT and FF, in LUTs."""
FABRIC = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 1.0)
"""Fractions of the multiplications that are tried in LUTs, none first."""


@dataclass(frozen=True)
class Found:
    """The outcome for one interval: what was placed, what it takes, whether it fits, and what is too large."""

    placement: Placement
    fits: bool
    overflow: str


class Search:
    """All layers of one network on one board, ready to be asked for any interval."""

    def __init__(
        self,
        network: NetworkShape,
        board: Board,
        limits: Limits,
        *,
        backend: Backend = VITIS,
        hybrid: bool = False,
        uram: bool = False,
        note: Note = quiet,
    ) -> None:
        """Make the offers; layers of the same shape share theirs.

        Args:
            network: layers and how they are joined.
            board: where it has to fit.
            limits: fractions of the device that may be used.
            backend: whose resources decide whether it fits, and which of the implementations that a layer's offer names
                is the cheaper.
            hybrid: let multipliers of any width be built of LUTs where DSPs run out, not only those of narrow weights.
            uram: let weights lie in UltraRAM where block RAM runs out; the back end has to fill it at start.
            note: called with what is going on, for every interval that is tried.
        """
        self._network, self._board, self._limits, self._uram = network, board, limits, uram
        self._note, self._backend = note, backend
        self._ports = board.dsp_ports
        offers: dict[LayerSpec, Offer] = {}
        for layer in network.layers:
            shape = _unnamed(layer.spec)
            if shape not in offers:
                offers[shape] = kind(layer.spec.kind).offer(shape, self._ports)
        self._offers = list(offers.values())
        numbers = {shape: number for number, shape in enumerate(offers)}
        self._numbers = [numbers[_unnamed(layer.spec)] for layer in network.layers]  # of the offer of each layer
        self._judge = Judge(network, board, backend)
        self._options: dict[Implementation, Option] = {}
        self._known: dict[tuple[int, int, Preference, bool], Option | None] = {}
        more = backend.beside
        self._preferences = [Preference(w, f, beside=more) for f in FABRIC for w in WEIGHTS]
        if hybrid:  # besides, so that what fits without fits with it
            self._preferences += [Preference(w, f, wide=True, beside=more) for f in FABRIC[1:] for w in WEIGHTS]
        # Offers weigh by operators. Where modules are counted, what is offered is weighed again, by what is counted: to
        # count all that could be built is too much. Then as offers weigh, so that what fits by that fits.
        own = [True, False] if backend.area == "modules" else [False]
        self._ways = [(preference, counts) for counts in own for preference in self._preferences]

    def minimal(self) -> Found:
        """One lane everywhere, one word a beat."""
        chosen = [kind(layer.spec.kind).minimal(layer.spec) for layer in self._network.layers]
        return self._placed(chosen, (1, 1))

    def fastest_fitting(self, slow: int) -> Found | None:
        """Bisect for the shortest interval that fits, at most `slow` cycles; None if not even that does.

        Where there is UltraRAM, a slow design may not fit where a faster one does: a word of few lanes fills a fraction
        of its 72 columns. So 1/2, 1/4, ... and 3/4, 3/8, ... of `slow` are starts too. The best of all starts counts,
        so that a larger board is still never slower; bisections share what they tried.
        """
        tried: dict[int, Found | None] = {}

        def attempt(interval: int) -> Found | None:
            if interval not in tried:
                tried[interval] = self.fitting(interval)
            return tried[interval]

        best: tuple[int, Found] | None = None
        for found in (self._bisect(start, attempt) for start in self._starts(slow)):
            if found is not None and (best is None or found[0] < best[0]):
                best = found
        return None if best is None else best[1]

    def fits(self, slow: int) -> bool:
        """Whether `fastest_fitting` would find anything."""
        return any(self.fitting(start) is not None for start in self._starts(slow))

    def fastest(self, slow: int) -> int:
        """The shortest interval that any parallelism reaches, fitting or not."""
        fast = 0
        while slow - fast > 1:
            middle = (fast + slow) // 2
            options = self._choose(middle, self._preferences[0])
            reached = options is not None and self._ends(middle, options) is not None
            fast, slow = (fast, middle) if reached else (middle, slow)
        return slow

    def fitting(self, interval: int) -> Found | None:
        """The first weighting's cheapest placement that fits at an interval."""
        found = self.at(interval)
        return found if found is not None and found.fits else None

    def at(self, interval: int) -> Found | None:
        """Cheapest placement at an interval that fits, else the first one tried; None: nothing is that fast."""
        self._note(f"search at {interval:,} cycles")
        first: tuple[list[Option], tuple[int, int]] | None = None
        tried: set[tuple[Option, ...]] = set()
        for preference, own in self._ways:
            options = self._choose(interval, preference, own)
            ends = None if options is None else self._ends(interval, options)
            if options is None or ends is None:
                return None
            if tuple(options) in tried:
                continue
            tried.add(tuple(options))
            chosen, fits = self._with_blocks_spared([options[number] for number in self._numbers], ends)
            if fits:
                return self._placed(self._named(chosen), ends)
            first = first or (chosen, ends)
        return None if first is None else self._placed(self._named(first[0]), first[1])

    def _starts(self, slow: int) -> list[int]:
        if not (self._uram and self._board.resources.uram):
            return [slow]
        return [slow, *(share * slow >> e for e in range(2, slow.bit_length()) for share in (3, 2))]

    def _bisect(self, slow: int, attempt: Callable[[int], Found | None]) -> tuple[int, Found] | None:
        best = attempt(slow)
        if best is None:
            return None
        fast = 0  # never fits; `slow` always does
        while slow - fast > 1:
            middle = (fast + slow) // 2
            found = attempt(middle)
            if found is None:
                fast = middle
            else:
                best, slow = found, middle
        return slow, best

    def _choose(self, interval: int, preference: Preference, own: bool = False) -> list[Option] | None:
        """The cheapest of each offer; None where one has nothing that fast."""
        chosen = []
        for number, offer in enumerate(self._offers):
            key = (number, interval, preference, own)
            if key not in self._known:
                self._known[key] = self._cheapest(offer, interval, preference, own)
            option = self._known[key]
            if option is None:
                return None
            chosen.append(option)
        return chosen

    def _cheapest(self, offer: Offer, interval: int, preference: Preference, own: bool) -> Option | None:
        """What an offer has for a preference; `own`: the cheapest by own costs of what it has for all weightings."""
        if not own:
            built = offer.cheapest(interval, preference)
            return None if built is None else self._option(built)
        some = (offer.cheapest(interval, replace(preference, weights=weights)) for weights in WEIGHTS)
        options = dict.fromkeys(self._option(built) for built in some if built is not None)
        return min(options, key=lambda option: price(option.cost, preference), default=None)

    def _option(self, built: Implementation) -> Option:
        if built not in self._options:
            self._options[built] = Option(built, self._board, self._backend)
        return self._options[built]

    def _named(self, chosen: list[Option]) -> list[Implementation]:
        """The implementations of the layers themselves."""
        layers = zip(chosen, self._network.layers, strict=True)
        return [replace(o.built, spec=replace(o.built.spec, name=layer.spec.name)) for o, layer in layers]

    def _ends(self, interval: int, options: list[Option]) -> tuple[int, int] | None:
        shapes = ends_of(self._network, [options[number].built for number in self._numbers])
        vecs = [_end_vec(shape, interval, self._board.stream.bits) for shape in shapes]
        return None if None in vecs else (vecs[0] or 1, vecs[1] or 1)

    def _with_blocks_spared(self, chosen: list[Option], ends: tuple[int, int]) -> tuple[list[Option], bool]:
        """A choice and whether it fits; where block RAM is all that lacks, weights move to UltraRAM and LUTs."""
        cost = self._judge.cost(chosen, ends)
        lacks = lacking(routed(cost, self._ports.multipliers), self._board, self._limits)
        if lacks != ("bram18",):
            return chosen, not lacks
        moved = spared(chosen, cost, self._board, self._limits, uram=self._uram)
        return (chosen, False) if moved is None else (moved, True)

    def _placed(self, chosen: list[Implementation], ends: tuple[int, int]) -> Found:
        placement = place(self._network, chosen, ends, self._ports)
        used = estimate_parts(placement.layers, placement.edges, self._board, self._backend).routed
        message = overflow(used, self._board, self._limits)
        return Found(placement, not message, message)


def _unnamed(spec: LayerSpec) -> LayerSpec:
    return replace(spec, name="")


def _end_vec(shape: TensorShape, interval: int, stream_bits: int) -> int | None:
    """Words a beat of an AXI stream: the fewest that keep the interval; None where the stream is too narrow."""
    vec, most = 1, max(1, stream_bits // container_bits(shape.bits))
    while -(-shape.channels // vec) * shape.positions > interval:
        vec *= 2
        if vec > most:
            return None
    return vec
