# SPDX-License-Identifier: Apache-2.0
"""Conv, ConvTranspose, LSTM, GRU and RNN as ONNX nodes; structured weights as calls of the functions in `_expand`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from onnx import FunctionProto, NodeProto, helper

from swm.errors import ModelError
from swm.graph import GRU, LSTM, RNN, Conv, ConvTranspose, Node, Recurrent
from swm.onnx_io.expand import expansion_function, expansion_of
from swm.onnx_io.read.handlers.recurrent import PARAMETERS
from swm.structure import BlockCirculant, BlockCirculantConv, Dense, WeightStructure

__all__ = ["Sink", "conv_node", "conv_transpose_node", "recurrent_node"]

_DEFAULTS = {LSTM: ("Sigmoid", "Tanh", "Tanh"), GRU: ("Sigmoid", "Tanh"), RNN: ("Tanh",)}


class Sink(Protocol):
    """What the writer of a graph offers: places for initialisers, functions and nodes."""

    @property
    def opset(self) -> int:
        """Version of the default domain that the nodes are written in."""

    def store(self, node: Node, values: NDArray[Any], role: str) -> str:
        """A new initialiser for a node."""

    def shared(self, node: Node, key: object, role: str, make: Callable[[], NDArray[Any]]) -> str:
        """The initialiser made before for this very object, else a new one."""

    def function(self, wanted: FunctionProto) -> str:
        """Name of a function of domain `ai.swm`, added on first use."""

    def call(self, node: Node, function: str, inputs: list[str], role: str) -> str:
        """A call of a function of domain `ai.swm` before a node; gives its output."""


def conv_node(sink: Sink, node: Conv) -> NodeProto:
    """The Conv, after what its kernel needs."""
    m, _ = node.weight.shape
    match node.weight:
        case Dense() as dense:
            shape = (m, node.channels, *node.kernel)
            weight = sink.shared(node, dense.matrix, "weight", lambda: dense.matrix.reshape(shape))
        case BlockCirculantConv() as kernel:
            weight = _expanded(sink, node, kernel, kernel.columns, "weight")
        case other:
            raise _gap(node, other)
    inputs = [node.inputs[0], weight]
    if node.bias is not None:
        inputs.append(sink.store(node, node.bias, "bias"))
    return helper.make_node(
        "Conv",
        inputs,
        node.outputs,
        node.name,
        kernel_shape=node.kernel,
        strides=node.strides,
        dilations=node.dilations,
        pads=node.pads,
        group=node.group,
    )


def conv_transpose_node(sink: Sink, node: ConvTranspose) -> NodeProto:
    """The ConvTranspose."""
    inputs = [node.inputs[0], sink.shared(node, node.weight, "weight", lambda: node.weight)]
    if node.bias is not None:
        inputs.append(sink.store(node, node.bias, "bias"))
    return helper.make_node(
        "ConvTranspose",
        inputs,
        node.outputs,
        node.name,
        kernel_shape=node.kernel,
        strides=node.strides,
        dilations=node.dilations,
        pads=node.pads,
        output_padding=node.output_padding,
        group=node.group,
    )


def recurrent_node(sink: Sink, node: Recurrent) -> NodeProto:
    """The LSTM, GRU or RNN, after what its weights need.

    Raises:
        ModelError: layout 1 before opset 14.
    """
    w = _matrices(sink, node, node.input_weight, "W")
    r = _matrices(sink, node, node.recurrent_weight, "R")
    bias = "" if node.bias is None else sink.store(node, node.bias, "B")
    states = [*node.inputs[1:]]
    attributes: dict[str, Any] = {"hidden_size": node.hidden, "direction": node.direction}
    if isinstance(node, LSTM):
        attributes["input_forget"] = int(node.input_forget)
        if node.peepholes is not None:
            states += [""] * (3 - len(states))
            states.append(sink.store(node, node.peepholes, "P"))
    elif isinstance(node, GRU):
        attributes["linear_before_reset"] = int(node.linear_before_reset)
    if node.layout and sink.opset < 14:
        raise ModelError(f"{node.op} node {node.name!r} with layout 1 cannot be said at opset {sink.opset}")
    if sink.opset >= 14:
        attributes["layout"] = node.layout
    if node.clip is not None:
        attributes["clip"] = node.clip
    if tuple(a.name for a in node.activations) != _DEFAULTS[type(node)] * node.directions:
        attributes["activations"] = [a.name for a in node.activations]
        alpha = [a.alpha for a in node.activations if PARAMETERS[a.name][0] is not None]
        beta = [a.beta for a in node.activations if PARAMETERS[a.name][1] is not None]
        attributes.update({"activation_alpha": alpha} if alpha else {})
        attributes.update({"activation_beta": beta} if beta else {})
    inputs = [node.inputs[0], w, r, bias, *states]
    while not inputs[-1]:
        inputs.pop()
    return helper.make_node(node.op, inputs, node.outputs, node.name, **attributes)


def _matrices(sink: Sink, node: Recurrent, weights: tuple[WeightStructure, ...], role: str) -> str:
    if all(isinstance(w, Dense) for w in weights):
        return sink.store(node, np.stack([w.to_dense() for w in weights]), role)
    circulant = tuple(w for w in weights if isinstance(w, BlockCirculant))
    if len(circulant) != len(weights):
        raise _gap(node, next(w for w in weights if not isinstance(w, BlockCirculant)))
    return _expanded(sink, node, circulant, circulant[0].columns, role)


def _expanded(
    sink: Sink, node: Node, weight: BlockCirculantConv | tuple[BlockCirculant, ...], key: object, role: str
) -> str:
    """The tensor that a call of an expansion writes; layers that share columns share the initialiser."""
    what, columns = expansion_of(weight)
    name = sink.function(expansion_function(what, sink.opset))
    stored = sink.shared(node, key, f"{role}.columns", lambda: columns)
    return sink.call(node, name, [stored], role)


def _gap(node: Node, weight: object) -> ModelError:
    return ModelError(
        f"{node.op} node {node.name!r} has the structure {type(weight).__name__}, which has no ONNX form; "
        "this is a gap in swm, report it"
    )
