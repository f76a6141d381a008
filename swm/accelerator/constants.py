# SPDX-License-Identifier: Apache-2.0
"""Constants that meet every sample: positions that are added, class tokens that are joined, cosines and sines."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, numpy_helper

from swm.graph import Add, Affine, Concat, Expand, Graph, Node, Opaque, Pad, rotations_of
from swm.layers.offset import Offsets
from swm.layers.rotary import Rotations

__all__ = ["masks", "with_offsets", "with_rotations"]

_HIDES = 99.0  # so far below the greatest of its row, an exponent is 0 in float32 but for scores that far apart
_MOST_VALUES = 1 << 22  # of a constant that is written out


def with_offsets(graph: Graph) -> Graph:
    """The graph with sums and joins with constants as nodes `Offsets`; tensors keep their names.

    A sum counts where the constant is more than a row along the last axis, which is an Affine already; a join where all
    but one of what it joins, along the first axis of a sample, is the same for every sample.
    """
    writers, made = graph.producers(), dict[str, Node]()
    reads = Counter(t for node in graph.nodes for t in node.inputs)
    reads.update(v.name for v in graph.outputs)
    nodes = []
    for node in graph.nodes:
        found = _joined(graph, writers, node) if isinstance(node, Concat) else None
        if isinstance(node, Add):
            found = _added(graph, node)
            found = None if found is None else _widened(graph, writers, reads, found)
            before = None if found is None else made.get(found.inputs[0])
            apart = found is not None and masks(found.table) is not None
            if found is not None and isinstance(before, Offsets) and reads[found.inputs[0]] == 1 and not apart:
                found = replace(before, name=node.name, outputs=node.outputs, table=before.table + found.table)
        if found is not None:
            made[node.outputs[0]] = found
        nodes.append(node if found is None else found)
    return replace(graph, nodes=tuple(nodes))


def with_rotations(graph: Graph) -> Graph:
    """The graph with rotary position embeddings as one node `Rotations` each; tensors keep their names."""
    last: dict[str, Node] = {}
    for found in rotations_of(graph, lambda t: None if (sizes := graph.sample_shape(t)) is None else (1, *sizes)):
        node = found.nodes[-1]
        last[found.output] = Rotations(
            name=node.name,
            inputs=(found.source,),
            outputs=node.outputs,
            cosines=found.cosines[0],
            sines=found.sines[0],
            partner=found.partner[0],
        )
    return replace(graph, nodes=tuple(last.get(node.outputs[0], node) for node in graph.nodes)) if last else graph


def masks(table: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Which values a table that is added before a Softmax hides; None where it does more, or hides nothing.

    Args:
        table: in the shape of a sample, rows along the last axis. Others than the hidden values have one value a row.
    """
    if np.isnan(table).any() or not table.size:
        return None
    hidden = ~(table > table.max() - _HIDES)
    least, greatest = (np.where(hidden, other, table) for other in (np.inf, -np.inf))
    alike = least.min(axis=-1) >= greatest.max(axis=-1)
    return hidden if hidden.any() and alike.all() else None


def _sample(graph: Graph, tensor: str) -> tuple[int, ...] | None:
    """The shape of a sample of a tensor; None where it is not known, or there is no axis but that of samples."""
    sizes = graph.sample_shape(tensor)
    return sizes if sizes and 0 < prod(sizes) <= _MOST_VALUES else None


def _added(graph: Graph, node: Add) -> Offsets | None:
    constants = [t for t in node.inputs if t in graph.constants]
    others = [t for t in node.inputs if t not in graph.constants]
    if len(constants) != 1 or len(others) != 1:
        return None
    values, shape = np.asarray(graph.constants[constants[0]]), _sample(graph, others[0])
    if shape is None or shape != _sample(graph, node.outputs[0]) or values.dtype != np.float32:
        return None
    if values.ndim > len(shape):
        if values.shape[0] != 1 or values.ndim != len(shape) + 1:
            return None
        values = values[0]
    if any(have not in (1, want) for have, want in zip(values.shape[::-1], shape[::-1], strict=False)):
        return None
    table = np.ascontiguousarray(np.broadcast_to(values, shape))
    return Offsets(name=node.name, inputs=(others[0],), outputs=node.outputs, table=table)


def _widened(graph: Graph, writers: dict[str, Node], reads: Counter[str], found: Offsets) -> Offsets:
    """Where zeros were put before and behind what is added to, along the first axis of a sample, the sum puts them."""
    pad = writers.get(found.inputs[0])
    if not isinstance(pad, Pad) or pad.mode != "constant" or pad.value or reads[pad.outputs[0]] != 1:
        return found
    rank = len(pad.pads) // 2
    before, behind = pad.pads[:rank], pad.pads[rank:]
    if rank != found.table.ndim + 1 or rank < 3 or min(before[1], behind[1]) < 0:
        return found
    if any(before[:1] + before[2:] + behind[:1] + behind[2:]):
        return found
    return replace(found, inputs=pad.inputs[:1], before=before[1], after=behind[1])


def _joined(graph: Graph, writers: dict[str, Node], node: Concat) -> Offsets | None:
    parts = [_repeated(graph, writers, t) for t in node.inputs]
    streams = [i for i, part in enumerate(parts) if part is None]
    rank = None if (shape := _sample(graph, node.outputs[0])) is None else len(shape) + 1
    if (
        len(streams) != 1
        or len(parts) < 2
        or shape is None
        or rank is None
        or node.axis not in (1, 1 - rank)
        or rank < 3
    ):
        return None
    (place,) = streams
    inner = _sample(graph, node.inputs[place])
    if inner is None or inner[1:] != shape[1:]:
        return None
    parts[place] = np.zeros(inner, np.float32)
    whole = [part for part in parts if part is not None]
    if any(part.shape[1:] != shape[1:] for part in whole) or sum(len(part) for part in whole) != shape[0]:
        return None
    before = sum(len(part) for part in whole[:place])
    return Offsets(
        name=node.name,
        inputs=(node.inputs[place],),
        outputs=node.outputs,
        table=np.concatenate(whole),
        before=before,
        after=shape[0] - before - inner[0],
    )


def _repeated(graph: Graph, writers: dict[str, Node], tensor: str) -> NDArray[np.float32] | None:
    """What a tensor holds for every sample, where that is the same."""
    if tensor in graph.constants:  # of a batch of its own, so it meets one sample only
        return None
    node, shape = writers.get(tensor), _sample(graph, tensor)
    if node is None or shape is None:
        return None
    values: NDArray[np.generic] | None = None
    if isinstance(node, Affine):
        below = _repeated(graph, writers, node.inputs[0])
        axis = node.axis + len(shape) + 1 if node.axis < 0 else node.axis
        if below is None or (axis < 1 and len(node.scale) > 1):
            return None
        along = [1] * len(shape)
        along[axis - 1 if len(node.scale) > 1 else -1] = len(node.scale)
        values = below * node.scale.reshape(along) + node.shift.reshape(along)
    elif isinstance(node, Add):
        one, other = (graph.constants.get(t, _repeated(graph, writers, t)) for t in node.inputs)
        values = None if one is None or other is None else np.asarray(one + other)
    elif isinstance(node, Opaque) and node.op_type == "ConstantOfShape" and not node.domain:
        held = [a.t for a in NodeProto.FromString(node.proto).attribute if a.name == "value"]
        values = numpy_helper.to_array(held[0]) if held else np.zeros(1, np.float32)
    elif isinstance(node, Expand) or (isinstance(node, Opaque) and node.op_type == "Expand" and not node.domain):
        values = graph.constants.get(node.inputs[0])
    if values is None or values.ndim > len(shape) + 1:
        return None
    if values.ndim == len(shape) + 1:
        if values.shape[0] != 1:
            return None
        values = values[0]
    if any(have not in (1, want) for have, want in zip(values.shape[::-1], shape[::-1], strict=False)):
        return None
    return np.ascontiguousarray(np.broadcast_to(values, shape).astype(np.float32))
