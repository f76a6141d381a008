# SPDX-License-Identifier: Apache-2.0
"""LSTM, GRU and RNN step by step, for structured weights: what onnxruntime computes, with our matrix products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.engine.kernels import CompiledCell
from swm.errors import CalibrationError
from swm.graph import GRU, LSTM, GateActivation, Recurrent

__all__ = ["Direction", "Trace", "run_recurrent"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Trace:
    """What the matrices of one direction saw and answered at every step that counts, padding left out.

    Attributes:
        x: (steps, inputs).
        h: (steps, hidden), the state before the step.
        reset: (steps, hidden), what R of gate h saw in a GRU that resets before the product; None otherwise.
        from_input: (steps, gates * hidden), W x.
        from_state: (steps, gates * hidden), R times what it saw.
    """

    x: Array
    h: Array
    reset: Array | None
    from_input: Array
    from_state: Array


@dataclass(frozen=True)
class Direction:
    """Compiled kernels of one direction: the product with W, and the steps."""

    product: Callable[[Array], Array]
    cell: CompiledCell


def run_recurrent(
    node: Recurrent,
    tensors: Sequence[Array | None],
    trace: list[Trace] | None = None,
    compiled: Sequence[Direction] | None = None,
) -> tuple[Array, ...]:
    """Run a layer.

    Args:
        node: LSTM, GRU or RNN with weights of any structure.
        tensors: values of `node.inputs`, None where omitted; trailing ones may be missing.
        trace: if given, one Trace is appended for each direction, and nothing runs compiled.
        compiled: kernels for each direction; without them numpy runs the steps.

    Returns:
        Y, Y_h and, for LSTM, Y_c, float32, in the node's layout.

    Raises:
        CalibrationError: X, the lengths or the initial states have another shape.
    """
    given = [*tensors, None, None, None, None][:4]
    x, lengths, *states = given
    if x is None or x.ndim != 3 or x.shape[2] != node.input_weight[0].shape[1]:
        raise CalibrationError(
            f"{node.op} {node.name!r} takes sequences of {node.input_weight[0].shape[1]} numbers a step, got an array "
            f"of shape {None if x is None else x.shape}"
        )
    if x.dtype not in (np.float32, np.float64):
        raise CalibrationError(f"{node.op} {node.name!r} takes sequences of float32, got {x.dtype}")
    if node.layout:
        x = x.swapaxes(0, 1)
        states = [None if s is None else s.swapaxes(0, 1) for s in states]
    steps, batch, _ = x.shape
    length = None  # all steps of every sample, the common case, which then costs nothing
    if lengths is not None or not steps:
        length = np.zeros(batch, np.int64) if lengths is None else lengths.astype(np.int64)
    if length is not None and (length.shape != (batch,) or (length < 0).any() or (length > steps).any()):
        raise CalibrationError(
            f"{node.op} {node.name!r}: sequence lengths must be {batch} numbers from 0 to {steps}, got {lengths}"
        )
    shape = (node.directions, batch, node.hidden)
    initial = [np.zeros(shape, np.float32) if s is None else s for s in states]
    if any(s.shape != shape for s in initial):
        raise CalibrationError(f"{node.op} {node.name!r}: initial states must have shape {shape}")
    parts = []
    for d in range(node.directions):
        backwards = node.direction == "reverse" or d == 1
        ordered, start = _reversed(x, length, backwards), [s[d] for s in initial]
        if compiled is not None and trace is None:
            result = _compiled(node, compiled[d], ordered, length, start)
        else:
            run = _Direction(node, d, start, trace is not None)
            with np.errstate(over="ignore", invalid="ignore"):  # unbounded gates may overflow, as in any runtime
                result = run.over(ordered, np.full(batch, steps) if length is None else length)
            if trace is not None:
                trace.append(run.trace())
        if length is not None:  # onnxruntime gives zeros for an empty sequence
            result = (result[0], *(np.where((length > 0)[:, None], s, 0) for s in result[1:]))
        parts.append((_reversed(result[0], length, backwards), *result[1:]))
    if len(parts) == 1:
        y, finals = parts[0][0][:, None], [s[None] for s in parts[0][1:]]
    else:
        y = np.stack([p[0] for p in parts], axis=1)  # (time, directions, batch, hidden)
        finals = [np.stack([p[i] for p in parts]) for i in range(1, len(parts[0]))]
    if node.layout:
        y, finals = y.transpose(2, 0, 1, 3), [f.swapaxes(0, 1) for f in finals]
    return tuple(np.ascontiguousarray(a, dtype=np.float32) for a in (y, *finals))


def _reversed(values: Array, length: NDArray[np.integer] | None, backwards: bool) -> Array:
    """(time, batch, ...): each sample's steps in reverse for a backward run, padding left in its place.

    Done twice, it gives back what it took.
    """
    if not backwards:
        return values
    steps = len(values)
    if length is None or (length == steps).all():
        return values[::-1]
    time = np.arange(steps)[:, None]
    order = np.where(time < length, length - 1 - time, time)
    ordered: Array = np.take_along_axis(values, order[:, :, None], axis=0)
    return ordered


def _compiled(
    node: Recurrent, kernels: Direction, x: Array, length: NDArray[np.integer] | None, states: Sequence[Array]
) -> tuple[Array, ...]:
    """One run over time in one direction, by compiled kernels: Y and the final states."""
    y, h, c = kernels.cell(kernels.product(x), length, states[0], states[1] if isinstance(node, LSTM) else None)
    return (y, h) if c is None else (y, h, c)


class _Direction:
    """One run over time in one direction."""

    def __init__(self, node: Recurrent, d: int, states: list[Array], tracing: bool) -> None:
        self.node = node
        self.w, self.r = node.input_weight[d], node.recurrent_weight[d]
        rows = node.gates * node.hidden
        bias = np.zeros(2 * rows, np.float32) if node.bias is None else node.bias[d]
        self.wb, self.rb = bias[:rows], bias[rows:]
        places = len(node.activations) // node.directions
        self.f = [_function(a) for a in node.activations[d * places : (d + 1) * places]]
        self.states = states
        self.peepholes: Array | None = None
        if isinstance(node, LSTM) and node.peepholes is not None:
            self.peepholes = node.peepholes[d].reshape(3, node.hidden)
        self.tracing = tracing
        self.seen: list[tuple[Array, ...]] = []

    def over(self, x: Array, length: NDArray[np.integer]) -> tuple[Array, ...]:
        """Y (time, batch, hidden) in the order of the run, and the final states."""
        steps, batch, _ = x.shape
        from_input = self.w.reference(x)
        y = np.zeros((steps, batch, self.node.hidden), np.float32)
        h, c = self.states[0], self.states[1]
        for t in range(steps):
            alive = t < length
            new_h, new_c = self._step(from_input[t], h, c, x[t], alive)
            h, c = (np.where(alive[:, None], new, old) for new, old in ((new_h, h), (new_c, c)))
            y[t] = np.where(alive[:, None], new_h, 0)
        return (y, h, c) if isinstance(self.node, LSTM) else (y, h)

    def _step(self, from_input: Array, h: Array, c: Array, x: Array, alive: NDArray[np.bool_]) -> tuple[Array, Array]:
        node = self.node
        if isinstance(node, GRU):
            return self._gru(node, from_input, h, x, alive), c
        from_state = self.r.reference(h)
        self._record(alive, x, h, None, from_input, from_state)
        total = from_input + from_state + (self.wb + self.rb)
        if isinstance(node, LSTM):
            return self._lstm(node, total, c)
        return self.f[0](self._clipped(total)), c

    def _lstm(self, node: LSTM, total: Array, c: Array) -> tuple[Array, Array]:
        i, o, f, g = np.split(total, 4, axis=1)
        p = self.peepholes
        i = self.f[0](self._clipped(i if p is None else i + p[0] * c))
        f = 1 - i if node.input_forget else self.f[0](self._clipped(f if p is None else f + p[2] * c))
        new_c = f * c + i * self.f[1](self._clipped(g))
        o = self.f[0](self._clipped(o if p is None else o + p[1] * new_c))  # this peephole reads the new cell
        return o * self.f[2](new_c), new_c

    def _gru(self, node: GRU, from_input: Array, h: Array, x: Array, alive: NDArray[np.bool_]) -> Array:
        n = 2 * node.hidden
        from_state = self.r.reference(h)
        gates = from_input[:, :n] + from_state[:, :n] + (self.wb[:n] + self.rb[:n])
        z, r = np.split(self.f[0](self._clipped(gates)), 2, axis=1)
        if node.linear_before_reset:
            inner = r * (from_state[:, n:] + self.rb[n:])
            self._record(alive, x, h, None, from_input, from_state)
        else:
            reset = r * h
            product = self.r.reference(reset)[:, n:]
            self._record(alive, x, h, reset, from_input, np.concatenate([from_state[:, :n], product], axis=1))
            inner = product + self.rb[n:]
        candidate = self.f[1](self._clipped(from_input[:, n:] + inner + self.wb[n:]))
        out: Array = (1 - z) * candidate + z * h
        return out

    def _clipped(self, values: Array) -> Array:
        clip = self.node.clip
        return values if clip is None else np.clip(values, -clip, clip)

    def _record(
        self, alive: NDArray[np.bool_], x: Array, h: Array, reset: Array | None, from_input: Array, from_state: Array
    ) -> None:
        if self.tracing:
            kept = (x, h, h if reset is None else reset, from_input, from_state)
            self.seen.append(tuple(a[alive] for a in kept))

    def trace(self) -> Trace:
        """What `over` recorded."""
        x, h, reset, from_input, from_state = (np.concatenate(parts) for parts in zip(*self.seen, strict=True))
        resets_before = isinstance(self.node, GRU) and not self.node.linear_before_reset
        return Trace(x, h, reset if resets_before else None, from_input, from_state)


def _function(activation: GateActivation) -> Callable[[Array], Array]:
    from scipy.special import expit  # here, as it takes 0.15 s that only recurrent layers should pay

    a, b = np.float32(activation.alpha), np.float32(activation.beta)
    table: dict[str, Callable[[Array], Array]] = {
        "Affine": lambda v: a * v + b,
        "Elu": lambda v: np.where(v >= 0, v, a * np.expm1(np.minimum(v, 0))),
        "HardSigmoid": lambda v: np.clip(a * v + b, 0, 1),
        "LeakyRelu": lambda v: np.where(v >= 0, v, a * v),
        "Relu": lambda v: np.maximum(v, 0),
        "ScaledTanh": lambda v: a * np.tanh(b * v),
        "Sigmoid": expit,
        "Softplus": lambda v: np.logaddexp(v, np.float32(0)),
        "Softsign": lambda v: v / (1 + np.abs(v)),
        "Tanh": np.tanh,
        "ThresholdedRelu": lambda v: np.where(v > a, v, 0),
    }
    return table[activation.name]
