# SPDX-License-Identifier: Apache-2.0
"""InstanceNormalization and GroupNormalization as LayerNormalization of tokens: each channel, or group, is one.

Their scales and shifts, of channels, follow as an Affine.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.graph import (
    Affine,
    Graph,
    GroupNormalization,
    InstanceNormalization,
    LayerNormalization,
    Names,
    Node,
    Reshape,
    TensorType,
    node_names,
    tensor_names,
)
from swm.simplify.opset import Reach

__all__ = ["groups_as_tokens"]

_OPSET = 17  # has LayerNormalization
_MOST = 1 << 16  # values of a token, for each of which a one is stored
Kind = InstanceNormalization | GroupNormalization


def groups_as_tokens(graph: Graph) -> Graph:
    """The same network by definition; a node stays where its scales, or lengths behind the samples, are not known."""
    if not any(isinstance(node, Kind) for node in graph.nodes):
        return graph
    reach = Reach(graph)
    if not reach.reaches(_OPSET):
        return graph
    made = _Rewriting(graph)
    for node in graph.nodes:
        made.take(node)
    if len(made.constants) == len(graph.constants):
        return graph
    found = replace(graph, nodes=tuple(made.nodes), constants=made.constants, types=made.types)
    return reach.raised(found, _OPSET).verify()


class _Rewriting:
    """The nodes so far."""

    def __init__(self, graph: Graph) -> None:
        self.nodes: list[Node] = []
        self.constants: dict[str, NDArray[Any]] = dict(graph.constants)
        self.types = dict(graph.types)
        self._graph = graph
        self._names: Names = node_names(graph)
        self._tensors: Names = tensor_names(graph)

    def take(self, node: Node) -> None:
        """Add a node, or what it is."""
        kind = self.types.get(node.inputs[0]) if isinstance(node, Kind) else None
        lengths = [d for d in (kind.shape or ())[1:] if isinstance(d, int) and d > 0] if kind is not None else []
        given = [self.constants.get(t) for t in node.inputs[1:3]] if lengths else []
        factors = [np.asarray(f, np.float32).reshape(-1) for f in given if f is not None]
        if kind is None or len(factors) < 2 or len(lengths) + 1 != len(kind.shape or ()):
            self.nodes.append(node)
            return
        assert isinstance(node, Kind)
        channels, rank = lengths[0], len(lengths) + 1
        groups = node.groups if isinstance(node, GroupNormalization) else channels
        divided = groups > 0 and channels % groups == 0 and prod(lengths) // groups <= _MOST
        if not divided or any(len(f) not in (channels, groups) for f in factors):
            self.nodes.append(node)
            return
        scale, shift = (np.repeat(f, channels // len(f)) for f in factors)
        plain = bool((scale == 1).all() and not shift.any())
        steps: list[tuple[type[Node], str, tuple[int, ...], dict[str, Any]]] = []
        tokens = (groups, prod(lengths) // groups)
        if tokens != tuple(lengths):
            steps.append((Reshape, "tokens", tokens, {"shape": (0, *tokens)}))
        steps.append((LayerNormalization, "", tokens, {"epsilon": node.epsilon}))
        if tokens != tuple(lengths):
            steps.append((Reshape, "channels", tuple(lengths), {"shape": (0, *lengths)}))
        if not plain:
            options = {"scale": scale, "shift": shift, "axis": 1 - rank}
            steps.append((Affine, "scaled", tuple(lengths), options))
        self._chain(node, kind, steps)

    def _chain(
        self, node: Node, kind: TensorType, steps: list[tuple[type[Node], str, tuple[int, ...], dict[str, Any]]]
    ) -> None:
        """One node after the other between what a node reads and what it writes."""
        tensor = node.inputs[0]
        for number, (make, what, shape, options) in enumerate(steps):
            end = number == len(steps) - 1
            output = node.outputs[0] if end else self._tensors.unique(f"{node.outputs[0]}/{what or 'normalized'}")
            name = self._names.unique(f"{node.name}/{what}") if what else node.name
            inputs: tuple[str, ...] = (tensor,)
            if make is LayerNormalization:
                gains = self._tensors.unique(f"{node.name}/ones")
                self.constants[gains] = np.ones(shape[-1], np.float32)
                inputs = (tensor, gains)
            self.nodes.append(make(name=name, inputs=inputs, outputs=(output,), **options))
            if not end:
                self.types[output] = TensorType(kind.elem, ((kind.shape or (None,))[0], *shape))
            tensor = output
