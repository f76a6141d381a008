# SPDX-License-Identifier: Apache-2.0
"""Our own kernels for structured nodes, by node type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.engine._recurrent import run_recurrent
from swm.errors import ModelError
from swm.graph import Conv, Linear, Node, Recurrent
from swm.structure import CirculantKernel

__all__ = ["run_structured"]

Array = NDArray[Any]


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
            y = node.weight.matmul(x)
            return (y if node.bias is None else y + node.bias,)
        case Conv(weight=CirculantKernel() as weight), [np.ndarray() as x, *_]:
            y = weight.convolve(x, node.strides, node.dilations, node.pads)
            return (y if node.bias is None else y + node.bias.reshape(-1, *[1] * len(node.kernel)),)
        case Recurrent(), _:
            return run_recurrent(node, tensors)
        case _:
            raise ModelError(f"{node.op} node {node.name!r} is structured, but has no kernel; report this gap in swm")
