# SPDX-License-Identifier: Apache-2.0
"""Layers whose channels see windows of their own (pooling, depthwise convolutions), as they are built.

Behind the line buffer all taps of some channels follow each other; with positions of a row side by side a token of all
of them is one beat (`beside.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from swm.device.primitives import MAX_STREAM_BITS
from swm.layers.beats import vectors
from swm.layers.beside import Beside, ImageSpec, beat_of, beside
from swm.layers.values import Implementation, ceil_div
from swm.layers.window import WindowBuilt

__all__ = ["ChannelwiseBuilt"]


@dataclass(frozen=True)
class ChannelwiseBuilt(Implementation):
    """A line buffer and what is made of its taps; where positions lie side by side, the spec counts tokens of as many.

    Attributes:
        tap_rows: rows of the window that the line buffer gives side by side.
        tap_columns: columns likewise; of positions side by side, tokens that hold all their columns.
    """

    spec: ImageSpec
    tap_rows: int = 1
    tap_columns: int = 1

    @classmethod
    def one_position(cls, spec: ImageSpec, bits: int, most: int) -> list[Self]:
        """Channels and taps side by side, the fewest words first.

        Args:
            spec: the layer.
            bits: of the widest word that lies in a beat.
            most: words of a beat out of the line buffer.
        """
        found = [
            cls(spec, v, v, rows, columns)
            for v in vectors(spec.n, bits)
            for rows, columns in spec.geometry.side_by_side()
            if v * rows * columns <= most and v * rows * columns * spec.data_bits <= MAX_STREAM_BITS
        ]
        return sorted(found, key=cls._words)

    @classmethod
    def several_positions(cls, spec: ImageSpec) -> list[Self]:
        """Positions of a row side by side, the fewest words first."""
        return sorted(cls._several(spec), key=cls._words)

    @classmethod
    def _several(cls, spec: ImageSpec) -> Iterator[Self]:
        rows = spec.geometry.kernel[0]
        for columns in Beside.choices(spec.geometry, spec.n, spec.m, max(spec.data_bits, spec.out_bits)):
            wide = beside(spec, columns)
            vecs = beat_of(wide.inputs[0].channels), beat_of(wide.output.channels)
            taken = Beside(spec.geometry, columns, spec.n).geometry.kernel[1]
            for tap_rows in (r for r in range(1, rows + 1) if rows % r == 0):
                built = cls(wide, *vecs, tap_rows, taken)
                if built.window.out_words * spec.data_bits <= MAX_STREAM_BITS:
                    yield built

    def _words(self) -> tuple[int, int, int]:
        return self.window.out_words, self.tap_rows, self.tap_columns

    @property
    def fill(self) -> int:
        """What lies outside the grid."""
        return 0

    @property
    def window(self) -> WindowBuilt:
        """The line buffer: all taps of some channels follow each other."""
        spec, geometry = self.spec, self.seen.geometry if self.seen else self.spec.geometry
        beats = ceil_div(spec.inputs[0].channels, self.in_vec)
        return WindowBuilt(geometry, beats, 1, self.in_vec, spec.data_bits, self.tap_rows, self.tap_columns, self.fill)

    @property
    def seen(self) -> Beside | None:
        """What positions side by side see; None where a token is one position."""
        spec, columns = self.spec, self.spec.inputs[0].channels // self.spec.n
        return Beside(spec.geometry, columns, spec.n) if columns > 1 else None

    @property
    def groups(self) -> int:
        """Beats of windows that make one beat of outputs."""
        return self.window.window_beats // self.window.beats

    @property
    def taps(self) -> int:
        """Taps of a window in a beat."""
        return self.spec.geometry.taps // self.groups

    @property
    def beside(self) -> dict[str, int]:
        """Positions of a token, in and out, where there are several."""
        return {"beside_in": self.seen.columns, "beside_out": self.seen.outputs} if self.seen else {}
