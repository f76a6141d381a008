# SPDX-License-Identifier: Apache-2.0
"""Which types of nodes have a form in hardware: those that some kind of layer takes, and those that cost nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from numpy.typing import NDArray

from swm.graph import (
    Cast,
    ConvInteger,
    DequantizeLinear,
    Div,
    Expand,
    MatMulInteger,
    Neg,
    Node,
    Opaque,
    QLinearConv,
    QLinearMatMul,
    QuantizeLinear,
    Reshape,
    Squeeze,
    Sub,
    Transpose,
    Unsqueeze,
)
from swm.layers import registry
from swm.layers.base import LayerKind, Obstacle
from swm.layers.rtl.registry import has_rtl

__all__ = ["FREE", "fixed_places", "hls_places", "rtl_places", "without_kernel"]

_OF_INTEGERS = ConvInteger, MatMulInteger, QLinearConv, QLinearMatMul
_NAMES_OF_INTEGERS = re.compile(r"QLinear|QGemm|QAttention|DynamicQuantize|.*Integer")  # those that onnxruntime writes
_FORMATS = "its QDQ form (onnxruntime.quantization: quant_format=QuantFormat.QDQ)"
FREE: tuple[type[Node], ...] = (Reshape, Squeeze, Unsqueeze, Cast, Transpose)  # nothing moves


def fixed_places() -> dict[type[Node], str]:
    """Where the integer engine runs each type of node: "kernel" or "free"; others stand in the way."""
    return _places(kind for kind in registry.kinds() if type(kind).run is not LayerKind.run)


def hls_places() -> dict[type[Node], str]:
    """Where emitted hardware runs each type of node: its kind has a template, and headers with its kernel."""
    return _places(k for k in registry.kinds() if k.template.is_file() and all(h.is_file() for h in k.headers))


def rtl_places() -> dict[type[Node], str]:
    """The same for hardware in SystemVerilog."""
    return _places(k for k in registry.kinds() if has_rtl(k.name))


def _places(kinds: Iterable[LayerKind]) -> dict[type[Node], str]:
    kernels = dict.fromkeys((node for kind in kinds for node in kind.takes), "kernel")
    return {**kernels, **dict.fromkeys((*FREE, Expand), "free")}


def without_kernel(node: Node, constants: Mapping[str, NDArray[Any]]) -> Obstacle:
    """Why hardware does not take a node whose type is none of these, and what it takes instead."""
    reason, other = "no hardware kernel for this operator", "what `swm check --operators` lists as kernel"
    if isinstance(node, _OF_INTEGERS) or (isinstance(node, Opaque) and _NAMES_OF_INTEGERS.match(node.op_type)):
        return Obstacle("the model was quantized to integer operators", f"give the float model, or {_FORMATS}")
    if isinstance(node, QuantizeLinear | DequantizeLinear):
        what = "no hardware kernel for this operator unless a QuantizeLinear and its DequantizeLinear stand together"
        return Obstacle(what, f"give the float model, or {_FORMATS}")
    if isinstance(node, Sub):
        reason, other = "it subtracts two activations", "a Mul of the second by the constant -1, and an Add"
    elif isinstance(node, Neg):
        other = "a Mul by the constant -1"
    elif isinstance(node, Div):
        reason, other = "it divides by an activation", "a Div by a constant"
    elif isinstance(node, Opaque) and node.domain:
        reason += f" of domain {node.domain!r}"
        other = "ONNX's own operators that `swm check --operators` lists as kernel (a linear model is a Gemm)"
    elif isinstance(node, Opaque) and node.op_type == "Tile":
        repeats = constants.get(node.inputs[1])
        if repeats is not None and repeats.size and repeats.reshape(-1)[0] != 1:
            return Obstacle("it repeats samples", "take it out of the model, and repeat them where the model is called")
        other = "a Concat of its input with itself"
    return Obstacle(reason, f"replace it by {other}, or leave it to the host (`swm split`)")
