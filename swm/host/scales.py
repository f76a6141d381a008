# SPDX-License-Identifier: Apache-2.0
"""Powers of two by which the parts of a frame are brought to one range, as hardware has one format for all of them.

Where tensors are joined for the hardware (`given_states.py`), or behind it (`states.py`), each part passes an Affine of
1 on both sides. Once values are known the one multiplies and the other divides: in hardware that moves a binary point,
and costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import floor, log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.graph import LSTM, Affine, Concat, Graph, Node, Slice
from swm.host.cut import Split
from swm.host.states import BACK

__all__ = ["ranged_tensors", "scaled_cells", "scaled_parts"]

_MOST = 24  # doublings, of a part that is nearly zero


def scaled_parts(made: Split, values: Mapping[str, NDArray[Any]]) -> Split:
    """The same network with every part of a joined tensor in the range of the largest; itself where none is joined.

    Args:
        made: the split, its cells already in the range of their outputs.
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
    return _scaled(made, factors)


def scaled_cells(made: Split, values: Mapping[str, NDArray[Any]]) -> Split:
    """The same network with the last cells of each layer in the range of its outputs; itself where none leave.

    Args:
        made: the split.
        values: of `ranged_tensors`, over a calibration set.
    """
    factors: dict[str, float] = {}
    names = {node.name for node in made.graph.nodes}
    for node, *tensors in _cells(made.hardware):
        outputs, cells = (float(np.abs(values[t]).max(initial=0.0)) for t in tensors)
        back = node.name + BACK
        if back in names:
            doublings = _doublings(outputs, cells)
            factors |= {node.name: 2.0**doublings, back: 2.0**-doublings}
    return _scaled(made, factors)


def _scaled(made: Split, factors: Mapping[str, float]) -> Split:
    if made.hardware is None or all(factor == 1 for factor in factors.values()):
        return made
    ranged = [node for node in made.graph.nodes if isinstance(node, Affine) and node.name in factors]
    return made.with_nodes(replace(node, scale=np.array([factors[node.name]], np.float32)) for node in ranged)


def ranged_tensors(made: Split) -> list[str]:
    """The tensors whose ranges decide how cells leave beside outputs."""
    return [t for _, outputs, cells in _cells(made.hardware) for t in (outputs, cells)]


def _cells(hardware: Graph | None) -> Iterator[tuple[Affine, str, str]]:
    """What brings the last cells of a layer to the range of its outputs, with the tensors of both."""
    nodes = () if hardware is None else hardware.nodes
    layers = {n.outputs[2]: n for n in nodes if isinstance(n, LSTM) and len(n.outputs) > 2}
    for node in nodes:
        layer = layers.get(node.inputs[0]) if isinstance(node, Affine) else None
        if isinstance(node, Affine) and layer is not None:
            yield node, layer.outputs[0] or layer.outputs[1], node.inputs[0]


def _doublings(wanted: float, most: float) -> int:
    """Those that bring one range below another."""
    return max(-_MOST, min(_MOST, floor(log2(wanted / most)))) if most > 0 and wanted > 0 else 0


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
        doublings = _doublings(largest, most)
        found |= {one.name: 2.0**doublings, other.name: 2.0**-doublings}
    return found
