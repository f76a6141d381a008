# SPDX-License-Identifier: Apache-2.0
"""Convolution and recurrent nodes: every attribute explicit, defaults filled in, weights possibly structured."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from swm.errors import ModelError
from swm.graph.nodes import Linear, Node
from swm.structure import ConvStructure, Dense, WeightStructure

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Conv",
    "ConvTranspose",
    "GateActivation",
    "Recurrent",
    "densified",
    "is_structured",
    "one_direction",
    "runs_dense",
    "verify_weighted",
]

Direction = Literal["forward", "reverse", "bidirectional"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Conv(Node):
    """Convolution over one or two spatial axes, input (N, C, spatial...), output (N, M, spatial...).

    Attributes:
        weight: the kernel as a matrix (M, C/group * positions) whose columns are ordered as ONNX orders the axes
            (C/group, kernel...); a BlockCirculantConv keeps that meaning, no block of it in two groups. Any matrix
            structure may hold it; engines then take it written out (`runs_dense`).
        bias: (M,) float32 or None.
        channels: C/group.
        kernel: size of each spatial axis.
        strides: a number for each spatial axis.
        dilations: a number for each spatial axis.
        pads: zeros before, then after, each spatial axis (auto_pad is resolved on import).
        group: groups; equal to C for a depthwise convolution.
    """

    op: ClassVar[str] = "Conv"

    weight: WeightStructure
    bias: NDArray[np.float32] | None = None
    channels: int
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    group: int = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class ConvTranspose(Node):
    """Transposed convolution over one or two spatial axes, input (N, C, spatial...), output (N, M, spatial...).

    Attributes:
        weight: the kernel (C, M/group, kernel...), always dense.
        bias: (M,) float32 or None.
        strides: a number for each spatial axis of the output.
        dilations: a number for each spatial axis.
        pads: cut off before, then after, each spatial axis (auto_pad and output_shape are resolved on import).
        output_padding: zeros behind each spatial axis.
        group: groups.
    """

    op: ClassVar[str] = "ConvTranspose"

    weight: NDArray[np.float32]
    bias: NDArray[np.float32] | None = None
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    output_padding: tuple[int, ...]
    group: int = 1

    @property
    def kernel(self) -> tuple[int, ...]:
        """Size of each spatial axis."""
        return self.weight.shape[2:]


@dataclass(frozen=True)
class GateActivation:
    """An activation of a recurrent layer by its ONNX name, with the parameters that it uses (0 otherwise)."""

    name: str
    alpha: float = 0.0
    beta: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Recurrent(Node):
    """What LSTM, GRU and RNN share. Inputs (X, sequence_lens, initial_h[, initial_c]), outputs (Y, Y_h[, Y_c]).

    Omitted inputs and outputs are empty names; trailing ones may be missing.

    Attributes:
        input_weight: W, (gates * hidden, inputs) for each direction, gates in ONNX order.
        recurrent_weight: R, (gates * hidden, hidden) for each direction.
        bias: (directions, 2 * gates * hidden), those of W and then those of R; None for zeros.
        hidden: cells.
        direction: forward, reverse or bidirectional.
        activations: for each direction in turn, one for each place (LSTM f, g, h; GRU f, g; RNN f).
        clip: bound of the gates' pre-activations, None for none.
        layout: 0 for X (time, batch, inputs), 1 for (batch, time, inputs).
    """

    gates: ClassVar[int] = 1

    input_weight: tuple[WeightStructure, ...]
    recurrent_weight: tuple[WeightStructure, ...]
    bias: NDArray[np.float32] | None = None
    hidden: int
    direction: Direction = "forward"
    activations: tuple[GateActivation, ...]
    clip: float | None = None
    layout: int = 0

    @property
    def directions(self) -> int:
        """2 for a bidirectional layer, else 1."""
        return 2 if self.direction == "bidirectional" else 1


@dataclass(frozen=True, kw_only=True, eq=False)
class LSTM(Recurrent):
    """Long short-term memory, gates i, o, f, c. `peepholes` is (directions, 3 * hidden) in order i, o, f."""

    op: ClassVar[str] = "LSTM"
    gates: ClassVar[int] = 4

    peepholes: NDArray[np.float32] | None = None
    input_forget: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class GRU(Recurrent):
    """Gated recurrent unit, gates z, r, h. `linear_before_reset` multiplies r after the product with R."""

    op: ClassVar[str] = "GRU"
    gates: ClassVar[int] = 3

    linear_before_reset: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class RNN(Recurrent):
    """Plain recurrence, one gate."""

    op: ClassVar[str] = "RNN"


def one_direction(node: Recurrent, d: int) -> Recurrent:
    """A direction of a layer as a layer that runs forward, over what it is given; its inputs and outputs stay."""
    many = len(node.activations) // node.directions
    made = replace(
        node,
        direction="forward",
        input_weight=node.input_weight[d : d + 1],
        recurrent_weight=node.recurrent_weight[d : d + 1],
        bias=None if node.bias is None else node.bias[d : d + 1],
        activations=node.activations[d * many : (d + 1) * many],
    )
    if isinstance(made, LSTM) and made.peepholes is not None:
        made = replace(made, peepholes=made.peepholes[d : d + 1])
    return made


def is_structured(node: Node) -> bool:
    """Whether a node holds weights in another form than dense."""
    match node:
        case Linear() | Conv():
            return not isinstance(node.weight, Dense)
        case Recurrent():
            return not all(isinstance(w, Dense) for w in (*node.input_weight, *node.recurrent_weight))
        case _:
            return False


def runs_dense(node: Node) -> bool:
    """Whether engines can only run a structured node with its weights written out.

    That is a kernel that does not convolve, or one in groups, which onnxruntime runs.
    """
    if not isinstance(node, Conv) or isinstance(node.weight, Dense):
        return False
    return node.group > 1 or not isinstance(node.weight, ConvStructure)


def densified(node: Node) -> Node:
    """The same layer with its weights written out; a node without structured weights as it is."""
    match node:
        case Linear() | Conv():
            return replace(node, weight=Dense(node.weight.to_dense()))
        case Recurrent():
            w, r = (tuple(Dense(s.to_dense()) for s in side) for side in (node.input_weight, node.recurrent_weight))
            return replace(node, input_weight=w, recurrent_weight=r)
        case _:
            return node


def verify_weighted(node: Node) -> None:
    """Raise ModelError if the parameters of a convolution or recurrent node contradict each other."""
    match node:
        case Conv():
            m, n = node.weight.shape
            rank = len(node.kernel)
            lengths = (len(node.strides), len(node.dilations), len(node.pads))
            if lengths != (rank, rank, 2 * rank) or n != node.channels * math.prod(node.kernel) or m % node.group:
                raise ModelError(
                    f"node {node.name!r}: kernel {node.kernel} over {node.channels} channels in {node.group} group(s) "
                    f"does not fit a matrix of {m} x {n}, strides {node.strides}, dilations {node.dilations}, "
                    f"pads {node.pads}"
                )
            if node.bias is not None and node.bias.shape != (m,):
                raise ModelError(f"node {node.name!r}: bias of shape {node.bias.shape} beside {m} output channels")
        case ConvTranspose():
            _verify_transposed(node)
        case Recurrent():
            _verify_recurrent(node)


def _verify_transposed(node: ConvTranspose) -> None:
    rank = len(node.kernel)
    lengths = (len(node.strides), len(node.dilations), len(node.pads), len(node.output_padding))
    if lengths != (rank, rank, 2 * rank, rank) or node.weight.shape[0] % node.group:
        raise ModelError(
            f"node {node.name!r}: a kernel of shape {node.weight.shape} in {node.group} group(s) does not fit strides "
            f"{node.strides}, dilations {node.dilations}, pads {node.pads}, output padding {node.output_padding}"
        )
    outputs = node.weight.shape[1] * node.group
    if node.bias is not None and node.bias.shape != (outputs,):
        raise ModelError(f"node {node.name!r}: bias of shape {node.bias.shape} beside {outputs} output channels")


def _verify_recurrent(node: Recurrent) -> None:
    d, rows = node.directions, node.gates * node.hidden
    for side, weights in (("W", node.input_weight), ("R", node.recurrent_weight)):
        shapes = [w.shape for w in weights]
        fits = len(shapes) == d and all(s == shapes[0] and s[0] == rows for s in shapes)
        if not fits or (side == "R" and shapes[0][1] != node.hidden):
            raise ModelError(f"node {node.name!r}: {side} of shapes {shapes} beside {node.hidden} cells")
        if len({(type(w), w.size) for w in weights}) != 1:
            raise ModelError(f"node {node.name!r}: {side} must have one structure and size in both directions")
    if node.bias is not None and node.bias.shape != (d, 2 * rows):
        raise ModelError(f"node {node.name!r}: bias of shape {node.bias.shape}, needs {(d, 2 * rows)}")
    if isinstance(node, LSTM) and node.peepholes is not None and node.peepholes.shape != (d, 3 * node.hidden):
        raise ModelError(f"node {node.name!r}: peepholes of shape {node.peepholes.shape}")
    places = {LSTM: 3, GRU: 2, RNN: 1}[type(node)]
    if len(node.activations) != places * d:
        raise ModelError(f"node {node.name!r}: {len(node.activations)} activations, needs {places * d}")
