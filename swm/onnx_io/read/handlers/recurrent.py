# SPDX-License-Identifier: Apache-2.0
"""Handlers of LSTM, GRU and RNN: directions, activations with their parameters, omitted inputs made explicit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from swm.graph import GRU, LSTM, RNN, GateActivation
from swm.onnx_io.read.batch_second import batch_second
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.registry import RawNode, Result, handler
from swm.structure import Dense, WeightStructure

__all__ = ["PARAMETERS", "gate_activations"]

# Which of alpha and beta an activation reads, with the defaults of its own operator (ONNX, section RNN).
PARAMETERS: dict[str, tuple[float | None, float | None]] = {
    "Affine": (1.0, 0.0),
    "Elu": (1.0, None),
    "HardSigmoid": (0.2, 0.5),
    "LeakyRelu": (0.01, None),
    "Relu": (None, None),
    "ScaledTanh": (1.0, 1.0),
    "Sigmoid": (None, None),
    "Softplus": (None, None),
    "Softsign": (None, None),
    "Tanh": (None, None),
    "ThresholdedRelu": (1.0, None),
}
_NAMES = {name.lower(): name for name in PARAMETERS}
_NO_DEFAULT = frozenset({"Affine", "ScaledTanh"})  # runtimes disagree on theirs
_TANH: Sequence[bytes] = [b"Tanh", b"Tanh"]


@handler("LSTM", since=7, becomes="LSTM")
def lstm_7(
    context: Context,
    node: RawNode,
    *,
    activation_alpha: Sequence[float] | None = None,
    activation_beta: Sequence[float] | None = None,
    activations: Sequence[bytes] | None = None,
    clip: float | None = None,
    direction: bytes = b"forward",
    hidden_size: int | None = None,
    input_forget: int = 0,
) -> Result:
    """X as (time, batch, inputs)."""
    return _lstm(
        context, node, activations, activation_alpha, activation_beta, clip, direction, hidden_size, input_forget
    )


@handler("LSTM", since=14, becomes="LSTM")
def lstm_14(
    context: Context,
    node: RawNode,
    *,
    activation_alpha: Sequence[float] | None = None,
    activation_beta: Sequence[float] | None = None,
    activations: Sequence[bytes] | None = None,
    clip: float | None = None,
    direction: bytes = b"forward",
    hidden_size: int | None = None,
    input_forget: int = 0,
    layout: int = 0,
) -> Result:
    """Either layout."""
    made = _lstm(
        context, node, activations, activation_alpha, activation_beta, clip, direction, hidden_size, input_forget
    )
    return batch_second(context, node, made) if layout else made


def _lstm(
    context: Context,
    node: RawNode,
    activations: Sequence[bytes] | None,
    alpha: Sequence[float] | None,
    beta: Sequence[float] | None,
    clip: float | None,
    direction: bytes,
    hidden_size: int | None,
    input_forget: int,
) -> LSTM | None:
    gates = gate_activations(activations, alpha, beta, ["Sigmoid", "Tanh", "Tanh"], direction)
    common = _common(context, node, 4, hidden_size, direction, clip)
    peephole_name = node.inputs[7] if len(node.inputs) > 7 else ""
    peepholes = context.weight(peephole_name, node) if peephole_name else None
    if common is None or gates is None or (peephole_name and peepholes is None):
        return None
    shape = (len(common["input_weight"]), 3 * common["hidden"])
    if peepholes is not None and peepholes.shape != shape:
        raise node.error(f"P is {peephole_name!r} of shape {list(peepholes.shape)}, needs {list(shape)}; export again")
    return LSTM(activations=gates, peepholes=peepholes, input_forget=bool(input_forget), **common)


@handler("GRU", since=7, becomes="GRU")
def gru_7(
    context: Context,
    node: RawNode,
    *,
    activation_alpha: Sequence[float] | None = None,
    activation_beta: Sequence[float] | None = None,
    activations: Sequence[bytes] | None = None,
    clip: float | None = None,
    direction: bytes = b"forward",
    hidden_size: int | None = None,
    linear_before_reset: int = 0,
) -> Result:
    """X as (time, batch, inputs)."""
    gates = gate_activations(activations, activation_alpha, activation_beta, ["Sigmoid", "Tanh"], direction)
    common = _common(context, node, 3, hidden_size, direction, clip)
    if common is None or gates is None:
        return None
    return GRU(activations=gates, linear_before_reset=bool(linear_before_reset), **common)


@handler("GRU", since=14, becomes="GRU")
def gru_14(
    context: Context,
    node: RawNode,
    *,
    activation_alpha: Sequence[float] | None = None,
    activation_beta: Sequence[float] | None = None,
    activations: Sequence[bytes] | None = None,
    clip: float | None = None,
    direction: bytes = b"forward",
    hidden_size: int | None = None,
    layout: int = 0,
    linear_before_reset: int = 0,
) -> Result:
    """Either layout."""
    gates = gate_activations(activations, activation_alpha, activation_beta, ["Sigmoid", "Tanh"], direction)
    common = _common(context, node, 3, hidden_size, direction, clip)
    if common is None or gates is None:
        return None
    made = GRU(activations=gates, linear_before_reset=bool(linear_before_reset), **common)
    return batch_second(context, node, made) if layout else made


@handler("RNN", since=7, becomes="RNN")
def rnn_7(
    context: Context,
    node: RawNode,
    *,
    activation_alpha: Sequence[float] | None = None,
    activation_beta: Sequence[float] | None = None,
    activations: Sequence[bytes] = _TANH,
    clip: float | None = None,
    direction: bytes = b"forward",
    hidden_size: int | None = None,
) -> Result:
    """X as (time, batch, inputs)."""
    gates = gate_activations(activations, activation_alpha, activation_beta, ["Tanh"], direction)
    common = _common(context, node, 1, hidden_size, direction, clip)
    return None if common is None or gates is None else RNN(activations=gates, **common)


@handler("RNN", since=14, becomes="RNN")
def rnn_14(
    context: Context,
    node: RawNode,
    *,
    activation_alpha: Sequence[float] | None = None,
    activation_beta: Sequence[float] | None = None,
    activations: Sequence[bytes] = _TANH,
    clip: float | None = None,
    direction: bytes = b"forward",
    hidden_size: int | None = None,
    layout: int = 0,
) -> Result:
    """Either layout."""
    gates = gate_activations(activations, activation_alpha, activation_beta, ["Tanh"], direction)
    common = _common(context, node, 1, hidden_size, direction, clip)
    if common is None or gates is None:
        return None
    made = RNN(activations=gates, **common)
    return batch_second(context, node, made) if layout else made


def gate_activations(
    names: Sequence[bytes] | None,
    alpha: Sequence[float] | None,
    beta: Sequence[float] | None,
    defaults: Sequence[str],
    direction: bytes,
) -> tuple[GateActivation, ...] | None:
    """One activation for each place and direction; alphas and betas are consumed by those that read them, in order.

    None if something in the lists is not what the standard says: then the runtime decides.
    """
    count = len(defaults) * (2 if direction == b"bidirectional" else 1)
    wanted = [n.decode("utf-8", "replace") for n in names] if names else [*defaults] * (count // len(defaults))
    if len(defaults) == 1:
        wanted = wanted[:count]  # the default of RNN lists two, whatever the direction
    if len(wanted) != count or any(n.lower() not in _NAMES for n in wanted):
        return None
    alphas, betas = list(alpha or ()), list(beta or ())
    gates = []
    for name in (_NAMES[n.lower()] for n in wanted):
        default_a, default_b = PARAMETERS[name]
        if name in _NO_DEFAULT and not (alphas and betas):
            return None
        a = 0.0 if default_a is None else alphas.pop(0) if alphas else default_a
        b = 0.0 if default_b is None else betas.pop(0) if betas else default_b
        gates.append(GateActivation(name, float(a), float(b)))
    return tuple(gates)


def _common(
    context: Context,
    node: RawNode,
    gates: int,
    hidden_size: int | None,
    direction: bytes,
    clip: float | None,
) -> dict[str, Any] | None:
    """What the three share, as keyword arguments of the node; None if the layer cannot be typed."""
    x, w, r, *rest = node.inputs
    bias_name = rest[0] if rest else ""
    bias = context.weight(bias_name, node) if bias_name else None
    if (bias_name and bias is None) or context.constant(x) is not None:
        return None
    if direction not in (b"forward", b"reverse", b"bidirectional") or (clip is not None and not clip > 0):
        return None
    sides = [_matrices(context, node, name) for name in (w, r)]
    if sides[0] is None or sides[1] is None:
        return None
    (rows, _), (_, hidden) = sides[0][0].shape, sides[1][0].shape
    d = 2 if direction == b"bidirectional" else 1
    shapes_fit = all(len(s) == d and s[0].shape[0] == gates * hidden for s in sides if s is not None)
    if not shapes_fit or (hidden_size is not None and hidden_size != hidden):
        raise node.error(
            f"W {w!r} with {len(sides[0])} direction(s) of {rows} rows and R {r!r} do not fit {d} direction(s) of "
            f"{gates} gates and hidden_size {hidden_size or hidden}; export the model again"
        )
    if bias is not None and bias.shape != (d, 2 * gates * hidden):
        raise node.error(
            f"B is {bias_name!r} of shape {list(bias.shape)}, needs {[d, 2 * gates * hidden]}; export again"
        )
    states = tuple(rest[1:4] if gates == 4 else rest[1:3])
    return {
        "name": node.name,
        "inputs": (x, *states),
        "outputs": node.outputs,
        "input_weight": sides[0],
        "recurrent_weight": sides[1],
        "bias": bias,
        "hidden": hidden,
        "direction": direction.decode(),
        "clip": clip,
    }


def _matrices(context: Context, node: RawNode, name: str) -> tuple[WeightStructure, ...] | None:
    """One matrix for each direction."""
    structured = context.structured.get(name)
    if isinstance(structured, tuple):
        return structured
    tensor = context.weight(name, node)
    if tensor is None or tensor.ndim != 3 or not tensor.size:
        return None
    return tuple(Dense(np.ascontiguousarray(matrix)) for matrix in tensor)
