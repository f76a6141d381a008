# SPDX-License-Identifier: Apache-2.0
"""Compiled LSTM, GRU and RNN steps: recurrent.cpp specialised for the block size of the recurrent matrix."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from swm.errors import OptionError
from swm.kernels import Floats, KernelPlan, Scratch, address, aligned, kernel_plan, load_library
from swm.structure import BlockCirculant, WeightStructure

__all__ = ["FUNCTIONS", "CellKind", "CompiledCell"]

CellKind = Literal["LSTM", "GRU", "RNN"]
GATES: dict[CellKind, int] = {"LSTM": 4, "GRU": 3, "RNN": 1}
PLACES: dict[CellKind, int] = {"LSTM": 3, "GRU": 2, "RNN": 1}
# In the order of enum Function in gates.h, by ONNX name. Elu and Softplus need logarithms or differences of
# exponentials near zero, which the header does not have.
FUNCTIONS = (
    *("Sigmoid", "Tanh", "Relu", "Affine", "LeakyRelu", "HardSigmoid", "ScaledTanh", "Softsign"),
    "ThresholdedRelu",
)


class _Activation(ctypes.Structure):
    _fields_: ClassVar = [("function", ctypes.c_int64), ("alpha", ctypes.c_float), ("beta", ctypes.c_float)]


class _Cell(ctypes.Structure):
    _fields_: ClassVar = [
        *((name, ctypes.c_int64) for name in ("kind", "hidden", "linear_before_reset", "input_forget", "finite")),
        *((name, _Activation) for name in "fgh"),
        ("clip", ctypes.c_float),
        *((name, ctypes.c_void_p) for name in ("bias", "rest_bias", "peepholes")),
        *((name, KernelPlan) for name in ("product", "candidate")),
        ("candidate_row", ctypes.c_int64),
    ]


@dataclass(frozen=True, eq=False)
class CellParameters:
    """What a recurrent layer is in one direction, besides its matrices; the terms are ONNX's.

    Attributes:
        kind: LSTM, GRU or RNN.
        hidden: cells.
        activations: (name, alpha, beta) for each place: f, g, h of an LSTM, f, g of a GRU, f of an RNN.
        bias: (gates * hidden) what is added to W x + R h before a gate's function, W's bias plus R's.
        clip: bound of the gates' pre-activations, None for none.
        peepholes: (3 * hidden) in order i, o, f, LSTM only, or None.
        input_forget: LSTM only.
        linear_before_reset: GRU only.
        rest_bias: (hidden) the bias of R's gate h, for a GRU with linear_before_reset, where it stands inside the reset
            and is not part of `bias`; None otherwise.
    """

    kind: CellKind
    hidden: int
    activations: tuple[tuple[str, float, float], ...]
    bias: Floats
    clip: float | None = None
    peepholes: Floats | None = None
    input_forget: bool = False
    linear_before_reset: bool = False
    rest_bias: Floats | None = None

    def compiles(self) -> bool:
        """Whether the kernel knows all of the activations."""
        return all(name in FUNCTIONS for name, _, _ in self.activations)


class CompiledCell:
    """The steps of one direction, ready for repeated runs from any thread.

    Args:
        matrix: R, of (gates * hidden, hidden) in ONNX's order of gates.
        parameters: the rest.
        threads: how many to use; they share out samples, from one tile of lanes each.

    Raises:
        OptionError: matrix and parameters contradict each other, or an activation that the kernel does not know.
        ToolError: there is no compiler.
    """

    @staticmethod
    def block(matrix: WeightStructure) -> int | None:
        """Block size of a matrix that recurrent.cpp can run; None for any other structure."""
        return matrix.block if isinstance(matrix, BlockCirculant) else None

    def __init__(self, matrix: WeightStructure, parameters: CellParameters, *, threads: int = 1) -> None:
        """Build the library if need be and lay the weights out."""
        c = parameters
        if not isinstance(matrix, BlockCirculant):
            raise OptionError(f"recurrent.cpp runs block-circulant matrices, not {matrix.label} ones")
        k, columns = matrix.block, matrix.columns
        rows, n = GATES[c.kind] * c.hidden, c.hidden
        if matrix.shape != (rows, n):
            raise OptionError(f"a matrix of {matrix.shape} is not the recurrent one of {n} cells and {rows} gate rows")
        if not c.compiles() or len(c.activations) != PLACES[c.kind]:
            raise OptionError(f"the kernel has no {c.kind} with activations {c.activations}")
        library = load_library("recurrent.cpp", {"SWM_K": k})
        self._run, self._work = library.swm_recurrent, library.swm_recurrent_work
        self._work.argtypes, self._work.restype = [ctypes.c_void_p, *[ctypes.c_int64] * 2], ctypes.c_int64
        self._run.argtypes = [*[ctypes.c_void_p] * 6, *[ctypes.c_int64] * 3, ctypes.c_void_p]
        self._run.restype = None
        self._threads, self._kind, self.hidden, self.rows = threads, c.kind, n, rows
        lanes = library.swm_recurrent_lanes()
        self._kept: list[Any] = []
        finite = bool(np.isfinite(columns).all())
        cell = self._cell = _Cell(list(GATES).index(c.kind), n, c.linear_before_reset, c.input_forget, finite)
        for place, (name, alpha, beta) in zip("fgh", c.activations, strict=False):
            setattr(cell, place, _Activation(FUNCTIONS.index(name), alpha, beta))
        cell.clip = np.inf if c.clip is None else c.clip
        cell.bias = self._keep(c.bias, self.rows)
        cell.rest_bias, cell.peepholes = self._keep(c.rest_bias, n), self._keep(c.peepholes, 3 * n)
        if c.kind == "GRU" and not c.linear_before_reset:
            first = 2 * n // k  # the block row in which gate h starts
            cell.product = self._plan(BlockCirculant(columns[: -(-2 * n // k)], (2 * n, n)), lanes)
            cell.candidate = self._plan(BlockCirculant(columns[first:], (rows - first * k, n)), lanes)
            cell.candidate_row = 2 * n - first * k
        else:
            if c.linear_before_reset and c.rest_bias is None:
                cell.rest_bias = self._keep(np.zeros(n, np.float32), n)
            cell.product = self._plan(matrix, lanes)
        self._scratch: dict[int, Scratch] = {}

    def _plan(self, matrix: BlockCirculant, lanes: int) -> KernelPlan:
        plan, weights = kernel_plan(matrix.columns, matrix.shape, lanes)
        self._kept.append(weights)
        return plan

    def _keep(self, values: Floats | None, size: int) -> int | None:
        """Address of a copy that lives as long as the cell."""
        if values is None:
            return None
        if values.shape != (size,):
            raise OptionError(f"expected {size} numbers, got an array of shape {values.shape}")
        self._kept.append(np.array(values, np.float32))
        return int(self._kept[-1].ctypes.data)

    def __call__(
        self, given: Floats, lengths: NDArray[np.integer] | None, state: Floats, memory: Floats | None = None
    ) -> tuple[Floats, Floats, Floats | None]:
        """Run over time.

        Args:
            given: (steps, batch, gates * hidden) float32, W x.
            lengths: (batch,) steps that count for each sample; None if all do.
            state: (batch, hidden) initial h.
            memory: (batch, hidden) initial c, LSTM only.

        Returns:
            Y (steps, batch, hidden), zeros from a sample's length on, and the final h and c.

        Raises:
            OptionError: shapes that do not fit.
        """
        steps, batch, rows = given.shape
        fits = rows == self.rows and state.shape == (batch, self.hidden)
        fits = fits and (lengths is None or lengths.shape == (batch,))
        if not fits or (self._kind == "LSTM") != (memory is not None):
            count = "all" if lengths is None else lengths.shape
            raise OptionError(f"inputs {given.shape}, lengths {count}, state {state.shape} do not fit the cell")
        given = np.ascontiguousarray(given, np.float32)
        if lengths is None:
            y, counts, last = np.empty((steps, batch, self.hidden), np.float32), None, steps
        else:
            y = np.zeros((steps, batch, self.hidden), np.float32)
            counts = np.ascontiguousarray(lengths, np.int64)
            last = int(min(steps, counts.max(initial=0)))
        h = _copied(state)
        c = None if memory is None else _copied(memory)
        if not given.size:
            return y, h, c
        cell = ctypes.addressof(self._cell)
        scratch = self._scratch.get(batch)
        if scratch is None:
            scratch = self._scratch[batch] = Scratch(self._work(cell, batch, self._threads))
        at = [None if a is None else address(a) for a in (given, counts, h, c, y)]
        work = scratch.take()
        self._run(cell, *at, last, batch, self._threads, work[0])
        scratch.give(work)
        return y, h, c


def _copied(values: Floats) -> Floats:
    memory = aligned(max(values.size, 1), np.float32)[: values.size].reshape(values.shape)
    memory[...] = values
    return memory
