# SPDX-License-Identifier: Apache-2.0
"""A dense convolution by its shapes, and how it is built."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from swm.device.memories import Storage
from swm.layers.beside import ImageSpec
from swm.layers.dense import DenseBuilt, DenseSpec
from swm.layers.values import Implementation, TensorShape, ceil_div, clog2
from swm.layers.window import WindowBuilt

__all__ = ["ConvBuilt", "ConvSpec"]


@dataclass(frozen=True)
class ConvSpec(ImageSpec):
    """`y = activation(W patch + b)` at every output position, a patch being what the kernel sees there.

    Attributes:
        weight_bits: of a weight.
        groups: of channels; each output sees its own.
    """

    kind: ClassVar[str] = "conv"

    weight_bits: int = 0
    groups: int = 1

    @property
    def patch(self) -> int:
        """Values that an output sees."""
        return self.geometry.taps * self.n // self.groups

    @property
    def accumulator_bits(self) -> int:
        """Bits that hold the exact sum of all products of one output."""
        return self.weight_bits + self.data_bits + clog2(self.patch)

    @property
    def bias_bits(self) -> int:
        """Bits of a bias, at the binary point of the sums."""
        return self.accumulator_bits

    @property
    def working_values(self) -> int:
        """What all kernels of a frame see."""
        return max(super().working_values, self.n * self.geometry.taps * prod(self.geometry.out))

    @property
    def stored_words(self) -> int:
        """Weight integers that are stored: m times the patch (counted)."""
        return self.m * self.patch

    @property
    def stored_bits(self) -> int:
        """Bits of all stored weights (counted)."""
        return self.stored_words * self.weight_bits

    @property
    def dense_macs(self) -> int:
        """Multiply-accumulates a frame, taps that lie on the padding among them."""
        return self.stored_words * prod(self.geometry.out)


@dataclass(frozen=True)
class ConvBuilt(Implementation):
    """A dense convolution as it is built.

    Attributes:
        tap_rows: kernel rows that the line buffer gives side by side.
        tap_columns: kernel columns likewise.
        rows: outputs multiplied side by side.
        columns: values of a patch multiplied side by side.
        fabric_rows: how many of the rows multiply in LUTs.
        packed: 1 if two rows share each multiplier (two products a DSP).
        storage: where the weights lie.
    """

    spec: ConvSpec
    tap_rows: int = 1
    tap_columns: int = 1
    rows: int = 1
    columns: int = 1
    fabric_rows: int = 0
    packed: int = 0
    storage: Storage = "bram"

    @property
    def window(self) -> WindowBuilt:
        """The line buffer: all taps of some channels follow each other."""
        spec = self.spec
        beats = ceil_div(spec.n, self.in_vec)
        return WindowBuilt(spec.geometry, beats, 1, self.in_vec, spec.data_bits, self.tap_rows, self.tap_columns)

    @property
    def product(self) -> DenseBuilt:
        """The product of a patch, which travels in whole beats: channels that fill up a beat meet weights of zero.

        The line buffer gives the channels of a group one after the other: each group is a token of its own.
        """
        spec, window, groups = self.spec, self.window, self.spec.groups
        tokens = prod(spec.geometry.out) * groups
        inner = DenseSpec(
            spec.name,
            (TensorShape(window.window_beats // groups * window.out_words, spec.data_bits, tokens),),
            TensorShape(spec.m // groups, spec.out_bits, tokens),
            spec.activation,
            parameters=spec.parameters,
            weight_bits=spec.weight_bits,
            groups=groups,
        )
        return DenseBuilt(
            inner,
            window.out_words,
            self.out_vec,
            self.rows,
            self.columns,
            self.fabric_rows,
            self.packed,
            self.storage,
        )
