# SPDX-License-Identifier: Apache-2.0
"""Handlers of QONNX's quantizers, in the domains that Brevitas, QONNX and FINN have given them over the years."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from swm.graph import BipolarQuant, Quant, Trunc, WeightFormat
from swm.onnx_io.proto import QONNX_DOMAINS
from swm.onnx_io.read.arguments import given, keep_width, text
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.registry import Folded, Function, RawNode, Result, handler

__all__ = ["limits"]

_MODES = {"ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN"}


def quant(
    context: Context, node: RawNode, *, signed: int = 1, narrow: int = 0, rounding_mode: bytes = b"ROUND"
) -> Result:
    """With one constant bit width; of a constant it is folded, so that the layer behind it finds its weights."""
    mode = _mode(node, rounding_mode)
    bits = _bits(context, node, 3)
    if bits is None:
        return None
    constants = [context.constant(t) for t in node.inputs[:3]]
    if mode == "ROUND" and all(c is not None and c.dtype.kind in "fiu" for c in constants):
        x, scale, zero = (np.asarray(c, np.float32) for c in constants)
        if not (_fits(scale, x) and _fits(zero, x)):
            raise node.error(
                f"a scale of shape {scale.shape} and a zero point of shape {zero.shape} do not fit values of shape "
                f"{x.shape}; export the model again"
            )
        single = float(scale.reshape(-1)[0]) if scale.size == 1 else None
        context.formats[node.outputs[0]] = WeightFormat(bits, bool(signed), bool(narrow), single)
        return Folded(_quantized(x, scale, zero, limits(bits, bool(signed), bool(narrow))))
    _propagate(context, node)
    return Quant(
        name=node.name,
        inputs=node.inputs,
        outputs=node.outputs,
        signed=bool(signed),
        narrow=bool(narrow),
        rounding=mode,
    )


def _fits(values: NDArray[np.float32], x: NDArray[np.float32]) -> bool:
    """Whether values can be repeated to the shape of x."""
    if values.size == 1:
        return True
    kept = x.shape[x.ndim - values.ndim :] if values.ndim <= x.ndim else ()
    return values.ndim == len(kept) and all(have in (1, want) for have, want in zip(values.shape, kept, strict=True))


def limits(bits: float, signed: bool, narrow: bool) -> tuple[float, float] | None:
    """Least and greatest integer; None for one signed bit, which means -1 and 1."""
    if bits == 1 and signed:
        return None
    if signed:
        return -(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1
    return 0, 2**bits - 1 - narrow


def _quantized(
    x: NDArray[np.float32], scale: NDArray[np.float32], zero: NDArray[np.float32], bounds: tuple[float, float] | None
) -> NDArray[np.float32]:
    with np.errstate(all="ignore"):
        y = x / scale + zero
        y = np.where(y >= 0, 1, -1) if bounds is None else np.round(np.clip(y, *bounds))
        return np.asarray((y - zero) * scale, np.float32)


def bipolar_quant(context: Context, node: RawNode) -> Result:
    """All."""
    _check_inputs(node, 2, 2)
    _propagate(context, node)
    return BipolarQuant(name=node.name, inputs=node.inputs, outputs=node.outputs)


def trunc(
    context: Context, node: RawNode, *, rounding_mode: bytes = b"FLOOR", narrow: int = 0, signed: int = 1
) -> Result:
    """The first version, of five inputs, and the second, whose output has a scale and a bit width of its own."""
    mode = _mode(node, rounding_mode)
    _check_inputs(node, 5, 7)
    second = len(node.inputs) == 7
    bits = _bits(context, node, 6 if second else 4)
    if len(node.inputs) == 6 or bits is None or _bits(context, node, 3) is None:
        return None
    if second:
        scales = [context.weight(node.inputs[place], node) for place in (1, 2, 4)]
        if bits == 1 or any(s is None for s in scales) or any((s <= 0).any() for s in scales[::2] if s is not None):
            return None
    _propagate(context, node)
    return Trunc(
        name=node.name,
        inputs=node.inputs,
        outputs=node.outputs,
        rounding=mode,
        signed=bool(signed) if second else True,
        narrow=bool(narrow) if second else False,
    )


_FUNCTIONS: dict[str, Function] = {"Quant": quant, "BipolarQuant": bipolar_quant, "Trunc": trunc}
for _domain in QONNX_DOMAINS:
    for _op, _function in _FUNCTIONS.items():
        handler(_op, since=0, becomes=_op, domain=_domain)(_function)


def _mode(node: RawNode, mode: bytes) -> str:
    name = text(mode).upper()
    name = "DOWN" if name == "ROUND_TO_ZERO" else "ROUND" if name == "HALF_EVEN" else name
    if name not in _MODES:
        raise node.error(f"the rounding mode {name!r} does not exist in QONNX; export the model again")
    return name


def _bits(context: Context, node: RawNode, place: int) -> float | None:
    _check_inputs(node, place + 1, 7)
    value = context.constant(node.inputs[place])
    if value is None or value.size != 1 or value.dtype.kind not in "fiu":
        return None
    bits = float(value.reshape(())[()])
    if not 1 <= bits <= 32:
        raise node.error(f"a bit width of {bits:g} is impossible; it must lie from 1 to 32")
    return bits


def _check_inputs(node: RawNode, least: int, most: int) -> None:
    if not least <= len(node.inputs) <= most or not all(given(node, i) for i in range(least)) or not node.outputs[:1]:
        raise node.error(f"has {len(node.inputs)} inputs, needs {least} to {most}; export the model again")


def _propagate(context: Context, node: RawNode) -> None:
    """The result has the type of x, which ONNX's shape inference cannot know of a foreign operator."""
    kind = context.types.get(node.inputs[0])
    if kind is not None:
        context.types.setdefault(node.outputs[0], kind)
    keep_width(context, node)
