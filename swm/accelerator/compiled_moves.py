# SPDX-License-Identifier: Apache-2.0
"""Layers that only move words (reverse, reorder, pad, upsample, depth_to_space): tables of where each comes from."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from swm.kernels import load_library
from swm.layers import registry
from swm.layers.depth_to_space import DepthToSpaceSpec
from swm.layers.pad import PadSpec
from swm.layers.reorder import ReorderSpec
from swm.layers.reverse import ReverseSpec
from swm.layers.upsample import UpsampleSpec
from swm.layers.values import FixedLayer, Ints

__all__ = ["KINDS", "CompiledMove", "compiled_move"]

KINDS = (DepthToSpaceSpec, PadSpec, ReorderSpec, ReverseSpec, UpsampleSpec)


@dataclass(frozen=True, eq=False)
class CompiledMove:
    """A layer's table.

    Attributes:
        layer: which.
        library: fixed_beats.cpp.
        index: of each run of a frame that leaves, the run that it was; -1: none.
        width: values of a run: a token where tokens stay whole, else 1.
        fill: what stands where nothing was.
    """

    layer: FixedLayer
    library: ctypes.CDLL
    index: NDArray[np.int32]
    width: int
    fill: int

    def run(self, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """What the `run` of the layer's kind gives."""
        (given,), spec = values, self.layer.spec
        given = np.ascontiguousarray(given)
        size = spec.n * spec.positions
        frames = given.size // size
        out = np.empty((frames * spec.output.positions, spec.m), np.int64)
        ends = (size // self.width, self.index.ctypes.data, len(self.index), self.width, self.fill, out.ctypes.data)
        self.library.swm_fixed_moved(given.ctypes.data, frames, *ends)
        return out, {}


def compiled_move(layer: FixedLayer) -> CompiledMove | None:
    """The table of a layer, found by moving the numbers of its words; None for a kind that computes.

    Raises:
        ToolError: no compiler.
    """
    spec = layer.spec
    if not isinstance(spec, KINDS):
        return None
    fill = layer.arrays.get("fill")
    marked = layer if fill is None else replace(layer, arrays={**layer.arrays, "fill": np.full_like(fill, -1)})
    places = np.arange(spec.positions * spec.n, dtype=np.int64).reshape(-1, spec.n)
    moved, _ = registry.kind(spec.kind).run(marked, (places,))
    first = moved[:, :1]
    whole = spec.m == spec.n and bool(
        ((moved == first + np.arange(spec.n)) & (first % spec.n == 0) | (moved < 0)).all()
    )
    index, width = (first.reshape(-1) // spec.n, spec.n) if whole else (moved.reshape(-1), 1)
    library = load_library("fixed_beats.cpp", {})
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    library.swm_fixed_moved.argtypes = [pointer, number, number, pointer, number, number, number, pointer]
    library.swm_fixed_moved.restype = None
    table = np.ascontiguousarray(index, np.int32)
    return CompiledMove(layer, library, table, width, 0 if fill is None else int(fill[0]))
