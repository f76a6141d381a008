# SPDX-License-Identifier: Apache-2.0
"""Structured nodes made ready to run: an engine for each size that comes, kernels prepared when first needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.engine.kernels import (
    CellParameters,
    CellShape,
    Choice,
    CompiledCell,
    CompiledConv,
    ConvGeometry,
    ConvShape,
    Policy,
)
from swm.engine.kernels.products import Choices, Product, product_of
from swm.engine.recurrent import Direction, run_recurrent
from swm.errors import CalibrationError, ModelError
from swm.graph import GRU, LSTM, Conv, Linear, Node, Recurrent
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
        policy: how engines are chosen.
        dense: makes the same layer with its weights written out callable; without it no layer runs dense, but for
            Linear, whose dense engine is numpy's BLAS.

    Attributes:
        choice: the engine of the last call, and why; None before any.

    Raises:
        ModelError: no kernel for this node.
    """

    def __init__(
        self,
        node: Node,
        policy: Policy = DETERMINISTIC,
        dense: Callable[[], Callable[[Tensors], Outputs]] | None = None,
    ) -> None:
        """Nothing is prepared yet."""
        self.node, self.policy, self._dense = node, policy, dense
        self.choice: Choice | None = None
        self._chosen = Choices(policy)
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
                return (y if node.bias is None else y + node.bias,)
            case Conv():
                return self._conv(node, x, tensors)
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

    def _no_dense(self) -> dict[str, str]:
        return {} if self._dense is not None else {"dense": "the layer stands alone"}

    def _conv(self, node: Conv, x: Array, tensors: Tensors) -> Outputs:
        weight = node.weight
        assert isinstance(weight, ConvStructure)  # the constructor lets no other in
        blocks = CompiledConv.blocks(weight)
        if blocks is None:
            return (_with_bias(weight.convolve(x, node.strides, node.dilations, node.pads), node),)
        taps, p, q, k = blocks

        def choose() -> Choice:
            missing = self._no_dense()
            if len(node.kernel) > 2:
                missing["compiled"] = "more than two spatial axes"
            rank = len(node.kernel)
            padded = [n + node.pads[i] + node.pads[rank + i] for i, n in enumerate(x.shape[2:])]
            reach = [(r - 1) * d for r, d in zip(node.kernel, node.dilations, strict=True)]
            out = [max(n - r - 1, 0) // s + 1 for n, r, s in zip(padded, reach, node.strides, strict=True)]
            shape = ConvShape(taps, p, q, k, math.prod(padded), math.prod(out), max(len(x), 1), self.policy.threads)
            return self.policy.choice(shape, ("conv.cpp", k), missing)

        self.choice = self._chosen.at(x.shape, choose)
        engine = self.choice.engine
        if engine == "dense" and self._dense is not None:
            outputs: Outputs = self._ready("dense", self._dense)(tensors)
            return outputs
        if engine == "compiled":
            geometry = ConvGeometry(weight.channels, node.kernel, node.strides, node.dilations, node.pads)
            conv = self._ready(
                "compiled",
                lambda: CompiledConv(weight, geometry, node.bias, threads=self.policy.threads),
            )
            return (conv(x),)
        y = weight.convolve(x, node.strides, node.dilations, node.pads, _transforms(engine))
        return (_with_bias(y, node),)

    def _recurrent(self, node: Recurrent, x: Array, tensors: Tensors) -> Outputs:
        def choose() -> Choice:
            missing = self._no_dense()
            r, w = node.recurrent_weight[0], node.input_weight[0]
            if node.layout:
                missing["dense"] = "onnxruntime has no recurrent layers with the batch first"
            block = CompiledCell.block(r)
            if block is None:
                missing["compiled"] = f"R is {r.label}"
            elif not all(_parameters(node, d).compiles() for d in range(node.directions)):
                missing["compiled"] = f"it has no activation {', '.join(sorted({a.name for a in node.activations}))}"
            steps, batch = (x.shape[0], x.shape[1]) if x.ndim == 3 else (1, 1)
            steps, batch = (batch, steps) if node.layout else (steps, batch)
            rows = node.gates * node.hidden
            words = (w.words, math.prod(w.shape), r.words, math.prod(r.shape))
            shape = CellShape(*words, rows, steps, max(batch, 1), self.policy.threads)
            return self.policy.choice(shape, ("recurrent.cpp", block or 1), missing)

        self.choice = self._chosen.at(x.shape, choose)
        engine = self.choice.engine
        if engine == "dense" and self._dense is not None:
            outputs: Outputs = self._ready("dense", self._dense)(tensors)
            return outputs
        compiled = None
        if engine == "compiled":
            compiled = self._ready("compiled", lambda: self._directions(node))
        return run_recurrent(node, tensors, compiled=compiled)

    def _directions(self, node: Recurrent) -> tuple[Direction, ...]:
        """What runs each direction in compiled kernels."""
        directions = []
        for d, (w, r) in enumerate(zip(node.input_weight, node.recurrent_weight, strict=True)):
            cell = CompiledCell(r, _parameters(node, d), threads=self.policy.threads)
            directions.append(Direction(product_of(w, self.policy).run, cell))
        return tuple(directions)


def _with_bias(y: Array, node: Conv) -> Array:
    return y if node.bias is None else y + node.bias.reshape(-1, *[1] * len(node.kernel))


def _transforms(engine: str) -> Transforms:
    return ScipyTransforms() if engine == "scipy" else default_transforms()


def _parameters(node: Recurrent, d: int) -> CellParameters:
    """One direction of a node in the terms of the compiled kernel."""
    n, rows = node.hidden, node.gates * node.hidden
    both = np.zeros(2 * rows, np.float32) if node.bias is None else node.bias[d]
    bias, rest = both[:rows] + both[rows:], None
    after = isinstance(node, GRU) and node.linear_before_reset
    if after:  # R's bias of gate h is inside the reset
        bias, rest = np.concatenate([bias[: 2 * n], both[2 * n : rows]]), both[rows + 2 * n :]
    places = len(node.activations) // node.directions
    peepholes = node.peepholes[d] if isinstance(node, LSTM) and node.peepholes is not None else None
    return CellParameters(
        kind=type(node).__name__,  # type: ignore[arg-type]
        hidden=n,
        activations=tuple((a.name, a.alpha, a.beta) for a in node.activations[d * places : (d + 1) * places]),
        bias=bias,
        clip=node.clip,
        peepholes=peepholes,
        input_forget=isinstance(node, LSTM) and node.input_forget,
        linear_before_reset=after,
        rest_bias=rest,
    )


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
