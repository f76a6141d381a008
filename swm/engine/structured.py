# SPDX-License-Identifier: Apache-2.0
"""Structured nodes made ready to run: an engine for each size that comes, kernels prepared when first needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.engine.kernels import (
    Choice,
    CompiledCell,
    CompiledConv,
    ConvGeometry,
    Policy,
)
from swm.engine.kernels.products import Choices, Product, product_of
from swm.engine.recurrent import Direction, run_recurrent
from swm.engine.workload import cell_parameters, workload
from swm.errors import CalibrationError, ModelError
from swm.graph import Conv, Linear, Node, Recurrent
from swm.structure import ConvStructure, ScipyTransforms, Transforms, default_transforms

__all__ = ["DETERMINISTIC", "StructuredLayer", "run_structured"]

Array = NDArray[Any]
Tensors = Sequence[Array | None]
Outputs = tuple[Array, ...]

DETERMINISTIC = Policy("deterministic")


class StructuredLayer:
    """A Linear, Conv, LSTM, GRU or RNN with structured weights, callable with the values of its inputs.

    Args:
        node: the layer.
        policy: how engines are chosen. Of convolutions and recurrent layers none runs dense here.
        relu: whether `max(y, 0)` follows; compiled kernels take it along.

    Attributes:
        choice: the engine of the last call, and why; None before any.

    Raises:
        ModelError: no kernel for this node.
    """

    def __init__(self, node: Node, policy: Policy = DETERMINISTIC, *, relu: bool = False) -> None:
        """Nothing is prepared yet."""
        self.node, self.policy, self.relu = node, policy, relu
        self.choice: Choice | None = None
        self._chosen = Choices()
        self._prepared: dict[str, Any] = {}
        fits = isinstance(node, Linear | Recurrent) or (
            isinstance(node, Conv) and isinstance(node.weight, ConvStructure)
        )
        if not fits:
            raise ModelError(f"{node.op} node {node.name!r} is structured, but has no kernel; report this gap in swm")

    def __call__(self, tensors: Tensors) -> Outputs:
        """Outputs, from the values of the node's inputs, None where omitted.

        Raises:
            CalibrationError: inputs that do not fit.
            OptionError: a convolution's input that is smaller than its kernel.
        """
        x, node = tensors[0], self.node
        assert x is not None  # the first input of these operators is not optional
        if x.dtype not in (np.float32, np.float64):
            raise CalibrationError(f"{node.op} {node.name!r} takes float32, got {x.dtype}")
        match node:
            case Linear():
                y = self._product.run(x)
                self.choice = self._product.choice
                return (self._rectified(y if node.bias is None else y + node.bias),)
            case Conv():
                return (self._conv(node, x),)
            case Recurrent():
                return self._recurrent(node, x, tensors)
        raise AssertionError("the constructor lets no other node in")

    @cached_property
    def _product(self) -> Product:
        assert isinstance(self.node, Linear)
        return product_of(self.node.weight, self.policy)

    def _ready(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self._prepared:
            self._prepared[name] = make()
        return self._prepared[name]

    def _rectified(self, y: Array) -> Array:
        return np.maximum(y, np.float32(0)) if self.relu else y

    def _choose(self, x: Array) -> Choice:
        def choose() -> Choice:
            work = workload(self.node, x.shape, self.policy.threads)
            assert work is not None  # callers have looked
            missing = {"dense": "the layer stands alone", **work.missing}
            return self.policy.choice(work.shape, missing)

        return self._chosen.at(x.shape, choose)

    def _conv(self, node: Conv, x: Array) -> Array:
        weight = node.weight
        assert isinstance(weight, ConvStructure)  # the constructor lets no other in
        transforms: Transforms | None = None
        if CompiledConv.blocks(weight) is not None:
            self.choice = self._choose(x)
            if self.choice.engine == "compiled":
                geometry = ConvGeometry(weight.channels, node.kernel, node.strides, node.dilations, node.pads)
                conv = self._ready(
                    "compiled",
                    lambda: CompiledConv(weight, geometry, node.bias, threads=self.policy.threads, relu=self.relu),
                )
                y: Array = conv(x)
                return y
            transforms = ScipyTransforms() if self.choice.engine == "scipy" else default_transforms()
            y = weight.convolve(x, node.strides, node.dilations, node.pads, transforms)
        else:
            y = weight.convolve(x, node.strides, node.dilations, node.pads)
        return self._rectified(y if node.bias is None else y + node.bias.reshape(-1, *[1] * len(node.kernel)))

    def _recurrent(self, node: Recurrent, x: Array, tensors: Tensors) -> Outputs:
        self.choice = self._choose(x)
        compiled = None
        if self.choice.engine == "compiled":
            compiled = self._ready("compiled", lambda: self._directions(node))
        return run_recurrent(node, tensors, compiled=compiled)

    def _directions(self, node: Recurrent) -> tuple[Direction, ...]:
        """What runs each direction in compiled kernels."""
        directions = []
        for d, (w, r) in enumerate(zip(node.input_weight, node.recurrent_weight, strict=True)):
            cell = CompiledCell(r, cell_parameters(node, d), threads=self.policy.threads)
            directions.append(Direction(product_of(w, self.policy).run, cell))
        return tuple(directions)


def run_structured(node: Node, tensors: Tensors) -> Outputs:
    """Outputs of a node with structured weights, by engines that its size alone decides.

    Args:
        node: Linear, Conv, LSTM, GRU or RNN.
        tensors: values of its inputs, None where omitted.

    Raises:
        CalibrationError: inputs that do not fit.
        ModelError: no kernel for this node.
    """
    return StructuredLayer(node)(tensors)
