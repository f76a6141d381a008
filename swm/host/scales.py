# SPDX-License-Identifier: Apache-2.0
"""Powers of two by which the parts of a frame are brought to one range, as hardware has one format for all of them.

Where tensors are joined for the hardware (`given_states.py`), or behind it (`states.py`), each part passes an Affine of
1 on both sides. Once values are known the one multiplies and the other divides: in hardware that moves a binary point,
and costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import floor, log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.graph import Affine, Concat, Graph, Node, Slice
from swm.host.cut import Split

__all__ = ["scaled_parts"]

_MOST = 24  # doublings, of a part that is nearly zero


def scaled_parts(made: Split, values: Mapping[str, NDArray[Any]]) -> Split:
    """The same network with every part of a joined tensor in the range of the largest; itself where none is joined.

    Args:
        made: the split.
        values: of the tensors that the hardware reads and writes, over a calibration set.
    """
    if made.hardware is None:
        return made
    factors: dict[str, float] = {}
    start, end = made.hardware.inputs[0].name, made.hardware.outputs[0].name
    sides = (made.before, made.hardware, start), (made.hardware, made.after, end)
    for joining, parting, tensor in sides:
        if joining is not None and parting is not None and tensor in values:
            factors |= _factors(joining, parting, tensor, values[tensor])
    if all(factor == 1 for factor in factors.values()):
        return made
    graph, hardware = (_with_factors(g, factors) for g in (made.graph, made.hardware))
    before, after = (None if g is None else _with_factors(g, factors) for g in (made.before, made.after))
    return replace(made, graph=graph, before=before, hardware=hardware, after=after)


def _factors(joining: Graph, parting: Graph, tensor: str, values: NDArray[Any]) -> dict[str, float]:
    """The factor of each Affine around a tensor, by its name."""
    writers = joining.producers()
    joined = writers.get(tensor)
    if not isinstance(joined, Concat):
        return {}
    cuts = {n.starts[0]: n for n in parting.nodes if isinstance(n, Slice) and n.inputs[0] == tensor}
    readers = parting.consumers()
    pairs: list[tuple[Node, Node, float]] = []
    largest, at = 0.0, 0
    for part in joined.inputs:
        outer, cut = writers.get(part), cuts.get(at)
        if cut is None:
            return {}
        end = cut.ends[0]
        most = float(np.abs(values[:, at:end]).max(initial=0.0))
        inner = next((n for n in readers.get(cut.outputs[0], ()) if isinstance(n, Affine)), None)
        if isinstance(outer, Affine) and inner is not None:
            pairs.append((outer, inner, most))
        largest, at = max(largest, most), end
    found: dict[str, float] = {}
    for one, other, most in pairs:
        doublings = min(_MOST, floor(log2(largest / most))) if most > 0 else 0
        found |= {one.name: 2.0**doublings, other.name: 2.0**-doublings}
    return found


def _with_factors(graph: Graph, factors: Mapping[str, float]) -> Graph:
    def made(node: Node) -> Node:
        if node.name not in factors or not isinstance(node, Affine):
            return node
        return replace(node, scale=np.array([factors[node.name]], np.float32))

    return replace(graph, nodes=tuple(map(made, graph.nodes)))
