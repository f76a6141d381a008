# SPDX-License-Identifier: Apache-2.0
"""Multiplications of an inference: those of one product, times the positions and steps that it runs at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.compress.activation_pairs import ActivationPairs
from swm.compress.hold_out import sample_count
from swm.engine import FloatEngine
from swm.errors import SwmError
from swm.graph import Conv, Graph, Linear, Node, Recurrent, Value
from swm.structure import BlockCirculantConv, WeightStructure

__all__ = ["Positions", "inference_positions", "multiplications"]

Array = NDArray[Any]
_NUMBERS = {1: np.float32, 6: np.int32, 7: np.int64, 10: np.float16, 11: np.float64}  # by ONNX's numbers
_MOST_VALUES = 1 << 24  # of inputs made up to learn shapes from


@dataclass(frozen=True)
class Positions:
    """How often an inference runs a layer's product.

    Attributes:
        written: output pixels of a convolution, tokens of a product, steps of a recurrent layer (of each direction).
        read: input pixels of a convolution, which its transforms of inputs run at, times its groups; else as `written`.
    """

    written: int
    read: int


def multiplications(weights: tuple[WeightStructure, ...], positions: Positions | None) -> int:
    """Real multiplications of an inference; of one position where these are not known.

    Args:
        weights: one a direction.
        positions: of the layer.
    """
    total = 0
    for weight in weights:
        if positions is None:
            total += weight.operations.multiplications
        elif isinstance(weight, BlockCirculantConv):
            total += weight.operations_of(positions.read, positions.written).multiplications
        else:
            total += weight.operations.multiplications * positions.written
    return total


def inference_positions(graph: Graph, feeds: Mapping[str, Array] | None) -> dict[str, Positions]:
    """Positions of every layer with weights, by name; those that nothing tells are left out.

    The network runs once, on the first given sample (or batch, of a model with a fixed one), else on zeros where only
    the batch of its inputs is free; shapes are read off. A network that does not run tells nothing.
    """
    layers = [n for n in graph.nodes if isinstance(n, Linear | Conv | Recurrent)]
    if not layers:
        return {}
    given = {v.name for v in graph.inputs}
    tensors = {t for n in layers for t in (n.inputs[0], *n.outputs[:1]) if t and t not in given}
    try:
        engine = FloatEngine(graph, sorted(tensors), deterministic=True)
    except SwmError:
        return {}
    shapes, batch = _run(engine, layers, _one(graph, feeds) if feeds else _zeros(graph, 1))
    if not feeds and _free(graph) and _run(engine, layers, _zeros(graph, 2))[1] != 2 * batch:
        return {}  # what is free is not the batch but the number of steps
    counted = {n.name: _counted(n, shapes, batch) for n in layers}
    return {name: positions for name, positions in counted.items() if positions is not None}


def _run(
    engine: FloatEngine, layers: Sequence[Node], sample: Mapping[str, Array] | None
) -> tuple[Mapping[str, tuple[int, ...]], int]:
    """Shapes of all tensors at the layers, and how many inferences they belong to; 0 where the network does not run."""
    if sample is None:
        return {}, 0
    try:
        arrays = {**sample, **engine.run(sample)}
    except SwmError:
        return {}, 0
    shapes = {t: a.shape for t, a in arrays.items() if isinstance(a, np.ndarray)}
    return shapes, _batch(layers, shapes, sample)


def _one(graph: Graph, feeds: Mapping[str, Array]) -> Mapping[str, Array] | None:
    """The first sample; of a recurrent network, whose samples may lie along another axis, as much as runs at a time."""
    count = sample_count(feeds)
    size = next((d for d in graph.first_sizes() if isinstance(d, int) and d > 0), 1)
    if count is None or any(isinstance(n, Recurrent) for n in graph.nodes):
        return next(iter(ActivationPairs(graph, graph, feeds).parts()), None)
    return {t: a[:size] for t, a in feeds.items()}


def _free(graph: Graph) -> bool:
    """Whether a recurrent network leaves the first dimension of an input free, which may be that of its steps."""
    firsts = [v.type.shape[0] for v in graph.inputs if v.type and v.type.shape]
    return any(isinstance(n, Recurrent) for n in graph.nodes) and not all(isinstance(d, int) for d in firsts)


def _zeros(graph: Graph, batch: int) -> Mapping[str, Array] | None:
    made = {v.name: _zero(v, batch) for v in graph.inputs}
    return None if any(a is None for a in made.values()) else {t: a for t, a in made.items() if a is not None}


def _zero(value: Value, batch: int) -> Array | None:
    """Zeros for an input all of whose dimensions but the first are numbers; a free first one is `batch`."""
    if value.type is None or value.type.shape is None or value.type.elem not in _NUMBERS:
        return None
    first, *others = value.type.shape or (1,)
    shape = [d for d in (first if isinstance(first, int) else batch, *others) if isinstance(d, int)]
    if len(shape) < 1 + len(others) or prod(shape) > _MOST_VALUES:
        return None
    return np.zeros(shape[: len(value.type.shape)], _NUMBERS[value.type.elem])


def _batch(layers: Sequence[Node], shapes: Mapping[str, tuple[int, ...]], sample: Mapping[str, Array]) -> int:
    """Inferences in the sample: of a recurrent network by its own layout, which says where they lie."""
    for node in layers:
        if isinstance(node, Recurrent) and len(shapes.get(node.inputs[0], ())) == 3:
            return shapes[node.inputs[0]][1 - node.layout]
    return max((len(a) for a in sample.values() if a.ndim), default=1)


def _counted(node: Node, shapes: Mapping[str, tuple[int, ...]], batch: int) -> Positions | None:
    read, written = shapes.get(node.inputs[0]), shapes.get(node.outputs[0])
    if read is None or not batch:
        return None
    match node:
        case Recurrent():
            written = (*read[:-1], 1)
        case Conv() if written is not None:  # channels stand second
            read, written = ((s[0], *s[2:], 1) for s in (read, written))
        case _:
            read = written
    if read is None or written is None or prod(written[:-1]) % batch or prod(read[:-1]) % batch:
        return None
    groups = node.group if isinstance(node, Conv) else 1  # the transforms of a kernel are those of one group
    return Positions(prod(written[:-1]) // batch, prod(read[:-1]) // batch * groups)
