# SPDX-License-Identifier: Apache-2.0
"""Graph nodes with weights as torch modules, and back: the same numbers in the same structure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from swm.graph import GRU, LSTM, RNN, Affine, Conv, ConvTranspose, GateActivation, Linear, Node, Recurrent
from swm.structure import BlockCirculant as CirculantMatrix
from swm.structure import BlockCirculantConv, Dense, WeightStructure
from swm.torch.bits import FixedPoint
from swm.torch.chains import chain_of, given_back, reason_against_training
from swm.torch.circulant import BlockCirculant
from swm.torch.operators import padded

__all__ = ["Layer", "layer_of", "obstacle", "trainable"]

Array = NDArray[Any]
# ONNX's order of gates in torch's: LSTM i o f c as i f c o, GRU z r h as r z h.
_ORDER = {LSTM: (0, 2, 3, 1), GRU: (1, 0, 2), RNN: (0,)}
_PLAIN = {
    LSTM: (("Sigmoid", "Tanh", "Tanh"),),
    GRU: (("Sigmoid", "Tanh"),),
    RNN: (("Tanh",), ("Relu",)),
}


class Layer(nn.Module):
    """A node with weights. `node()` gives it back with the weights as they are now."""

    def __init__(self, node: Node, bits: int | None) -> None:
        """Copies the node's weights."""
        super().__init__()
        self.source, self.bits = node, bits

    def node(self) -> Node:
        """The graph node."""
        raise NotImplementedError

    def _hold(self, name: str, weight: WeightStructure, shape: tuple[int, ...], gates: int = 1) -> None:
        """Make a weight a parameter, structured as it is."""
        dense = _tensor(weight.to_dense()).reshape(shape)
        self.register_parameter(name, nn.Parameter(dense.clone()))
        chain: list[nn.Module] = []
        stored = dense
        if isinstance(weight, CirculantMatrix | BlockCirculantConv):
            made = BlockCirculant(shape, weight.block, gates, self.bits)
            # padding of the columns, too, which the dense weight does not show
            chain, stored = [made], _tensor(weight.columns).reshape(made.layout.stored)
            if made.spectrum is not None:
                made.spectrum.choose(torch.view_as_real(torch.fft.rfft(stored)))
        elif not isinstance(weight, Dense):
            chain, stored = chain_of(weight, dense)
        if self.bits is not None and not isinstance(weight, CirculantMatrix | BlockCirculantConv):
            chain.append(FixedPoint(self.bits))
        for one in chain:
            parametrize.register_parametrization(self, name, one)
        with torch.no_grad():
            self._stored(name).copy_(stored)

    def _stored(self, name: str) -> Tensor:
        found: Tensor = (
            self.parametrizations[name].original if parametrize.is_parametrized(self, name) else getattr(self, name)
        )
        return found

    def _given_back(self, name: str, weight: WeightStructure) -> WeightStructure:
        """The weight as it is now, in the structure that it had. What `bits` rounds is given unrounded."""
        stored = self._stored(name).detach()
        values = stored.cpu().numpy()
        if isinstance(weight, CirculantMatrix | BlockCirculantConv):
            return replace(weight, columns=_array(values.reshape(weight.columns.shape)))
        if isinstance(weight, Dense):
            return Dense(_array(values.reshape(weight.shape)))
        return given_back(weight, list(self.parametrizations[name]), stored)

    def _hold_bias(self, bias: Array | None) -> None:
        self.bias = None if bias is None else nn.Parameter(_tensor(bias))

    def _bias(self) -> Array | None:
        return None if self.bias is None else _array(self.bias.detach().cpu().numpy())


class Product(Layer):
    """`x W^T + b`."""

    source: Linear

    def __init__(self, node: Linear, bits: int | None) -> None:
        """See Layer."""
        super().__init__(node, bits)
        self._hold("weight", node.weight, node.weight.shape)
        self._hold_bias(node.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(..., n) → (..., m)."""
        return functional.linear(x, self.weight, self.bias)

    def node(self) -> Node:
        """See Layer."""
        return replace(self.source, weight=self._given_back("weight", self.source.weight), bias=self._bias())


class Convolution(Layer):
    """Convolution over one or two axes."""

    source: Conv

    def __init__(self, node: Conv, bits: int | None) -> None:
        """See Layer."""
        super().__init__(node, bits)
        self._hold("weight", node.weight, (node.weight.shape[0], node.channels, *node.kernel))
        self._hold_bias(node.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) → (N, M, ...)."""
        node, rank = self.source, len(self.source.kernel)
        even = node.pads[:rank] == node.pads[rank:]  # torch's own padding, which copies nothing
        convolve: Any = (functional.conv1d, functional.conv2d, functional.conv3d)[rank - 1]
        found: Tensor = convolve(
            x if even else padded(x, node.pads),
            self.weight,
            self.bias,
            stride=node.strides,
            padding=node.pads[:rank] if even else 0,
            dilation=node.dilations,
            groups=node.group,
        )
        return found

    def node(self) -> Node:
        """See Layer."""
        return replace(self.source, weight=self._given_back("weight", self.source.weight), bias=self._bias())


class Transposed(Layer):
    """Transposed convolution, always dense."""

    source: ConvTranspose

    def __init__(self, node: ConvTranspose, bits: int | None) -> None:
        """See Layer."""
        super().__init__(node, bits)
        self.weight = nn.Parameter(_tensor(node.weight))
        self._hold_bias(node.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) → (N, M, ...), the pads cut off."""
        node, rank = self.source, len(self.source.kernel)
        convolve: Any = (functional.conv_transpose1d, functional.conv_transpose2d)[rank - 1]
        found: Tensor = convolve(
            x,
            self.weight,
            self.bias,
            stride=node.strides,
            output_padding=node.output_padding,
            dilation=node.dilations,
            groups=node.group,
        )
        return padded(found, [-p for p in node.pads])

    def node(self) -> Node:
        """See Layer."""
        return replace(self.source, weight=_array(self.weight.detach().cpu().numpy()), bias=self._bias())


class Scaling(Layer):
    """A scale and a shift per channel."""

    source: Affine

    def __init__(self, node: Affine, bits: int | None) -> None:
        """See Layer."""
        super().__init__(node, bits)
        self.scale, self.shift = nn.Parameter(_tensor(node.scale)), nn.Parameter(_tensor(node.shift))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        after = 0 if self.scale.numel() == 1 else x.ndim - 1 - self.source.axis % x.ndim
        sizes = (-1, *(1,) * after)
        return x * self.scale.reshape(sizes) + self.shift.reshape(sizes)

    def node(self) -> Node:
        """See Layer."""
        scale, shift = (_array(p.detach().cpu().numpy()) for p in (self.scale, self.shift))
        return replace(self.source, scale=scale, shift=shift)


class Recurrence(Layer):
    """LSTM, GRU or RNN, by torch's own kernels: gates in ONNX order are put in torch's."""

    source: Recurrent

    def __init__(self, node: Recurrent, bits: int | None) -> None:
        """See Layer."""
        super().__init__(node, bits)
        for d in range(node.directions):
            for role, weight in (("w", node.input_weight[d]), ("r", node.recurrent_weight[d])):
                self._hold(f"{role}{d}", weight, weight.shape, node.gates)
        zeros = np.zeros((node.directions, 2 * node.gates * node.hidden), np.float32)
        self._hold_bias(zeros if node.bias is None else node.bias)

    def forward(self, x: Tensor, *rest: Tensor | None) -> tuple[Tensor, ...]:
        """X, sequence_lens (omitted), initial_h, initial_c → Y, Y_h, Y_c as ONNX shapes them."""
        node = self.source
        states = list(rest[1:3])
        if node.layout == 1:
            x, states = x.transpose(0, 1), [None if s is None else s.transpose(0, 1) for s in states]
        if node.direction == "reverse":
            x = x.flip(0)
        zeros = x.new_zeros(node.directions, x.shape[1], node.hidden)
        h = states[0] if states and states[0] is not None else zeros
        c = states[1] if len(states) > 1 and states[1] is not None else zeros
        weights = [w for d in range(node.directions) for w in self._direction(d)]
        both = node.directions == 2
        tail = (weights, True, 1, 0.0, self.training, both, False)
        if isinstance(node, LSTM):
            y, *last = torch._VF.lstm(x, (h, c), *tail)
        elif isinstance(node, GRU):
            y, *last = torch._VF.gru(x, h, *tail)
        else:
            run = torch._VF.rnn_tanh if node.activations[0].name == "Tanh" else torch._VF.rnn_relu
            y, *last = run(x, h, *tail)
        if node.direction == "reverse":
            y = y.flip(0)
        y = y.unflatten(2, (node.directions, node.hidden))  # (time, batch, directions, hidden)
        if node.layout == 1:
            return (y.transpose(0, 1), *(s.transpose(0, 1) for s in last))
        return (y.transpose(1, 2), *last)

    def _direction(self, d: int) -> list[Tensor]:
        assert self.bias is not None  # zeros where the node has none
        return [self._reordered(t) for t in (getattr(self, f"w{d}"), getattr(self, f"r{d}"), *self.bias[d].chunk(2))]

    def _reordered(self, rows: Tensor) -> Tensor:
        order = _ORDER[type(self.source)]
        if len(order) == 1:
            return rows
        gates = rows.chunk(len(order))
        return torch.cat([gates[i] for i in order])

    def node(self) -> Node:
        """See Layer."""
        node = self.source
        w, r = (
            tuple(self._given_back(f"{role}{d}", weight) for d, weight in enumerate(weights))
            for role, weights in (("w", node.input_weight), ("r", node.recurrent_weight))
        )
        return replace(node, input_weight=w, recurrent_weight=r, bias=self._bias())


_KINDS: dict[type[Node], type[Layer]] = {
    Linear: Product,
    Conv: Convolution,
    ConvTranspose: Transposed,
    Affine: Scaling,
    LSTM: Recurrence,
    GRU: Recurrence,
    RNN: Recurrence,
}


def layer_of(node: Node, bits: int | None) -> Layer | None:
    """The module of a node with weights; None for any other node.

    Args:
        node: without an `obstacle`.
        bits: of weights while training; None: float.
    """
    kind = _KINDS.get(type(node))
    return None if kind is None else kind(node, bits)


def trainable(node: Node) -> bool:
    """Whether a node's kind has weights that learn."""
    return type(node) in _KINDS


def obstacle(node: Node) -> str:
    """Why a node with weights cannot be trained; empty if it can, or has none."""
    if isinstance(node, Linear | Conv):
        return _untrainable(node.weight)
    if not isinstance(node, Recurrent):
        return ""
    against = [reason for w in (*node.input_weight, *node.recurrent_weight) if (reason := _untrainable(w))]
    if against:
        return against[0]
    if len(node.inputs) > 1 and node.inputs[1]:
        return "lengths of sequences are an input"
    if node.clip is not None or (isinstance(node, LSTM) and (node.peepholes is not None or node.input_forget)):
        return "torch has no clipped gates, peepholes or coupled gates"
    if isinstance(node, GRU) and not node.linear_before_reset:
        return "torch's GRU multiplies the reset gate after the product (linear_before_reset = 1)"
    plain = [tuple(GateActivation(name) for name in names) * node.directions for names in _PLAIN[type(node)]]
    return "" if node.activations in plain else "torch has no other activations of gates than the usual"


def _untrainable(weight: WeightStructure) -> str:
    own = isinstance(weight, Dense | CirculantMatrix | BlockCirculantConv)
    return "" if own else reason_against_training(weight)


def _tensor(values: Array) -> Tensor:
    return torch.tensor(np.ascontiguousarray(values, np.float32))


def _array(values: Array) -> Array:
    return np.array(values, np.float32, order="C")
