# SPDX-License-Identifier: Apache-2.0
"""Conv, ConvTranspose, LSTM, GRU and RNN as ONNX nodes; structured weights as calls of the functions in `expand`."""

from __future__ import annotations

from typing import Any

import numpy as np

from swm.errors import ModelError
from swm.graph import GRU, LSTM, RNN, Conv, ConvTranspose, Node, Recurrent
from swm.onnx_io.expand import expansion_function, expansion_of
from swm.onnx_io.read.handlers.recurrent import PARAMETERS
from swm.onnx_io.stored import stored_function, stored_tensor
from swm.onnx_io.write.registry import writer
from swm.onnx_io.write.target import Target
from swm.structure import Dense, WeightStructure

__all__: list[str] = []

_DEFAULTS = {LSTM: ("Sigmoid", "Tanh", "Tanh"), GRU: ("Sigmoid", "Tanh"), RNN: ("Tanh",)}


@writer(Conv)
def conv_node(target: Target, node: Conv) -> None:
    """The Conv, after what its kernel needs."""
    m, _ = node.weight.shape
    held = node.weight
    if isinstance(held, Dense):
        shape = (m, node.channels, *node.kernel)
        weight = target.shared(node, held.matrix, "weight", lambda: held.matrix.reshape(shape))
    else:
        weight = _expanded(target, node, held, "weight", (m, node.channels, *node.kernel))
    inputs = [node.inputs[0], weight]
    if node.bias is not None:
        inputs.append(target.constant(node, node.bias, "bias"))
    target.add(
        node,
        "Conv",
        inputs,
        kernel_shape=node.kernel,
        strides=node.strides,
        dilations=node.dilations,
        pads=node.pads,
        group=node.group,
    )


@writer(ConvTranspose)
def conv_transpose_node(target: Target, node: ConvTranspose) -> None:
    """The ConvTranspose."""
    inputs = [node.inputs[0], target.shared(node, node.weight, "weight", lambda: node.weight)]
    if node.bias is not None:
        inputs.append(target.constant(node, node.bias, "bias"))
    target.add(
        node,
        "ConvTranspose",
        inputs,
        kernel_shape=node.kernel,
        strides=node.strides,
        dilations=node.dilations,
        pads=node.pads,
        output_padding=node.output_padding,
        group=node.group,
    )


@writer(Recurrent)
def recurrent_node(target: Target, node: Recurrent) -> None:
    """The LSTM, GRU or RNN, after what its weights need.

    Raises:
        ModelError: layout 1 before opset 14.
    """
    w = _matrices(target, node, node.input_weight, "W")
    r = _matrices(target, node, node.recurrent_weight, "R")
    bias = "" if node.bias is None else target.constant(node, node.bias, "B")
    states = [*node.inputs[1:]]
    attributes: dict[str, Any] = {"hidden_size": node.hidden, "direction": node.direction}
    if isinstance(node, LSTM):
        attributes["input_forget"] = int(node.input_forget)
        if node.peepholes is not None:
            states += [""] * (3 - len(states))
            states.append(target.constant(node, node.peepholes, "P"))
    elif isinstance(node, GRU):
        attributes["linear_before_reset"] = int(node.linear_before_reset)
    if node.layout and target.opset < 14:
        raise ModelError(f"{node.op} node {node.name!r} with layout 1 cannot be expressed in opset {target.opset}")
    if target.opset >= 14:
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
    target.add(node, node.op, inputs, **attributes)


def _matrices(target: Target, node: Recurrent, weights: tuple[WeightStructure, ...], role: str) -> str:
    if all(isinstance(w, Dense) for w in weights):
        return target.constant(node, np.stack([w.to_dense() for w in weights]), role)
    return _expanded(target, node, weights, role, (len(weights), *weights[0].shape))


def _expanded(
    target: Target,
    node: Node,
    weight: WeightStructure | tuple[WeightStructure, ...],
    role: str,
    shape: tuple[int, ...],
) -> str:
    """The tensor that a call of an expansion writes; layers that share columns share the initialiser."""
    found = expansion_of(weight)
    other = stored_tensor(weight, shape) if found is None else None
    if other is not None:
        each = weight if isinstance(weight, tuple) else (weight,)
        stored = [a for one in each for a in one.arrays.values()]
        arrays = [
            target.shared(node, a, f"{role}.{name}", lambda a=a: a)  # type: ignore[misc]
            for name, a in zip(other.inputs, stored, strict=True)
        ]
        output = target.tensor(f"{node.name}/{role}")
        target.call(node, stored_function(other, target.opset), arrays, output, role)
        return output
    if found is None:
        kinds = ", ".join(sorted({w.label for w in (weight if isinstance(weight, tuple) else (weight,))}))
        raise ModelError(
            f"{node.op} node {node.name!r} has {kinds} weights, for which ONNX files have no form in {node.op} layers; "
            "write them out first with swm.dense_twin"
        )
    what, columns, key = found
    held = target.shared(node, key, f"{role}.columns", lambda: columns)
    output = target.tensor(f"{node.name}/{role}")
    target.call(node, expansion_function(what, target.opset), [held], output, role)
    return output
