# SPDX-License-Identifier: Apache-2.0
"""A block-circulant convolution by its shapes, and how it is built."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import ClassVar

from swm.device.memories import Storage
from swm.layers.beside import Beside, ImageSpec
from swm.layers.circulant import CirculantBuilt, CirculantSpec
from swm.layers.values import Implementation, TensorShape, ceil_div
from swm.layers.window import WindowBuilt

__all__ = ["CirculantConvBuilt", "CirculantConvSpec"]


@dataclass(frozen=True)
class CirculantConvSpec(ImageSpec):
    """`y = activation(sum over taps of C x + b)` at every output position, each C made of p x q circulant blocks.

    Attributes:
        block: k.
        weight_bits: of a part of a spectral weight.
        fft_shifts: right shifts inside the forward transform.
        groups: of channels, whole blocks each; each output block sees those of its own.
    """

    kind: ClassVar[str] = "circulant_conv"

    block: int = 2
    weight_bits: int = 0
    fft_shifts: int = 0
    groups: int = 1

    @property
    def seen(self) -> Beside:
        """What the outputs of a token see, where it holds several positions."""
        return Beside(self.geometry, self.inputs[0].channels // self.n, self.n)

    @property
    def over_tokens(self) -> CirculantConvSpec:
        """The layer whose positions are its tokens: itself, or one with the channels of several, and zeros."""
        return self if self.inputs[0].channels == self.n else replace(self, geometry=self.seen.geometry)

    @property
    def read(self) -> CirculantSpec:
        """The layer as its forward transforms see it: a token an input position."""
        return CirculantSpec(
            self.name,
            self.inputs,
            self.output,
            block=self.block,
            weight_bits=self.weight_bits,
            fft_shifts=self.fft_shifts,
        )

    @property
    def summed(self) -> CirculantSpec:
        """The layer as its products see it: a token an output position, the blocks of all taps one after the other.

        Of several groups each is a token with weights of its own.
        """
        return self.summed_over(self.read.q)

    def summed_over(self, blocks: int) -> CirculantSpec:
        """The same with so many blocks a tap, all groups together; those beyond the channels are zero."""
        tokens = prod(self.geometry.out) * self.groups
        shape = TensorShape(self.geometry.taps * blocks // self.groups * self.block, self.data_bits, tokens)
        output = TensorShape(self.m // self.groups, self.out_bits, tokens)
        return replace(
            self.read,
            inputs=(shape,),
            output=output,
            activation=self.activation,
            parameters=self.parameters,
            groups=self.groups,
        )

    @property
    def working_values(self) -> int:
        """What all kernels of a frame see."""
        return max(super().working_values, self.n * self.geometry.taps * prod(self.geometry.out))

    @property
    def stored_words(self) -> int:
        """Weight integers that are stored: p q k a tap (counted)."""
        rows = ceil_div(self.m // self.groups, self.block)
        return self.geometry.taps * rows * ceil_div(self.n, self.block) * self.block

    @property
    def stored_bits(self) -> int:
        """Bits of all stored weights (counted)."""
        return self.stored_words * self.weight_bits

    @property
    def dense_macs(self) -> int:
        """Multiply-accumulates a frame of the same layer left dense."""
        return self.m * self.n // self.groups * self.geometry.taps * prod(self.geometry.out)


@dataclass(frozen=True)
class CirculantConvBuilt(Implementation):
    """A block-circulant convolution as it is built.

    Attributes:
        tap_rows: kernel rows whose spectra the line buffer gives side by side.
        tap_columns: kernel columns likewise; the other fields are those of `CirculantBuilt`.
    """

    spec: CirculantConvSpec
    tap_rows: int = 1
    tap_columns: int = 1
    mac_rows: int = 1
    mac_columns: int = 1
    mac_bins: int = 1
    products: int = 3
    fabric_rows: int = 0
    packed: int = 0
    storage: Storage = "bram"

    @property
    def layer(self) -> CirculantConvSpec:
        """What the processes see."""
        return self.spec.over_tokens

    @property
    def front(self) -> CirculantBuilt:
        """The forward transforms of an input position."""
        read = self.layer.read
        return CirculantBuilt(read, self.in_vec, mac_bins=min(2, read.words))

    @property
    def window(self) -> WindowBuilt:
        """The line buffer of spectra: all blocks of a tap and group follow each other."""
        front, layer = self.front, self.layer
        words, run = front.fft_lanes * front.beat_words * 2, front.loads // layer.groups
        taps = self.tap_rows, self.tap_columns
        return WindowBuilt(layer.geometry, front.loads, run, words, layer.read.spectrum_bits, *taps)

    @property
    def product(self) -> CirculantBuilt:
        """Products and inverse transforms of a group of an output position.

        Blocks that fill up a beat meet weights of zero.
        """
        front = self.front
        return CirculantBuilt(
            self.layer.summed_over(ceil_div(front.spec.q, front.fft_lanes) * front.fft_lanes),
            self.in_vec,
            self.out_vec,
            self.mac_rows,
            self.mac_columns,
            self.mac_bins,
            self.products,
            self.fabric_rows,
            self.packed,
            self.storage,
            self.tap_rows * self.tap_columns,
        )

    @property
    def back(self) -> CirculantBuilt:
        """The inverse transforms of an output position: the blocks of all groups, as if they were of one matrix."""
        product, spec = self.product, self.spec
        if spec.groups == 1:
            return product
        output = TensorShape(spec.m, spec.out_bits, prod(spec.geometry.out))
        inputs = (replace(product.spec.inputs[0], positions=output.positions),)
        return replace(product, spec=replace(product.spec, inputs=inputs, output=output, groups=1))
