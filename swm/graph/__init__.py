# SPDX-License-Identifier: Apache-2.0
"""The intermediate representation: an immutable graph of typed and opaque nodes."""

from swm.graph._graph import Graph, TensorType, Value
from swm.graph._nodes import (
    Activation,
    Affine,
    Cast,
    Linear,
    Node,
    Opaque,
    Relu,
    Reshape,
    Sigmoid,
    Softmax,
    Tanh,
)

__all__ = [
    "Activation",
    "Affine",
    "Cast",
    "Graph",
    "Linear",
    "Node",
    "Opaque",
    "Relu",
    "Reshape",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "TensorType",
    "Value",
]
