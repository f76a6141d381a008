# SPDX-License-Identifier: Apache-2.0
"""From a float graph to the chain of layers that hardware runs: what fuses, what is free, what is in the way."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swm.errors import Finding, UnsupportedModel
from swm.fixed.spec import Activation, Kind
from swm.graph import Affine, Cast, Graph, Linear, Node, Relu, Reshape, Sigmoid, Softmax, Tanh
from swm.structure import WeightStructure

__all__ = ["HARDWARE", "FloatLayer", "Lowered", "hardware_findings", "lower", "safe_identifier"]

FLOAT = 1  # onnx.TensorProto.FLOAT
_WIDEST = 1 << 20  # values a sample of a scale or activation before any layer; a model file may declare any shape
_LARGEST_BLOCK = 256  # of the tables of hls/swm
ACTIVATIONS: dict[type[Node], Activation] = {Relu: "relu", Sigmoid: "sigmoid", Tanh: "tanh"}
# Where each node runs; every other one, typed or opaque, is in the way. "free" moves nothing, "host" follows the chain.
HARDWARE: dict[type[Node], str] = {
    Linear: "kernel",
    Affine: "kernel",
    **dict.fromkeys(ACTIVATIONS, "kernel"),
    Reshape: "free",
    Cast: "free",
    Softmax: "host",
}


@dataclass(frozen=True, eq=False)
class FloatLayer:
    """One hardware layer, still in float: a product or scale, its bias and the activation fused behind it.

    Attributes:
        name: C identifier, unique in the chain.
        node: name of the node that gives the layer its weights (any text).
        kind: circulant, dense or scale.
        weight: the matrix of a circulant or dense layer, None for scale.
        scale: (n,) gains of a scale layer, None otherwise.
        bias: (m,) float32.
        activation: fused activation.
        input: tensor that the layer reads.
        output: tensor that the layer writes, after the activation.
        m: outputs.
        n: inputs.
    """

    name: str
    node: str
    kind: Kind
    weight: WeightStructure | None
    scale: NDArray[np.float32] | None
    bias: NDArray[np.float32]
    activation: Activation
    input: str
    output: str
    m: int
    n: int

    @property
    def block(self) -> int:
        """Block size of a circulant layer, 1 otherwise."""
        return int(getattr(self.weight, "block", 1))


@dataclass(frozen=True, eq=False)
class Lowered:
    """A chain of layers and what the host does after it."""

    layers: tuple[FloatLayer, ...]
    host: tuple[str, ...]
    input: str
    output: str


def safe_identifier(text: str, longest: int = 24) -> str:
    """ASCII letters, digits and single underscores of `text`: safe inside C++, Tcl, Makefiles and file names.

    The result may be empty or start with a digit; callers put a fixed prefix before it.
    """
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")[:longest].strip("_")


def hardware_findings(graph: Graph) -> tuple[Finding, ...]:
    """Every node, input or output that keeps the graph from being emitted as hardware; empty if nothing does."""
    return _Chain(graph).findings


def lower(graph: Graph) -> Lowered:
    """Fuse a float graph into hardware layers.

    Raises:
        UnsupportedModel: nodes are in the way; all of them are listed.
    """
    chain = _Chain(graph)
    if chain.findings:
        what = f"{graph.source or graph.name!r} cannot become hardware as it is; {len(chain.findings)} obstacle(s):"
        raise UnsupportedModel(what, chain.findings)
    return Lowered(tuple(chain.layers), tuple(chain.host), graph.inputs[0].name, graph.outputs[0].name)


class _Chain:
    """Walks the nodes once, in execution order, and collects layers and findings."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.layers: list[FloatLayer] = []
        self.host: list[str] = []
        found: list[Finding] = []
        if len(graph.inputs) != 1 or len(graph.outputs) != 1:
            reason = f"the graph has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs"
            found.append(Finding(graph.name, "graph", reason, "hardware takes one of each; split the model"))
        self.tensor = graph.inputs[0].name if graph.inputs else ""
        self.width = self._input_width()
        self.lost = False  # whether a node without kernel has hidden the width
        readers = graph.consumers()
        for node in graph.nodes:
            problem = self._take(node, readers)
            if problem:
                found.append(Finding(node.name, getattr(node, "op_type", node.op), *problem))
        if not found and not self.layers:
            remedy = "give a model with at least one matrix product"
            found.append(Finding(graph.name, "graph", "no layer with weights was found", remedy))
        if not found and self.tensor != graph.outputs[0].name:
            found.append(
                Finding(graph.name, "graph", "the output is not the end of the chain", "export the model again")
            )
        self.findings = tuple(found)

    def _input_width(self) -> int | None:
        known = self.graph.types.get(self.tensor) or (self.graph.inputs[0].type if self.graph.inputs else None)
        if known is None or known.shape is None or not known.shape:
            return None
        width = 1
        for size in known.shape[1:]:
            if not isinstance(size, int):
                return None
            width *= size
        return width

    def _take(self, node: Node, readers: dict[str, list[Node]]) -> tuple[str, str] | None:
        """Add a node to the chain, or say (reason, remedy) why not."""
        if not isinstance(node, tuple(HARDWARE)):
            if self.tensor in node.inputs and node.outputs:  # go on behind it, so that every obstacle is found
                self.tensor, self.width, self.lost = node.outputs[0], None, True
            return "no hardware kernel for this operator", "remove it, or run this part of the model on the host"
        if node.inputs[0] != self.tensor:
            return (
                "it does not read the layer before it",
                "hardware takes a plain chain; branches are not supported yet",
            )
        if len(readers.get(self.tensor, ())) > 1:
            return "its input feeds several nodes", "hardware takes a plain chain; branches are not supported yet"
        problem = self._append(node)
        self.tensor = node.outputs[0]
        return problem

    def _append(self, node: Node) -> tuple[str, str] | None:
        if self.host and not isinstance(node, Softmax | Reshape):
            return (
                f"it follows {self.host[-1]}, which runs on the host",
                "Softmax is supported at the end of a model only",
            )
        if isinstance(node, Linear):
            return self._linear(node)
        if isinstance(node, Affine):
            return self._affine(node)
        if type(node) in ACTIVATIONS:
            return self._activation(node, ACTIVATIONS[type(node)])
        if isinstance(node, Softmax):
            self.host.append(node.op)
            return None
        if isinstance(node, Cast) and node.to != FLOAT:
            return "it casts to a type other than float", "remove the cast; formats are chosen by calibration"
        return None  # Reshape and Cast: the order of elements in memory does not change, which is free in hardware

    def _linear(self, node: Linear) -> tuple[str, str] | None:
        m, n = node.weight.shape
        if self.width is not None and self.width != n:
            return (
                f"it multiplies {n} values while the tensor before it holds {self.width} a sample",
                "hardware takes one vector a sample: a Flatten is missing, or the product runs over several positions",
            )
        if node.weight.size > _LARGEST_BLOCK:
            return f"its blocks hold {node.weight.size} values", f"hardware takes blocks of at most {_LARGEST_BLOCK}"
        bias = np.zeros(m, np.float32) if node.bias is None else node.bias
        kind: Kind = "circulant" if hasattr(node.weight, "block") else "dense"
        self._add(node, kind, node.weight, None, bias, n)
        self.width = m
        return None

    def _affine(self, node: Affine) -> tuple[str, str] | None:
        if self.width is None and self.lost:
            return None  # the obstacle before it is reported already
        if self.width is None:
            return "the number of values a sample is unknown", "export the model with static shapes but for the batch"
        if self.width > _WIDEST:
            return _too_wide(self.width)
        channels = len(node.scale)
        if channels not in (1, self.width):
            return f"{channels} channels over {self.width} values a sample", "only per-value scales are supported"
        scale, shift = (np.ascontiguousarray(np.broadcast_to(v, (self.width,))) for v in (node.scale, node.shift))
        self._add(node, "scale", None, scale, shift, self.width)
        return None

    def _activation(self, node: Node, activation: Activation) -> tuple[str, str] | None:
        last = self.layers[-1] if self.layers else None
        if last is not None and last.activation == "identity":
            self.layers[-1] = FloatLayer(**{**vars(last), "activation": activation, "output": node.outputs[0]})
            return None
        if self.width is None and self.lost:
            return None  # the obstacle before it is reported already
        if self.width is None:
            return "the number of values a sample is unknown", "export the model with static shapes but for the batch"
        if self.width > _WIDEST:
            return _too_wide(self.width)
        ones, zeros = np.ones(self.width, np.float32), np.zeros(self.width, np.float32)
        self._add(node, "scale", None, ones, zeros, self.width)
        return self._activation(node, activation)

    def _add(
        self,
        node: Node,
        kind: Kind,
        weight: WeightStructure | None,
        scale: NDArray[np.float32] | None,
        bias: NDArray[np.float32],
        n: int,
    ) -> None:
        name = f"l{len(self.layers)}_{safe_identifier(node.name) or kind}"
        layer = FloatLayer(
            name, node.name, kind, weight, scale, bias, "identity", node.inputs[0], node.outputs[0], len(bias), n
        )
        self.layers.append(layer)


def _too_wide(width: int) -> tuple[str, str]:
    return f"it takes {width:,} values a sample", f"hardware takes at most {_WIDEST:,}: use smaller inputs"
