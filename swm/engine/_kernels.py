# SPDX-License-Identifier: Apache-2.0
"""Our own kernels for structured nodes, by node type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from swm.engine._recurrent import run_recurrent
from swm.engine.kernels import BlockMatmul
from swm.errors import ModelError
from swm.graph import Conv, Linear, Node, Recurrent
from swm.structure import BlockCirculant, CirculantKernel, WeightStructure

__all__ = ["run_structured"]

Array = NDArray[Any]

# Multiply-accumulates of the circulant vectors in one call. The compiled kernel takes seconds to build the first time a
# machine meets a block size; below this, plain transforms are done before that.
COMPILED_WORK = 1_000_000_000
_products: WeakKeyDictionary[BlockCirculant, BlockMatmul] = WeakKeyDictionary()


def _product(weight: WeightStructure, x: Array) -> Array:
    """`x W^T` by whichever engine suits the size."""
    m, n = weight.shape
    rows = x.size // n if n else 0
    if not isinstance(weight, BlockCirculant) or x.dtype != np.float32 or rows * weight.words < COMPILED_WORK:
        return weight.matmul(x)
    if weight not in _products:
        _products[weight] = BlockMatmul(weight.columns, weight.shape)
    return _products[weight](x.reshape(-1, n)).reshape(*x.shape[:-1], m)


def run_structured(node: Node, tensors: Sequence[Array | None]) -> tuple[Array, ...]:
    """Outputs of a node with structured weights.

    Args:
        node: Linear, Conv, LSTM, GRU or RNN.
        tensors: values of its inputs, None where omitted.

    Raises:
        CalibrationError: inputs that do not fit.
        ModelError: no kernel for this node.
    """
    match node, tensors:
        case Linear(), [np.ndarray() as x, *_]:
            y = _product(node.weight, x)
            return (y if node.bias is None else y + node.bias,)
        case Conv(weight=CirculantKernel() as weight), [np.ndarray() as x, *_]:
            y = weight.convolve(x, node.strides, node.dilations, node.pads)
            return (y if node.bias is None else y + node.bias.reshape(-1, *[1] * len(node.kernel)),)
        case Recurrent(), _:
            return run_recurrent(node, tensors)
        case _:
            raise ModelError(f"{node.op} node {node.name!r} is structured, but has no kernel; report this gap in swm")
