# SPDX-License-Identifier: Apache-2.0
"""A recurrent layer in float: its weights, and the steps in numpy that say what ranges its inner values have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.layers.functions import Activation, Floats, Parameters, evaluate
from swm.layers.recurrent.spec import CellKind
from swm.layers.values import FloatLayer
from swm.structure import WeightStructure

__all__ = ["RecurrentLayer", "Seen", "run_float"]


@dataclass(frozen=True, eq=False)
class RecurrentLayer(FloatLayer):
    """One direction of an LSTM, GRU or RNN; `weight` is W, rows in ONNX's order of gates (i o f c; z r h).

    Attributes:
        cell: which.
        hidden: cells.
        recurrent: R, (gates * hidden, m).
        input_bias: (gates * hidden,), those of W.
        state_bias: (gates * hidden,), those of R.
        peepholes: (3, hidden) for gates i, o, f, or None.
        projection: (m, hidden) between cells and outputs, or None.
        initial_h: (m,), zeros where states come on streams.
        initial_c: (hidden,), of an LSTM, likewise.
        gates: activation and parameters of the places f, g, h.
        bound: of the gates' sums; 0: none.
        last: whether only the last step's output is wanted.
        cells: whether the cells that the last step leaves are wanted, too.
        doublings: of these cells, as they leave.
        wide: whether both leave the hardware as they are, and may have bits of their own.
    """

    cell: CellKind = "lstm"
    hidden: int = 0
    recurrent: WeightStructure | None = None
    input_bias: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    state_bias: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    peepholes: NDArray[np.float32] | None = None
    projection: WeightStructure | None = None
    initial_h: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    initial_c: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    gates: tuple[tuple[Activation, Parameters], ...] = ()
    bound: float = 0.0
    last: bool = False
    cells: bool = False
    doublings: int = 0
    wide: bool = False

    @property
    def steps(self) -> int:
        """Of a sequence."""
        return self.shapes[0][1]

    @property
    def start(self) -> bool:
        """Whether its states come as tensors of their own: h, and c of an LSTM."""
        return len(self.inputs) > 1


@dataclass(frozen=True, eq=False)
class Seen:
    """What a run met, one row for each step of each sequence.

    Attributes:
        before: (rows, m), the state that each step reads.
        after: (rows, m), what it gives.
        state: (rows, hidden), c of an LSTM or s of a GRU, after the step.
        middle: (rows, hidden), what phase A gives to phase B.
        inner: (rows, hidden), R h and its bias, of a candidate that resets after the product.
        gates: outputs of the activations f, g, h.
    """

    before: Floats
    after: Floats
    state: Floats
    middle: Floats
    inner: Floats
    gates: tuple[Floats, ...]


def run_float(layer: RecurrentLayer, x: NDArray[np.floating], start: tuple[NDArray[np.floating], ...] = ()) -> Seen:
    """(sequences, steps, n) through the layer, in float64; `start`: (sequences, hidden) of each state that comes."""
    return _Run(layer, x).seen(start)


class _Run:
    """The steps, and what they met."""

    def __init__(self, layer: RecurrentLayer, x: NDArray[np.floating]) -> None:
        assert layer.weight is not None and layer.recurrent is not None
        self.layer, self.size = layer, layer.hidden
        self.r = layer.recurrent.to_dense().astype(np.float64).T
        self.p = None if layer.projection is None else layer.projection.to_dense().astype(np.float64).T
        sequences, steps, n = x.shape
        rows = x.reshape(-1, n).astype(np.float64) @ layer.weight.to_dense().astype(np.float64).T + layer.input_bias
        self.from_input = rows.reshape(sequences, steps, -1)
        self.met: dict[str, list[Floats]] = {
            k: [] for k in ("before", "after", "state", "middle", "inner", "f", "g", "h")
        }

    def seen(self, start: tuple[NDArray[np.floating], ...]) -> Seen:
        """All of it."""
        layer, (sequences, steps, _) = self.layer, self.from_input.shape
        first, state = (start[0], start[-1]) if start else (layer.initial_h, layer.initial_c)
        h = np.broadcast_to(first.astype(np.float64), (sequences, layer.m))
        state = state if layer.cell == "lstm" else first
        c = np.broadcast_to(state.astype(np.float64), (sequences, layer.hidden if layer.cell == "lstm" else layer.m))
        step = {"rnn": self._rnn, "lstm": self._lstm, "gru": self._gru, "gru_after": self._gru}[layer.cell]
        for t in range(steps):
            self._note("before", h)
            h, c = step(self.from_input[:, t], h, c)
            self._note("after", h)
            self._note("state", c)
        joined = {name: self._joined(parts) for name, parts in self.met.items()}
        gates = tuple(joined.pop(name) for name in "fgh")
        return Seen(gates=gates, **joined)

    def _joined(self, parts: list[Floats]) -> Floats:
        """(steps * sequences, ...) sequence after sequence."""
        if not parts:
            return np.zeros((0, 1))
        if len(parts) != self.from_input.shape[1]:  # several a step: their order does not matter
            return np.concatenate(parts)
        stacked: Floats = np.stack(parts, axis=1)
        return stacked.reshape(-1, stacked.shape[-1])

    def _note(self, name: str, values: Floats) -> Floats:
        self.met[name].append(values)
        return values

    def _gate(self, place: int, values: Floats, clipped: bool = True) -> Floats:
        bound = self.layer.bound
        kept = np.clip(values, -bound, bound) if bound and clipped else values
        return self._note("fgh"[place], evaluate(*self.layer.gates[place], kept))

    def _rnn(self, from_input: Floats, h: Floats, c: Floats) -> tuple[Floats, Floats]:
        return self._gate(0, from_input + h @ self.r + self.layer.state_bias), c

    def _lstm(self, from_input: Floats, h: Floats, c: Floats) -> tuple[Floats, Floats]:
        i, o, f, g = np.split(from_input + h @ self.r + self.layer.state_bias, 4, axis=1)
        p: Any = np.zeros((3, 1)) if self.layer.peepholes is None else self.layer.peepholes
        c = self._gate(0, f + p[2] * c) * c + self._gate(0, i + p[0] * c) * self._gate(1, g)
        m = self._gate(0, o + p[1] * c) * self._gate(2, c, clipped=False)
        return (m, c) if self.p is None else (self._note("middle", m) @ self.p, c)

    def _gru(self, from_input: Floats, h: Floats, c: Floats) -> tuple[Floats, Floats]:
        cut, bias = 2 * self.size, self.layer.state_bias
        z, r = np.split(self._gate(0, from_input[:, :cut] + h @ self.r[:, :cut] + bias[:cut]), 2, axis=1)
        if self.layer.cell == "gru_after":
            part = r * self._note("inner", h @ self.r[:, cut:] + bias[cut:])
        else:
            part = self._note("middle", r * h) @ self.r[:, cut:] + bias[cut:]
        n = self._gate(1, from_input[:, cut:] + part)
        return (n + z * (h - n),) * 2
