# SPDX-License-Identifier: Apache-2.0
"""The values that a layer is: shapes and widths, its float and its integer form, how it is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.layers.curves import Curve
from swm.layers.fit import curve_of
from swm.layers.functions import Activation, Parameters
from swm.layers.geometry import Geometry
from swm.layers.rounding import Ints

if TYPE_CHECKING:
    from swm.structure import WeightStructure

__all__ = [
    "TWIDDLE_FRAC",
    "Activation",
    "FixedLayer",
    "FloatLayer",
    "Format",
    "Implementation",
    "Ints",
    "LayerSpec",
    "TensorShape",
    "ceil_div",
    "clog2",
]

TWIDDLE_FRAC = 16  # fractional bits of the cosine and sine tables (18-bit signed entries)


def clog2(n: int) -> int:
    """Ceiling of log2(n), n >= 1."""
    return (n - 1).bit_length()


def ceil_div(a: int, b: int) -> int:
    """Ceiling of a / b for positive integers."""
    return -(-a // b)


@dataclass(frozen=True)
class Format:
    """A two's complement number of `bits` bits of which `frac` stand right of the binary point (may exceed bits)."""

    bits: int
    frac: int

    @property
    def largest(self) -> float:
        """The largest value."""
        return ((1 << (self.bits - 1)) - 1) / 2.0**self.frac

    def quantize(self, values: NDArray[np.floating]) -> Ints:
        """Nearest integers (half rounds up), saturated."""
        low, high = -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1
        scaled = np.floor(np.asarray(values, np.float64) * 2.0**self.frac + 0.5)
        return np.clip(scaled, low, high).astype(np.int64)

    def overflows(self, values: NDArray[np.floating]) -> int:
        """How many values saturate."""
        scaled = np.floor(np.asarray(values, np.float64) * 2.0**self.frac + 0.5)
        return int(np.count_nonzero((scaled < -(1 << (self.bits - 1))) | (scaled >= 1 << (self.bits - 1))))

    def dequantize(self, values: Ints) -> NDArray[np.float32]:
        """Integers back to float32."""
        return (values / 2.0**self.frac).astype(np.float32)

    def __str__(self) -> str:
        """`Q<integer bits>.<fraction bits>`, the sign bit among the integer bits."""
        return f"Q{self.bits - self.frac}.{self.frac}"


@dataclass(frozen=True)
class TensorShape:
    """What flows on an edge: `positions` tokens a frame of `channels` words of `bits` bits."""

    channels: int
    bits: int
    positions: int = 1


@dataclass(frozen=True)
class LayerSpec:
    """Shapes and widths of one layer: all that schedule, cost and C++ traits need to know of it.

    They follow from shapes and bits alone, so no calibration is needed. Kinds extend it.

    Attributes:
        name: C identifier, unique in its network.
        inputs: one shape an input.
        output: shape of the output.
        activation: fused behind the sum.
        parameters: of the activation, in the order of `functions.py`.
    """

    kind: ClassVar[str] = ""

    name: str
    inputs: tuple[TensorShape, ...]
    output: TensorShape
    activation: Activation = "identity"
    parameters: Parameters = field(default=(), kw_only=True)

    @property
    def n(self) -> int:
        """Channels of the first input."""
        return self.inputs[0].channels

    @property
    def m(self) -> int:
        """Channels of the output."""
        return self.output.channels

    @property
    def data_bits(self) -> int:
        """Bits of the first input."""
        return self.inputs[0].bits

    @property
    def out_bits(self) -> int:
        """Bits of the output."""
        return self.output.bits

    @property
    def positions(self) -> int:
        """Tokens a frame of the first input."""
        return self.inputs[0].positions

    @property
    def tokens(self) -> int:
        """How often the loops of the layer go through their period a frame: once a token, or once a frame.

        Rows that a kind's `run` is given belong together in groups of positions / tokens.
        """
        return self.positions

    @property
    def working_values(self) -> int:
        """Values a frame that the integer engine holds at once in this layer, at most, some small factor aside."""
        return max(shape.channels * shape.positions for shape in (*self.inputs, self.output))

    @property
    def stored_words(self) -> int:
        """Weight integers that are stored (counted)."""
        return 0

    @property
    def stored_bits(self) -> int:
        """Bits of all stored weights (counted)."""
        return 0

    @property
    def dense_macs(self) -> int:
        """Multiply-accumulates a frame of the same layer left dense."""
        return 0


@dataclass(frozen=True, eq=False)
class FloatLayer:
    """One hardware layer, still in float: a product, scale or join, its bias and the activation fused behind it.

    Attributes:
        kind: name of the kind.
        name: C identifier, unique in the network.
        node: name of the node that gives the layer its weights (any text).
        inputs: tensors that the layer reads.
        output: tensor that the layer writes, after the activation.
        shapes: (channels, positions) of each input.
        m: output channels.
        positions: tokens a frame of the output.
        weight: the matrix of a product, None for other kinds.
        scale: (n,) gains of a scale layer, slopes of a PReLU, None otherwise.
        bias: (m,) float32, zeros where there is none.
        activation: fused activation.
        parameters: of the activation.
        grid: axes along which the positions of the output lie; None where they are no image, or lie as those of the
            first input.
        geometry: of the kernel, where the layer looks at several positions at once.
        groups: of channels that see nothing of each other.
    """

    kind: str
    name: str
    node: str
    inputs: tuple[str, ...]
    output: str
    shapes: tuple[tuple[int, int], ...]
    m: int
    positions: int
    weight: WeightStructure | None = None
    scale: NDArray[np.float32] | None = None
    bias: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    activation: Activation = "identity"
    parameters: Parameters = ()
    grid: tuple[int, ...] | None = None
    geometry: Geometry | None = None
    groups: int = 1

    @property
    def n(self) -> int:
        """Channels of the first input."""
        return self.shapes[0][0]


@dataclass(frozen=True, eq=False)
class FixedLayer:
    """One integer layer.

    Attributes:
        spec: shapes and widths.
        node: name of the float node it comes from (any text).
        inputs: tensors that the layer reads.
        output: tensor that the layer writes.
        input_formats: formats of the input tensors.
        output_format: format of the output tensor.
        arrays: integer parameters by name: "weights" (circulant: packed spectra (p, q, k/2, 2); dense: (m, n);
            scale: (n,); PReLU: (n,) slopes), "bias" (m,) at the binary point of the sum. int64.
        weight_frac: fractional bits of the weights.
        acc_shift: right shift of the one rounding of a spectral sum (0 for other kinds).
        curve: integers of the activation, where it has any; made for the formats unless it is given.
        inner: those of activations inside the layer, which its kind makes: the gates of a recurrent layer.
    """

    spec: LayerSpec
    node: str
    inputs: tuple[str, ...]
    output: str
    input_formats: tuple[Format, ...]
    output_format: Format
    arrays: Mapping[str, Ints] = field(default_factory=dict)
    weight_frac: int = 0
    acc_shift: int = 0
    curve: Curve | None = None
    inner: tuple[Curve | None, ...] = ()

    def __post_init__(self) -> None:
        if self.curve is None:
            spec, frac = self.spec, self.output_format.frac
            made = curve_of(spec.activation, spec.parameters, self.value_frac, frac, spec.out_bits)
            object.__setattr__(self, "curve", made)

    @property
    def value_frac(self) -> int:
        """Fractional bits of the pre-activation value (of a join: the finest of its inputs)."""
        return max(f.frac for f in self.input_formats) + self.weight_frac - self.acc_shift


@dataclass(frozen=True)
class Implementation:
    """How parallel one layer is built; also its C++ template parameters. Kinds extend it.

    Attributes:
        spec: shapes and widths.
        in_vec: words a beat on each input stream, but where `reads` says otherwise.
        out_vec: words a beat on each output stream.
    """

    spec: LayerSpec
    in_vec: int = 1
    out_vec: int = 1

    def reads(self, port: int) -> int:
        """Words of a beat of an input."""
        del port
        return self.in_vec
