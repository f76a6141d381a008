# SPDX-License-Identifier: Apache-2.0
"""Quantization as it stands in models: ONNX's integer operators and QONNX's quantizers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swm.graph.nodes import Node

__all__ = [
    "BipolarQuant",
    "ConvInteger",
    "DequantizeLinear",
    "MatMulInteger",
    "QLinearConv",
    "QLinearMatMul",
    "Quant",
    "QuantizeLinear",
    "Trunc",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantizeLinear(Node):
    """Inputs x, scale and maybe zero point: `saturate(round(x / scale) + zero_point)`.

    `axis` is that of a vector of scales, or the one cut into blocks of `block` elements that share a scale (0: none).
    `to` is the ONNX number of the result's integer type; `precision` that of the type divided in, 0 for x's own.
    """

    op: ClassVar[str] = "QuantizeLinear"

    to: int
    axis: int = 1
    block: int = 0
    precision: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class DequantizeLinear(Node):
    """Inputs x, scale and maybe zero point: `(x - zero_point) * scale`; `axis` and `block` as above.

    `to` is the ONNX number of the result's type, 0 for the scale's.
    """

    op: ClassVar[str] = "DequantizeLinear"

    axis: int = 1
    block: int = 0
    to: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class QLinearConv(Node):
    """Convolution of 8-bit integers, requantized. Inputs as ONNX: x, w, y, each with scale and zero point, bias.

    Fields as in `MaxPool`.
    """

    op: ClassVar[str] = "QLinearConv"

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilations: tuple[int, ...]
    groups: int = 1
    auto_pad: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class ConvInteger(Node):
    """Convolution of 8-bit integers to int32. Inputs x, w and maybe their zero points. Fields as in `MaxPool`."""

    op: ClassVar[str] = "ConvInteger"

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilations: tuple[int, ...]
    groups: int = 1
    auto_pad: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class QLinearMatMul(Node):
    """Product of 8-bit integers, requantized. Inputs a, b, y, each with scale and zero point."""

    op: ClassVar[str] = "QLinearMatMul"


@dataclass(frozen=True, kw_only=True, eq=False)
class MatMulInteger(Node):
    """Product of 8-bit integers to int32. Inputs a, b and maybe their zero points."""

    op: ClassVar[str] = "MatMulInteger"


@dataclass(frozen=True, kw_only=True, eq=False)
class Quant(Node):
    """QONNX Quant. Inputs x, scale, zero point, bit width: `(round(clip(x / s + z)) - z) * s`, float to float.

    `rounding` is the QONNX mode in upper case.
    """

    op: ClassVar[str] = "Quant"

    signed: bool = True
    narrow: bool = False
    rounding: str = "ROUND"


@dataclass(frozen=True, kw_only=True, eq=False)
class BipolarQuant(Node):
    """QONNX BipolarQuant. Inputs x and scale: `s` where `x / s >= 0`, else `-s`."""

    op: ClassVar[str] = "BipolarQuant"


@dataclass(frozen=True, kw_only=True, eq=False)
class Trunc(Node):
    """QONNX Trunc: low bits dropped, float to float. `rounding` is the QONNX mode in upper case.

    Inputs of the first version: x, scale, zero point, input and output bit width. Of the second: x, scale, zero point,
    input bit width, output's scale, zero point and bit width; it saturates by `signed` and `narrow`.
    """

    op: ClassVar[str] = "Trunc"

    rounding: str = "FLOOR"
    signed: bool = True
    narrow: bool = False
