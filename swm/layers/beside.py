# SPDX-License-Identifier: Apache-2.0
"""Positions of a row side by side (hls/swm/beside.h): the layer is the same, its tokens hold several positions.

Neighbours of a row follow each other in a stream, the channels of each together; so tokens of several positions are the
same stream, counted otherwise. Layers over images make several output positions of such a token at once, each a beat.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any, TypeVar

from swm.device.primitives import MAX_STREAM_BITS
from swm.layers.geometry import Geometry
from swm.layers.values import LayerSpec, TensorShape, ceil_div, clog2

__all__ = ["Beside", "ImageSpec", "beat_of", "beside", "same_layer", "several"]

Spec = TypeVar("Spec", bound=LayerSpec)


@dataclass(frozen=True)
class ImageSpec(LayerSpec):
    """A layer over windows of an image, whose tokens hold one position or several neighbours of a row.

    Attributes:
        geometry: of the window.
    """

    geometry: Geometry = field(kw_only=True)

    @property
    def positions(self) -> int:
        """Of the input image; a token may hold several."""
        return prod(self.geometry.grid)

    @property
    def n(self) -> int:
        """Channels of an input position."""
        return self.inputs[0].channels * self.inputs[0].positions // self.positions

    @property
    def m(self) -> int:
        """Channels of an output position."""
        return self.output.channels * self.output.positions // prod(self.geometry.out)

    @property
    def tokens(self) -> int:
        """Its loops count frames."""
        return 1


def beat_of(words: int) -> int:
    """The least power of two that holds so many words."""
    return 1 << clog2(words)


def several(shape: TensorShape, positions: int) -> TensorShape:
    """The same stream in tokens of so many positions.

    Raises:
        ValueError: the positions of a frame are no whole tokens.
    """
    if shape.positions % positions:
        raise ValueError(f"{shape.positions} positions are no tokens of {positions}")
    return replace(shape, channels=shape.channels * positions, positions=shape.positions // positions)


def beside(spec: Spec, columns: int) -> Spec:
    """The same layer, with `columns` positions of its inputs in a token, and those that it makes of them in one."""
    geometry = getattr(spec, "geometry", None)
    outputs = columns // geometry.strides[1] if geometry else columns
    said: dict[str, Any] = (
        {"beside": columns} if hasattr(spec, "beside") else {}
    )  # where nothing else of the spec says how many
    inputs = tuple(several(s, columns) for s in spec.inputs)
    return replace(spec, inputs=inputs, output=several(spec.output, outputs), **said)


def same_layer(placed: LayerSpec, spec: LayerSpec) -> bool:
    """Whether a layer was placed as it was lowered, its tokens of one position or several."""
    if placed == spec:
        return True
    columns, rest = divmod(placed.inputs[0].channels, spec.inputs[0].channels)
    try:
        return columns > 1 and not rest and beside(spec, columns) == placed
    except ValueError:
        return False


@dataclass(frozen=True)
class Beside:
    """Some output positions of a row, and what they see.

    Attributes:
        one: the kernel, over tokens of one position.
        columns: input positions of a token, a multiple of the stride.
        n: channels of a position.
    """

    one: Geometry
    columns: int
    n: int

    @staticmethod
    def choices(one: Geometry, n: int, m: int, bits: int) -> list[int]:
        """Numbers of input positions that make whole tokens of whole rows, in and out, each a beat of a stream."""
        stride, (width, out) = one.strides[1], (one.grid[1], one.out[1])
        return [
            columns
            for columns in range(2, width + 1)
            if width % columns == 0
            and columns % stride == 0
            and out % (columns // stride) == 0
            and max(beat_of(columns * n), beat_of(columns // stride * m)) * bits <= MAX_STREAM_BITS
        ]

    @property
    def outputs(self) -> int:
        """Output positions of a token."""
        return self.columns // self.one.strides[1]

    @cached_property
    def geometry(self) -> Geometry:
        """The kernel as the line buffer has it, over tokens of several positions."""
        g, columns = self.one, self.columns
        end = self.first + (self.outputs - 1) * g.strides[1] + (g.kernel[1] - 1) * g.dilations[1] + 1
        return Geometry(
            grid=(g.grid[0], g.grid[1] // columns),
            kernel=(g.kernel[0], ceil_div(end, columns)),
            strides=(g.strides[0], 1),
            dilations=(g.dilations[0], 1),
            pads=(g.pads[0], ceil_div(g.pads[1], columns)),
            out=(g.out[0], g.out[1] // self.outputs),
        )

    @property
    def first(self) -> int:
        """Where the first output's kernel begins, in positions behind the first token that leaves with it."""
        return -self.one.pads[1] % self.columns

    def configuration(self) -> dict[str, int]:
        """As beside.h asks."""
        return {
            "beside_in": self.columns,
            "beside_out": self.outputs,
            "first_column": self.first,
            "column_taps": self.one.kernel[1],
            "column_stride": self.one.strides[1],
            "column_dilation": self.one.dilations[1],
        }
