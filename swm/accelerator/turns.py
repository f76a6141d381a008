# SPDX-License-Identifier: Apache-2.0
"""In which tokens the sequences of a frame take turns, tensor by tensor.

A frame of n sequences holds the first token of every one, then the second of every one, and so on. Tokens of a tensor
need not be equal: where a caller gives states, a token of each comes in front of the steps. What a tensor's tokens are
follows from the layers that write it; those of the input from the layers that read it.
"""

from __future__ import annotations

from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.fixed_graph import FixedGraph, NetworkShape, ShapedLayer
from swm.accelerator.frames import Tokens
from swm.layers.concat import ConcatSpec
from swm.layers.pad import PadSpec
from swm.layers.values import TensorShape

__all__ = ["tokens_in_turns", "turning", "widened"]

_EACH_ALONE = ("recurrent", "reverse", "dense", "circulant", "scale", "prelu", "layernorm", "add", "concat", "pad")
"""Kinds that do the same at every position, or know of sequences."""

Ends = NDArray[np.int64]  # of the tokens of a sample, in values, rising; the last one is the size


def tokens_in_turns(graph: FixedGraph) -> dict[str, Tokens]:
    """The tokens of a sequence in each tensor of a network whose sequences take turns; none where a frame is one."""
    if graph.sequences == 1:
        return {}
    return {tensor: _tokens(ends) for tensor, ends in turning(graph.shape, graph.sequences)[0].items()}


def turning(network: NetworkShape, sequences: int = 1) -> tuple[dict[str, Ends], str]:
    """Where the tokens of each tensor end, and the first layer that mixes the tokens of a sequence (empty: none does).

    Args:
        network: by its shapes, for frames of so many sequences.
        sequences: of a frame.
    """
    ends = {network.input: _wanted(network, network.input, sequences)}
    for layer in network.layers:
        made = _written(layer, tuple(ends[t] for t in layer.inputs), sequences)
        if made is None:
            return ends, layer.spec.name
        ends[layer.output] = made
    return ends, ""


def widened(layer: ShapedLayer, ends: dict[str, Ends]) -> bool:
    """Whether a layer joins tensors of several tokens, whole: those of all sequences are its channels then."""
    spec = layer.spec
    return isinstance(spec, ConcatSpec) and spec.positions == 1 and any(len(ends[t]) > 1 for t in layer.inputs)


def _written(layer: ShapedLayer, given: tuple[Ends, ...], sequences: int) -> Ends | None:
    """The ends of what a layer writes; None where it reads other tokens than there are."""
    spec = layer.spec
    if isinstance(spec, PadSpec):
        return _cut(spec, given[0], sequences)
    if spec.kind not in _EACH_ALONE:
        return None
    if isinstance(spec, ConcatSpec) and spec.positions == 1:
        starts = np.cumsum([0, *(ends[-1] for ends in given[:-1])])
        whole = np.concatenate([ends + start for ends, start in zip(given, starts, strict=True)])
        return whole if max(map(len, given)) > 1 else whole[-1:]
    same = (np.array_equal(ends, _even(s, sequences)) for ends, s in zip(given, spec.inputs, strict=True))
    return _even(spec.output, sequences) if all(same) else None


def _cut(spec: PadSpec, given: Ends, sequences: int) -> Ends | None:
    """What is left of a sample, and tokens of zeros around it."""
    if spec.margins.grid[1] > 1:
        return None
    before, behind = spec.margins.before[0] // sequences * spec.n, spec.margins.behind[0] // sequences * spec.n
    start, end = max(-before, 0), int(given[-1]) - max(-behind, 0)
    if {start, end} - {0, *given.tolist()}:
        return None
    zeros = (np.arange(spec.n, more + 1, spec.n) for more in (before, behind))
    front, back = zeros
    inside = given[(given > start) & (given <= end)] - start + max(before, 0)
    return np.concatenate([front, inside, back + (inside[-1] if len(inside) else 0)])


def _wanted(network: NetworkShape, tensor: str, sequences: int) -> Ends:
    """Where the readers of a tensor want its tokens to end; of what is cut out of it, where the readers of that do."""
    found: list[Ends] = []
    for layer in network.layers:
        for source, shape in zip(layer.inputs, layer.spec.inputs, strict=True):
            if source != tensor:
                continue
            ends = _even(shape, sequences)
            if isinstance(layer.spec, PadSpec):
                size, margins = int(ends[-1]), layer.spec.margins
                start = -margins.before[0] // sequences * shape.channels
                inside = _wanted(network, layer.output, sequences) + start
                ends = np.concatenate([[start, size], inside])
                ends = ends[(ends > 0) & (ends <= size)]
            found.append(ends)
    return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)


def _even(shape: TensorShape, sequences: int) -> Ends:
    """The ends of tokens that are positions."""
    return np.arange(1, shape.positions // sequences + 1) * shape.channels


def _tokens(ends: Ends) -> Tokens:
    sizes = np.diff(ends, prepend=0).tolist()
    return tuple((len(list(group)), size) for size, group in groupby(sizes))
