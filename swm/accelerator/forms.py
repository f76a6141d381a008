# SPDX-License-Identifier: Apache-2.0
"""What exporters write as several nodes, or with constants as inputs, in the one form that a layer kind takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from swm.accelerator.constants import masks, with_offsets, with_rotations
from swm.accelerator.crops import with_crops
from swm.accelerator.pooled import pooled
from swm.accelerator.spread import spread
from swm.accelerator.weighted_sums import with_weighted_sums
from swm.graph import (
    Affine,
    DequantizeLinear,
    Expand,
    Graph,
    HardSigmoid,
    HardSwish,
    LayerNormalization,
    LeakyRelu,
    Mish,
    Mul,
    Node,
    PRelu,
    Quant,
    QuantizeLinear,
    RMSNormalization,
    Sigmoid,
    Softmax,
    Softplus,
    Swish,
    Tanh,
)
from swm.layers.activations import Levels
from swm.layers.layernorm import Normalize
from swm.layers.offset import Offsets
from swm.layers.prelu import ChannelSlopes
from swm.layers.rmsnorm import RmsNormalize
from swm.layers.softmax import SoftRows

__all__ = ["normal_forms"]

_SIXTH = 1e-6  # how far the slope of a HardSigmoid may be from 1/6, and its offset from 1/2


def normal_forms(graph: Graph) -> Graph:
    """The graph with named activations and with constants inside the nodes that need them.

    `x * Sigmoid(x)` is a Swish (SiLU), `x * HardSigmoid(x)` a HardSwish, `x * Tanh(Softplus(x))` a Mish; a PRelu of one
    slope is a LeakyRelu, a Quant of constant numbers, one each, a Levels; a scale and a mask before a Softmax are part
    of it; constants that meet every value of a sample are Offsets, rotary embeddings Rotations; a part of a tensor is a
    Pad that cuts the rest off; a mean or greatest value along one axis of an image is pooling, a vector repeated for
    every position a Resize, a weighted sum of a sequence a product. Nodes that nothing reads any more stay; tensors
    keep their names.
    """
    graph = with_offsets(with_crops(with_rotations(with_weighted_sums(graph))))
    writers = graph.producers()
    return replace(graph, nodes=tuple(_form(graph, writers, node) for node in graph.nodes))


def _form(graph: Graph, writers: dict[str, Node], node: Node) -> Node:
    if isinstance(node, Mul) and len(node.inputs) == 2:
        for x, gate in (node.inputs, node.inputs[::-1]):
            named = _gated(x, writers.get(gate), writers)
            if named is not None:
                return named(name=node.name, inputs=(x,), outputs=node.outputs)
    if isinstance(node, PRelu) and node.inputs[1] in graph.constants:
        slopes = np.asarray(graph.constants[node.inputs[1]])
        name, inputs, outputs = node.name, node.inputs[:1], node.outputs
        if slopes.size and (slopes == slopes.flat[0]).all():
            return LeakyRelu(name=name, inputs=inputs, outputs=outputs, alpha=float(slopes.flat[0]))
        slopes = slopes.reshape(_without_ones(slopes.shape))
        return ChannelSlopes(name=name, inputs=inputs, outputs=outputs, slopes=slopes)
    if isinstance(node, Quant):
        return _levels(graph, node) or node
    if isinstance(node, DequantizeLinear):
        return _levels_of_pair(graph, writers.get(node.inputs[0]), node) or node
    if isinstance(node, Softmax):
        return _softmax(writers, node)
    if isinstance(node, Expand):
        return spread(graph, node) or node
    if isinstance(node, LayerNormalization) and all(t in graph.constants for t in node.inputs[1:] if t):
        gains, *offsets = (np.asarray(graph.constants[t], np.float32) for t in node.inputs[1:] if t)
        return Normalize(
            name=node.name,
            inputs=node.inputs[:1],
            outputs=node.outputs[:1],
            gains=gains,
            offsets=offsets[0] if offsets else np.zeros_like(gains),
            axis=node.axis,
            epsilon=node.epsilon,
        )
    if isinstance(node, RMSNormalization) and node.inputs[1] in graph.constants:
        gains = np.asarray(graph.constants[node.inputs[1]], np.float32)
        return RmsNormalize(
            name=node.name,
            inputs=node.inputs[:1],
            outputs=node.outputs,
            gains=gains,
            offsets=np.zeros_like(gains),
            axis=node.axis,
            epsilon=node.epsilon,
        )
    return pooled(graph, writers, node) or node


def _softmax(writers: dict[str, Node], node: Softmax) -> Node:
    """A Softmax takes the scale before it into its exponents, and a mask of attention as a mask.

    A shift of all values alike changes nothing.
    """
    tensor, factor = _scaled(writers, node.inputs[0], 1.0)
    hidden, masked, flat = None, writers.get(tensor), False
    if isinstance(masked, Offsets) and not masked.before + masked.after:
        hidden = masks(masked.table * np.float32(factor))
        flat = bool(np.isfinite(masked.table).all() and (masked.table == masked.table[..., :1]).all())
    if masked is not None and (hidden is not None or flat):
        tensor, factor = _scaled(writers, masked.inputs[0], factor)
    if tensor == node.inputs[0]:
        return node
    return SoftRows(
        name=node.name, inputs=(tensor,), outputs=node.outputs, axis=node.axis, factor=factor, hidden=hidden
    )


def _scaled(writers: dict[str, Node], tensor: str, factor: float) -> tuple[str, float]:
    """What is read before a scale of all values alike, and what it is multiplied by until the Softmax."""
    before = writers.get(tensor)
    if not isinstance(before, Affine) or len(before.scale) != 1 or len(before.shift) != 1:
        return tensor, factor
    both = float(before.scale[0]) * factor
    return (before.inputs[0], both) if 2.0**-6 <= both <= 64 else (tensor, factor)


def _levels(graph: Graph, node: Quant) -> Levels | None:
    """A quantizer by its step and codes (QONNX: an integer zero point moves the codes, and drops out of the values)."""
    numbers = [np.asarray(graph.constants[t], np.float64) for t in node.inputs[1:4] if t in graph.constants]
    if len(numbers) != 3 or any(n.size != 1 for n in numbers) or node.rounding not in ("ROUND", "HALF_EVEN"):
        return None
    step, zero, bits = (float(n.item()) for n in numbers)
    if not step > 0 or zero != round(zero) or bits != round(bits) or not 1 <= bits <= 16:
        return None
    least = -(1 << (int(bits) - 1)) + node.narrow if node.signed else 0
    largest = (1 << (int(bits) - node.signed)) - 1 - (node.narrow and not node.signed)
    low, high = least - round(zero), largest - round(zero)
    return Levels(name=node.name, inputs=node.inputs[:1], outputs=node.outputs, step=step, low=low, high=high)


_RANGES = {2: (0, 255), 3: (-128, 127), 4: (0, 65535), 5: (-32768, 32767), 21: (0, 15), 22: (-8, 7)}
"""Of ONNX's integer types, by number."""


def _levels_of_pair(graph: Graph, first: Node | None, second: DequantizeLinear) -> Levels | None:
    """A QuantizeLinear and the DequantizeLinear behind it, of the same constant scale and zero point."""
    if not isinstance(first, QuantizeLinear) or first.to not in _RANGES or first.block or second.block:
        return None
    sides = [[graph.constants.get(t) for t in node.inputs[1:] if t] for node in (first, second)]
    numbers = [[None if v is None else np.asarray(v, np.float64) for v in side] for side in sides]
    if any(v is None or v.size != 1 for side in numbers for v in side):
        return None
    (step, zero), (other, offset) = ((float(s[0].item()), float(s[1].item()) if s[1:] else 0.0) for s in numbers)  # type: ignore[union-attr]
    if (step, zero) != (other, offset) or not step > 0:
        return None
    low, high = (bound - round(zero) for bound in _RANGES[first.to])
    return Levels(name=second.name, inputs=first.inputs[:1], outputs=second.outputs, step=step, low=low, high=high)


def _gated(x: str, gate: Node | None, writers: dict[str, Node]) -> type[Node] | None:
    """What x times the output of `gate` is, where that is a function of x."""
    if isinstance(gate, Tanh):
        inner = writers.get(gate.inputs[0])
        return Mish if isinstance(inner, Softplus) and inner.inputs[0] == x else None
    if gate is None or gate.inputs[:1] != (x,):
        return None
    if isinstance(gate, Sigmoid):
        return Swish
    sixth = isinstance(gate, HardSigmoid) and abs(gate.alpha - 1 / 6) < _SIXTH and abs(gate.beta - 0.5) < _SIXTH
    return HardSwish if sixth else None


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape without leading axes of one."""
    while len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    return shape
