# SPDX-License-Identifier: Apache-2.0
"""QONNX's quantizers spelt out in standard operators, so that any runtime runs them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from swm.errors import ModelError
from swm.graph import BipolarQuant, Node, Quant, Trunc
from swm.onnx_io.read.handlers.qonnx import limits
from swm.onnx_io.write.registry import writer
from swm.onnx_io.write.target import Target

__all__ = ["write_quantizer"]

# Adding and subtracting it rounds float32 below 2**22 to the nearest even integer, as Round does since opset 11.
_MAGIC = np.float32(1.5 * 2**23)


@writer(BipolarQuant, Quant, Trunc)
def write_quantizer(target: Target, node: Quant | BipolarQuant | Trunc) -> None:
    """Append the formula of a quantizer.

    Raises:
        ModelError: its rounding cannot be expressed in the model's opset.
    """
    chain = _Chain(target, node, node.inputs[0])
    scale = _float(target, node, 1)
    if isinstance(node, BipolarQuant):
        chain.apply("Div", scale).sign().finish("Mul", scale)
        return
    zero, bits = _float(target, node, 2), _number(target, node, node.inputs[3])
    chain.apply("Div", scale).apply("Add", zero)
    if isinstance(node, Quant):
        bounds = limits(bits, node.signed, node.narrow)
        if bounds is None:
            chain.sign()
        else:
            chain.clip(*bounds).round(node.rounding, max(map(abs, bounds)))
    elif len(node.inputs) == 7:
        _second_trunc(target, node, chain)
        return
    else:
        kept = _number(target, node, node.inputs[4])
        chain.round("ROUND", 2**bits).apply("Div", chain.scalar(2 ** (bits - kept))).round(node.rounding, 2**bits)
    chain.apply("Sub", zero).finish("Mul", scale)


def _second_trunc(target: Target, node: Trunc, chain: _Chain) -> None:
    """The rest of a Trunc whose output has a scale of its own: the ratio of scales is a power of two."""
    scale, zero_point, wider = (target.value(node.inputs[place]) for place in (1, 2, 4))
    bits, kept = (_number(target, node, node.inputs[place]) for place in (3, 6))
    bounds = limits(kept, node.signed, node.narrow)
    if scale is None or zero_point is None or wider is None or bounds is None:
        raise ModelError(f"Trunc node {node.name!r}: its scales must be constant; export the model again")
    ratio = np.exp2(np.round(np.log2(wider / scale))).astype(np.float32)
    chain.round("ROUND", 2**bits).apply("Div", target.constant(node, ratio, "ratio"))
    chain.clip(*bounds).round(node.rounding, max(map(abs, bounds)))
    chain.apply("Sub", target.constant(node, np.asarray(zero_point / ratio, np.float32), "zero"))
    chain.finish("Mul", _float(target, node, 4))


def _float(target: Target, node: Node, place: int) -> str:
    """The input at `place` as float32; exporters write zero points as integers, too."""
    name = node.inputs[place]
    value = target.value(name)
    if value is not None and value.dtype != np.float32:
        return target.constant(node, value.astype(np.float32), f"input_{place}")
    return name


def _number(target: Target, node: Node, name: str) -> float:
    value = target.value(name)
    if value is None:
        raise ModelError(
            f"{node.op} node {node.name!r}: the bit width {name!r} is not constant; export the model again"
        )
    return float(value.reshape(-1)[0])


class _Chain:
    """A row of ONNX nodes, each reading the one before."""

    def __init__(self, target: Target, node: Node, tensor: str) -> None:
        self.target = target
        self.node = node
        self.tensor = tensor
        self.count = 0

    def scalar(self, value: float) -> str:
        """A new float32 constant."""
        return self.target.constant(self.node, np.float32(value), "constant")

    def apply(self, operator: str, *others: str, first: str = "") -> _Chain:
        """One more node, of the tensor so far (behind `first`, if given) and the others."""
        self.count += 1
        result = self.target.tensor(f"{self.node.name}/{operator}_{self.count}")
        inputs: Sequence[str] = [*([first] if first else []), self.tensor, *others]
        self.target.extra(self.node, operator, inputs, result, f"{operator}_{self.count}")
        self.tensor = result
        return self

    def finish(self, operator: str, other: str) -> None:
        """The last node, which bears the node's name."""
        self.target.add(self.node, operator, [self.tensor, other])

    def sign(self) -> _Chain:
        """1 where not below zero, else -1."""
        one, minus = self.scalar(1), self.scalar(-1)
        self.apply("Less", self.scalar(0))
        return self._where(minus, one)

    def _where(self, yes: str, no: str) -> _Chain:
        if self.target.opset < 9:
            raise ModelError(
                f"{self.node.op} node {self.node.name!r} needs Where, which opset {self.target.opset} lacks; convert "
                "the model to opset 9 or newer"
            )
        return self.apply("Where", yes, no)

    def clip(self, low: float, high: float) -> _Chain:
        """Between two numbers; Min and Max say it at every opset."""
        if self.target.opset < 8:
            raise ModelError(
                f"{self.node.op} node {self.node.name!r}: opset {self.target.opset} cannot broadcast in Min and Max; "
                "convert the model to opset 8 or newer"
            )
        return self.apply("Min", self.scalar(high)).apply("Max", self.scalar(low))

    def round(self, mode: str, largest: float) -> _Chain:
        """To integers no larger than `largest` in magnitude."""
        match mode:
            case "CEIL" | "FLOOR":
                return self.apply(mode.capitalize())
            case "ROUND" if self.target.opset >= 11:
                return self.apply("Round")
            case "ROUND" if largest <= 2**22:
                magic = self.scalar(float(_MAGIC))
                return self.apply("Add", magic).apply("Sub", magic)
            case "ROUND":
                raise ModelError(
                    f"{self.node.op} node {self.node.name!r} rounds {largest:g} levels, which opset "
                    f"{self.target.opset} cannot express; convert the model to opset 11 or newer"
                )
        # The others round the magnitude: UP away from zero, DOWN toward it, HALF_UP and HALF_DOWN to the nearest.
        signed = self.tensor
        self.sign()
        sign, self.tensor = self.tensor, signed
        self.apply("Abs")
        if mode in ("HALF_UP", "HALF_DOWN"):
            self.apply("Add" if mode == "HALF_UP" else "Sub", self.scalar(0.5))
        self.apply("Floor" if mode in ("DOWN", "HALF_UP") else "Ceil")
        return self.apply("Mul", sign)
