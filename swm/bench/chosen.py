# SPDX-License-Identifier: Apache-2.0
"""The engine that the cost model chooses for a layer that stands alone, with what runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from swm.engine.kernels import Policy
from swm.engine.structured import StructuredLayer
from swm.engine.workload import workload
from swm.graph import Node

__all__ = ["Layer", "chosen_layer"]

Layer = Callable[[Sequence[NDArray[Any]]], tuple[NDArray[Any], ...]]


def chosen_layer(node: Node, x: NDArray[Any], threads: int, dense: Layer) -> tuple[str, Layer]:
    """(engine, layer) for inputs like x; `dense` is the layer with its weights written out."""
    work = workload(node, x.shape, threads)
    assert work is not None  # the benchmarks' layers are block-circulant
    engine = Policy("eager", threads).choice(work.shape, work.missing).engine
    return engine, dense if engine == "dense" else StructuredLayer(node, Policy("eager", threads, engine))
