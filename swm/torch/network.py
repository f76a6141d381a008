# SPDX-License-Identifier: Apache-2.0
"""A Graph as a torch module that learns, and back as a Graph with the weights learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from swm.errors import Finding, UnsupportedModel
from swm.graph import (
    Activation,
    Elementwise,
    Graph,
    GroupNormalization,
    InstanceNormalization,
    LayerNormalization,
    Node,
    Opaque,
    PRelu,
    RMSNormalization,
    quantized,
)
from swm.torch.bits import FixedPoint
from swm.torch.layers import Layer, layer_of, obstacle, trainable
from swm.torch.operators import operator_of
from swm.words import many

__all__ = ["Network"]

ELSEWHERE = "train where the model was made, with swm.torch.structure, and export it again"
FLOAT32 = "train the float32 model that it was made from: --bits rounds in training, emit --bits afterwards"
_LEARNT = (GroupNormalization, InstanceNormalization, LayerNormalization, PRelu, RMSNormalization)


class Network(nn.Module):
    """Typed nodes as modules and functions of torch, in the order of the graph.

    Weights, biases, scales of channels and of normalisations learn; other constants stay.

    Args:
        graph: a float graph.
        output: the tensor to compute.
        bits: round weights, and what layers give, to so many bits at a power of two (`FixedPoint`): what is stored of
            circulant blocks are spectra, as in hardware. None: float.

    Raises:
        UnsupportedModel: nodes on the way to the output that have no gradient here; all are named.
    """

    def __init__(self, graph: Graph, output: str, bits: int | None = None) -> None:
        """See the class."""
        super().__init__()
        self.graph, self.output = graph, output
        self._nodes = graph.needed([output])
        _refuse(graph, self._nodes)
        self.layers = nn.ModuleDict()
        self._names: dict[str, str] = {}  # of nodes; of modules they may not be
        for number, node in enumerate(self._nodes):
            made = layer_of(node, bits)
            if made is not None:
                self._names[node.name] = str(number)
                self.layers[str(number)] = made
        self._constants: dict[str, str] = {}
        self.learnt = nn.ParameterDict()
        self._hold_constants()
        self.rounded = nn.ModuleDict()
        self._rounds: dict[str, str] = {}
        if bits is not None:
            for number, tensor in enumerate(_rounded_tensors(graph, self._nodes)):
                self._rounds[tensor] = str(number)
                self.rounded[str(number)] = FixedPoint(bits)

    def _hold_constants(self) -> None:
        read = {t for node in self._nodes for t in node.inputs if t in self.graph.constants}
        taught = {t for node in self._nodes if isinstance(node, _LEARNT) for t in node.inputs[1:]}
        for number, tensor in enumerate(sorted(read)):
            value = torch.tensor(np.asarray(self.graph.constants[tensor]))
            if tensor in taught and value.is_floating_point():
                self._constants[tensor] = f"learnt{number}"
                self.learnt[f"learnt{number}"] = nn.Parameter(value)
            else:
                self._constants[tensor] = f"constant{number}"
                self.register_buffer(f"constant{number}", value, persistent=False)

    def _constant(self, tensor: str) -> Tensor:
        name = self._constants[tensor]
        value: Tensor = self.learnt[name] if name in self.learnt else getattr(self, name)
        return value

    def forward(self, feeds: Mapping[str, Tensor]) -> Tensor:
        """The output, from inputs by name."""
        known: dict[str, Tensor] = {t: self._rounded(t, x) for t, x in feeds.items()}
        for node in self._nodes:
            inputs = [None if not t else known[t] if t in known else self._constant(t) for t in node.inputs]
            found = self._run(node, inputs)
            for tensor, value in zip(node.outputs, found if isinstance(found, tuple) else (found,), strict=False):
                known[tensor] = self._rounded(tensor, value)
        return known[self.output]

    def _run(self, node: Node, inputs: list[Tensor | None]) -> Any:
        if node.name in self._names:
            return self.layers[self._names[node.name]](*inputs)
        operator = operator_of(node)
        assert operator is not None  # _refuse has seen to it
        return operator(node, inputs)

    def _rounded(self, tensor: str, value: Tensor) -> Tensor:
        return self.rounded[self._rounds[tensor]](value) if tensor in self._rounds else value

    @torch.no_grad()
    def choose_formats(self, feeds: Mapping[str, Tensor]) -> None:
        """Choose the binary points of what layers give, from some samples."""
        for point in self.rounded.values():
            point.frac.fill_(float("nan"))
        training = self.training
        self.eval()(feeds)
        self.train(training)

    def to_graph(self) -> Graph:
        """The graph with the weights as they are now, unrounded, in the structures that they have."""
        nodes = []
        for node in self.graph.nodes:
            layer = self.layers[self._names[node.name]] if node.name in self._names else None
            nodes.append(layer.node() if isinstance(layer, Layer) else node)
        constants = dict(self.graph.constants)
        for tensor, name in self._constants.items():
            if name in self.learnt:
                constants[tensor] = self.learnt[name].detach().cpu().numpy().copy()
        return replace(self.graph, constants=constants).with_nodes(nodes)


def _refuse(graph: Graph, nodes: list[Node]) -> None:
    """Raise UnsupportedModel for nodes that cannot be trained, or through which no gradient passes."""
    findings = []
    for node in nodes:
        reason = obstacle(node)
        if not reason and not trainable(node) and operator_of(node) is None:
            reason = "an operator that swm carries along unread" if isinstance(node, Opaque) else "no gradient here"
        if reason:
            remedy = FLOAT32 if type(node).__module__ == quantized.__name__ else ELSEWHERE
            findings.append(Finding(node.name, node.op_name, reason, remedy))
    if findings:
        what = f"{graph.source or graph.name!r} cannot be trained as it is; {many(len(findings), 'node')} in the way:"
        raise UnsupportedModel(what, findings)


def _rounded_tensors(graph: Graph, nodes: list[Node]) -> list[str]:
    """Where hardware rounds: the inputs, and what layers, sums and activations give, the latter fused where alone."""
    readers = graph.consumers()
    found = [v.name for v in graph.inputs if v.type is not None and v.type.elem == 1]
    for node in nodes:
        if not (trainable(node) or isinstance(node, Activation | Elementwise)):
            continue
        for tensor in node.outputs[:1]:
            next_ones = readers.get(tensor, [])
            fused = len(next_ones) == 1 and isinstance(next_ones[0], Activation) and trainable(node)
            if tensor and not fused:
                found.append(tensor)
    return list(dict.fromkeys(found))
