# SPDX-License-Identifier: Apache-2.0
"""The fixed-point network: a chain of integer layers, each with its formats and integer parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swm.fixed._integer import Ints
from swm.fixed.spec import LayerSpec
from swm.graph import Graph

__all__ = ["FixedGraph", "FixedLayer", "Format"]


@dataclass(frozen=True)
class Format:
    """A two's complement number of `bits` bits of which `frac` stand right of the binary point (may exceed bits)."""

    bits: int
    frac: int

    @property
    def largest(self) -> float:
        """The largest value."""
        return ((1 << (self.bits - 1)) - 1) / 2.0**self.frac

    def quantise(self, values: NDArray[np.floating]) -> Ints:
        """Nearest integers (half rounds up), saturated."""
        low, high = -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1
        scaled = np.floor(np.asarray(values, np.float64) * 2.0**self.frac + 0.5)
        return np.clip(scaled, low, high).astype(np.int64)

    def overflows(self, values: NDArray[np.floating]) -> int:
        """How many values saturate."""
        scaled = np.floor(np.asarray(values, np.float64) * 2.0**self.frac + 0.5)
        return int(np.count_nonzero((scaled < -(1 << (self.bits - 1))) | (scaled >= 1 << (self.bits - 1))))

    def dequantise(self, values: Ints) -> NDArray[np.float32]:
        """Integers back to float32."""
        return (values / 2.0**self.frac).astype(np.float32)

    def __str__(self) -> str:
        """`Q<integer bits>.<fraction bits>`, the sign bit among the integer bits."""
        return f"Q{self.bits - self.frac}.{self.frac}"


@dataclass(frozen=True, eq=False)
class FixedLayer:
    """One integer layer.

    Attributes:
        spec: shapes and widths.
        node: name of the float node it comes from (any text).
        weights: circulant: packed weight spectra (p, q, k/2, 2); dense: (m, n); scale: (n,). int64.
        bias: (m,) at the binary point of the sum, int64.
        input: format of the input tensor.
        weight_frac: fractional bits of the weights.
        acc_shift: right shift of the one rounding of a spectral sum (0 for other kinds).
        output: format of the output tensor.
    """

    spec: LayerSpec
    node: str
    weights: Ints
    bias: Ints
    input: Format
    weight_frac: int
    acc_shift: int
    output: Format

    @property
    def value_frac(self) -> int:
        """Fractional bits of the pre-activation value."""
        return self.input.frac + self.weight_frac - self.acc_shift


@dataclass(frozen=True, eq=False)
class FixedGraph:
    """A network in fixed point, in execution order.

    Attributes:
        name: the model's name, any text.
        layers: at least one; each layer's input format is its predecessor's output format.
        host: operators left to the host after the last layer, in order (a final Softmax).
        source: the float graph it came from; None when read back from a project.
        bits: data bits asked for.
        input_name: the graph input that is quantised.
        output_name: the graph output.
        saturated: saturation counts over the calibration set, by tensor.
    """

    name: str
    layers: tuple[FixedLayer, ...]
    host: tuple[str, ...]
    source: Graph | None
    bits: int
    input_name: str
    output_name: str
    saturated: dict[str, int]

    def formats(self) -> dict[str, dict[str, str]]:
        """Formats of input, weights and output of every layer, as text, by the name of the float node."""
        return {
            layer.node: {
                "input": str(layer.input),
                "weights": str(Format(layer.spec.weight_bits, layer.weight_frac)),
                "output": str(layer.output),
            }
            for layer in self.layers
        }

    @property
    def specs(self) -> tuple[LayerSpec, ...]:
        """The layers' shapes and widths."""
        return tuple(layer.spec for layer in self.layers)

    @property
    def input(self) -> Format:
        """Format of the network's input."""
        return self.layers[0].input

    @property
    def output(self) -> Format:
        """Format of the network's output."""
        return self.layers[-1].output
