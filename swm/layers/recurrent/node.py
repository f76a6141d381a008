# SPDX-License-Identifier: Apache-2.0
"""From a recurrent node of the graph to a layer: one direction, initial states known, one output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.graph import GRU, LSTM, GateActivation, Node, Recurrent
from swm.layers.base import Obstacle, Operand
from swm.layers.functions import Activation, Parameters, check_parameters
from swm.layers.recurrent.layer import RecurrentLayer
from swm.layers.recurrent.spec import LARGEST_BLOCK, CellKind
from swm.structure import BlockCirculant, Dense, WeightStructure

__all__ = ["Steps", "layer_of", "outputs_obstacle", "states_obstacle"]

_PLAIN: dict[str, Activation] = {"Sigmoid": "sigmoid", "Tanh": "tanh", "Relu": "relu", "Softplus": "softplus"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Steps(Node):
    """A recurrent node in one direction, of which one output is read. Inputs: x, and tensors of states where they come.

    Attributes:
        layer: the node itself.
        initial_h: (outputs,), the same for every sample.
        initial_c: (hidden,).
        last: whether the output is the last step's.
        cells: whether the cells that the last step leaves follow it.
        doublings: of these cells, as they leave.
        wide: whether both leave the hardware as they are.
        length: steps of a sequence; None if the shapes do not say.
    """

    op: ClassVar[str] = "Recurrent"

    layer: Recurrent
    initial_h: NDArray[np.float32]
    initial_c: NDArray[np.float32]
    last: bool
    cells: bool
    doublings: int = 0
    wide: bool
    length: int | None


def outputs_obstacle(node: Recurrent, read: Sequence[int]) -> Obstacle:
    """Why a recurrent node did not become `Steps`: these of its outputs are read."""
    if 2 in read:
        if isinstance(node, LSTM) and not any(node.inputs[1:2]):
            return Obstacle(
                "its last cell state (Y_c) is read",
                "where the network returns it, hardware gives it behind the outputs (samples first: `swm frame"
                " --batch-axis 1`) and the host takes both apart; `swm frame` keeps it inside where a caller feeds it"
                " back (--state IN=OUT --steps N)",
            )
        return Obstacle(
            "its last cell state (Y_c) is read, which hardware gives of a layer whose sequences have one length only",
            "`swm frame` keeps it inside where a caller feeds it back (--state IN=OUT --steps N), and leaves it away"
            " where nobody needs it (--drop OUTPUT)",
        )
    return Obstacle(
        "more than one of its outputs is read: its sequence and its last state",
        "where the network returns them, put samples first (`swm frame --batch-axis 1`): the host then takes the"
        " state out of the sequence",
    )


def states_obstacle(node: Recurrent, inputs: Sequence[str] = ()) -> Obstacle:
    """Why a recurrent node did not become `Steps`: what its sequences begin with, or how long they are, is not known.

    `inputs`: of the graph.
    """
    _, lengths, *states = (*node.inputs, "", "", "")
    if lengths:
        where = f" (input {lengths!r})" if lengths in inputs else ""
        return Obstacle(
            f"its sequences have lengths of their own{where}",
            "hardware runs all steps and the host cuts the answer where their number is known, samples lie first in all"
            " inputs (`swm frame --batch-axis NAME`), nobody reads its last cells (Y_c: `swm frame --drop OUTPUT`), and"
            " it runs forward, or nothing multiplies before it; `swm frame --fix INPUT=STEPS` gives all sequences one"
            " length, right for a caller who pads none",
        )
    given = [t for t in states if t in inputs]
    return Obstacle(
        f"its states start from input {given[0]!r}" if given else "its states start from what the network computes",
        "hardware takes states of each sample, (1, batch, cells) behind a Transpose: `swm frame --batch-axis NAME` puts"
        " samples first; `swm frame --fix INPUT=0` where every sequence begins with zeros; `swm frame --state IN=OUT"
        " --steps N` keeps inside what a caller feeds back",
    )


def layer_of(node: Steps, operand: Operand, name: str) -> RecurrentLayer | Obstacle:
    """The layer of a node in one direction."""
    made, n = node.layer, node.layer.input_weight[0].shape[1]
    size = operand.channels * operand.positions
    if size % n or (node.length is not None and node.length * n != size):
        wanted = "?" if node.length is None else node.length
        return Obstacle(
            f"it reads sequences of {wanted} x {n} values while the tensor before it holds {size} a sample",
            "the samples of a model are its first axis: export the model with batch_first=True and a fixed length",
        )
    if made.direction != "forward":
        return Obstacle(f"it runs {made.direction}", "run this part of the model on the host")
    if isinstance(made, LSTM) and made.input_forget:
        return Obstacle("its input and forget gates are coupled", "run this part of the model on the host")
    gates = [_gate(gate) for gate in made.activations]
    problems = [gate for gate in gates if isinstance(gate, str)]
    if problems:
        return Obstacle(problems[0], "hardware has Sigmoid, Tanh, HardSigmoid, Relu, LeakyRelu, Elu and Softplus")
    weights = _weights(made.input_weight[0], made.recurrent_weight[0], made.hidden)
    if isinstance(weights, Obstacle):
        return weights
    rows = made.gates * made.hidden
    bias = np.zeros(2 * rows, np.float32) if made.bias is None else made.bias[0]
    steps = size // n
    peepholes = made.peepholes if isinstance(made, LSTM) else None
    return RecurrentLayer(
        kind="recurrent",
        name=name,
        node=node.name,
        inputs=(operand.tensor, *node.inputs[1:]),
        output=node.outputs[0],
        shapes=((n, steps), *((made.hidden, 1) for _ in node.inputs[1:])),
        m=made.hidden,
        positions=(1 if node.last else steps) + node.cells,
        weight=weights[0],
        bias=np.zeros(made.hidden, np.float32),
        cell=_cell(made),
        hidden=made.hidden,
        recurrent=weights[1],
        input_bias=bias[:rows],
        state_bias=bias[rows:],
        peepholes=None if peepholes is None else peepholes[0].reshape(3, -1),
        initial_h=node.initial_h,
        initial_c=node.initial_c,
        gates=tuple(gate for gate in gates if not isinstance(gate, str)),
        bound=made.clip or 0.0,
        last=node.last,
        cells=node.cells,
        doublings=node.doublings,
        wide=node.wide,
    )


def _cell(node: Recurrent) -> CellKind:
    if isinstance(node, GRU):
        return "gru_after" if node.linear_before_reset else "gru"
    return "lstm" if isinstance(node, LSTM) else "rnn"


def _gate(gate: GateActivation) -> tuple[Activation, Parameters] | str:
    """An activation, or why there is none."""
    made: tuple[Activation, Parameters] | None = (_PLAIN[gate.name], ()) if gate.name in _PLAIN else None
    if gate.name == "HardSigmoid":
        made = ("hard_sigmoid", (gate.alpha, gate.beta))
    elif gate.name == "LeakyRelu":
        made = ("leaky_relu", (gate.alpha,)) if gate.alpha else ("relu", ())
    elif gate.name == "Elu":
        made = ("elu", (gate.alpha,))
    if made is None:
        return f"its activation {gate.name} has no hardware form"
    return check_parameters(*made) or made


def _weights(w: WeightStructure, r: WeightStructure, hidden: int) -> tuple[WeightStructure, WeightStructure] | Obstacle:
    """Both matrices in one form: blocks of one size, or plain."""
    blocks = {m.block if isinstance(m, BlockCirculant) else 0 for m in (w, r)}
    if len(blocks) == 1 and 0 not in blocks and hidden % max(blocks) == 0:
        if max(blocks) <= LARGEST_BLOCK:
            return w, r
        return Obstacle(
            f"its blocks hold {max(blocks)} values",
            f"hardware takes recurrent layers with blocks of at most {LARGEST_BLOCK}, which is the nearest: convert the"
            f" original with `swm convert --block {LARGEST_BLOCK}`",
        )
    return Dense(w.to_dense()), Dense(r.to_dense())
