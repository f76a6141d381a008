# SPDX-License-Identifier: Apache-2.0
"""What a structured layer has to compute on an input of some shape, in the terms of the cost model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from swm.engine.kernels import CellParameters, CellShape, CompiledCell, CompiledConv, ConvShape, Shape
from swm.engine.kernels.cost import AnyShape
from swm.graph import GRU, LSTM, Conv, Linear, Node, Recurrent
from swm.structure import BlockCirculant

__all__ = ["Workload", "cell_parameters", "workload"]


@dataclass(frozen=True)
class Workload:
    """A layer at one size.

    Attributes:
        shape: for the cost model.
        libraries: sources and block sizes of the compiled kernels.
        missing: engines that cannot run it, and why.
        values: that a product or a convolution reads and writes; of a recurrent layer, which does much with each, 0.
    """

    shape: AnyShape
    libraries: tuple[tuple[str, int], ...]
    missing: Mapping[str, str]
    values: int = 0


def workload(node: Node, x: Sequence[int], threads: int) -> Workload | None:
    """The work of a layer on an input of shape x; None for structures that only run themselves."""
    match node:
        case Linear() if isinstance(node.weight, BlockCirculant):
            p, q, k = node.weight.columns.shape
            m, n = node.weight.shape
            rows = max(math.prod(x[:-1]), 1)
            return Workload(Shape(p, q, k, rows, threads), (("matmul.cpp", k),), {}, rows * (m + n))
        case Conv():
            return _of_conv(node, x, threads)
        case Recurrent():
            return _of_recurrent(node, x, threads)
    return None


def _of_conv(node: Conv, x: Sequence[int], threads: int) -> Workload | None:
    blocks = CompiledConv.blocks(node.weight)
    if blocks is None:
        return None
    taps, p, q, k = blocks
    rank = len(node.kernel)
    missing = {"compiled": "more than two spatial axes"} if rank > 2 else {}
    padded = [n + node.pads[i] + node.pads[rank + i] for i, n in enumerate(x[2:])]
    reach = [(r - 1) * d for r, d in zip(node.kernel, node.dilations, strict=True)]
    out = [max(n - r - 1, 0) // s + 1 for n, r, s in zip(padded, reach, node.strides, strict=False)]
    shape = ConvShape(taps, p, q, k, math.prod(padded), math.prod(out), max(x[0] if x else 1, 1), threads)
    values = shape.batch * (math.prod(x[1:]) + node.weight.shape[0] * math.prod(out))
    return Workload(shape, (("conv.cpp", k),), missing, values)


def _of_recurrent(node: Recurrent, x: Sequence[int], threads: int) -> Workload:
    missing = {}
    r, w = node.recurrent_weight[0], node.input_weight[0]
    if node.layout:
        missing["dense"] = "onnxruntime has no recurrent layers with the batch first"
    block = CompiledCell.block(r)
    if block is None:
        missing["compiled"] = f"R is {r.label}"
    elif not all(cell_parameters(node, d).compiles() for d in range(node.directions)):
        missing["compiled"] = f"it has no activation {', '.join(sorted({a.name for a in node.activations}))}"
    steps, batch = (x[0], x[1]) if len(x) == 3 else (1, 1)
    steps, batch = (batch, steps) if node.layout else (steps, batch)
    words = (w.words, math.prod(w.shape), r.words, math.prod(r.shape))
    shape = CellShape(*words, node.gates * node.hidden, steps, max(batch, 1), threads)
    products = {w.block for w in node.input_weight if isinstance(w, BlockCirculant)}
    libraries = (("recurrent.cpp", block or 1), *(("matmul.cpp", k) for k in sorted(products)))
    return Workload(shape, libraries, missing)


def cell_parameters(node: Recurrent, d: int) -> CellParameters:
    """One direction of a node in the terms of the compiled kernel."""
    n, rows = node.hidden, node.gates * node.hidden
    both = np.zeros(2 * rows, np.float32) if node.bias is None else node.bias[d]
    bias, rest = both[:rows] + both[rows:], None
    after = isinstance(node, GRU) and node.linear_before_reset
    if after:  # R's bias of gate h is inside the reset
        bias, rest = np.concatenate([bias[: 2 * n], both[2 * n : rows]]), both[rows + 2 * n :]
    places = len(node.activations) // node.directions
    peepholes = node.peepholes[d] if isinstance(node, LSTM) and node.peepholes is not None else None
    return CellParameters(
        kind=type(node).__name__,  # type: ignore[arg-type]
        hidden=n,
        activations=tuple((a.name, a.alpha, a.beta) for a in node.activations[d * places : (d + 1) * places]),
        bias=bias,
        clip=node.clip,
        peepholes=peepholes,
        input_forget=isinstance(node, LSTM) and node.input_forget,
        linear_before_reset=after,
        rest_bias=rest,
    )
