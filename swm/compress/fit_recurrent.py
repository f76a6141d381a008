# SPDX-License-Identifier: Apache-2.0
"""A recurrent node with block-circulant gate matrices, fitted over the unrolled calibration sequences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.compress.activation_pairs import ActivationPairs
from swm.compress.methods import Method, Problem
from swm.engine.recurrent import Trace, run_recurrent
from swm.graph import GRU, Recurrent
from swm.structure import BlockCirculant, WeightStructure
from swm.structure.spectral import block_spectra

__all__ = ["fit_recurrent", "fit_recurrent_own"]

PASSES = 2  # the first sees the dense layer's states, the second those of the layer fitted first
ROUNDS = 4  # of fitting W and R in turn where their block sizes differ
TRACE_BYTES = 1 << 27  # of steps kept; more are thinned out evenly
Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class _Group:
    """Rows of the gate matrices that are fitted together: what they see, and what they should add up to."""

    rows: slice
    x: Array
    h: Array
    from_input: Array
    from_state: Array
    joint: bool  # whether only the sum of both products matters


def fit_recurrent(
    node: Recurrent, blocks: Mapping[str, int], method: Method, pairs: ActivationPairs | None
) -> Recurrent:
    """The node with W, R or both block-circulant.

    The pre-activations of the gates are regressed: the dense network's `W x + R h` on what the converted network
    before gives for x, and on the states that the layer itself then has.

    Args:
        node: with dense weights.
        blocks: block sizes of "W" and "R"; 0 keeps one dense.
        method: how columns are found.
        pairs: calibration, or None.
    """
    if pairs is None:
        return _assembled(node, [_projected(node, d, blocks, method) for d in range(node.directions)])
    names = tuple(t for t in node.inputs if t)
    pieces = list(pairs.chunks(names, names))  # one, unless the model has a fixed batch: see ActivationPairs
    wanted = _traces(node, [_arguments(node, names, answered) for _, answered in pieces])
    fitted = node
    for turn in range(PASSES):
        pairs.note(f"sequences, pass {turn + 1} of {PASSES}")
        seen = _traces(fitted, [_arguments(node, names, read) for read, _ in pieces])
        new = [_fit_direction(node, d, blocks, method, seen[d], wanted[d]) for d in range(node.directions)]
        fitted = _assembled(node, new)
    return fitted


def fit_recurrent_own(
    node: Recurrent,
    structure: type[WeightStructure],
    sizes: Mapping[str, int],
    method: Method,
    pairs: ActivationPairs | None,
) -> Recurrent:
    """The node with W, R or both of any structure, which fits itself: each product alone, to what the dense one gave.

    Args:
        node: with dense weights.
        structure: of the new weights.
        sizes: of "W" and "R"; 0 keeps one dense.
        method: whether calibration counts.
        pairs: calibration, or None.
    """
    seen: list[Trace | None] = [None] * node.directions
    if pairs is not None and method.needs_calibration:
        pairs.note("sequences")
        names = tuple(t for t in node.inputs if t)
        seen = [*_traces(node, [_arguments(node, names, given) for given, _ in pairs.chunks(names, names)])]
    return _assembled(node, [_own_direction(node, d, structure, sizes, trace) for d, trace in enumerate(seen)])


def _own_direction(
    node: Recurrent, d: int, structure: type[WeightStructure], sizes: Mapping[str, int], seen: Trace | None
) -> _Fitted:
    sides = {"W": node.input_weight[d], "R": node.recurrent_weight[d]}
    new: dict[str, WeightStructure] = {}
    bias: dict[str, Array] = {}
    for role, size in ((role, sizes.get(role, 0)) for role in sides):
        matrix = sides[role].to_dense()
        if not size:
            continue
        if seen is None or (role == "R" and seen.reset is not None):  # gates and candidate see other states
            new[role] = structure.project(matrix, size)
            continue
        thin = slice(None, None, max(1, -(-len(seen.x) * 4 * sum(matrix.shape) // TRACE_BYTES)))
        x, y = (seen.x, seen.from_input) if role == "W" else (seen.h, seen.from_state)
        rows = [(np.ascontiguousarray(x[thin]), np.ascontiguousarray(y[thin]))]
        new[role], bias[role] = structure.fit(matrix, size, lambda rows=rows: rows)  # type: ignore[misc]
    zeros = np.zeros(len(sides["W"].to_dense()), np.float32)
    return _Fitted(new.get("W"), new.get("R"), bias.get("W", zeros), bias.get("R", zeros))


def _arguments(node: Recurrent, names: tuple[str, ...], values: list[Array]) -> list[Array | None]:
    given = dict(zip(names, values, strict=True))
    return [given.get(t) for t in node.inputs]


def _traces(node: Recurrent, pieces: list[list[Array | None]]) -> list[Trace]:
    """What each direction saw and answered in all pieces, one behind the other."""
    found: list[list[Trace]] = []
    for tensors in pieces:
        found.append([])
        run_recurrent(node, tensors, found[-1])
    return [_joined(parts) for parts in zip(*found, strict=True)]


def _joined(parts: tuple[Trace, ...]) -> Trace:
    resets = [p.reset for p in parts if p.reset is not None]
    return Trace(
        np.concatenate([p.x for p in parts]),
        np.concatenate([p.h for p in parts]),
        np.concatenate(resets) if resets else None,
        np.concatenate([p.from_input for p in parts]),
        np.concatenate([p.from_state for p in parts]),
    )


@dataclass(frozen=True, eq=False)
class _Fitted:
    """New weights of one direction; None where it stays dense. Biases are added to those of the node's slots."""

    w: WeightStructure | None
    r: WeightStructure | None
    wb: Array | None
    rb: Array | None


def _assembled(node: Recurrent, parts: list[_Fitted]) -> Recurrent:
    rows = node.gates * node.hidden
    bias = np.zeros((node.directions, 2 * rows), np.float32) if node.bias is None else node.bias.copy()
    w = tuple(new.w or old for new, old in zip(parts, node.input_weight, strict=True))
    r = tuple(new.r or old for new, old in zip(parts, node.recurrent_weight, strict=True))
    for d, new in enumerate(parts):
        if new.wb is not None and new.rb is not None:
            bias[d, :rows] += new.wb
            bias[d, rows:] += new.rb
    changed = any(new.wb is not None for new in parts)
    return replace(node, input_weight=w, recurrent_weight=r, bias=bias if changed else node.bias)


def _projected(node: Recurrent, d: int, blocks: Mapping[str, int], method: Method) -> _Fitted:
    new: dict[str, WeightStructure | None] = {}
    for role, weights in (("W", node.input_weight), ("R", node.recurrent_weight)):
        matrix = weights[d].to_dense()
        block = blocks.get(role, 0)
        solution = method.fit(Problem((matrix,), block, None)) if block else None
        new[role] = None if solution is None else BlockCirculant(solution.columns[0], weights[d].shape)
    return _Fitted(new["W"], new["R"], None, None)


def _groups(node: Recurrent, seen: Trace, wanted: Trace) -> list[_Group]:
    n = len(seen.x)
    per_row = 4 * (seen.x.shape[1] + 2 * seen.h.shape[1] + 2 * wanted.from_input.shape[1])
    thin = slice(None, None, max(1, -(-n * per_row // TRACE_BYTES)))
    x, h, reset = seen.x[thin], seen.h[thin], None if seen.reset is None else seen.reset[thin]
    total, part = wanted.from_input[thin], wanted.from_state[thin]
    if not isinstance(node, GRU):
        return [_Group(slice(0, total.shape[1]), x, h, total, part, True)]
    cut = 2 * node.hidden
    gates, candidate = slice(0, cut), slice(cut, total.shape[1])
    return [
        _Group(gates, x, h, total[:, gates], part[:, gates], True),
        # After the reset the state's product stands alone: r multiplies it.
        _Group(candidate, x, h if reset is None else reset, total[:, candidate], part[:, candidate], reset is not None),
    ]


def _fit_direction(
    node: Recurrent, d: int, blocks: Mapping[str, int], method: Method, seen: Trace, wanted: Trace
) -> _Fitted:
    rows = node.gates * node.hidden
    wb, rb = np.zeros(rows, np.float32), np.zeros(rows, np.float32)
    columns: dict[str, list[Array]] = {"W": [], "R": []}
    for group in _groups(node, seen, wanted):
        dense = {"W": node.input_weight[d].to_dense()[group.rows], "R": node.recurrent_weight[d].to_dense()[group.rows]}
        fit = _Fit(group, dense, blocks, method)
        fit.run()
        wb[group.rows], rb[group.rows] = fit.bias["W"], fit.bias["R"]
        for role, found in fit.columns.items():
            columns[role].append(found)
    new = {
        role: BlockCirculant(np.concatenate(found), weights[d].shape) if found else None
        for (role, found), weights in zip(columns.items(), (node.input_weight, node.recurrent_weight), strict=True)
    }
    return _Fitted(new["W"], new["R"], wb, rb)


class _Fit:
    """The fit of one group of rows."""

    def __init__(self, group: _Group, dense: dict[str, Array], blocks: Mapping[str, int], method: Method) -> None:
        self.group, self.dense, self.method = group, dense, method
        self.blocks = {role: blocks.get(role, 0) for role in ("W", "R")}
        self.inputs = {"W": group.x, "R": group.h}
        self.aims = {"W": group.from_input, "R": group.from_state}
        self.columns: dict[str, Array] = {}
        self.bias: dict[str, Array] = dict.fromkeys(("W", "R"), np.zeros(group.from_input.shape[1], np.float32))

    def run(self) -> None:
        """Fill `columns` and `bias`."""
        structured = [role for role, block in self.blocks.items() if block]
        if not self.group.joint:
            for role in structured:
                self._one(role, self.aims[role])
            return
        total = self.aims["W"] + self.aims["R"]
        if len(structured) == 2 and self.blocks["W"] == self.blocks["R"]:
            self._both(total)
            return
        # The dense weight, or the other block size, answers for its share; what is left is fitted.
        for _ in range(ROUNDS if len(structured) == 2 else 1):
            for role in structured:
                other = "R" if role == "W" else "W"
                self._one(role, total - self._answer(other))

    def _both(self, total: Array) -> None:
        block = self.blocks["W"]

        def chunks() -> Iterator[tuple[NDArray[np.complexfloating], Array]]:
            yield np.concatenate([block_spectra(self.inputs[role], block) for role in ("W", "R")], axis=2), total

        solution = self.method.fit(Problem((self.dense["W"], self.dense["R"]), block, chunks))
        self.columns = dict(zip(("W", "R"), solution.columns, strict=True))
        if solution.bias is not None:
            self.bias["W"] = solution.bias

    def _one(self, role: str, aim: Array) -> None:
        block = self.blocks[role]

        def chunks() -> Iterator[tuple[NDArray[np.complexfloating], Array]]:
            yield block_spectra(self.inputs[role], block), aim

        solution = self.method.fit(Problem((self.dense[role],), block, chunks))
        (self.columns[role],) = solution.columns
        if solution.bias is not None:
            self.bias[role] = solution.bias

    def _answer(self, role: str) -> Array:
        """What one weight contributes now, its bias included."""
        if role not in self.columns:
            return self.inputs[role] @ self.dense[role].T
        weight = BlockCirculant(self.columns[role], self.dense[role].shape)
        return weight.reference(self.inputs[role]) + self.bias[role]
