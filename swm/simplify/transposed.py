# SPDX-License-Identifier: Apache-2.0
"""Transposed convolutions as convolutions whose outputs are laid beside each other, so that they can be structured.

Of a transposed convolution of stride s the outputs s q + r of one r are a convolution of the input with every s-th
weight of the kernel (the sub-pixel form of Shi et al., "Is the deconvolution layer the same as a convolutional
layer?", 2016). One convolution computes those of all r as channels of their own, and DepthToSpace, or a Reshape where
there is one axis, lays them out. No zero is put between inputs; where s does not divide the kernel, its last weights
are zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.graph import (
    Activation,
    Conv,
    ConvTranspose,
    DepthToSpace,
    Graph,
    Names,
    Node,
    Pad,
    Reshape,
    Transpose,
    node_names,
    tensor_names,
)
from swm.onnx_io import reread
from swm.structure import Dense

__all__ = ["as_convolutions"]

_OPEN: Any = {"name": "", "inputs": (), "outputs": ()}  # ends that are joined last


def as_convolutions(graph: Graph) -> Graph:
    """The graph with its transposed convolutions as convolutions, and pixels shuffled in the order of whole pixels.

    A transposed convolution stays as it is where it has groups, dilations, strides that differ along its two axes, or
    cuts off more than its kernel adds. A DepthToSpace of mode CRD (PixelShuffle in PyTorch) behind a convolution
    becomes one of mode DCR: the convolution's channels change places.
    """
    names, tensors = node_names(graph), tensor_names(graph)
    nodes: list[Node] = []
    for node in graph.nodes:
        form = list(_form(node, names, tensors)) if isinstance(node, ConvTranspose) else []
        nodes += form or [node]
    nodes = _whole_pixels(replace(graph, nodes=tuple(nodes)))
    if all(a is b for a, b in zip(nodes, graph.nodes, strict=False)) and len(nodes) == len(graph.nodes):
        return graph
    return reread(replace(graph, nodes=tuple(nodes)))


def _form(node: ConvTranspose, names: Names, tensors: Names) -> Iterator[Node]:
    """The nodes that take the place of one; none where it stays."""
    rank, kernel = len(node.kernel), node.kernel
    strides = set(node.strides)
    if node.group != 1 or set(node.dilations) != {1} or len(strides) != 1:
        return
    (stride,) = strides
    before, behind = node.pads[:rank], node.pads[rank:]
    last = [k - 1 + more - cut for k, more, cut in zip(kernel, node.output_padding, behind, strict=True)]
    taps = [-(-k // stride) for k in kernel]
    pads = [t - 1 - cut // stride for t, cut in zip(taps, before, strict=True)] + [e // stride for e in last]
    if min(*pads, *last) < 0:
        return
    cuts = [cut % stride for cut in before] + [stride - 1 - e % stride for e in last]
    weight, phases = _phases(node.weight, stride, taps), stride**rank
    outputs = node.weight.shape[1]
    steps: list[Node] = [
        Conv(
            **_OPEN,
            weight=Dense(weight.reshape(len(weight), -1)),
            bias=None if node.bias is None else np.tile(node.bias, phases),
            channels=node.weight.shape[0],
            kernel=tuple(taps),
            strides=(1,) * rank,
            dilations=(1,) * rank,
            pads=tuple(pads),
        )
    ]
    if stride > 1 and rank == 1:
        steps += [Reshape(**_OPEN, shape=(0, stride, outputs, -1)), Transpose(**_OPEN, perm=(0, 2, 3, 1))]
        steps += [Reshape(**_OPEN, shape=(0, outputs, -1))]
    elif stride > 1:
        steps += [DepthToSpace(**_OPEN, block=stride)]
    if any(cuts):
        steps += [Pad(**_OPEN, pads=(0, 0, *(-c for c in cuts[:rank]), 0, 0, *(-c for c in cuts[rank:])))]
    tensor = node.inputs[0]
    for step in steps:
        output = node.outputs[0] if step is steps[-1] else tensors.unique(f"{node.name}/{step.op}")
        name = node.name if step is steps[0] else names.unique(f"{node.name}/{step.op}")
        yield replace(step, name=name, inputs=(tensor,), outputs=(output,))
        tensor = output


def _phases(kernel: NDArray[np.float32], stride: int, taps: list[int]) -> NDArray[np.float32]:
    """(C, M, kernel...) → (stride... * M, C, taps...): what each output of a pixel multiplies, the last tap first."""
    rank = len(taps)
    size = [(0, t * stride - k) for t, k in zip(taps, kernel.shape[2:], strict=True)]
    full = np.pad(kernel, [(0, 0), (0, 0), *size])
    split = full.reshape(*full.shape[:2], *(n for t in taps for n in (t, stride)))
    tap_axes, phase_axes = [2 + 2 * a for a in range(rank)], [3 + 2 * a for a in range(rank)]
    laid = np.flip(split, tuple(tap_axes)).transpose(*phase_axes, 1, 0, *tap_axes)
    return np.ascontiguousarray(laid.reshape(-1, *laid.shape[rank + 1 :]))


def _whole_pixels(graph: Graph) -> list[Node]:
    """The nodes, with DepthToSpace of mode DCR wherever a convolution before it can take the change of channels."""
    producers, consumers = graph.producers(), graph.consumers()
    ends = {v.name for v in graph.outputs}
    changed: dict[int, Node] = {}
    for node in graph.nodes:
        if not isinstance(node, DepthToSpace) or node.mode != "CRD":
            continue
        before: Node | None = node
        while before is node or (isinstance(before, Activation) and len(before.inputs) == 1):
            tensor = before.inputs[0]
            alone = len(consumers.get(tensor, ())) == 1 and tensor not in ends
            before = producers.get(tensor) if alone else None
        if isinstance(before, Conv) and isinstance(before.weight, Dense) and before.group == 1:
            changed[id(before)] = _shuffled(before, node.block**2)
            changed[id(node)] = replace(node, mode="DCR")
    return [changed.get(id(node), node) for node in graph.nodes]


def _shuffled(node: Conv, pixels: int) -> Conv:
    """Rows of channels [channel][pixel] as [pixel][channel]."""
    assert isinstance(node.weight, Dense)
    matrix = node.weight.to_dense()
    order = np.arange(len(matrix)).reshape(-1, pixels).T.reshape(-1)
    bias = None if node.bias is None else node.bias[order]
    return replace(node, weight=Dense(np.ascontiguousarray(matrix[order])), bias=bias)
