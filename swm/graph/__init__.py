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
from swm.graph._weighted import GRU, LSTM, RNN, Conv, GateActivation, Recurrent, is_structured

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "Affine",
    "Cast",
    "Conv",
    "GateActivation",
    "Graph",
    "Linear",
    "Node",
    "Opaque",
    "Recurrent",
    "Relu",
    "Reshape",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "TensorType",
    "Value",
    "is_structured",
]
