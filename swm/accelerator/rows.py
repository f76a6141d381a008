# SPDX-License-Identifier: Apache-2.0
"""Nodes that work on rows, whatever the order in which the rows pass: products of two activations, Softmax, constants.

The heads of attention are an axis of the graph that Transposes move about. Here it stays where it is: each operand
passes as its writer gives it, and the layer is told in which order that is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import accumulate
from math import prod
from operator import mul
from typing import Literal

import numpy as np

from swm.accelerator.layout import Order, order_of, passing_axes, repeated_parts, repeats
from swm.accelerator.operands import REPEATED, Streams
from swm.graph import MatMul, Node, Softmax
from swm.layers.base import Obstacle, Operand
from swm.layers.beats import distinct_rows
from swm.layers.matmul import HeadProducts
from swm.layers.offset import Offsets
from swm.layers.rotary import Rotations
from swm.layers.softmax import SoftRows

__all__ = ["ROWS", "Taken", "take_rows"]

ROWS: tuple[type[Node], ...] = (MatMul, Softmax, SoftRows, Offsets, Rotations)


@dataclass(frozen=True, eq=False)
class Taken:
    """A node as its kind sees it, its operands, and the order of what it writes."""

    node: Node
    operands: tuple[Operand, ...]
    order: Order | Literal["image"]


def take_rows(streams: Streams, node: Node, sources: list[str]) -> Taken | Obstacle | None:
    """A node of `ROWS`; None where an obstacle before it, reported already, hides its operands."""
    lost = {streams.origin[t] for t in sources if streams.of(t).lost}
    shapes = [streams.sizes(t) for t in sources]
    if lost - {v.name for v in streams.graph.inputs}:
        return None
    if lost or any(shape is None for shape in shapes):
        return Obstacle("the shape of what it reads is unknown", "export with static shapes but for the batch")
    known = [shape for shape in shapes if shape is not None]
    if () in known:
        whole = sources[known.index(())]
        return Obstacle(
            f"it reads {whole!r}, which has no values behind the axis of samples",
            "export it as a constant, a matrix of one column, if it is the same for all samples, else with their axis",
        )
    sizes = [(streams.of(t).size or 0) * repeats(streams.orders[t]) for t in sources]
    if not all(shape and prod(shape) == size for size, shape in zip(sizes, known, strict=True)):
        return Obstacle("it reads a tensor of another shape than the model says", "export with the right shapes")
    for tensor in sources[:1]:  # the second operand of a product is what heads share
        if repeats(streams.orders[tensor]) > 1:
            return streams.moved(tensor)
    if isinstance(node, MatMul):
        return _products(streams, node, sources, known)
    if isinstance(node, Offsets):
        return _offsets(streams, node, sources[0], known[0])
    if isinstance(node, Rotations):
        return _rotations(streams, node, sources[0], known[0])
    assert isinstance(node, Softmax | SoftRows)
    return _softmax(streams, node, sources[0], known[0])


def _softmax(streams: Streams, node: Softmax | SoftRows, tensor: str, shape: tuple[int, ...]) -> Taken | Obstacle:
    if node.axis not in (-1, len(shape)):
        return Obstacle(f"it runs along axis {node.axis}", "hardware takes a Softmax along the last axis")
    seen = node if isinstance(node, SoftRows) else SoftRows(name=node.name, inputs=(tensor,), outputs=node.outputs)
    operand = _rows(streams, tensor, shape)
    if isinstance(operand, Obstacle):
        return operand
    order = streams.orders[tensor] if operand.tensor == streams.origin[tensor] else None
    if seen.hidden is not None:
        hidden = seen.hidden[None] if order is None else order.to_words(seen.hidden[None])
        seen = replace(seen, hidden=hidden.reshape(-1, shape[-1]))
    return Taken(seen, (operand,), order)


def _offsets(streams: Streams, node: Offsets, tensor: str, shape: tuple[int, ...]) -> Taken | Obstacle:
    """Constants in the order in which the values pass; where positions are joined to them, in the model's."""
    order, source, size = streams.orders[tensor], streams.origin[tensor], prod(shape)
    if order is not None and node.before + node.after:
        if (obstacle := streams.moved(tensor)) is not None:
            return obstacle
        order, source = None, streams.brought(tensor, None, shape[-1])
    channels = shape[-1] if order is None else order.channels
    table = node.table[None] if order is None else order.to_words(node.table[None])
    tokens = prod(shape[1:]) // channels if node.before + node.after else 0  # of a position along the first axis
    seen = replace(node, table=table.reshape(-1, channels), before=node.before * tokens, after=node.after * tokens)
    return Taken(seen, (Operand(source, channels, size // channels),), order)


def _rotations(streams: Streams, node: Rotations, tensor: str, shape: tuple[int, ...]) -> Taken:
    """Constants in the order in which values pass, in tokens of as many channels as make the smallest tables."""
    order, size = streams.orders[tensor], prod(shape)
    places = np.arange(size) if order is None else order.to_words(np.arange(size)[None])[0]
    back = np.empty_like(places)  # of each value of the tensor its place in the stream
    back[places] = np.arange(size)
    partner = back[node.partner.reshape(-1)[places]]
    cosines, sines = (table.reshape(-1)[places] for table in (node.cosines, node.sines))
    apart = 2 * int(np.abs(partner - np.arange(size)).max())
    passing = [part.size for part in passing_axes(order, shape) or ()] or [size]
    groups = [n for n in accumulate(reversed(passing), mul) if n % apart == 0] or [size]

    def stored(channels: int) -> int:
        return int(distinct_rows(np.stack([cosines, sines], axis=1).reshape(-1, 2 * channels))[0].size)

    channels = min(groups, key=stored)
    seen = replace(node, cosines=cosines.reshape(-1, channels), sines=sines.reshape(-1, channels), partner=partner)
    return Taken(seen, (Operand(streams.origin[tensor], channels, size // channels),), order)


def _rows(streams: Streams, tensor: str, shape: tuple[int, ...]) -> Operand | Obstacle:
    """A tensor as rows along its last axis, in whatever order the rows pass."""
    roles = _roles(streams, tensor, shape, {len(shape) - 1: "last"})
    size = prod(shape)
    if shape[-1] > 1 and (roles is None or roles[-1] != "last"):
        if (obstacle := streams.moved(tensor)) is not None:
            return obstacle
        return Operand(streams.brought(tensor, None, shape[-1]), shape[-1], size // shape[-1])
    return Operand(streams.origin[tensor], shape[-1], size // shape[-1])


def _products(streams: Streams, node: MatMul, sources: list[str], shapes: list[tuple[int, ...]]) -> Taken | Obstacle:
    if len(sources) != 2:
        return Obstacle(
            "one of its operands is a constant that is no matrix of weights",
            "hardware takes activations, or one matrix as the second operand; write a vector as a matrix of one column",
        )
    a, b = shapes
    if len(a) < 2 or len(b) < 2 or a[:-2] != b[:-2]:
        what = f"it multiplies activations of {a} and {b} values a sample"
        return Obstacle(what, f"hardware takes matrices of equal batch axes; {_alike(streams, sources[1])}")
    heads, (rows, inner) = prod(a[:-2]), a[-2:]
    columns = b[-2] if node.transpose_b else b[-1]
    if b[-1 if node.transpose_b else -2] != inner:
        return Obstacle(f"it multiplies {a} and {b} values a sample", "export the model with the right shapes")
    batch = dict.fromkeys(range(len(a) - 2), "head")
    streamed = _ordered(streams, sources[0], a, {**batch, len(a) - 2: "row", len(a) - 1: "inner"}, ("inner",))
    ends = ("column", "inner") if node.transpose_b else ("inner", "column")
    stored = _ordered(streams, sources[1], b, {**batch, **dict(zip((len(b) - 2, len(b) - 1), ends, strict=True))}, ends)
    if isinstance(streamed, Obstacle):
        return streamed
    if isinstance(stored, Obstacle):
        return stored
    (first, outside), (second, along) = streamed, stored
    shared = _shared(streams, sources[1], b)
    if isinstance(shared, Obstacle):
        return shared
    heads_inside = outside[:1] != ("head",)
    along_inner = along[-1:] == ("inner",) or (inner == 1 and columns == 1) or (columns == 1 and inner > 1)
    line = inner if along_inner else columns
    size = prod(a[:-2]) * rows
    seen = HeadProducts(
        name=node.name,
        inputs=node.inputs,
        outputs=node.outputs,
        heads=heads,
        rows=rows,
        inner=inner,
        columns=columns,
        heads_inside=heads_inside,
        stored_inside=along[:1] != ("head",),
        along_inner=along_inner,
        shared=shared,
    )
    made, axes = (*a[:-1], columns), list(range(len(a) - 2))
    passing = (len(a) - 2, *axes, len(a) - 1) if heads_inside else tuple(range(len(a)))
    operands = (Operand(first, inner, size), Operand(second, line, heads // shared * inner * columns // line))
    return Taken(seen, operands, order_of(made, passing))


def _alike(streams: Streams, tensor: str) -> str:
    """What to do with an operand that may be the same for all samples."""
    if tensor not in {v.name for v in streams.graph.inputs}:
        return "write it out with an axis for the samples"
    return f"if {tensor!r} is the same for all samples, fix it: `swm frame --fix {json.dumps(tensor)}=FILE.npy`"


def _shared(streams: Streams, tensor: str, shape: tuple[int, ...]) -> int | Obstacle:
    """How many heads in a row share each of those of the second operand."""
    order = streams.orders[tensor]
    again, passing = repeated_parts(order, shape), passing_axes(order, shape)
    heads = [part.place for part in passing or () if part.axis < len(shape) - 2]
    if any(part.axis >= len(shape) - 2 or part.place < max(heads, default=0) for part in again or ()):
        return Obstacle("it reads values of a sample that are repeated", REPEATED)
    return prod(part.size for part in again or ())


def _ordered(
    streams: Streams, tensor: str, shape: tuple[int, ...], role: dict[int, str], last: tuple[str, ...]
) -> tuple[str, tuple[str, ...]] | Obstacle:
    """The stream of a tensor and the roles of its axes in the order in which they pass, one of `last` fastest.

    A tensor whose order is none of these is brought to the model's.
    """
    sizes = {name: prod(shape[axis] for axis, own in role.items() if own == name) for name in set(role.values())}
    real = [name for name in last if sizes[name] > 1]
    roles = _roles(streams, tensor, shape, role)
    if roles is not None and (not real or (roles and roles[-1] in real)):
        return streams.origin[tensor], roles
    if (obstacle := streams.moved(tensor)) is not None:
        return obstacle
    source = streams.brought(tensor, None, shape[-1])
    plain = [name for axis, name in sorted(role.items()) if shape[axis] > 1]
    return source, tuple(dict.fromkeys(plain))


def _roles(streams: Streams, tensor: str, shape: tuple[int, ...], role: dict[int, str]) -> tuple[str, ...] | None:
    """The roles of axes in the order in which they pass, each once; None where one is split or turned."""
    parts = passing_axes(streams.orders[tensor], shape)
    if parts is None:
        return None
    groups: list[str] = []
    behind = -1
    for part in parts:
        name = role.get(part.axis, "other" if len(role) == 1 else "")
        if groups and groups[-1] == name:
            if part.place < behind and name != "other":
                return None
        else:
            if name in groups and name != "other":
                return None
            groups.append(name)
        behind = part.place
    return tuple(groups)
