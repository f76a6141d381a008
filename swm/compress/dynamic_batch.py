# SPDX-License-Identifier: Apache-2.0
"""Models exported with a fixed batch: many samples at once while converting, where a trial run proves it right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.engine import FloatEngine
from swm.errors import OptionError, SwmError
from swm.graph import Conv, Graph, Linear, Node, Reshape, Value

__all__ = ["free_batch", "make_batch_dynamic"]

TRIAL = 3  # batches of the trial run
RTOL, ATOL = 1e-4, 1e-5


def make_batch_dynamic(graph: Graph, feeds: Mapping[str, NDArray[Any]]) -> Graph:
    """The graph with a free leading dimension of its inputs, if it then still computes what it computed.

    Batch by batch, calibration pays onnxruntime's cost of a call for every sample. A Reshape, say, may have the batch
    written in it; so every output and every matrix's or convolution's answer is compared on the first batches.
    """
    sizes = graph.first_sizes()
    size = sizes.pop() if len(sizes) == 1 else None
    samples = {len(a) if a.ndim else 0 for a in feeds.values()}
    if not isinstance(size, int) or size < 1 or len(samples) != 1 or max(samples) < 2 * size:
        return graph
    freed = replace(graph, inputs=tuple(map(_freed, graph.inputs)))
    answers = [t for n in graph.nodes if isinstance(n, Linear | Conv) for t in n.outputs]
    names = list(dict.fromkeys([*(v.name for v in graph.outputs), *answers]))
    few = {t: a[: TRIAL * size] for t, a in feeds.items()}
    if len(next(iter(few.values()))) % size:
        return graph
    try:
        wanted = FloatEngine(graph, names).run(few)
        got = FloatEngine(freed, names).run(few)
    except SwmError:
        return graph
    same = all(
        got[t].shape == wanted[t].shape and np.allclose(got[t], wanted[t], rtol=RTOL, atol=ATOL, equal_nan=True)
        for t in names
    )
    return freed if same else graph


def free_batch(graph: Graph, feeds: Mapping[str, NDArray[Any]]) -> Graph:
    """As `make_batch_dynamic`; a batch that Reshape nodes have written in them is freed there, too, if that is right.

    Raises:
        OptionError: samples run in other batches give other answers, as where axis 0 of an input is time.
    """
    sizes = graph.first_sizes()
    if not any(isinstance(size, int) for size in sizes):
        return graph
    freed = make_batch_dynamic(graph, feeds)
    if freed is graph and len(sizes) == 1:
        (size,) = sizes
        nodes = [_reshape_freed(node, size) for node in graph.nodes]
        changed = graph.with_nodes(nodes)
        freed = make_batch_dynamic(changed, feeds)
        freed = graph if freed is changed else freed
    if freed is graph:
        raise OptionError(
            f"{graph.source or graph.name!r} was exported for a batch of {sizes}, and in other batches gives other "
            "answers, or there are fewer samples than two batches; export it with a free batch axis, as axis 0"
        )
    return freed


def _reshape_freed(node: Node, size: object) -> Node:
    """`(1, 64)` as `(-1, 64)`; `(1, -1)` as `(0, -1)`."""
    if not isinstance(node, Reshape) or node.allowzero or not node.shape or node.shape[0] != size:
        return node
    return replace(node, shape=(0 if -1 in node.shape else -1, *node.shape[1:]))


def _freed(value: Value) -> Value:
    assert value.type is not None  # make_batch_dynamic has read its shape
    assert value.type.shape is not None
    return replace(value, type=replace(value.type, shape=(None, *value.type.shape[1:])))
