# SPDX-License-Identifier: Apache-2.0
"""What layers share that handle a beat an iteration: their loop, their offers, and the kinds that are placed later."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.device.primitives import MAX_STREAM_BITS
from swm.layers.base import LayerKind, Offer, Preference
from swm.layers.beside import beat_of, beside
from swm.layers.program import Run
from swm.layers.values import FixedLayer, FloatLayer, Format, Implementation, Ints, LayerSpec, ceil_div

__all__ = ["BeatKind", "MovingKind", "PlacedKind", "distinct_rows", "every_beat", "vectors"]

Number = TypeVar("Number", bound=np.generic)


def every_beat(beats: int, start: int = 0) -> tuple[Run, ...]:
    """A port used in each of `beats` iterations from `start` on."""
    return (Run(start, 1, beats),)


def vectors(channels: int, bits: int) -> list[int]:
    """Powers of two, up to a whole token a beat, whose beats of words of `bits` bits a stream can carry."""
    found = [1]
    while found[-1] < channels and 2 * found[-1] * bits <= MAX_STREAM_BITS:
        found.append(2 * found[-1])
    return found


def distinct_rows(rows: NDArray[Number]) -> tuple[NDArray[Number], int]:
    """The rows of a table (positions, channels) that repeat, and how many positions in a row share one."""
    count = len(rows)
    changes = np.flatnonzero((rows[1:] != rows[:-1]).any(axis=1)) + 1
    each = int(np.gcd.reduce([count, *changes.tolist()]))
    once = rows[::each]
    lengths = (k for k in range(1, len(once) + 1) if len(once) % k == 0)
    least = next(k for k in lengths if np.array_equal(once[k:], once[:-k]))
    return np.ascontiguousarray(once[:least]), each


class BeatKind(LayerKind):
    """A kind that takes a beat an iteration; only the words of a beat are chosen.

    Where `beside`, several positions of a row may be one token: nothing of the kind depends on the channel.
    """

    beside: ClassVar[bool] = False

    def choices(self, spec: LayerSpec) -> list[int]:
        """Words a beat that it can be built with, in rising order."""
        return vectors(spec.n, max(shape.bits for shape in (*spec.inputs, spec.output)))

    def beats(self, spec: LayerSpec, vec: int) -> int:
        """Iterations of the period of its loop."""
        return ceil_div(spec.n, vec)

    def offer(self, spec: LayerSpec, ports: DspPorts) -> Offer:
        """The least words a beat that meet the interval."""
        return _VectorOffer(self, spec)

    def build(self, spec: LayerSpec, vec: int) -> Implementation:
        """The layer with `vec` words a beat on every stream."""
        return Implementation(spec, vec, vec)

    def minimal(self, spec: LayerSpec) -> Implementation:
        """A word a beat."""
        return self.build(spec, 1)


class _VectorOffer(Offer):
    """Costs grow with the words a beat, so the fewest that are fast enough are the cheapest, whatever the weights."""

    def __init__(self, kind: BeatKind, spec: LayerSpec) -> None:
        self._kind, self._spec = kind, spec
        self._choices = [(vec, spec.tokens * kind.beats(spec, vec)) for vec in kind.choices(spec)]

    def cheapest(self, interval: int, preference: Preference) -> Implementation | None:
        """See `Offer`."""
        vec = next((vec for vec, cycles in self._choices if cycles <= interval), None)
        if vec is not None:
            return self._kind.build(self._spec, vec)
        return self._beside(interval) if preference.beside and self._kind.beside else None

    def _beside(self, interval: int) -> Implementation | None:
        """The fewest positions in a token that are fast enough, a token a beat."""
        spec = self._spec
        bits = max(shape.bits for shape in (*spec.inputs, spec.output))
        for positions in range(ceil_div(spec.positions, max(1, interval)), spec.positions + 1):
            vec = beat_of(positions * spec.n)
            if vec * bits > MAX_STREAM_BITS:
                return None
            if spec.positions % positions == 0:
                return self._kind.build(beside(spec, positions), vec)
        return None


class MovingKind(BeatKind):
    """A kind that writes the numbers that it reads, elsewhere or more than once."""

    fuses = False

    def quantize(
        self,
        spec: LayerSpec,
        layer: FloatLayer,
        inputs: tuple[NDArray[np.floating], ...],
        outputs: NDArray[np.floating],
        formats: tuple[Format, ...],
    ) -> FixedLayer:
        """The same numbers."""
        return FixedLayer(spec, layer.node, layer.inputs, layer.output, formats, formats[0])


class PlacedKind(BeatKind):
    """A kind that the schedule places between layers; no node becomes one, and it changes no value."""

    fuses = False

    @abstractmethod
    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """See `LayerKind`; there is no layer."""

    def spec(self, layer: FloatLayer, bits: int) -> LayerSpec:
        """There is no float layer of this kind."""
        raise TypeError(f"{self.name} layers are placed by the schedule, which makes their spec")

    def quantize(
        self,
        spec: LayerSpec,
        layer: FloatLayer,
        inputs: tuple[NDArray[np.floating], ...],
        outputs: NDArray[np.floating],
        formats: tuple[Format, ...],
    ) -> FixedLayer:
        """There is no float layer of this kind."""
        raise TypeError(f"{self.name} layers are placed by the schedule and hold no numbers")

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """The same values."""
        return values[0], {}
