# SPDX-License-Identifier: Apache-2.0
"""One layer of a conversion: fitted, and what that cost of its weights and of its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from swm.compress.activation_pairs import ActivationPairs
from swm.compress.fit_layers import fit_conv, fit_linear, fit_own
from swm.compress.fit_recurrent import fit_recurrent, fit_recurrent_own
from swm.compress.methods import Method
from swm.compress.weights import WeightRef
from swm.engine.structured import StructuredLayer
from swm.graph import Conv, Graph, Linear, Node, Recurrent, is_structured, runs_dense
from swm.progress import Note, Progress
from swm.structure import BlockCirculant, Dense, WeightStructure

__all__ = [
    "converted_layer",
    "first",
    "is_dense",
    "is_product",
    "noting",
    "output_error",
    "relative",
    "weight_error",
    "weights_of",
]

ERROR_SAMPLES = 512  # for the errors of outputs
Array = NDArray[Any]


def noting(say: Progress, what: str, done: int, total: int) -> Note:
    """Tells of a step from within."""
    return lambda part: say(f"{what}: {part}", done, total)


def converted_layer(
    node: Node,
    blocks: Mapping[str, int],
    method: Method,
    pairs: ActivationPairs | None,
    structure: type[WeightStructure],
) -> Node:
    """The node's successor with these block sizes by role; the node itself if there are none."""
    if not blocks:
        return node
    match node:
        case Linear() | Conv() if structure is not BlockCirculant:
            return fit_own(node, structure, blocks[""], method, pairs)
        case Linear():
            return fit_linear(node, blocks[""], method, pairs)
        case Conv():
            return fit_conv(node, blocks[""], method, pairs)
        case Recurrent() if structure is not BlockCirculant:
            return fit_recurrent_own(node, structure, blocks, method, pairs)
        case Recurrent():
            return fit_recurrent(node, blocks, method, pairs)
        case _:
            return node


def weights_of(node: Node, role: str) -> tuple[WeightStructure, ...]:
    """The matrices of a role, one a direction."""
    match node:
        case Linear() | Conv():
            return (node.weight,)
        case Recurrent():
            return node.input_weight if role == "W" else node.recurrent_weight
        case _:
            return ()


def is_product(node: Node) -> TypeGuard[Linear | Conv]:
    """Whether a node multiplies by one matrix or kernel."""
    return isinstance(node, Linear | Conv)


def is_dense(node: Node) -> TypeGuard[Linear | Conv]:
    """Whether a node has one weight, which can be refitted without losing how it is stored."""
    return isinstance(node, Linear | Conv) and isinstance(node.weight, Dense)


def first(feeds: Mapping[str, Array], samples: int) -> dict[str, Array]:
    """The first samples."""
    return {t: a[:samples] if a.ndim else a for t, a in feeds.items()}


def relative(got: Array, wanted: Array) -> float:
    """Norm of the difference over that of what was wanted."""
    return float(np.linalg.norm(got - wanted) / max(float(np.linalg.norm(wanted)), 1e-30))


def weight_error(ref: WeightRef, new: Node) -> float:
    """Relative error of the weights themselves."""
    old, now = (np.stack([w.to_dense() for w in weights_of(n, ref.role)]) for n in (ref.node, new))
    return relative(now, old)


def output_error(pairs: ActivationPairs, node: Node, new: Node, inside: Graph | None = None) -> float:
    """Relative error of the layer's first output in the converted network so far, over about `ERROR_SAMPLES`.

    Args:
        pairs: with the converted network before the layer.
        node: dense.
        new: what became of it.
        inside: the converted network with the layer in it, where it is more than one node.
    """
    if new is node and pairs.converted is pairs.dense:
        return 0.0
    name = next(t for t in node.outputs if t)
    own = inside is None and ((is_structured(new) and not runs_dense(new)) or isinstance(new, Linear))
    converted = inside or pairs.converted
    if inside is None and new is not node and not own:
        converted = converted.with_replaced(node, new)  # a refitted convolution runs in onnxruntime
    names = tuple(t for t in new.inputs if t) if own else (name,)
    wrong = total = 0.0
    samples = 0
    layer = StructuredLayer(new) if own else None
    if converted is not pairs.converted:
        pairs = ActivationPairs(pairs.dense, converted, pairs.feeds, pairs.note)
    for read, (wanted,) in pairs.chunks(names, (name,)):
        given = dict(zip(names, read, strict=True))
        got = layer([given.get(t) for t in new.inputs])[new.outputs.index(name)] if layer else read[0]
        wrong += float(np.sum(np.square(got - wanted), dtype=np.float64))
        total += float(np.sum(np.square(wanted), dtype=np.float64))
        samples += len(wanted)
        if samples >= ERROR_SAMPLES:
            break
    return float(np.sqrt(wrong / max(total, 1e-60)))
